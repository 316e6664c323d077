"""A person's device is believed only as far as its stamps, frame and dead-man allow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from robot.actions import ActionMap
from robot.mode import Mode
from robot.nodes import messages
from robot.nodes.base import Graph
from robot.nodes.person import HELD_OVER, Person
from robot.safety import SafetyConfig

NOW_NS = 1_700_000_000_000_000_000
ACTIONS = ActionMap(("x", "y", "z", "rz"), (0.02, 0.02, 0.02, 0.1), (1.0, 0.0, 0.0, 0.0))
SAFETY = SafetyConfig()
LATE_NS = round(1.01e9 * SAFETY.human_max_age_s)
EARLY_NS = round(1.01e9 * SAFETY.max_lead_s)


def _row(twist_ns: int = NOW_NS, joy_ns: int = NOW_NS, frame: str = "panda_base", pressed: int = 1) -> dict[str, Any]:
    twist = messages.from_twist(ACTIONS.twist_from_axes(np.full(6, 0.5), 0.1), twist_ns, frame)
    return {"twist": twist, "joy": messages.from_axes(np.zeros(6), (pressed, 0, 0, 0), joy_ns)}


def _person(is_lockstep: bool = False) -> Person:
    graph = Graph(is_lockstep=is_lockstep)
    return Person(graph, ACTIONS, SAFETY)


def _free(person: Person) -> Person:
    person.take_joy(_row(pressed=0)["joy"])
    return person


def test_a_fresh_twist_under_a_pressed_dead_man_counts():
    human = _free(_person()).input(_row(), NOW_NS)
    assert human is not None
    assert human.is_engaged
    np.testing.assert_allclose(human.axes[:3], 0.5)


@pytest.mark.parametrize(
    "row",
    [
        _row(twist_ns=NOW_NS - LATE_NS),
        _row(joy_ns=NOW_NS - LATE_NS),
        _row(twist_ns=NOW_NS + EARLY_NS),
        _row(joy_ns=NOW_NS + EARLY_NS),
        _row(frame="tool0"),
        {"twist": _row()["twist"]},
        {"joy": _row()["joy"]},
    ],
    ids=["old twist", "old button", "twist ahead", "button ahead", "frame", "no button", "no twist"],
)
def test_what_cannot_be_believed_is_nothing(row: dict[str, Any]):
    assert _free(_person()).input(row, NOW_NS) is None


@pytest.mark.parametrize("mode", sorted(HELD_OVER, key=lambda mode: mode.value))
def test_a_dead_man_held_through_a_stop_has_to_be_let_go_and_pressed_anew(mode: Mode):
    person = _free(_person())
    person.take_mode(mode)
    person.take_mode(Mode.READY)
    person.take_joy(_row()["joy"])
    held = person.input(_row(), NOW_NS)
    assert held is not None
    assert not held.is_engaged
    anew = _free(person).input(_row(), NOW_NS)
    assert anew is not None
    assert anew.is_engaged


def test_a_dead_man_that_was_held_before_the_mux_was_there_does_not_count():
    held = _person().input(_row(), NOW_NS)
    assert held is not None
    assert not held.is_engaged


def test_in_lockstep_nobody_lets_go_between_two_ticks():
    person = _person(is_lockstep=True)
    person.take_mode(Mode.RESETTING)
    human = person.input(_row(), NOW_NS)
    assert human is not None
    assert human.is_engaged
