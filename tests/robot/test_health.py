"""Streams and heartbeats: what is missing, old, from the future or repeats itself is told, and nothing else is."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from robot_rig import repeatable

from robot.clock import ClockWatch, ManualClock, read_clocks
from robot.health import WINDOW, NodePulse, StreamHealth
from robot.mode import Event, Mode, after

MS = 1_000_000
LIMIT_MS = 150
STALE, FROZEN, SILENT = Event.SENSOR_STALE, Event.SENSOR_FROZEN, Event.NODE_SILENT


def _stream(frozen_after_s: float = 0.15) -> StreamHealth:
    return StreamHealth("front", LIMIT_MS / 1000, frozen_after_s)


def _event(health: StreamHealth | NodePulse, now_ms: float) -> Event | None:
    problem = health.problem(round(now_ms * MS))
    assert problem is None or health.name in problem[1]
    return None if problem is None else problem[0]


def test_a_stream_that_was_never_heard_is_stale():
    stream = _stream()
    assert stream.problem(0) == (STALE, "front has sent nothing yet")
    assert stream.age_s(0) == math.inf
    assert (stream.rate_hz, stream.p99_gap_ms) == (0.0, 0.0)


def test_every_problem_has_its_sentence():
    stream = _stream()
    stream.take(0, 0, "a")
    assert stream.problem(0) is None
    assert stream.problem(151 * MS) == (STALE, "front has sent nothing for 0.15 s")
    stream.take(0, 151 * MS, "b")
    assert stream.problem(151 * MS) == (STALE, "front comes over 0.15 s late, or its clock is behind")
    stream.take(400 * MS, 152 * MS, "c")
    assert stream.problem(152 * MS) == (STALE, "front is stamped over 0.15 s ahead: its clock is off")
    for t in range(0, 151, 30):
        stream.take((200 + t) * MS, (200 + t) * MS, "d")
    assert stream.problem(350 * MS) == (FROZEN, "front has repeated itself for 0.15 s")
    pulse = NodePulse("mux", 0.15, is_expected=True)
    assert pulse.problem(0) == (SILENT, "mux has not been heard yet")
    pulse.take(0, 0)
    assert pulse.problem(151 * MS) == (SILENT, "mux has been silent for 0.15 s")


GAPS = st.lists(st.integers(0, 2 * LIMIT_MS), min_size=1, max_size=40)


@repeatable
@given(gaps=GAPS, latencies=st.lists(st.integers(-250, 250), min_size=40, max_size=40), later=st.integers(0, 400))
def test_a_stream_is_stale_exactly_when_its_newest_sample_is(gaps, latencies, later):
    stream, arrived = _stream(math.inf), 1000
    for gap, latency in zip(gaps, latencies, strict=False):
        arrived += gap
        stamp = arrived - latency
        stream.take(stamp * MS, arrived * MS)
    now = arrived + later
    is_stale = later > LIMIT_MS or abs(now - stamp) > LIMIT_MS
    assert _event(stream, now) is (STALE if is_stale else None)
    assert stream.age_s(now * MS) == pytest.approx((now - stamp) / 1000)


@repeatable
@given(pictures=st.lists(st.tuples(st.integers(1, 100), st.integers(0, 2)), min_size=1, max_size=40))
def test_a_stream_is_frozen_exactly_when_it_has_repeated_itself_for_so_long(pictures):
    stream, now, since, before = _stream(), 0, 0, None
    for gap, digest in pictures:
        now += gap
        if digest != before:
            since, before = now, digest
        stream.take(now * MS, now * MS, digest)
        assert _event(stream, now) is (FROZEN if now - since >= LIMIT_MS else None)


def test_a_stream_whose_data_nobody_compares_is_never_frozen():
    stream = StreamHealth("pose", 0.1, 0.05)
    for k in range(100):
        stream.take(10 * k * MS, 10 * k * MS)
        assert _event(stream, 10 * k) is None


def test_a_picture_that_comes_back_after_others_is_not_frozen():
    stream = _stream()
    for k in range(30):
        stream.take(33 * k * MS, 33 * k * MS, k % 2)
        assert _event(stream, 33 * k) is None


def test_rate_and_gap_are_those_of_the_newest_arrivals():
    stream = _stream()
    for k in range(WINDOW):
        stream.take(0, 1000 * k * MS)
    for k in range(WINDOW):
        stream.take(0, (1_000_000 + 20 * k) * MS)
    assert stream.rate_hz == pytest.approx(50.0)
    assert stream.p99_gap_ms == pytest.approx(20.0)
    stream.take(0, (1_000_000 + 20 * WINDOW + 500) * MS)
    assert stream.p99_gap_ms == pytest.approx(np.percentile([20.0] * (WINDOW - 2) + [520.0], 99))


@repeatable
@given(gaps=GAPS, late=st.integers(0, 300), later=st.integers(0, 400))
def test_a_node_is_silent_exactly_when_its_newest_heartbeat_is_old(gaps, late, later):
    pulse, arrived = NodePulse("teleop", LIMIT_MS / 1000), 0
    for gap in gaps:
        arrived += gap
        pulse.take((arrived - late) * MS, arrived * MS)
    assert _event(pulse, arrived + later) is (SILENT if late + later > LIMIT_MS else None)


def test_a_heartbeat_from_the_future_keeps_nobody_alive():
    pulse = NodePulse("teleop", 0.15)
    pulse.take(10_000 * MS, 0)
    assert _event(pulse, 150) is None
    assert _event(pulse, 151) is SILENT


def test_a_node_that_says_farewell_is_forgotten_until_it_comes_back():
    pulse = NodePulse("actor", 0.15, is_expected=True)
    assert _event(pulse, 0) is SILENT
    pulse.take(0, 0)
    pulse.take(50 * MS, 50 * MS, is_farewell=True)
    assert _event(pulse, 10_000) is None
    assert pulse.rate_hz == 0.0
    pulse.take(11_000 * MS, 11_000 * MS)
    assert _event(pulse, 11_000) is None
    assert _event(pulse, 11_151) is SILENT


def test_a_node_that_nobody_expects_is_missed_only_once_it_was_heard():
    pulse = NodePulse("recorder", 0.15)
    assert _event(pulse, 10_000) is None
    pulse.take(0, 0)
    assert _event(pulse, 10_000) is SILENT


def test_every_problem_stops_every_motion():
    for event in (STALE, FROZEN, SILENT):
        for mode in (Mode.READY, Mode.POLICY, Mode.HUMAN, Mode.RESETTING):
            assert after(mode, event) is Mode.SOFT_STOP


STEPS = st.lists(st.integers(-200, 200), min_size=1, max_size=30)


@repeatable
@given(steps=STEPS, ticks=st.lists(st.integers(0, 100), min_size=30, max_size=30))
def test_a_clock_step_is_told_once_with_its_size_and_drift_is_none(steps, ticks):
    watch, wall, monotonic = ClockWatch(0.02), 10**18, 0
    assert watch.step_s(wall, monotonic) == 0.0
    for step, tick in zip(steps, ticks, strict=False):
        monotonic += tick * MS
        wall += (tick + step) * MS
        told = watch.step_s(wall, monotonic)
        assert told == (step / 1000 if abs(step) >= 20 else 0.0)
        assert watch.step_s(wall, monotonic) == 0.0


def test_a_clock_that_drifts_an_hour_away_in_small_steps_has_not_been_set():
    watch = ClockWatch()
    for k in range(1000):
        assert watch.step_s(k * (20 + 3) * MS, k * 20 * MS) == 0.0


def test_a_process_that_is_put_to_sleep_between_two_clocks_has_not_seen_a_step():
    clock, sleeps = ManualClock(), iter([0, 50, 0, 0, 30, 0, 0, 0, 0, 0, 0, 0])

    def monotonic() -> int:
        clock.sleep_until(clock.now_ns() + next(sleeps) * MS)
        return clock.now_ns()

    for _ in range(2):
        wall, steady = read_clocks(wall=lambda: clock.now_ns() + 10**18, monotonic=monotonic)
        assert wall - steady == 10**18
