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
        ConfigError: real time was asked of an environment that has none, or a person's device.
    """
    if not run.config.env.is_local:
        from sessions.session import Session

        return Session(run, is_realtime)
    if is_realtime:
        raise ConfigError(f"{run.config.env.id} runs in simulated time, in this process; leave --realtime out.")
    if run.config.teleop.is_real:
        raise ConfigError(
            f"{run.config.env.id} runs in this process, without a person; set teleop.device=simulated, or leave --env "
            "out to teleoperate over ROS 2."
        )
    from sessions.local_session import LocalSession

    return LocalSession(run)
