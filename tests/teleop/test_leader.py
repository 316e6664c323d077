"""A leader arm: the robot makes its way, from wherever both stand, and nothing jumps when it is taken or let go."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot import se3
from robot.actions import ActionMap
from robot.clock import ManualClock
from robot.se3 import Pose
from teleop.device_config import DeviceConfig
from teleop.leader import FRESH_S, JUMP_M, REACHED_M, TAKEN_M, PersonAtLeader

DOWN = (1.0, 0.0, 0.0, 0.0)
ALL = ActionMap(("x", "y", "z", "rx", "ry", "rz"), (0.02,) * 3 + (0.1,) * 3, DOWN)
TICK_S = 0.01
CONFIG = DeviceConfig(device="leader", linger_s=0.3)


class Pair:
    """A leader and a robot that makes a tenth of what it is asked for at each tick; both stand where they like."""

    def __init__(self, config: DeviceConfig = CONFIG, actions: ActionMap = ALL, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.clock = ManualClock(1)
        self.person = PersonAtLeader(config, actions.reach, self.clock)
        self.reach = actions.reach
        self.leader, self.robot = (
            Pose(rng.uniform(-0.5, 0.5, 3), se3.normalised(rng.standard_normal(4))) for _ in range(2)
        )
        self.is_engaged, self.axes, self.is_blocked = False, np.zeros(6), False
        self.run(0.2)

    def tick(self, step_m: np.ndarray | None = None, turn_rad: np.ndarray | None = None) -> None:
        """Let the leader be moved by `step_m` and `turn_rad` in its own base frame, and the robot follow."""
        if step_m is not None:
            turned = se3.exp_rotation(np.zeros(3) if turn_rad is None else turn_rad)
            quaternion = se3.normalised(se3.quaternion_multiply(turned, self.leader.quaternion))
            self.leader = Pose(self.leader.position + step_m, quaternion)
        self.person.see_leader(self.leader)
        self.person.see_follower(self.robot)
        sample = self.person.read()
        self.is_engaged, self.axes = sample.is_engaged, sample.axes
        if self.is_engaged and not self.is_blocked:
            move = 0.1 * self.axes * self.reach
            quaternion = se3.quaternion_multiply(se3.exp_rotation(move[3:]), self.robot.quaternion)
            self.robot = Pose(self.robot.position + move[:3], se3.normalised(quaternion))
        self.clock.sleep_until(self.clock.now_ns() + round(1e9 * TICK_S))

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / TICK_S)):
            self.tick()

    def push(self, way_m: np.ndarray, turn_rad: np.ndarray | None = None, seconds: float = 1.0) -> None:
        count = round(seconds / TICK_S)
        for _ in range(count):
            self.tick(np.asarray(way_m) / count, None if turn_rad is None else np.asarray(turn_rad) / count)


ways = st.tuples(*[st.floats(-0.15, 0.15)] * 3).map(np.array)


@settings(deadline=None, max_examples=15)
@given(
    way=ways,
    turn=st.floats(-0.6, 0.6),
    seed=st.integers(0, 99),
    facing=st.sampled_from([0.0, 90.0, 180.0]),
    gain=st.sampled_from([0.5, 1.0]),
)
def test_the_robot_makes_the_way_of_the_leader(
    way: np.ndarray, turn: float, seed: int, facing: float, gain: float
) -> None:
    pair = Pair(DeviceConfig(device="leader", facing_deg=facing, gain=gain), seed=seed)
    pair.push([0.0, 0.0, 2 * TAKEN_M], seconds=0.2)  # taken; from here on
    assert pair.is_engaged
    leader, robot = pair.leader, pair.robot
    pair.push(way, np.array([0.0, 0.0, turn]))
    pair.run(2.5)
    assert not pair.is_engaged
    turned = se3.about_z(np.radians(facing))
    left = robot.position + gain * se3.rotate(turned, pair.leader.position - leader.position) - pair.robot.position
    assert np.abs(left).max() < 2 * REACHED_M
    made = se3.rotation_error(pair.robot.quaternion, robot.quaternion)
    np.testing.assert_allclose(made, [0.0, 0.0, gain * turn], atol=0.05)


@pytest.mark.parametrize("seed", range(5))
def test_taking_it_asks_for_nothing_at_first_and_letting_go_for_nothing_any_more(seed: int) -> None:
    pair = Pair(seed=seed)
    before = np.zeros(6)
    steps = []
    for tick in range(400):
        pair.tick(np.array([0.001, 0.0, 0.0]) if tick < 60 else None)  # 0.1 m/s
        steps.append(np.abs(pair.axes - before).max())
        before = pair.axes
    assert not pair.is_engaged
    # never more than what the leader's own step of 1 mm is of the robot's 20 mm, and what let go is at rest
    assert max(steps) < 0.11


def test_a_robot_that_moves_by_itself_takes_nobodys_leader() -> None:
    pair = Pair()
    for _ in range(300):
        pair.robot = Pose(pair.robot.position + np.array([0.001, 0.0, 0.0]), pair.robot.quaternion)
        pair.tick()
        assert not pair.is_engaged


def test_a_leader_that_creeps_is_not_taken_and_one_that_is_moved_is() -> None:
    pair = Pair()
    pair.push([0.02, 0.0, 0.0], seconds=4.0)  # 5 mm/s: its springs settle
    assert not pair.is_engaged
    pair.push([0.02, 0.0, 0.0], seconds=0.5)
    assert pair.is_engaged
    turned = Pair()
    turned.push([0.0, 0.0, 0.0], np.array([0.0, 0.2, 0.0]), seconds=0.5)
    assert turned.is_engaged


def test_who_pushes_against_something_keeps_control_however_still_they_hold() -> None:
    pair = Pair()
    pair.is_blocked = True
    pair.push([0.05, 0.0, 0.0], seconds=0.3)
    pair.run(5.0)
    assert pair.is_engaged
    assert pair.axes[0] > 0.9
    pair.is_blocked = False
    pair.run(3.0)
    assert not pair.is_engaged


@pytest.mark.parametrize("who", ["leader", "robot"])
def test_one_that_is_silent_has_let_go_and_says_so_and_is_taken_anew(who: str) -> None:
    pair = Pair()
    pair.push([0.05, 0.0, 0.0], seconds=0.3)
    assert pair.is_engaged
    pair.clock.sleep_until(pair.clock.now_ns() + round(1.1e9 * FRESH_S))
    (pair.person.see_follower if who == "leader" else pair.person.see_leader)(pair.robot)
    sample = pair.person.read()
    assert (sample.is_engaged, sample.axes.any()) == (False, False)
    assert pair.person.complaint == f"The {'leader arm' if who == 'leader' else 'robot'} tells no pose."
    pair.leader = Pose(pair.leader.position + 0.05, pair.leader.quaternion)  # somewhere else, when it is back
    pair.run(0.5)
    assert not pair.is_engaged
    assert pair.person.complaint == ""
    pair.push([0.05, 0.0, 0.0], seconds=0.3)
    assert pair.is_engaged


def test_one_that_was_never_heard_says_so() -> None:
    person = PersonAtLeader(CONFIG, ALL.reach, ManualClock(10**9))
    assert "told no pose yet" in person.complaint
    assert not person.read().is_engaged


def test_a_leader_that_jumps_is_let_go() -> None:
    pair = Pair()
    pair.push([0.05, 0.0, 0.0], seconds=0.3)
    pair.leader = Pose(pair.leader.position + np.array([1.1 * JUMP_M, 0.0, 0.0]), pair.leader.quaternion)
    pair.tick()
    assert not pair.is_engaged
    assert not pair.axes.any()


def test_axes_that_the_robot_does_not_have_are_not_asked_for_and_keep_nobody_in_control() -> None:
    pair = Pair(actions=ActionMap(("x", "z"), (0.02, 0.01), DOWN))
    pair.push([0.03, 0.05, -0.02], np.array([0.3, 0.0, 0.0]), seconds=0.5)
    assert pair.is_engaged
    assert np.flatnonzero(pair.axes).tolist() in ([0, 2], [0], [2])
    pair.run(3.0)
    assert not pair.is_engaged
