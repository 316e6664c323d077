"""The governor never raises, never lets a target out of the limits, and tells the reason for every change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hostile_commands import EVERY, NOW_NS, caught, check_promises, hostile
from hypothesis import given, settings
from hypothesis import strategies as st
from robot_rig import Q_HOME, quaternions, repeatable

from robot.keep_out import HAIR_M
from robot.safety import Command, Governor, Reason, SafetyConfig, Situation
from robot.se3 import Pose

SEED = 77
COMMANDS = 20_000
DOWN = np.array(Q_HOME)
SITUATION = Situation(Pose(np.array([0.5, 0.0, 0.3]), DOWN), np.zeros(3), NOW_NS, "base", 0.1)
TABLE = (0.0, -1.0, -0.5, 1.0, 1.0, 0.05)
POST = (0.45, -0.05, -0.5, 0.55, 0.05, 0.5)
CROSS = ((0.4, -0.2, 0.1, 0.6, 0.2, 0.2), (0.45, -0.3, 0.0, 0.55, 0.3, 0.4), (0.3, 0.0, 0.15, 0.7, 0.05, 0.18))
CONFIGS = {
    "no boxes": SafetyConfig(),
    "a table and a post": SafetyConfig(keep_out_m=(TABLE, POST)),
    "boxes that overlap": SafetyConfig(keep_out_m=CROSS),
    "a forest": SafetyConfig(
        keep_out_m=tuple(
            (x, y, 0.0, x + 0.03, y + 0.03, 0.6) for x in (0.3, 0.4, 0.5, 0.6) for y in (-0.25, -0.1, 0.05, 0.2)
        )
    ),
    "narrow and slow": SafetyConfig(
        workspace_low_m=(0.45, -0.1, 0.1),
        workspace_high_m=(0.55, 0.1, 0.2),
        max_linear_speed=0.02,
        max_angular_speed=0.05,
        max_jump_m=0.5,
        keep_out_m=((0.4, 0.05, 0.0, 0.5, 0.2, 0.15),),
    ),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_no_command_of_a_hundred_thousand_gets_past_the_limits(name: str):
    """Twenty thousand under each of five configs."""
    config = CONFIGS[name]
    governor, rng = Governor(config), np.random.default_rng(SEED)
    cases = [hostile(rng, config) for _ in range(COMMANDS)]
    verdicts = [governor.check(*case) for case in cases]
    allowed = check_promises(cases, verdicts, config)
    # the commands were hostile enough, and not all of them
    seen = Reason.NONE
    for verdict in verdicts:
        seen |= verdict.reasons
    assert seen == (EVERY if config.keep_out_m else EVERY & ~Reason.KEEP_OUT)
    assert allowed > COMMANDS // 6


ANY = st.floats(allow_nan=True, allow_infinity=True)
THREE = st.tuples(ANY, ANY, ANY)


@settings(repeatable, max_examples=300)
@given(
    position=THREE,
    quaternion=st.tuples(ANY, ANY, ANY, ANY),
    wrench=st.tuples(THREE, THREE),
    tool=st.tuples(ANY, ANY, ANY, ANY, ANY, ANY, ANY),
    stamp_ns=st.integers(),
    last_ns=st.none() | st.integers(),
    frame=st.text(),
)
def test_no_numbers_whatever_make_the_governor_raise(position, quaternion, wrench, tool, stamp_ns, last_ns, frame):
    force, moment = map(np.array, wrench)
    for T_base_tool in (SITUATION.T_base_tool, Pose.from_vector(np.array(tool)), Pose(np.array(position), DOWN)):
        for target in (Pose(np.array(position), np.array(quaternion)), Pose(np.array(position), DOWN)):
            situation = replace(SITUATION, T_base_tool=T_base_tool, force=force, moment=moment, last_ns=last_ns)
            command = Command(target, stamp_ns, frame)
            for config in CONFIGS.values():
                check_promises([(command, situation)], [Governor(config).check(command, situation)], config)


@settings(repeatable, max_examples=300)
@given(
    start=st.tuples(*[st.floats(0.2, 0.8)] * 3),
    step=st.tuples(*[st.floats(-0.08, 0.08)] * 3),
    box=st.tuples(*[st.floats(0.25, 0.45)] * 3, *[st.floats(0.5, 0.7)] * 3),
)
def test_one_box_anywhere_is_kept_out_of(start, step, box):
    """Floats that hypothesis likes: zero ways, ways along a face, tools and targets on faces, edges and corners."""
    config = SafetyConfig(keep_out_m=(box,))
    at = np.array(start)
    for tool in (at, np.where(np.array(step) > 0.0, at, np.array(box[:3])), np.array([box[0], *at[1:]])):
        situation = replace(SITUATION, T_base_tool=Pose(tool, DOWN))
        command = Command(Pose(tool + np.array(step), DOWN), NOW_NS, "base")
        check_promises([(command, situation)], [Governor(config).check(command, situation)], config)


@pytest.mark.parametrize("name", [name for name, config in CONFIGS.items() if config.keep_out_m])
def test_a_tool_pushed_into_a_box_is_led_out_whatever_is_asked(name: str):
    config, rng = CONFIGS[name], np.random.default_rng(SEED + 1)
    governor = Governor(config)
    for _ in range(50):
        situation = caught(config, rng, SITUATION)
        start = situation.T_base_tool.position
        shortest = np.linalg.norm(governor._keep_out.way_out(start) - start)
        steps = 0
        while governor._keep_out.contains(situation.T_base_tool.position):
            tool = situation.T_base_tool
            wish = Command(Pose(tool.position + rng.normal(size=3) * 0.02, DOWN), NOW_NS, "base")
            verdict = governor.check(wish, situation)
            assert verdict.target is not None
            assert Reason.KEEP_OUT in verdict.reasons
            situation = replace(situation, T_base_tool=verdict.target)
            steps += 1
        way = np.linalg.norm(situation.T_base_tool.position - start)
        assert way <= shortest + 1e-9
        assert steps <= np.ceil(shortest / (config.max_linear_speed * situation.period_s))


def test_a_tool_that_keeps_pushing_stays_a_hair_before_the_box():
    config = SafetyConfig(keep_out_m=(POST,))
    governor, position = Governor(config), np.array([0.38, 0.01, 0.3])
    for _ in range(20):
        situation = replace(SITUATION, T_base_tool=Pose(position, DOWN))
        wish = Command(Pose(position + np.array([0.05, 0.001, 0.0]), DOWN), NOW_NS, "base")
        verdict = governor.check(wish, situation)
        assert verdict.target is not None
        position = verdict.target.position
    assert 0.0 < POST[0] - position[0] <= HAIR_M


def test_the_same_command_gets_the_same_verdict():
    rng, config = np.random.default_rng(SEED + 2), CONFIGS["a table and a post"]
    governor = Governor(config)
    cases = [hostile(rng, config) for _ in range(200)]
    first = [governor.check(*case) for case in cases]
    for case, verdict in zip(reversed(cases), reversed(first), strict=True):
        again = Governor(config).check(*case)
        assert again.reasons == verdict.reasons
        if verdict.target is not None and again.target is not None:
            np.testing.assert_array_equal(again.target.as_vector(), verdict.target.as_vector())


def test_a_forest_lets_through_what_goes_between_the_trees():
    governor, position = Governor(CONFIGS["a forest"]), np.array([0.37, -0.3, 0.3])
    for _ in range(20):
        situation = replace(SITUATION, T_base_tool=Pose(position, quaternions(1, np.random.default_rng(0))[0]))
        wish = Command(Pose(position + np.array([0.0, 0.03, 0.0]), situation.T_base_tool.quaternion), NOW_NS, "base")
        verdict = governor.check(wish, situation)
        assert verdict.reasons == Reason.NONE
        assert verdict.target is not None
        position = verdict.target.position
