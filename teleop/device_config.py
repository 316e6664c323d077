"""How a person's input device becomes a command: which one, its feel, and what its buttons mean."""

from __future__ import annotations

from dataclasses import dataclass

from robot.errors import ConfigError
from robot.settings import Settings, setting

DEVICES = ("simulated", "spacemouse", "gamepad", "keyboard", "browser", "leader")

MEANINGS = ("engage", "success", "failure", "discard")

BUTTONS = {
    "spacemouse": {"engage": "left", "success": "right"},
    "keyboard": {"engage": "space", "success": "y", "failure": "n", "discard": "delete"},
    "browser": {name: name for name in MEANINGS},
    "gamepad": {"engage": "right_shoulder", "success": "a", "failure": "b", "discard": "y"},
}
"""What the buttons mean where nobody says otherwise."""


@dataclass(frozen=True)
class DeviceConfig(Settings):
    """Who or what teleoperates, and how its device feels in the hand."""

    device: str = setting(
        "simulated",
        "what the person holds; browser: the console's page; leader: an arm whose tool's pose comes as leader/pose; "
        "simulated: section operator acts",
        choices=DEVICES,
    )
    engages: str = setting(
        "hold",
        "who has control: hold: while the button engage is held; touch: while an axis is deflected",
        choices=("hold", "touch"),
    )
    buttons: tuple[str, ...] = setting(
        (), "meaning=button, for example engage=left; meanings are engage, success, failure, discard"
    )
    centre: tuple[float, ...] = setting((0.0,) * 6, "readings of the axes at rest", low=-0.9, high=0.9)
    reach: tuple[float, ...] = setting((1.0,) * 6, "way of each axis from rest to its end", low=0.05, high=2.0)
    dead_zone: float = setting(0.1, "deflection, of moving or of turning, below which nothing moves", low=0.0, high=0.9)
    curve: float = setting(
        1.5, "speed goes with this power of the deflection: above 1 it is finer near rest", low=0.2, high=5.0
    )
    gain: float = setting(1.0, "share of the action's scale at full deflection", low=0.01, high=1.0)
    facing_deg: float = setting(
        0.0,
        "where the person looks, as a turn from the base's x axis: 180 is face to face with the robot",
        unit="deg",
        low=-180.0,
        high=180.0,
    )
    touch_on: float = setting(0.2, "touch: a deflection above this takes over", low=0.01, high=1.0)
    touch_off: float = setting(0.1, "touch: one below this, for linger_s, lets go", low=0.0, high=1.0)
    linger_s: float = setting(0.3, "touch: so long the person keeps control at rest", unit="s", low=0.0, high=5.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, values in (("centre", self.centre), ("reach", self.reach)):
            if len(values) != 6:
                raise ConfigError(f"teleop.{name} must have six numbers, x y z rx ry rz; found {len(values)}.")
        if self.touch_off >= self.touch_on:
            raise ConfigError(
                f"teleop.touch_off must be below touch_on, or control would flicker; found {self.touch_off} and "
                f"{self.touch_on}."
            )
        for pair in self.buttons:
            meaning, _, button = pair.partition("=")
            if meaning not in MEANINGS or not button:
                raise ConfigError(
                    f"teleop.buttons takes meaning=button with a meaning of {', '.join(MEANINGS)}; found {pair!r}."
                )

    @property
    def is_real(self) -> bool:
        """Whether a person holds a device."""
        return self.device != "simulated"

    @property
    def meanings(self) -> dict[str, str]:
        """Button by meaning: the device's own, and over them what is set."""
        own = BUTTONS.get(self.device, {})
        return own | dict(pair.partition("=")[::2] for pair in self.buttons)
