"""How regular a loop is and how old its data are: spreads of values, deadlines, and the path of a command in time."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robot.types import UNKNOWN_NS

WINDOW = 4096
"""Values that a spread is of: at 1 kHz the last four seconds."""


class Spread(NamedTuple):
    """Median, 99th percentile and largest of `samples` values; NaN for none.

    Percentiles are nearest-rank: the smallest value that 50 % (99 %) of the values do not exceed.
    """

    samples: int
    p50: float
    p99: float
    max: float


def spread(values: NDArray[np.float64]) -> Spread:
    """Return the spread of `values` (N,); those that are NaN do not count."""
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    if not len(known):
        return Spread(0, math.nan, math.nan, math.nan)
    ranks = [math.ceil(share * len(known)) - 1 for share in (0.5, 0.99)]
    ordered = np.partition(known, [*ranks, len(known) - 1])
    return Spread(len(known), float(ordered[ranks[0]]), float(ordered[ranks[1]]), float(ordered[-1]))


class Percentiles:
    """The newest `size` values of a stream, in a ring of fixed memory. One thread adds, any may ask."""

    def __init__(self, size: int = WINDOW) -> None:
        self._ring = np.zeros(size)
        self._size = size
        self.count = 0
        self.max = -math.inf

    def add(self, value: float) -> None:
        self._ring[self.count % self._size] = value
        self.count += 1
        if value > self.max:
            self.max = value

    def spread(self) -> Spread:
        """Return percentiles of the newest values; `samples` and `max` are of all since the start or `reset`."""
        if self.count == 0:
            return Spread(0, math.nan, math.nan, math.nan)
        newest = spread(self._ring[: min(self.count, self._size)].copy())
        return newest._replace(samples=self.count, max=self.max)

    def reset(self) -> None:
        self.count = 0
        self.max = -math.inf


class PeriodMeter:
    """Measures a loop that should run every `period_s`: call `tick` once a round.

    The error of a round is how far the time since the round before is from the period, in either direction. A round
    that begins more than half a period too late has missed its deadline; missed ones that were left out count too.

        meter = PeriodMeter(0.001)
        while running:
            meter.tick(time.monotonic_ns())
            ...
        meter.errors_ms().p99, meter.missed
    """

    def __init__(self, period_s: float, size: int = WINDOW) -> None:
        self._period_ns = round(period_s * 1e9)
        self._errors = Percentiles(size)
        self._last_ns = 0
        self.missed = 0

    def tick(self, now_ns: int) -> None:
        """Take the time [ns] at which a round began, on any clock that does not jump."""
        last_ns, self._last_ns = self._last_ns, now_ns
        if last_ns == 0:
            return
        late_ns = now_ns - last_ns - self._period_ns
        self._errors.add(abs(late_ns) * 1e-6)
        if 2 * late_ns > self._period_ns:
            self.missed += max(1, round(late_ns / self._period_ns))

    def pause(self) -> None:
        """The loop rests on purpose: the time until the next tick is not a period."""
        self._last_ns = 0

    @property
    def ticks(self) -> int:
        """Periods measured since the start or `reset`."""
        return self._errors.count

    def errors_ms(self) -> Spread:
        """Return the spread of the period's error [ms]: percentiles of the newest rounds, the largest of all."""
        return self._errors.spread()

    @property
    def p50_ms(self) -> float:
        return self.errors_ms().p50

    @property
    def p99_ms(self) -> float:
        return self.errors_ms().p99

    @property
    def max_ms(self) -> float:
        return self.errors_ms().max

    def status(self, name: str = "loop") -> dict[str, str]:
        """Return what a node's diagnostics say of the loop `name`."""
        errors = self.errors_ms()
        return {
            f"{name} period [ms]": f"{self._period_ns * 1e-6:g}",
            f"{name} error p50 [ms]": f"{errors.p50:.3f}",
            f"{name} error p99 [ms]": f"{errors.p99:.3f}",
            f"{name} error max [ms]": f"{errors.max:.3f}",
            f"{name} missed ticks": str(self.missed),
        }

    def reset(self) -> None:
        """Forget everything measured."""
        self._errors.reset()
        self._last_ns = 0
        self.missed = 0


