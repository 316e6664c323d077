"""Clocks are injected; time is int nanoseconds, monotonic."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

NANOSECONDS = 1_000_000_000


class Clock(Protocol):
    def now_ns(self) -> int: ...
    def sleep_until(self, stamp_ns: int) -> None: ...


class SystemClock:
    """The host's monotonic clock."""

    def now_ns(self) -> int:
        return time.monotonic_ns()

    def sleep_until(self, stamp_ns: int) -> None:
        remaining = stamp_ns - time.monotonic_ns()
        if remaining > 0:
            time.sleep(remaining / NANOSECONDS)


class ManualClock:
    """A clock that moves only when told to, for lockstep and tests."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        return self._now_ns

    def sleep_until(self, stamp_ns: int) -> None:
        self._now_ns = max(self._now_ns, stamp_ns)


class ClockWatch:
    """Tells when the wall clock was set, by comparing it with a clock that nobody sets.

    watch = ClockWatch()
    step_s = watch.step_s(*read_clocks())     # at every tick
    """

    def __init__(self, threshold_s: float = 0.02) -> None:
        self._threshold_ns = to_ns(threshold_s)
        self._offset_ns: int | None = None

    def step_s(self, wall_ns: int, monotonic_ns: int) -> float:
        """Return by how much [s] the wall clock was set since the last call; 0.0 for less than the threshold.

        What a clock drifts, or is slewed, between two calls is no step, however much it comes to in the end.
        """
        offset_ns, before_ns = wall_ns - monotonic_ns, self._offset_ns
        self._offset_ns = offset_ns
        if before_ns is None or abs(offset_ns - before_ns) < self._threshold_ns:
            return 0.0
        return (offset_ns - before_ns) / NANOSECONDS


def read_clocks(
    wall: Callable[[], int] = time.time_ns, monotonic: Callable[[], int] = time.monotonic_ns
) -> tuple[int, int]:
    """Return both clocks [ns] at one instant: of three tries the one that was interrupted least.

    A process that is put to sleep between the two readings would otherwise look like a clock that was set.
    """
    best_ns, pair = -1, (0, 0)
    for _ in range(3):
        before_ns = monotonic()
        wall_ns = wall()
        after_ns = monotonic()
        if best_ns < 0 or after_ns - before_ns < best_ns:
            best_ns, pair = after_ns - before_ns, (wall_ns, (before_ns + after_ns) // 2)
    return pair


def to_ns(seconds: float) -> int:
    """Return `seconds` as whole nanoseconds."""
    return round(seconds * NANOSECONDS)
