"""A loop's meter tells the truth about loops whose errors are known, and never grows."""

from __future__ import annotations

import math

import numpy as np
import pytest

from robot.timing import (
    LATE,
    Deadlines,
    EpisodeClock,
    Pace,
    PathTimes,
    Percentiles,
    PeriodMeter,
    latencies_ms,
    missed_deadlines,
    spread,
)
from robot.types import UNKNOWN_NS, StepTiming

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


def test_ways_along_the_path_are_differences_of_its_stamps_and_unknown_ones_are_no_number():
    rows = np.array([[10, 13, 14, 16, 21, 0], [10, 13, 14, UNKNOWN_NS, 21, 0]], np.int64) * MS
    found = latencies_ms(rows)
    assert {name: values[0] for name, values in found.items()} == {
        "capture to observation": 3.0,
        "observation to decision": 1.0,
        "decision to command": 2.0,
        "command to executed": 5.0,
        "capture to command": 6.0,
        "capture to executed": 11.0,
    }
    unknown = {name for name, values in found.items() if math.isnan(values[1])}
    assert unknown == {"decision to command", "command to executed", "capture to command"}


def test_the_columns_of_the_path_are_the_attributes_of_a_steps_timing():
    timing = StepTiming(captured_ns=1, observed_ns=2, decided_ns=3, commanded_ns=4, executed_ns=5, late_ns=6)
    assert timing.as_row() == (1, 2, 3, 4, 5, 6)
    assert timing.as_row()[LATE] == timing.late_ns
    assert not any(np.any(values) for values in latencies_ms(np.array([StepTiming.simulated(7).as_row()])).values())


def test_a_tick_misses_its_deadline_when_it_is_late_by_a_tenth_and_every_one_left_out_counts():
    late = np.array([0, 4, 5, 6, 49, 51, 149, 151], np.int64) * MS
    assert missed_deadlines(late, 50 * MS) == 0 + 0 + 0 + 1 + 1 + 2 + 3 + 4


def test_ticks_on_time_keep_to_the_grid():
    deadlines = Deadlines(100 * MS)
    deadlines.start(1000 * MS)
    lates = [deadlines.tick((1100 + 100 * k + late) * MS) for k, late in enumerate((0, 1, 40, 0))]
    assert lates == [0, MS, 40 * MS, 0]
    assert deadlines.next_ns == 1500 * MS


def test_a_tick_far_behind_is_followed_by_a_whole_period_and_no_burst():
    deadlines = Deadlines(100 * MS)
    deadlines.start(0)
    assert deadlines.tick(451 * MS) == 351 * MS
    assert deadlines.next_ns == 551 * MS
    assert deadlines.tick(551 * MS) == 0


def test_a_clock_that_is_set_in_mid_episode_shows_only_after_the_next_restart():
    now = {"wall": 5000, "monotonic": 70}
    clock = EpisodeClock(lambda: now["wall"], lambda: now["monotonic"])
    assert clock.now_ns() == 5000
    now.update(wall=1010, monotonic=80)
    assert clock.now_ns() == 5010
    clock.restart()
    assert clock.now_ns() == 1010


def test_mux_and_arm_are_matched_with_the_decision_that_they_tell_of():
    times = PathTimes()
    times.tell("commanded", 1000 * MS, 0.002)
    times.tell("executed", 1000 * MS, 0.0035)
    times.tell("executed", 1000 * MS, 0.9)
    assert times.of(1000 * MS, "commanded") == 1002 * MS
    assert times.of(1000 * MS, "executed") == 1003.5 * MS
    assert times.of(1100 * MS, "executed") == UNKNOWN_NS
    for tick in range(PathTimes.CAPACITY):
        times.tell("commanded", (2000 + tick) * MS, 0.001)
    assert times.of(1000 * MS, "commanded") == UNKNOWN_NS
    assert times.of(2000 * MS, "commanded") == 2001 * MS


@pytest.mark.parametrize(("rate_hz", "period_ms"), [(30.0, 30), (60.0, 20), (24.0, 40), (100.0, 10), (200.0, 10)])
def test_a_pace_is_the_nearest_that_a_stream_allows_and_rides_out_its_jitter(rate_hz: float, period_ms: int):
    pace = Pace(1.0 / rate_hz, 0.01)
    stamps = [10 * i * MS + (i % 3 - 1) * MS for i in range(1, 1000)]
    taken = [stamp for stamp in stamps if pace.is_due(stamp)]
    assert np.mean(np.diff(taken)) == pytest.approx(period_ms * MS, rel=0.01)


def test_a_pace_goes_on_after_the_clock_of_the_stamps_was_set_back():
    pace = Pace(0.03, 0.01)
    assert [pace.is_due(stamp * MS) for stamp in (5000, 5010, 1000, 1010, 1030)] == [True, False, True, False, True]
