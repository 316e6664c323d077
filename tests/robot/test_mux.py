"""One of policy, person and reset commands; a person wins, a refused command holds, and what was done is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from robot_rig import ACTIONS, Q_HOME, upright

from robot import se3
from robot.mode import MOVING, Event, Mode
from robot.mux import CommandMux, HumanInput, MuxOutput
from robot.safety import Command, Governor, Reason, SafetyConfig, Situation
from robot.se3 import Pose
from robot.types import Source

SEED = 5
NOW_NS = 10**9
TOOL = Pose(np.array([0.5, 0.0, 0.3]), np.array(Q_HOME))
SITUATION = Situation(TOOL, np.zeros(3), NOW_NS, "base", 0.1)
RIGHT = HumanInput(np.array([0.0, -1.0, 0.0, 0.0, 0.0, 0.0]), is_engaged=True)
LOOKING = replace(RIGHT, is_engaged=False)
INTO = {
    Mode.DISABLED: [Event.DISABLE],
    Mode.READY: [],
    Mode.POLICY: [Event.POLICY_COMMAND],
    Mode.HUMAN: [Event.ENGAGE],
    Mode.RESETTING: [Event.RESET_BEGIN],
    Mode.SOFT_STOP: [Event.POLICY_COMMAND, Event.COMMAND_EXPIRED],
    Mode.FAULT: [Event.FAULT],
}


def _mux(mode: Mode = Mode.READY) -> CommandMux:
    mux = CommandMux(ACTIONS, Governor(SafetyConfig()))
    for event in INTO[mode]:
        mux.handle(event)
    assert mux.mode is mode
    return mux


def _command(*action: float, situation: Situation = SITUATION) -> Command:
    target = ACTIONS.target(situation.T_base_tool, np.array(action))
    return Command(target, situation.now_ns, situation.frame)


FORWARD = _command(1.0, 0.0, 0.0, 0.0)


def _later(periods: int) -> tuple[Command, Situation]:
    """The same, some control periods later."""
    situation = replace(SITUATION, now_ns=NOW_NS + periods * 100_000_000)
    return replace(FORWARD, stamp_ns=situation.now_ns), situation


def _holds(output: MuxOutput) -> bool:
    return output.target is None and output.source is Source.HOLD and not output.executed.any()


def test_without_a_person_the_policy_commands():
    mux = _mux()
    for k, human in enumerate((None, LOOKING)):
        command, situation = _later(k)
        output = mux.decide(command, human, situation)
        assert output.source is Source.POLICY
        assert output.mode is mux.mode is Mode.POLICY
        assert output.reasons == Reason.NONE
        np.testing.assert_allclose(output.executed, [1, 0, 0, 0], atol=1e-6)


@pytest.mark.parametrize("mode", [Mode.READY, Mode.POLICY, Mode.HUMAN, Mode.SOFT_STOP])
def test_a_person_who_holds_the_dead_man_wins_over_the_policy(mode: Mode):
    output = _mux(mode).decide(FORWARD, RIGHT, SITUATION)
    assert output.source is Source.HUMAN
    assert output.mode is Mode.HUMAN
    np.testing.assert_allclose(output.executed, [0, -1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(output.target.position - TOOL.position, [0, -0.02, 0], atol=1e-12)


def test_a_person_wins_even_over_a_policy_that_has_gone_mad():
    mad = Command(Pose(np.full(3, np.nan), np.zeros(4)), -1, "nowhere")
    output = _mux().decide(mad, RIGHT, SITUATION)
    assert output.source is Source.HUMAN
    assert output.reasons == Reason.NONE


def test_letting_go_hands_back_to_the_policy():
    mux = _mux()
    sources = []
    for k, human in enumerate((LOOKING, RIGHT, RIGHT, LOOKING, None)):
        command, situation = _later(k)
        sources.append(mux.decide(command, human, situation).source)
    assert sources == [Source.POLICY, Source.HUMAN, Source.HUMAN, Source.POLICY, Source.POLICY]


def test_a_person_who_vanishes_hands_back_as_well():
    mux = _mux(Mode.HUMAN)
    assert mux.decide(FORWARD, None, SITUATION).source is Source.POLICY


@pytest.mark.parametrize(
    ("command", "situation", "reason"),
    [
        (replace(FORWARD, frame="tool"), SITUATION, Reason.WRONG_FRAME),
        (replace(FORWARD, stamp_ns=0), SITUATION, Reason.STALE),
        (_command(8.0, 0.0, 0.0, 0.0), SITUATION, Reason.JUMP),
        (_command(np.nan, 0.0, 0.0, 0.0), SITUATION, Reason.NOT_FINITE),
        (FORWARD, replace(SITUATION, force=np.array([0.0, 0.0, 90.0])), Reason.FORCE),
    ],
    ids=lambda value: value.name if isinstance(value, Reason) else "",
)
def test_a_refused_command_means_hold_and_says_why(command: Command, situation: Situation, reason: Reason):
    output = _mux().decide(command, None, situation)
    assert _holds(output)
    assert output.reasons == reason
    assert output.mode is Mode.POLICY


@pytest.mark.parametrize("human", [None, RIGHT])
def test_executed_is_what_the_target_amounts_to(human: HumanInput | None):
    rng = np.random.default_rng(SEED)
    seen = Reason.NONE
    for _ in range(300):
        situation = replace(SITUATION, T_base_tool=upright(rng, tilt=0.05))
        if human is not None:
            human = HumanInput(rng.uniform(-2.0, 2.0, 6), is_engaged=True)
        output = _mux().decide(_command(*rng.uniform(-3.0, 3.0, 4), situation=situation), human, situation)
        assert output.target is not None
        amounts_to = ACTIONS.action(situation.T_base_tool, output.target)
        np.testing.assert_array_equal(output.executed, amounts_to)
        again = ACTIONS.target(situation.T_base_tool, output.executed)
        np.testing.assert_allclose(again.position, output.target.position, atol=1e-8)
        seen |= output.reasons
    # the person's axes are bounded to one, but their diagonal is still too fast
    assert Reason.LINEAR_SPEED in seen


def test_a_slowed_command_is_recorded_as_slowed():
    output = _mux().decide(_command(3.0, 0.0, 0.0, 0.0), None, SITUATION)
    assert output.reasons == Reason.LINEAR_SPEED
    np.testing.assert_allclose(output.executed, [1.5, 0, 0, 0], atol=1e-6)


def test_a_person_cannot_ask_for_more_than_the_whole_axis():
    for much in (1.5, 1e6):
        output = _mux().decide(FORWARD, HumanInput(np.full(6, much) * [1, 0, 0, 0, 0, 1], True), SITUATION)
        np.testing.assert_allclose(output.executed, [1, 0, 0, 1], atol=1e-6)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_an_axis_that_is_no_number_does_not_move(broken: float):
    axes = np.array([broken, 0.5, broken, broken, broken, broken])
    output = _mux().decide(FORWARD, HumanInput(axes, is_engaged=True), SITUATION)
    assert output.source is Source.HUMAN
    np.testing.assert_allclose(output.executed, [0, 0.5, 0, 0], atol=1e-6)
    np.testing.assert_array_equal(output.target.position[[0, 2]], TOOL.position[[0, 2]])


@pytest.mark.parametrize("mode", [Mode.SOFT_STOP, Mode.FAULT, Mode.DISABLED, Mode.RESETTING])
def test_a_policy_is_ignored_where_it_may_not_move(mode: Mode):
    mux = _mux(mode)
    for _ in range(5):
        assert _holds(mux.decide(FORWARD, LOOKING, SITUATION))
    assert mux.mode is mode


@pytest.mark.parametrize("mode", [Mode.FAULT, Mode.DISABLED, Mode.RESETTING])
def test_a_person_is_ignored_too_where_nobody_may_move(mode: Mode):
    mux = _mux(mode)
    assert _holds(mux.decide(FORWARD, RIGHT, SITUATION))
    assert mux.mode is mode


def test_after_a_soft_stop_the_policy_goes_on_only_once_a_person_took_over():
    mux = _mux(Mode.SOFT_STOP)
    assert mux.decide(FORWARD, RIGHT, SITUATION).source is Source.HUMAN
    assert mux.decide(FORWARD, LOOKING, SITUATION).source is Source.POLICY


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode is not Mode.RESETTING])
def test_a_reset_is_ignored_unless_one_is_under_way(mode: Mode):
    mux = _mux(mode)
    assert _holds(mux.forward_reset(FORWARD, SITUATION))
    assert mux.mode is mode


def test_a_reset_commands_while_it_is_under_way_and_through_the_governor():
    mux = _mux(Mode.RESETTING)
    output = mux.forward_reset(FORWARD, SITUATION)
    assert output.source is Source.RESET
    np.testing.assert_allclose(output.target.position, FORWARD.target.position, atol=1e-12)
    assert _holds(mux.forward_reset(replace(FORWARD, frame="tool"), SITUATION))
    mux.handle(Event.RESET_DONE)
    assert _holds(mux.forward_reset(FORWARD, SITUATION))


def test_no_target_leaves_the_mux_in_a_mode_that_does_not_move():
    rng = np.random.default_rng(SEED + 1)
    mux = _mux()
    for k in range(2000):
        command, situation = _later(k)
        mux.handle(rng.choice(list(Event)))
        human = None if rng.random() < 0.3 else HumanInput(rng.normal(size=6), bool(rng.random() < 0.5))
        if rng.random() < 0.3:
            output = mux.forward_reset(command, situation)
        else:
            output = mux.decide(command, human, situation)
        assert output.mode is mux.mode
        assert output.target is None or mux.mode in MOVING
        assert _holds(output) == (output.target is None)


def test_the_target_of_a_person_does_not_tilt():
    leaning = replace(SITUATION, T_base_tool=upright(np.random.default_rng(SEED + 2), tilt=0.1))
    output = _mux().decide(FORWARD, RIGHT, leaning)
    down = se3.rotate(output.target.quaternion, np.array([0.0, 0.0, 1.0]))
    np.testing.assert_allclose(down, [0, 0, -1], atol=1e-12)


def test_what_the_policy_said_before_a_person_let_go_is_not_done_afterwards():
    mux = _mux(Mode.HUMAN)
    output = mux.decide(None, HumanInput(np.zeros(6), is_engaged=False), SITUATION)
    assert (output.target, output.mode) == (None, Mode.READY)
    assert mux.decide(FORWARD, None, SITUATION).source is Source.POLICY
