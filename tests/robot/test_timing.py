"""A loop's meter tells the truth about loops whose errors are known, and never grows."""

from __future__ import annotations

import math

import numpy as np
import pytest

from robot.timing import Percentiles, PeriodMeter, spread

MS = 1_000_000


def _run(meter: PeriodMeter, intervals_ms: list[float], start_ns: int = 5 * MS) -> None:
    stamps = start_ns + np.cumsum([0.0, *intervals_ms]) * MS
    for stamp in stamps:
        meter.tick(round(stamp))


def test_a_regular_loop_has_no_error_and_misses_nothing():
    meter = PeriodMeter(0.001)
    _run(meter, [1.0] * 500)
    assert meter.ticks == 500
    assert meter.errors_ms() == (500, 0.0, 0.0, 0.0)
    assert meter.missed == 0


def test_early_and_late_rounds_count_alike_as_errors_but_only_late_ones_as_missed():
    meter = PeriodMeter(0.010)
    _run(meter, [10.0] * 96 + [4.0, 14.9, 15.1, 10.0])
    errors = meter.errors_ms()
    assert errors.p50 == 0.0
    assert errors.p99 == pytest.approx(5.1)
    assert errors.max == pytest.approx(6.0)
    assert meter.missed == 1


def test_a_long_gap_counts_every_tick_that_was_left_out():
    meter = PeriodMeter(0.010)
    _run(meter, [10.0, 50.0, 10.0])
    assert meter.missed == 4


def test_a_loop_at_half_its_rate_misses_in_every_round():
    meter = PeriodMeter(0.001)
    _run(meter, [1.89] * 200)
    assert meter.missed == 200
    assert meter.p50_ms == pytest.approx(0.89)


def test_a_pause_on_purpose_is_no_period():
    meter = PeriodMeter(0.010)
    _run(meter, [10.0] * 3)
    meter.pause()
    _run(meter, [10.0] * 3, start_ns=9_000 * MS)
    assert meter.ticks == 6
    assert (meter.missed, meter.max_ms) == (0, 0.0)


def test_reset_forgets_everything():
    meter = PeriodMeter(0.010)
    _run(meter, [10.0, 80.0])
    meter.reset()
    assert (meter.ticks, meter.missed) == (0, 0)
    assert math.isnan(meter.p99_ms)
    _run(meter, [10.0, 10.0])
    assert meter.max_ms == 0.0


def test_the_ring_keeps_the_newest_values_and_the_largest_ever():
    ring = Percentiles(size=100)
    ring.add(1e6)
    for value in range(1000):
        ring.add(float(value))
    assert ring.spread() == (1001, 949.0, 998.0, 1e6)


@pytest.mark.parametrize("count", [1, 2, 7, 99, 100, 101, 1000])
def test_percentiles_are_nearest_rank(count: int):
    values = np.random.default_rng(count).permutation(count) + 1.0
    found = spread(values)
    for value, share in ((found.p50, 0.5), (found.p99, 0.99)):
        assert np.mean(values <= value) >= share
        assert np.mean(values < value) < share
    assert (found.samples, found.max) == (count, count)


def test_unknown_values_do_not_count_and_none_is_no_number():
    assert spread(np.array([math.nan, 3.0, math.nan])) == (1, 3.0, 3.0, 3.0)
    assert all(math.isnan(value) for value in spread(np.array([math.nan]))[1:])


def test_what_diagnostics_say_names_the_loop():
    meter = PeriodMeter(0.001)
    _run(meter, [1.0, 1.25, 2.0])
    assert meter.status("control") == {
        "control period [ms]": "1",
        "control error p50 [ms]": "0.250",
        "control error p99 [ms]": "1.000",
        "control error max [ms]": "1.000",
        "control missed ticks": "1",
    }
