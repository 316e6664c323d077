"""An action and the target it means are two words for one thing, and tilt never accumulates."""

from __future__ import annotations

import numpy as np
import pytest
from robot_rig import ACTIONS, Q_HOME, poses, upright

from robot import se3
from robot.actions import AXES, ActionMap
from robot.errors import ConfigError
from robot.safety import Command, Governor, SafetyConfig, Situation
from robot.se3 import Pose

SEED = 31
XYZ = ActionMap(("x", "y", "z"), (0.02, 0.02, 0.03), Q_HOME)
SIX = ActionMap(AXES, (0.02, 0.02, 0.02, 0.1, 0.1, 0.2), Q_HOME)
SWAPPED = ActionMap(("rz", "z", "x"), (0.1, 0.02, 0.01), Q_HOME)
MAPS = pytest.mark.parametrize("actions", [ACTIONS, XYZ, SIX, SWAPPED], ids=["xyz+rz", "xyz", "six", "rz z x"])


@MAPS
def test_action_is_the_inverse_of_target(actions: ActionMap):
    rng = np.random.default_rng(SEED)
    for _ in range(500):
        tool, action = upright(rng, tilt=rng.uniform(0.0, 0.3)), rng.uniform(-1.0, 1.0, actions.size)
        back = actions.action(tool, actions.target(tool, action))
        assert back.dtype == np.float32
        assert back.shape == (actions.size,)
        np.testing.assert_allclose(back, action, atol=1e-6)


@MAPS
@pytest.mark.parametrize("tilt", [0.5, 0.9, 2.0, 3.1])
def test_action_is_the_inverse_of_target_whatever_the_tilt(actions: ActionMap, tilt: float):
    rng = np.random.default_rng(SEED + 8)
    for _ in range(50):
        tool, action = upright(rng, tilt=tilt), rng.uniform(-1.0, 1.0, actions.size)
        np.testing.assert_allclose(actions.action(tool, actions.target(tool, action)), action, atol=1e-6)


@pytest.mark.parametrize("actions", [ACTIONS, XYZ], ids=["xyz+rz", "xyz"])
def test_a_tilted_tool_is_brought_back_command_by_command_and_never_by_a_jump(actions: ActionMap):
    """From any orientation, also those where the whole correction at once is refused by the governor."""
    rng, governor, place = np.random.default_rng(SEED + 9), Governor(SafetyConfig()), np.array([0.5, 0.0, 0.3])
    for tool in [upright(rng, tilt=tilt) for tilt in np.linspace(0.5, np.pi, 20)] + poses(100, rng):
        pose = Pose(place, tool.quaternion)
        for _ in range(25):
            target = actions.target(pose, rng.uniform(-1.0, 1.0, actions.size))
            now = Situation(pose, np.zeros(3), 0, "base", 0.1)
            verdict = governor.check(Command(target, 0, "base"), now)
            assert verdict.target is not None, verdict.sentence()
            pose = Pose(place, verdict.target.quaternion)
        down = se3.rotate(pose.quaternion, np.array([0.0, 0.0, 1.0]))
        np.testing.assert_allclose(down, [0.0, 0.0, -1.0], atol=1e-9)


def test_up_to_its_limit_the_tilt_is_corrected_at_once_and_bit_by_bit_as_without_one():
    rng, free = np.random.default_rng(SEED + 10), ActionMap(ACTIONS.axes, ACTIONS.scale, Q_HOME, 10.0)
    for _ in range(200):
        tool, action = upright(rng, tilt=rng.uniform(0.0, 0.38)), rng.uniform(-1.0, 1.0, 4)
        np.testing.assert_array_equal(ACTIONS.target(tool, action).as_vector(), free.target(tool, action).as_vector())
    tool = upright(rng, tilt=0.5)
    asked = se3.rotation_error(ACTIONS.target(tool, np.zeros(4)).quaternion, tool.quaternion)
    assert np.linalg.norm(asked) == pytest.approx(0.4)


@MAPS
def test_target_is_the_inverse_of_action_on_every_target_that_an_action_can_reach(actions: ActionMap):
    rng = np.random.default_rng(SEED + 1)
    for _ in range(300):
        tool = upright(rng, tilt=0.2)
        target = actions.target(tool, rng.uniform(-5.0, 5.0, actions.size))
        again = actions.target(tool, actions.action(tool, target))
        np.testing.assert_allclose(again.position, target.position, atol=1e-7)
        np.testing.assert_allclose(se3.rotation_error(again.quaternion, target.quaternion), 0.0, atol=1e-6)


def test_six_axes_reach_any_pose():
    rng = np.random.default_rng(SEED + 2)
    for tool, target in zip(poses(300, rng), poses(300, rng), strict=True):
        reached = SIX.target(tool, SIX.action(tool, target))
        np.testing.assert_allclose(reached.position, target.position, atol=1e-6)
        np.testing.assert_allclose(se3.rotation_error(reached.quaternion, target.quaternion), 0.0, atol=1e-6)


def test_actions_move_the_target_in_the_base_frame_by_their_scale():
    tool = upright(np.random.default_rng(SEED + 3))
    np.testing.assert_allclose(ACTIONS.target(tool, [1, 0, 0, 0]).position - tool.position, [0.02, 0, 0], atol=1e-15)
    np.testing.assert_allclose(ACTIONS.target(tool, [0, -1, 0.5, 0]).position - tool.position, [0, -0.02, 0.01])
    turned = ACTIONS.target(tool, [0, 0, 0, 1])
    np.testing.assert_allclose(se3.rotation_error(turned.quaternion, tool.quaternion), [0, 0, 0.1], atol=1e-12)
    leaned = SIX.target(tool, [0, 0, 0, 1, 0, 0])
    np.testing.assert_allclose(se3.rotation_error(leaned.quaternion, tool.quaternion), [0.1, 0, 0], atol=1e-12)


