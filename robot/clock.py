"""Clocks are injected; time is int nanoseconds, monotonic."""

from __future__ import annotations

import time
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


def to_ns(seconds: float) -> int:
    """Return `seconds` as whole nanoseconds."""
    return round(seconds * NANOSECONDS)
