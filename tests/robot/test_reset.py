"""The start of an episode follows from its seed, and the way there goes by steps that safety allows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from robot_rig import Q_HOME, upright

from robot import se3
from robot.reset import ResetConfig, is_reached, next_target, start_pose
from robot.safety import Command, Governor, Reason, SafetyConfig, Situation
from robot.se3 import Pose

SEED = 404
CONFIG = ResetConfig()
TURNED_HOME = tuple(se3.exp_rotation(np.array([0.1, -0.4, 0.2])))
MOST_STEPS = 60


def _errors(T_base_tool: Pose, T_base_start: Pose) -> tuple[float, float]:
    distance = np.linalg.norm(T_base_start.position - T_base_tool.position)
    angle = np.linalg.norm(se3.rotation_error(T_base_start.quaternion, T_base_tool.quaternion))
    return float(distance), float(angle)


def test_the_same_seed_starts_at_the_same_pose_and_another_one_elsewhere():
    starts = [start_pose(CONFIG, Q_HOME, seed) for seed in range(200)]
    for seed, start in enumerate(starts):
        np.testing.assert_array_equal(start_pose(CONFIG, Q_HOME, seed).as_vector(), start.as_vector())
    assert len({tuple(start.as_vector()) for start in starts}) == len(starts)


@pytest.mark.parametrize("q_home", [Q_HOME, TURNED_HOME])
def test_starts_stay_within_the_spread_and_use_it(q_home: tuple[float, float, float, float]):
    starts = [start_pose(CONFIG, q_home, seed) for seed in range(1000)]
    offsets = np.array([start.position for start in starts]) - np.array(CONFIG.start_position_m)
    spread = np.array(CONFIG.start_spread_m)
    assert np.all(np.abs(offsets) <= spread)
    assert np.all(np.abs(offsets).max(axis=0) > 0.95 * spread)
    turns = np.array([se3.rotation_error(start.quaternion, np.array(q_home)) for start in starts])
    np.testing.assert_allclose(turns[:, :2], 0.0, atol=1e-12)
    assert 0.95 * CONFIG.start_spread_yaw < np.abs(turns[:, 2]).max() <= CONFIG.start_spread_yaw + 1e-12
    # neither place nor turn prefers a side
    np.testing.assert_allclose(offsets.mean(axis=0) / spread, 0.0, atol=0.1)
    np.testing.assert_allclose(turns[:, 2].mean() / CONFIG.start_spread_yaw, 0.0, atol=0.1)


def test_without_spread_every_episode_starts_at_the_centre():
    still = replace(CONFIG, start_spread_m=(0.0, 0.0, 0.0), start_spread_yaw=0.0)
    np.testing.assert_allclose(start_pose(still, Q_HOME, 9).as_vector(), [*CONFIG.start_position_m, *Q_HOME])


def test_the_next_target_is_never_more_than_a_step_ahead_and_never_farther_than_the_start():
    rng = np.random.default_rng(SEED)
    for seed in range(500):
        tool, start = upright(rng, tilt=rng.uniform(0.0, 1.0)), start_pose(CONFIG, Q_HOME, seed)
        way, turn = _errors(tool, next_target(CONFIG, tool, start))
        far, angle = _errors(tool, start)
        assert way <= min(CONFIG.step_m, far) + 1e-12
        assert turn <= min(CONFIG.step_rad, angle) + 1e-9


def test_a_tool_that_follows_gets_there_from_anywhere_on_the_straight_way():
    rng = np.random.default_rng(SEED + 1)
    for seed in range(50):
        tool, start = upright(rng, tilt=0.3), start_pose(CONFIG, Q_HOME, seed)
        before, steps = _errors(tool, start), 0
        least = max(np.ceil(before[0] / CONFIG.step_m), np.ceil(before[1] / CONFIG.step_rad))
        while not is_reached(CONFIG, tool, start):
            tool = next_target(CONFIG, tool, start)
            now = _errors(tool, start)
            assert now[0] <= before[0] + 1e-12
            assert now[1] <= before[1] + 1e-9
            before, steps = now, steps + 1
            assert steps <= least <= MOST_STEPS


def test_at_the_start_the_next_target_is_the_start():
    start = start_pose(CONFIG, Q_HOME, 3)
    np.testing.assert_allclose(next_target(CONFIG, start, start).as_vector(), start.as_vector(), atol=1e-15)


def test_the_governor_lets_the_whole_way_pass_unchanged():
    rng, governor = np.random.default_rng(SEED + 2), Governor(SafetyConfig())
    for seed in range(50):
        tool, start = upright(rng, tilt=0.3), start_pose(CONFIG, Q_HOME, seed)
        while not is_reached(CONFIG, tool, start):
            target = next_target(CONFIG, tool, start)
            verdict = governor.check(Command(target, 0, "base"), Situation(tool, np.zeros(3), 0, "base", 0.1))
            assert verdict.reasons == Reason.NONE
            tool = target


@pytest.mark.parametrize(
    ("offset_m", "turn_rad", "expected"),
    [(0.0, 0.0, True), (0.0099, 0.049, True), (0.0101, 0.0, False), (0.0, 0.051, False)],
)
def test_the_start_counts_as_reached_within_both_tolerances(offset_m: float, turn_rad: float, expected: bool):
    start = start_pose(CONFIG, Q_HOME, 1)
    turned = se3.quaternion_multiply(se3.exp_rotation(np.array([0.0, turn_rad, 0.0])), start.quaternion)
    position = start.position + np.array([0.0, offset_m, 0.0])
    assert is_reached(CONFIG, Pose(position, turned), start) is expected
    assert is_reached(CONFIG, Pose(position, -turned), start) is expected