@pytest.mark.parametrize("actions", [ACTIONS, XYZ], ids=["xyz+rz", "xyz"])
def test_tilt_does_not_accumulate(actions: ActionMap):
    """An arm that tilts at every step gets, at every step, a target that is as upright as home."""
    rng = np.random.default_rng(SEED + 4)
    tool = Pose(np.array([0.5, 0.0, 0.3]), np.array(Q_HOME))
    for _ in range(200):
        target = actions.target(tool, rng.uniform(-1.0, 1.0, actions.size))
        axis = se3.rotate(target.quaternion, np.array([0.0, 0.0, 1.0]))
        np.testing.assert_allclose(axis, [0.0, 0.0, -1.0], atol=1e-12)
        lean = se3.exp_rotation(np.append(rng.uniform(-0.2, 0.2, 2), 0.0))
        tool = Pose(target.position, se3.quaternion_multiply(lean, target.quaternion))


def test_without_rotation_axes_the_target_is_turned_as_at_home():
    rng = np.random.default_rng(SEED + 5)
    for _ in range(50):
        turn = se3.exp_rotation(rng.uniform(-0.2, 0.2, 3))
        tool = Pose(rng.normal(size=3), se3.quaternion_multiply(turn, np.array(Q_HOME)))
        target = XYZ.target(tool, rng.uniform(-1.0, 1.0, 3))
        np.testing.assert_allclose(se3.rotation_error(target.quaternion, np.array(Q_HOME)), 0.0, atol=1e-15)


@pytest.mark.parametrize("actions", [ACTIONS, SIX], ids=["xyz+rz", "six"])
def test_a_pure_translation_leaves_the_yaw_as_it_was_measured(actions: ActionMap):
    rng = np.random.default_rng(SEED + 6)
    for _ in range(300):
        tool = upright(rng)
        action = np.zeros(actions.size)
        still = actions.target(tool, action)
        action[:3] = rng.uniform(-1.0, 1.0, 3)
        moved = actions.target(tool, action)
        np.testing.assert_array_equal(moved.quaternion, still.quaternion)
        # the last bit apart: what is measured is normalised once more
        np.testing.assert_allclose(se3.rotation_error(moved.quaternion, tool.quaternion), 0.0, atol=1e-15)


@MAPS
def test_device_axes_and_twists_are_inverse_of_each_other(actions: ActionMap):
    rng = np.random.default_rng(SEED + 7)
    has = np.isin(AXES, actions.axes)
    for _ in range(100):
        axes, period_s = rng.uniform(-1.0, 1.0, 6), rng.uniform(0.02, 1.0)
        twist = actions.twist_from_axes(axes, period_s)
        assert twist.shape == (6,)
        np.testing.assert_array_equal(twist[~has], 0.0)
        back = actions.axes_from_twist(twist, period_s)
        np.testing.assert_array_equal(back[~has], 0.0)
        np.testing.assert_allclose(back[has], axes[has], atol=1e-7)
        # once rounded to an action, the way over the twist changes nothing any more
        np.testing.assert_array_equal(actions.from_axes(back), actions.from_axes(axes))


def test_a_twist_is_the_way_of_one_period_over_its_duration():
    twist = ACTIONS.twist_from_axes(np.array([1.0, 0.0, -0.5, 1.0, 1.0, 1.0]), 0.1)
    np.testing.assert_allclose(twist, [0.2, 0.0, -0.1, 0.0, 0.0, 1.0], atol=1e-12)


def test_from_axes_takes_the_axes_of_the_action_in_its_order():
    np.testing.assert_array_equal(SWAPPED.from_axes(np.array([1, 2, 3, 4, 5, 6])), np.array([6, 3, 1], np.float32))


@pytest.mark.parametrize(
    ("axes", "scale", "q_home", "message"),
    [
        (("x", "yy"), (1.0, 1.0), Q_HOME, "No action axis 'yy'. Did you mean 'y'"),
        (("x", "x"), (1.0, 1.0), Q_HOME, "must differ"),
        (("x", "rx"), (1.0, 1.0), Q_HOME, "all of rx ry rz"),
        (("rx", "ry"), (1.0, 1.0), Q_HOME, "all of rx ry rz"),
        (("x", "y"), (1.0,), Q_HOME, "needs a scale"),
        (("x",), (0.0,), Q_HOME, "needs a scale > 0"),
        (("x",), (float("nan"),), Q_HOME, "needs a scale > 0"),
        (("x",), (1.0,), (1.0, 0.0, 0.0, 1.0), "unit length"),
        (("x",), (1.0,), (0.0, 0.0, 0.0, 0.0), "unit length"),
    ],
)
def test_a_map_that_means_nothing_is_refused(axes, scale, q_home, message: str):
    with pytest.raises(ConfigError, match=message):
        ActionMap(axes, scale, q_home)


@pytest.mark.parametrize("tilt", [0.0, -1.0, float("nan"), float("inf")])
def test_a_tilt_limit_that_is_none_is_refused(tilt: float):
    with pytest.raises(ConfigError, match="max_tilt_rad must be above 0"):
        ActionMap(("x",), (1.0,), Q_HOME, tilt)
