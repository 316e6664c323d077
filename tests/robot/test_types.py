"""The nouns of the hub can only be built in states that mean something."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from robot.clock import ManualClock, SystemClock, to_ns
from robot.errors import SpecError
from robot.types import Label, Source, StepType, TimeStep, first, mid, terminated, truncated

SEEN = {"tool_pose": np.zeros(7, np.float32)}
FLAGS = ("is_terminated", "is_truncated", "is_aborted", "is_success")
BUILT = {
    "first": (first(SEEN), StepType.FIRST, set()),
    "mid": (mid(SEEN), StepType.MID, set()),
    "success": (terminated(SEEN, success=True), StepType.LAST, {"is_terminated", "is_success"}),
    "failure": (terminated(SEEN, success=False), StepType.LAST, {"is_terminated"}),
    "time-out": (truncated(SEEN), StepType.LAST, {"is_truncated"}),
    "abort": (truncated(SEEN, aborted=True), StepType.LAST, {"is_truncated", "is_aborted"}),
}


@pytest.mark.parametrize("name", BUILT)
def test_the_constructors_set_exactly_these_flags(name: str):
    step, step_type, flags = BUILT[name]
    assert step.step_type is step_type
    assert {flag for flag in FLAGS if getattr(step, flag)} == flags
    assert step.is_last == (step_type is StepType.LAST)
    assert step.observation is SEEN


def test_every_other_combination_of_flags_is_refused():
    allowed = {(step_type, frozenset(flags)) for _, step_type, flags in BUILT.values()}
    refused = 0
    for step_type, values in itertools.product(StepType, itertools.product((False, True), repeat=4)):
        flags = dict(zip(FLAGS, values, strict=True))
        if (step_type, frozenset(name for name in FLAGS if flags[name])) in allowed:
            TimeStep(step_type, SEEN, **flags)
            continue
        refused += 1
        with pytest.raises(SpecError, match=f"No step is {step_type.name}"):
            TimeStep(step_type, SEEN, **flags)
    assert refused == 3 * 16 - len(allowed)


def test_a_time_step_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        first(SEEN).is_success = True  # type: ignore[misc]


def test_sources_and_labels_keep_their_numbers_because_stores_hold_them():
    assert {source.name: int(source) for source in Source} == {
        "POLICY": 0,
        "HUMAN": 1,
        "RESET": 2,
        "HOLD": 3,
        "UNKNOWN": 4,
    }
    assert {label.name: int(label) for label in Label} == {"SUCCESS": 1, "FAILURE": 2, "DISCARD": 4}


def test_a_manual_clock_moves_only_when_told_to_and_never_back():
    clock = ManualClock(5)
    assert clock.now_ns() == 5
    clock.sleep_until(9)
    clock.sleep_until(7)
    assert clock.now_ns() == 9


def test_the_system_clock_sleeps_until_a_stamp_and_not_at_all_for_a_past_one():
    clock = SystemClock()
    stamp_ns = clock.now_ns() + to_ns(0.002)
    clock.sleep_until(stamp_ns)
    assert clock.now_ns() >= stamp_ns
    clock.sleep_until(0)


def test_seconds_become_whole_nanoseconds():
    assert to_ns(0.1) == 100_000_000
    assert to_ns(0.2999999999) == 300_000_000
    assert isinstance(to_ns(1.5), int)
