"""The owner of a gripper: a thread drives the blocking device, and of all commands only the newest counts."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from robot.errors import RobotError
from robot.interfaces import Gripper, GripperState

SLACK = 1e-6
"""A command may leave [0, 1] by this much: rounding in a client is no mistake of a person."""
STOP_TIMEOUT_S = 2.0

Done = Callable[[bool, str], None]
"""Called from the worker with whether a job succeeded, and a sentence where it did not."""


class FollowingClock:
    """A clock that shows the newest stamp it was told; who sleeps on it wakes when that has come."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns
        self._moved = threading.Condition()

    def advance(self, stamp_ns: int) -> None:
        with self._moved:
            self._now_ns = max(self._now_ns, stamp_ns)
            self._moved.notify_all()

    def now_ns(self) -> int:
        return self._now_ns

    def sleep_until(self, stamp_ns: int) -> None:
        """Wait until the stamp has come, at most a tenth of a second of the wall's time: who waits looks again."""
        with self._moved:
            self._moved.wait_for(lambda: self._now_ns >= stamp_ns, timeout=0.1)


@dataclass(frozen=True)
class _Job:
    """Go to `opening` in [0, 1], or home where it is None."""

    opening: float | None
    done: Done | None = None

    def end(self, is_success: bool, text: str = "") -> None:
        if self.done is not None:
            self.done(is_success, text)


class GripperServer:
    """Takes openings in [0, 1] (0 closed) and hands the newest to the device; commands never queue up.

    server.start()
    server.accept([0.3])        # "" or why it was refused
    server.state()
    server.stop()

    A device that fails latches a fault: the fingers stay where they are and everything is refused until `reset_fault`.
    """

    def __init__(self, device: Gripper, force_n: float) -> None:
        self._device = device
        self._force_n = force_n
        self._changed = threading.Condition()
        self._next: _Job | None = None
        self._running: _Job | None = None
        self._is_stopping = False
        self._thread: threading.Thread | None = None
        self.fault = ""
        self.counters: dict[str, int] = {}

    def start(self) -> None:
        """Start the worker; the device must be connected."""
        self._is_stopping = False
        self._next = None
        self._thread = threading.Thread(target=self._work, name="gripper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the fingers and end the worker; may be called twice."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(STOP_TIMEOUT_S)
            self._thread = None

    def state(self) -> GripperState:
        return self._device.read()

    def accept(self, values: Sequence[float]) -> str:
        """Take a command of one value in [0, 1]; return "" or the reason for which it was refused (and counted)."""
        if len(values) != 1:
            return self._refuse("not one value")
        value = float(values[0])
        if not math.isfinite(value):
            return self._refuse("not finite")
        if not -SLACK <= value <= 1.0 + SLACK:
            return self._refuse("out of [0, 1]")
        if self.fault:
            return self._refuse("fault")
        with self._changed:
            if self._running is not None and self._running.opening is None:
                return self._refuse("homing")
            opening = min(1.0, max(0.0, value))
            newest = self._next or self._running
            if newest is None or newest.opening != opening:  # a repeated command shall not stop the fingers
                self._put(_Job(opening))
        self._count("commands")
        return ""

    def home(self, done: Done) -> None:
        """Home the gripper; `done` is called when it is over, with the reason where it failed."""
        with self._changed:
            if self.fault or self._thread is None:
                done(False, f"The gripper does not move: {self.fault or 'it is not active'}.")
                return
            self._put(_Job(None, done))

    def trip(self, cause: str) -> None:
        """Latch a fault: the fingers stop where they are (and go on holding what they hold)."""
        with self._changed:
            self.fault = self.fault or cause
            self._drop(cause)
            self._changed.notify_all()

    def reset_fault(self) -> None:
        self.fault = ""

    def _put(self, job: _Job) -> None:
        self._drop("a newer command came")
        self._next = job
        self._changed.notify_all()

    def _drop(self, why: str) -> None:
        if self._next is not None:
            self._next.end(False, f"The gripper did not get to it: {why}.")
            self._next = None
            self._count("superseded")

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._next is not None or self._is_stopping)
                if self._is_stopping:
                    self._drop("it was stopped")
                    return
                job, self._next = self._next, None
                self._running = job
            if job is not None:
                self._run(job)
            with self._changed:
                self._running = None

    def _run(self, job: _Job) -> None:
        try:
            if job.opening is None:
                is_there = self._device.home(self._gives_way)
            else:
                width_m = job.opening * self._device.read().stroke_m
                is_there = self._device.command(width_m, self._force_n, self._gives_way)
        except RobotError as error:
            self.trip(str(error))
            job.end(False, str(error))
        except Exception as error:  # noqa: BLE001 - a driver may raise anything; the fingers stand and a person is told
            self.trip(f"{type(error).__name__}: {error}")
            job.end(False, self.fault)
        else:
            self._count("reached" if is_there else "gave way" if self._gives_way() else "held by a thing")
            job.end(is_there, "" if is_there else "The gripper was stopped on its way.")

    def _gives_way(self) -> bool:
        return self._next is not None or self._is_stopping or bool(self.fault)

    def _refuse(self, reason: str) -> str:
        self._count(f"refused: {reason}")
        return reason

    def _count(self, what: str) -> None:
        self.counters[what] = self.counters.get(what, 0) + 1
