"""Which kind of session a run is played in: over ROS 2, or in this process."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

from robot.errors import ConfigError
from sessions.run import Run


class Plays(Protocol):
    """A session, whatever it plays on."""

    def play(self, phase: str, episodes: int = 0, total_steps: int = 0) -> list[dict[str, Any]]:
        """Play a phase; see `sessions.session.Session.play`."""
        ...

    def lines(self, phase: str) -> list[dict[str, Any]]: ...


def open_session(run: Run, is_realtime: bool) -> AbstractContextManager[Plays]:
    """Return the session of a run, for a with-block.

    Raises:
        ConfigError: real time was asked of an environment that has none, or a person is to hold a device without it.
    """
    device = run.config.teleop
    if device.is_real and not is_realtime:
        how = "it has no real time: leave teleop.device out" if run.config.env.is_local else "add --realtime"
        raise ConfigError(f"teleop.device={device.device} is held by a person, who needs real time; {how}.")
    if not run.config.env.is_local:
        from sessions.session import Session

        return Session(run, is_realtime)
    if is_realtime:
        raise ConfigError(f"{run.config.env.id} runs in simulated time, in this process; leave --realtime out.")
    from sessions.local_session import LocalSession

    return LocalSession(run)
