"""What a node measures of its streams and timers, for `/diagnostics`."""

from __future__ import annotations

import math
import time
from typing import Any

from robot.clock import NANOSECONDS
from robot.nodes import messages
from robot.timing import Percentiles

WINDOW = 512
"""Gaps that a percentile is of."""


class StreamMeter:
    """Counts the messages of one subscription; `missed` is a latched one that came while the node was not active."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.count = 0
        self.newest: Any = None
        self.missed: Any = None
        self._gaps = Percentiles(WINDOW)
        self._last_ns = 0
        self._counted = 0
        self._counted_ns = time.monotonic_ns()

    def take(self, message: Any) -> None:
        now_ns = time.monotonic_ns()
        if self._last_ns:
            self._gaps.add((now_ns - self._last_ns) * 1e-6)
        self._last_ns = now_ns
        self.count += 1
        self.newest = message

    def status(self, now_ns: int) -> dict[str, str]:
        """Return count, rate since the last call, age at `now_ns` of the newest stamp, and gaps between arrivals."""
        path, asked_ns = self.path, time.monotonic_ns()
        rate_hz = (self.count - self._counted) * NANOSECONDS / max(asked_ns - self._counted_ns, 1)
        self._counted, self._counted_ns = self.count, asked_ns
        values = {f"received {path}": str(self.count), f"rate {path} [Hz]": f"{rate_hz:.1f}"}
        p99_ms = self._gaps.spread().p99
        if not math.isnan(p99_ms):
            values[f"gap p99 {path} [ms]"] = f"{p99_ms:.1f}"
        stamp_ns = stamp_or_none(self.newest)
        if stamp_ns is not None:
            values[f"age {path} [ms]"] = f"{(now_ns - stamp_ns) * 1e-6:.1f}"
        return values


def stamp_or_none(message: Any) -> int | None:
    """Return the stamp [ns] of a message that has one: a header's, its own as a header, or a clock's."""
    header = getattr(message, "header", message)
    stamp = getattr(header, "stamp", None) or getattr(message, "clock", None)
    return None if stamp is None else messages.to_stamp_ns(stamp)