PATH = {
    "capture to observation": (0, 1),
    "observation to decision": (1, 2),
    "decision to command": (2, 3),
    "command to executed": (3, 4),
    "capture to command": (0, 3),
    "capture to executed": (0, 4),
}
"""Ways along the path of a step, by the columns of a row of `StepTiming`: from, to."""
LATE = 5
"""Column of `StepTiming.late_ns`."""

MISSED_SHARE = 0.1
"""A tick that comes later than this share of the control period has missed its deadline."""


def latencies_ms(timing_ns: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Return how long each way of `PATH` took [ms], (N,) for rows (N, 6) of `StepTiming`; NaN where not known."""
    known = timing_ns != UNKNOWN_NS
    return {
        name: np.where(known[:, a] & known[:, b], (timing_ns[:, b] - timing_ns[:, a]) * 1e-6, np.nan)
        for name, (a, b) in PATH.items()
    }


def missed_deadlines(late_ns: NDArray[np.int64], period_ns: int) -> int:
    """Return how many deadlines ticks that came so late (N,) have missed, those that were left out included."""
    return int(np.sum(np.where(late_ns > MISSED_SHARE * period_ns, 1 + late_ns // period_ns, 0)))


class EpisodeClock:
    """The wall's clock as it stood at `restart`, from then on carried by the monotonic one: it never jumps.

    A clock that is set in mid-episode shows in the ages of what others have stamped, never in the order of our ticks.
    """

    def __init__(
        self, wall: Callable[[], int] = time.time_ns, monotonic: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._wall, self._monotonic = wall, monotonic
        self.restart()

    def restart(self) -> None:
        self._offset_ns = self._wall() - self._monotonic()

    def now_ns(self) -> int:
        return self._offset_ns + self._monotonic()


class Deadlines:
    """Absolute deadlines, one a period. A missed one is counted by its lateness and never made up for by a burst.

    After a tick that came more than half a period late the next deadline is a whole period after that tick.
    """

    def __init__(self, period_ns: int) -> None:
        self._period_ns = period_ns
        self.next_ns = 0

    def start(self, now_ns: int) -> None:
        """Begin now: the first deadline is a period away."""
        self.next_ns = now_ns + self._period_ns

    def tick(self, now_ns: int) -> int:
        """Take the time of the tick that belongs to `next_ns`, move on, and return how late it was [ns]."""
        late_ns = max(0, now_ns - self.next_ns)
        self.next_ns = (now_ns if 2 * late_ns > self._period_ns else self.next_ns) + self._period_ns
        return late_ns


class PathTimes:
    """When mux and arm say that they let a decision through and followed it, by the decision's stamp."""

    CAPACITY = 64
    """Decisions remembered."""

    def __init__(self) -> None:
        self._told: OrderedDict[int, dict[str, int]] = OrderedDict()

    def tell(self, what: str, decided_ns: int, after_s: float) -> None:
        """Note that `what` ("commanded" or "executed") happened `after_s` after the decision; the first time counts."""
        self._told.setdefault(decided_ns, {}).setdefault(what, decided_ns + round(after_s * 1e9))
        while len(self._told) > self.CAPACITY:
            self._told.popitem(last=False)

    def of(self, decided_ns: int, what: str) -> int:
        """Return when it happened [ns], UNKNOWN_NS where nobody has told."""
        return self._told.get(decided_ns, {}).get(what, UNKNOWN_NS)


class Pace:
    """Which samples of a faster stream to take, so that one is taken about every `period_s`, and always a fresh one.

    The pace becomes the multiple of `sample_s`, the stream's own period, that is nearest to `period_s`.
    """

    def __init__(self, period_s: float, sample_s: float) -> None:
        self._least_ns = round((period_s - 0.5 * sample_s) * 1e9)
        self._last_ns: int | None = None

    def is_due(self, stamp_ns: int) -> bool:
        """Whether to take the sample of this stamp; so it is when the clock of the stamps was set back."""
        if self._last_ns is not None and 0 <= stamp_ns - self._last_ns < self._least_ns:
            return False
        self._last_ns = stamp_ns
        return True
