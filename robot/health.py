"""Whether what should arrive all the time does: streams of measurements, and the heartbeats of nodes. Pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Hashable

import numpy as np

from robot.clock import NANOSECONDS, to_ns
from robot.mode import Event

WINDOW = 256
"""Arrivals that rate and gaps are computed from."""


class _Arrivals:
    """When the newest messages arrived, and the stamp of the last."""

    def __init__(self) -> None:
        self.stamp_ns: int | None = None
        self._times: deque[int] = deque(maxlen=WINDOW)

    def take(self, stamp_ns: int, arrived_ns: int) -> None:
        self.stamp_ns = stamp_ns
        self._times.append(arrived_ns)

    @property
    def last_ns(self) -> int | None:
        return self._times[-1] if self._times else None

    @property
    def rate_hz(self) -> float:
        """Mean rate of the newest arrivals; 0.0 before there are two."""
        if len(self._times) < 2 or self._times[-1] <= self._times[0]:
            return 0.0
        return (len(self._times) - 1) * NANOSECONDS / (self._times[-1] - self._times[0])

    @property
    def p99_gap_ms(self) -> float:
        """99th percentile of the gaps between the newest arrivals; 0.0 before there are two."""
        if len(self._times) < 2:
            return 0.0
        return float(np.percentile(np.diff(np.array(self._times, dtype=np.int64)), 99.0)) * 1e-6

    def age_s(self, now_ns: int) -> float:
        """Age of the last message by its stamp; infinity before the first."""
        return math.inf if self.stamp_ns is None else (now_ns - self.stamp_ns) / NANOSECONDS


class StreamHealth(_Arrivals):
    """Watches one stream. All times are on one clock, the one of the stamps.

    health = StreamHealth("front", max_age_s=0.15, frozen_after_s=0.15)
    health.take(stamp_ns, arrived_ns, digest)     # for each message
    problem = health.problem(now_ns)              # at each tick

    Args:
        name: how messages call the stream.
        max_age_s: older data are no longer the present; a stamp that is so far ahead is none either.
        frozen_after_s: data that come out equal, bit by bit, for so long, are no longer measured.
    """

    def __init__(self, name: str, max_age_s: float, frozen_after_s: float = math.inf) -> None:
        super().__init__()
        self.name = name
        self._max_age_s = max_age_s
        self._frozen_after_s = frozen_after_s
        self._digest: Hashable | None = None
        self._same_since_ns = 0

    def take(self, stamp_ns: int, arrived_ns: int, digest: Hashable | None = None) -> None:
        """Note a message. Equal data have equal digests; None stands for data that nobody compares."""
        super().take(stamp_ns, arrived_ns)
        if digest is None or digest != self._digest:
            self._same_since_ns = arrived_ns
        self._digest = digest

    def problem(self, now_ns: int) -> tuple[Event, str] | None:
        """Return what is wrong and a sentence about it, which stays the same for as long as it is wrong."""
        if self.stamp_ns is None or self.last_ns is None:
            return Event.SENSOR_STALE, f"{self.name} has sent nothing yet"
        limit = to_ns(self._max_age_s)
        if now_ns - self.last_ns > limit:
            return Event.SENSOR_STALE, f"{self.name} has sent nothing for {self._max_age_s} s"
        if now_ns - self.stamp_ns > limit:
            return Event.SENSOR_STALE, f"{self.name} comes over {self._max_age_s} s late, or its clock is behind"
        if self.stamp_ns - now_ns > limit:
            return Event.SENSOR_STALE, f"{self.name} is stamped over {self._max_age_s} s ahead: its clock is off"
        if (self.last_ns - self._same_since_ns) / NANOSECONDS >= self._frozen_after_s:
            return Event.SENSOR_FROZEN, f"{self.name} has repeated itself for {self._frozen_after_s} s"
        return None


class NodePulse(_Arrivals):
    """Watches the heartbeats of one node.

    A node that was never heard is missed only when it `is_expected`. One that has said farewell is forgotten: it is
    as if it had never been heard, and never expected.
    """

    def __init__(self, name: str, timeout_s: float, is_expected: bool = False) -> None:
        super().__init__()
        self.name = name
        self._timeout_s = timeout_s
        self._is_expected = is_expected

    def take(self, stamp_ns: int, arrived_ns: int, is_farewell: bool = False) -> None:
        super().take(stamp_ns, arrived_ns)
        if is_farewell:
            super().__init__()
            self._is_expected = False

    def problem(self, now_ns: int) -> tuple[Event, str] | None:
        """Return what is wrong and a sentence about it, which stays the same for as long as it is wrong."""
        if self.stamp_ns is None or self.last_ns is None:
            return (Event.NODE_SILENT, f"{self.name} has not been heard yet") if self._is_expected else None
        # by arrival, because a clock may be set; and by stamp, because old heartbeats may come late
        if now_ns - min(self.last_ns, self.stamp_ns) > to_ns(self._timeout_s):
            return Event.NODE_SILENT, f"{self.name} has been silent for {self._timeout_s} s"
        return None
