"""Waking on time: a thread that sleeps until a deadline wakes late, by how much depends on the machine."""

from __future__ import annotations

import time
from collections.abc import Callable

from robot.clock import NANOSECONDS

LATE_SHARE = 0.002
"""Of the wakes, that may come after their deadline."""
STEP_NS = 20_000
FIRST_NS = 100_000
LEAST_NS, MOST_NS = 50_000, 250_000
"""Bounds of the lead: what it costs of a core, at 1 kHz between a twentieth and a quarter."""


class EarlyWake:
    """Waits for deadlines: sleeps, wakes a little early, and waits the rest awake.

    How early follows the machine: by as much as all but `LATE_SHARE` of the sleeps came back late, found by
    stochastic approximation (Robbins and Monro, 1951): a late one makes the lead longer by a step, one in time shorter
    by the share of a step that balances them at that quantile. An idle processor that has gone to sleep wakes late; so
    does a Python thread whose interpreter lock another one holds.

        wake = EarlyWake(period_ns=1_000_000)
        while running:
            deadline_ns += 1_000_000
            wake.wait_until(deadline_ns)

    Args:
        period_ns: of the deadlines; the lead is at most a quarter of it.

    Attributes:
        lead_ns: how early it wakes now, in [`LEAST_NS`, `MOST_NS`] or up to a quarter of the period.
    """

    def __init__(
        self,
        period_ns: int,
        now: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._most_ns = min(MOST_NS, period_ns // 4)
        self._least_ns = min(LEAST_NS, self._most_ns)
        self.lead_ns = float(min(FIRST_NS, self._most_ns))
        self._now, self._sleep = now, sleep

    def wait_until(self, deadline_ns: int) -> None:
        """Return at `deadline_ns` by the monotonic clock, or at once where that has passed."""
        now = self._now
        wanted_ns = deadline_ns - int(self.lead_ns)
        left_ns = wanted_ns - now()
        if left_ns > 0:
            self._sleep(left_ns / NANOSECONDS)
            is_late = now() > deadline_ns
            step_ns = STEP_NS * (1.0 - LATE_SHARE) if is_late else -STEP_NS * LATE_SHARE
            self.lead_ns = min(max(self.lead_ns + step_ns, self._least_ns), self._most_ns)
        while now() < deadline_ns:
            pass
