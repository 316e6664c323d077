"""The mode machine, written out in full by hand, and what must hold on every path through it."""

from __future__ import annotations

import itertools

import pytest

from robot.mode import MOVING, Event, Mode, after

D, R, P, H, Z, S, F = (
    Mode.DISABLED,
    Mode.READY,
    Mode.POLICY,
    Mode.HUMAN,
    Mode.RESETTING,
    Mode.SOFT_STOP,
    Mode.FAULT,
)
MODES = (D, R, P, H, Z, S, F)
# what each event makes of DISABLED, READY, POLICY, HUMAN, RESETTING, SOFT_STOP and FAULT
EXPECTED = {
    Event.ENABLE: (R, R, P, H, Z, S, F),
    Event.DISABLE: (D, D, D, D, D, D, F),
    Event.POLICY_COMMAND: (D, P, P, H, Z, S, F),
    Event.ENGAGE: (D, H, H, H, Z, H, F),
    Event.RELEASE: (D, R, P, R, Z, S, F),
    Event.EPISODE_END: (D, R, R, R, Z, S, F),
    Event.RESET_BEGIN: (D, Z, Z, H, Z, Z, F),
    Event.RESET_DONE: (D, R, P, H, R, S, F),
    Event.RESET_FAILED: (D, R, P, H, F, S, F),
    Event.COMMAND_EXPIRED: (D, R, S, S, S, S, F),
    Event.SENSOR_STALE: (D, S, S, S, S, S, F),
    Event.SENSOR_FROZEN: (D, S, S, S, S, S, F),
    Event.NODE_SILENT: (D, S, S, S, S, S, F),
    Event.CLOCK_STEPPED: (D, S, S, S, S, S, F),
    Event.TWO_SOURCES: (D, S, S, S, S, S, F),
    Event.E_STOP: (F, F, F, F, F, F, F),
    Event.FAULT: (F, F, F, F, F, F, F),
    Event.CLEAR_BY_PERSON: (D, R, P, H, Z, S, D),
}


def test_the_table_names_every_mode_and_every_event():
    assert set(EXPECTED) == set(Event)
    assert set(MODES) == set(Mode)
    assert all(len(row) == len(MODES) for row in EXPECTED.values())


@pytest.mark.parametrize("event", Event, ids=lambda event: event.value)
@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.value)
def test_every_mode_answers_every_event_as_the_table_says(mode: Mode, event: Event):
    assert after(mode, event) is EXPECTED[event][MODES.index(mode)]


def _reachable(start: Mode, events: set[Event]) -> set[Mode]:
    found, frontier = {start}, [start]
    while frontier:
        mode = frontier.pop()
        for event in events:
            if (following := after(mode, event)) not in found:
                found.add(following)
                frontier.append(following)
    return found


def test_no_path_leads_out_of_a_fault_without_a_person():
    assert _reachable(Mode.FAULT, set(Event) - {Event.CLEAR_BY_PERSON}) == {Mode.FAULT}


def test_a_cleared_fault_still_does_not_move():
    assert after(Mode.FAULT, Event.CLEAR_BY_PERSON) is Mode.DISABLED
    assert not _reachable(Mode.DISABLED, set(Event) - {Event.ENABLE}) & MOVING


def test_an_emergency_stop_ends_every_motion_at_once():
    for mode in Mode:
        assert after(mode, Event.E_STOP) is Mode.FAULT
        assert after(mode, Event.FAULT) is Mode.FAULT


def test_a_policy_alone_cannot_leave_a_soft_stop():
    events = {Event.POLICY_COMMAND, Event.EPISODE_END, Event.RELEASE, Event.RESET_DONE, Event.ENABLE}
    assert _reachable(Mode.SOFT_STOP, events) == {Mode.SOFT_STOP}


def test_every_mode_can_be_reached_and_left():
    for start, goal in itertools.product(Mode, Mode):
        assert goal in _reachable(start, set(Event)), f"{start} never leads to {goal}"


def test_commands_reach_the_arm_in_three_modes():
    assert {Mode.POLICY, Mode.HUMAN, Mode.RESETTING} == MOVING
