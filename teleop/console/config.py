"""Settings of the operator's console."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from robot.errors import ConfigError
from robot.settings import Settings, setting


@dataclass(frozen=True)
class ConsoleConfig(Settings):
    """The page that shows a session and may drive it."""

    is_on: bool = setting(False, "serve the console; teleop.device=browser does so in any case")
    host: str = setting("127.0.0.1", "address to listen on; another than loopback lets other computers in")
    port: int = setting(8765, "port; 0 takes a free one", low=0, high=65535)
    clear_timeout_s: float = setting(
        600.0, "real time: so long a session waits for somebody to clear a fault", unit="s", low=1.0, high=86_400.0
    )
    picture_rate_hz: float = setting(15.0, "pictures of each camera a second", unit="Hz", low=0.5, high=60.0)
    picture_quality: int = setting(80, "JPEG quality", low=10, high=100)

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            raise ConfigError(
                f"console.host must be an IP address such as 127.0.0.1 or 0.0.0.0; found {self.host!r}."
            ) from None

    @property
    def is_loopback(self) -> bool:
        """Whether only this computer can see the page."""
        return ipaddress.ip_address(self.host).is_loopback
