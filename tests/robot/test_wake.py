"""An early wake meets its deadlines whatever a machine's sleep is like, and wakes no earlier than it must."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from robot.wake import LATE_SHARE, LEAST_NS, MOST_NS, EarlyWake

PERIOD_NS = 1_000_000
SEED = 31


class Machine:
    """A clock that passes by a microsecond a look, and a sleep that comes back late."""

    def __init__(self, lateness_ns: Callable[[np.random.Generator], float]) -> None:
        self.now_ns = 0
        self._lateness_ns = lateness_ns
        self._rng = np.random.default_rng(SEED)

    def now(self) -> int:
        self.now_ns += 1000
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        assert seconds > 0.0
        self.now_ns += round(1e9 * seconds + self._lateness_ns(self._rng))


def _wakes(machine: Machine, count: int, period_ns: int = PERIOD_NS) -> tuple[EarlyWake, np.ndarray]:
    """Return the wake and by how much each return was past its deadline [ns]."""
    wake = EarlyWake(period_ns, machine.now, machine.sleep)
    late, deadline_ns = [], 0
    for _ in range(count):
        deadline_ns += period_ns
        wake.wait_until(deadline_ns)
        late.append(machine.now_ns - deadline_ns)
        machine.now_ns = max(machine.now_ns, deadline_ns) + 50_000
    return wake, np.array(late)


def test_it_never_returns_before_the_deadline():
    _, late = _wakes(Machine(lambda rng: rng.exponential(60_000)), 5000)
    assert late.min() >= 0


@pytest.mark.parametrize("mean_ns", [5_000, 20_000, 35_000])
def test_the_lead_finds_the_lateness_that_all_but_a_few_wakes_stay_within(mean_ns: int):
    wake, late = _wakes(Machine(lambda rng: rng.exponential(mean_ns)), 60_000)
    settled = late[20_000:]
    assert np.mean(settled > 5_000) < 2.0 * LATE_SHARE
    # of an exponential spread the share p is past -mean ln p
    assert wake.lead_ns == pytest.approx(max(LEAST_NS, -mean_ns * np.log(LATE_SHARE)), rel=0.35)


def test_on_a_good_machine_it_costs_little_and_on_a_bad_one_not_all():
    assert _wakes(Machine(lambda _: 1_000.0), 30_000)[0].lead_ns == LEAST_NS
    assert _wakes(Machine(lambda _: 2_000_000.0), 3_000)[0].lead_ns == MOST_NS
    assert _wakes(Machine(lambda _: 2_000_000.0), 3_000, 400_000)[0].lead_ns == 100_000


def test_a_deadline_that_has_passed_costs_no_time():
    machine = Machine(lambda _: 0.0)
    wake = EarlyWake(PERIOD_NS, machine.now, machine.sleep)
    machine.now_ns = 10 * PERIOD_NS
    wake.wait_until(PERIOD_NS)
    assert machine.now_ns < 10 * PERIOD_NS + 10_000
