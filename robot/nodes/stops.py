"""Why an episode cannot go on: what the mux says of a stop, and what the actor sees itself."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from robot.errors import ResetStoppedError, RobotError
from robot.mode import Mode
from robot.mux import CommandMux

STOPPED = frozenset({Mode.SOFT_STOP.value, Mode.FAULT.value, Mode.DISABLED.value})
"""Modes of the mux in which an episode that was under way has ended."""

NEED_PERSON = frozenset({Mode.FAULT.value, Mode.DISABLED.value})
"""Modes that a person has to clear."""

SILENCE_S = 0.5
"""A mux that says nothing for so long, at ten statuses a second, is not there; by then the arm has long held."""


def mux_status(mux: CommandMux, since_ns: int, arm: str) -> DiagnosticStatus:
    """Return what `mux/status` tells: the mode, since when [ns], what stopped the last motion, what forbids one now."""
    values = {
        "cause": mux.cause,
        "event": mux.cause_event.value if mux.cause_event is not None else "",
        "since": str(since_ns),
        "blockers": "; ".join(mux.blockers.values()),
    }
    level = {Mode.FAULT: DiagnosticStatus.ERROR, Mode.SOFT_STOP: DiagnosticStatus.WARN}
    status = DiagnosticStatus(name="mux", message=mux.mode.value, hardware_id=arm)
    status.level = level.get(mux.mode, DiagnosticStatus.OK)
    status.values = [KeyValue(key=k, value=v) for k, v in values.items()]
    return status


@dataclass(frozen=True)
class Stop:
    """A stop: mode of the mux, event that led to it, and the cause in a sentence."""

    mode: str
    event: str
    cause: str


class MuxWatch:
    """Follows `mux/status`, and keeps the first stop since `begin`.

    Attributes:
        stop: what has stopped the robot since `begin`; None while nothing has.
    """

    def __init__(self) -> None:
        self.stop: Stop | None = None
        self._mode = ""
        self._values: dict[str, str] = {}
        self._known: tuple[str, str] = ("", "")
        self._heard = time.monotonic()

    def take(self, status: Any) -> None:
        """Take a status (diagnostic_msgs/DiagnosticStatus): its message is the mode."""
        self._heard = time.monotonic()
        self._mode = status.message
        self._values = {value.key: value.value for value in status.values}
        if self.is_stopped and self._signature != self._known and self.stop is None:
            self.stop = Stop(
                self._mode, self._values.get("event", ""), self.cause or f"the mux is in mode {self._mode}"
            )

    def begin(self) -> None:
        """From now on a stop counts; one that is there already does not."""
        self.stop = None
        self._known = self._signature
        self._heard = time.monotonic()

    @property
    def is_stopped(self) -> bool:
        """Whether the newest status says that nothing moves before somebody has cleared it."""
        return self._mode in STOPPED

    @property
    def cause(self) -> str:
        """What the mux says forbids motion now, or stopped the last one; "" for nothing."""
        return self._values.get("cause", "") or self._values.get("blockers", "")

    @property
    def may_reset(self) -> bool:
        """Whether a reset need not wait: nothing forbids motion, or only a person can go on from here."""
        return self.needs_person or not self._values.get("blockers", "")

    @property
    def needs_person(self) -> bool:
        """Whether the newest status says that only a person can go on from here."""
        return self._mode in NEED_PERSON

    @property
    def silence(self) -> Stop | None:
        """A stop where the mux, once heard, has fallen silent."""
        silent_s = time.monotonic() - self._heard
        if not self._mode or silent_s < SILENCE_S:
            return None
        return self.seen("node_silent", f"The mux has been silent for {silent_s:.1f} s.")

    def broken(self, is_realtime: bool) -> Stop | None:
        """Return the stop since `begin`, or in real time the one of a mux fallen silent."""
        return self.stop or (self.silence if is_realtime else None)

    def seen(self, event: str, cause: str) -> Stop:
        """Return a stop that the actor itself saw."""
        return Stop(self._mode, event, cause)

    def reset_error(self, sentence: str, stop: Stop | None) -> RobotError:
        """Return what to raise where a reset failed with `sentence`, to which it adds the cause.

        Only where something stopped it is there use in another try.
        """
        cause = (self.cause if stop is None else stop.cause).rstrip(".")
        told = sentence if cause in sentence else f"{sentence.rstrip('.')} ({cause})."
        return RobotError(told) if stop is None else ResetStoppedError(told, stop.mode in NEED_PERSON)

    @property
    def _signature(self) -> tuple[str, str]:
        return self._mode, self._values.get("since", "")
