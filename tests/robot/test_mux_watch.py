"""What forbids motion stops it, keeps it stopped, and is told; senders that repeat themselves or rush are refused."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from robot_rig import ACTIONS, Q_HOME

from robot.mode import BEGINNINGS, MOVING, Event, Mode
from robot.mux import CommandMux, HumanInput
from robot.safety import Command, Governor, Reason, SafetyConfig, Situation
from robot.se3 import Pose
from robot.types import Source

MS = 1_000_000
TOOL = Pose(np.array([0.5, 0.0, 0.3]), np.array(Q_HOME))
SITUATION = Situation(TOOL, np.zeros(3), 10**9, "base", 0.1)
RIGHT = HumanInput(np.array([0.0, -1.0, 0.0, 0.0, 0.0, 0.0]), is_engaged=True)
FROZEN = {"front": (Event.SENSOR_FROZEN, "front has repeated itself for 0.15 s")}
INTO = {
    Mode.DISABLED: [Event.DISABLE],
    Mode.READY: [],
    Mode.POLICY: [Event.POLICY_COMMAND],
    Mode.HUMAN: [Event.ENGAGE],
    Mode.RESETTING: [Event.RESET_BEGIN],
    Mode.SOFT_STOP: [Event.POLICY_COMMAND, Event.COMMAND_EXPIRED],
    Mode.FAULT: [Event.E_STOP],
}
BLOCKING = (
    Event.SENSOR_STALE,
    Event.SENSOR_FROZEN,
    Event.NODE_SILENT,
    Event.CLOCK_STEPPED,
    Event.TWO_SOURCES,
    Event.COMMAND_EXPIRED,
    Event.RELEASE,
)


def _mux(mode: Mode = Mode.READY) -> CommandMux:
    mux = CommandMux(ACTIONS, Governor(SafetyConfig()))
    for event in INTO[mode]:
        mux.handle(event)
    assert mux.mode is mode
    return mux


def _at(ms: int) -> tuple[Command, Situation]:
    situation = replace(SITUATION, now_ns=SITUATION.now_ns + ms * MS)
    return Command(ACTIONS.target(TOOL, np.array([1.0, 0.0, 0.0, 0.0])), situation.now_ns, "base"), situation


@pytest.mark.parametrize("event", BLOCKING, ids=lambda event: event.value)
@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.value)
def test_a_blocker_ends_every_motion_whatever_its_event(mode: Mode, event: Event):
    mux = _mux(mode)
    cause = mux.cause
    mux.watch({"front": (event, "front is gone")})
    stays = mode in (Mode.DISABLED, Mode.FAULT, Mode.SOFT_STOP)
    assert mux.mode is (mode if stays else Mode.SOFT_STOP)
    assert mux.cause == (cause if stays else "front is gone")
    assert mux.blockers == {"front": "front is gone"}


def test_while_there_is_a_blocker_no_event_begins_a_motion():
    for mode, event in itertools.product(Mode, Event):
        mux = _mux(mode)
        mux.watch(FROZEN)
        mux.handle(event)
        assert mux.mode not in MOVING, (mode, event)
        command, situation = _at(0)
        for output in (mux.decide(command, RIGHT, situation), mux.forward_reset(command, situation)):
            assert output.target is None
            assert Reason.MODE in output.reasons


def _next(mode: Mode, is_blocked: bool) -> set[tuple[Mode, bool, Event | None]]:
    found: set[tuple[Mode, bool, Event | None]] = set()
    for event in (*Event, "block", "free"):
        mux = _mux()
        mux.mode = mode
        mux.blockers = {"front": "gone"} if is_blocked else {}
        if isinstance(event, Event):
            mux.handle(event)
        else:
            mux.watch(FROZEN if event == "block" else {})
        found.add((mux.mode, bool(mux.blockers), event if isinstance(event, Event) else None))
    return found


def _reachable(without: set[Event]) -> set[tuple[Mode, bool]]:
    """All that can follow a fault when the events of `without` never happen."""
    frontier = [(Mode.FAULT, False)]
    found = set(frontier)
    while frontier:
        for mode, is_blocked, event in _next(*frontier.pop()):
            if event not in without and (mode, is_blocked) not in found:
                found.add((mode, is_blocked))
                frontier.append((mode, is_blocked))
    return found


def test_no_path_leads_from_a_fault_to_a_motion_without_a_person():
    assert {mode for mode, _ in _reachable({Event.CLEAR_BY_PERSON})} == {Mode.FAULT}
    found = _reachable(set())
    assert {mode for mode, _ in found} == set(Mode)
    assert not {mode for mode, is_blocked in found if is_blocked} & MOVING


def test_after_the_blockers_are_gone_only_a_person_or_a_reset_goes_on():
    for event, mode in ((Event.ENGAGE, Mode.HUMAN), (Event.RESET_BEGIN, Mode.RESETTING)):
        mux = _mux(Mode.POLICY)
        mux.watch(FROZEN)
        assert mux.watch({}) is Mode.SOFT_STOP
        assert mux.handle(Event.POLICY_COMMAND) is Mode.SOFT_STOP
        assert mux.cause == "front has repeated itself for 0.15 s"
        assert mux.cause_event is Event.SENSOR_FROZEN
        assert mux.handle(event) is mode
        assert (mux.cause, mux.cause_event) == ("", None)


def test_the_first_cause_is_kept_and_a_fault_is_a_cause_of_its_own():
    mux = _mux(Mode.POLICY)
    mux.watch(FROZEN | {"arm": (Event.NODE_SILENT, "arm has been silent for 0.15 s")})
    assert list(mux.blockers) == ["front", "arm"]
    mux.watch({"arm": (Event.NODE_SILENT, "arm has been silent for 0.15 s")})
    assert mux.cause == "front has repeated itself for 0.15 s"
    mux.handle(Event.E_STOP)
    mux.handle(Event.FAULT, "something else")
    mux.watch(FROZEN)
    assert (mux.cause, mux.cause_event) == ("e_stop", Event.E_STOP)
    mux.handle(Event.CLEAR_BY_PERSON)
    mux.handle(Event.ENABLE)
    assert mux.cause == "e_stop"


@pytest.mark.parametrize("event", Event, ids=lambda event: event.value)
def test_whatever_stops_a_motion_leaves_a_cause(event: Event):
    for mode in sorted(MOVING, key=str):
        mux = _mux(mode)
        if mux.handle(event) in (Mode.SOFT_STOP, Mode.FAULT, Mode.DISABLED):
            assert mux.cause
            assert mux.cause_event is event
        else:
            assert (mux.cause, mux.cause_event) == ("", None)


def test_a_refused_event_says_why():
    mux = _mux()
    assert mux.refusal(Event.RESET_BEGIN) == ""
    mux.watch(FROZEN)
    for event in BEGINNINGS:
        assert mux.refusal(event) == f"{event.value} is not possible now: front has repeated itself for 0.15 s"
    mux.handle(Event.E_STOP)
    mux.watch({})
    assert mux.refusal(Event.RESET_BEGIN) == "reset_begin is not possible in mode fault (e_stop)"
    assert mux.refusal(Event.CLEAR_BY_PERSON) == ""


def test_a_command_that_may_not_move_says_so():
    command, situation = _at(0)
    assert _mux(Mode.SOFT_STOP).decide(command, None, situation).reasons == Reason.MODE
    assert _mux(Mode.READY).forward_reset(command, situation).reasons == Reason.MODE
    doubled = _mux(Mode.POLICY)
    doubled.watch({"policy": (Event.TWO_SOURCES, "policy/target_pose has two publishers: a, b")})
    assert doubled.decide(command, None, situation).reasons == Reason.MODE | Reason.TWO_SOURCES


def test_a_policy_that_repeats_itself_or_rushes_is_refused():
    mux, told = _mux(), []
    for ms in (0, 0, 4, 5, 4, 10, 110):
        output = mux.decide(_at(ms)[0], None, _at(110)[1])
        told.append((output.reasons, output.target is None))
    assert told == [
        (Reason.NONE, False),
        (Reason.REPLAYED, True),
        (Reason.RATE, True),
        (Reason.NONE, False),
        (Reason.REPLAYED, True),
        (Reason.NONE, False),
        (Reason.NONE, False),
    ]


def test_each_sender_has_an_order_of_its_own():
    mux = _mux()
    mux.decide(*_with(None, 50))
    mux.handle(Event.RESET_BEGIN)
    reasons = [mux.forward_reset(_at(ms)[0], _at(60)[1]).reasons for ms in (20, 20, 40)]
    assert reasons == [Reason.NONE, Reason.REPLAYED, Reason.NONE]


def test_a_flood_of_commands_gets_no_more_through_than_the_limit():
    mux = _mux()
    commands = [
        (replace(_at(0)[0], stamp_ns=10**9 + k * MS), replace(SITUATION, now_ns=10**9 + k * MS)) for k in range(500)
    ]
    passed = sum(mux.decide(command, None, situation).target is not None for command, situation in commands)
    assert passed == 500 // 5


def test_a_person_whose_input_comes_often_is_never_too_fast():
    mux = _mux()
    for k in range(20):
        command, situation = _at(k)
        assert mux.decide(command, RIGHT, situation).source is Source.HUMAN


def test_a_person_between_two_commands_does_not_make_the_second_an_old_one():
    mux = _mux()
    assert mux.decide(*_with(None, 0)).source is Source.POLICY
    assert mux.decide(*_with(RIGHT, 60)).source is Source.HUMAN
    # the policy's own stamp is older than the person's
    command, _ = _at(50)
    assert mux.decide(command, None, _at(100)[1]).source is Source.POLICY


def _with(human: HumanInput | None, ms: int) -> tuple[Command, HumanInput | None, Situation]:
    command, situation = _at(ms)
    return command, human, situation


def test_after_the_clock_was_set_back_the_next_motion_begins_afresh():
    mux = _mux()
    assert mux.decide(*_with(None, 0)).target is not None
    mux.watch({"clock": (Event.CLOCK_STEPPED, "the clock was set by -3600 s")})
    mux.watch({})
    for event in (Event.RESET_BEGIN, Event.RESET_DONE):
        mux.handle(event)
    command, situation = _at(-3_600_000)
    assert mux.decide(replace(command, stamp_ns=situation.now_ns), None, situation).reasons == Reason.NONE
