"""The whole robot in one process: it demonstrates, repeats itself bit for bit, replays, and stops when at fault."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from robot_rig import MemorySink, decision

from drivers.gymnasium_config import EnvConfig
from robot.env import RobotEnv
from robot.errors import FaultError, RobotError
from robot.local import LocalRobot
from robot.loop import EpisodeSummary, HoldPolicy, run_episode
from robot.mode import Event, Mode
from robot.replay import ReplayResult, replay_episode
from robot.reset import ResetConfig, is_reached, start_pose
from robot.safety import Reason, SafetyConfig
from robot.se3 import Pose, yaw
from robot.store import Episode, StoreReader, StoreWriter
from robot.types import Decision, Observation, Source, StepTiming
from sessions import build
from sessions.robot_config import CameraConfig, RobotConfig, TaskConfig

SEED = 2
CONFIG = RobotConfig(cameras=CameraConfig(names=()))
SPEC = build.robot_spec(CONFIG)
STILL = decision(0.0, 0.0, 0.0, 0.0)
TRUTH = ("socket_x", "is_inserted", "depth_m", "lateral_m", "yaw_error_rad")


def _robot(role: str = "watch", config: RobotConfig = CONFIG) -> LocalRobot:
    robot = build.local_robot(config)
    robot.role = role
    return robot


class Wanderer:
    """A policy that wanders about at random, down on the whole; it asks for more than it may have."""

    def reset(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def act(self, observation: Observation) -> Decision:
        assert observation.keys() == SPEC.observation.keys()
        action = self._random.normal([0.0, 0.0, -0.4, 0.0], 1.2)
        return decision(*action)

    def replan(self) -> None:
        """Nothing was planned."""


class Memory(MemorySink):
    """The same strictness for the real robot's spec."""

    def append(self, step) -> None:
        SPEC.check(step.observation)
        self._running().append(step)

    def commit(self, final) -> int:
        SPEC.check(final.observation)
        self.committed.append((self._running(), final))
        self.journal = None
        return len(self.committed) - 1


def _play(robot: LocalRobot, policy, sink, seed: int, judge: str = "operator") -> EpisodeSummary:
    return run_episode(RobotEnv(robot, SPEC, CONFIG.task.max_steps, judge), policy, sink, seed, {"phase": "test"})


def _columns(sink: Memory) -> list[np.ndarray]:
    """Return all that was recorded, as arrays."""
    ((steps, final),) = sink.committed
    rows = [step.observation for step in steps] + [final.observation]
    seen = [np.array([row[key] for row in rows]) for key in SPEC.observation]
    told = [[step.source, step.label, step.reasons, step.is_success] for step in steps]
    return [*seen, np.array([step.executed for step in steps]), np.array(told)]


@pytest.mark.parametrize("seed", [SEED, SEED + 1])
def test_a_demonstrated_episode_succeeds(seed: int):
    sink = Memory()
    summary = _play(_robot("demonstrate"), HoldPolicy(4), sink, seed)
    assert summary.is_success
    assert summary.human_steps == summary.steps
    assert summary.interventions == 1
    ((steps, _),) = sink.committed
    executed = np.array([step.executed for step in steps])
    # the policy asked for nothing: it is the person's action that is recorded
    assert not np.array([step.decision.action for step in steps]).any()
    assert np.abs(executed).max() > 0.5


def test_a_policy_that_stands_still_is_corrected_by_the_person_and_not_when_nobody_supervises():
    supervised, alone = Memory(), Memory()
    assert _play(_robot("supervise"), HoldPolicy(4), supervised, SEED).is_success
    sources = [step.source for step in supervised.committed[0][0]]
    assert sources[0] is Source.POLICY
    assert Source.HUMAN in sources
    summary = _play(_robot("watch"), HoldPolicy(4), alone, SEED)
    assert (summary.is_success, summary.human_steps, summary.steps) == (False, 0, CONFIG.task.max_steps)


@pytest.mark.parametrize("role", ["demonstrate", "watch"])
def test_two_runs_are_equal_bit_for_bit_whatever_came_before(role: str):
    fresh, used = _robot(role), _robot(role)
    _play(used, Wanderer(), Memory(), SEED + 5)
    sinks = Memory(), Memory()
    for robot, sink in zip((fresh, used), sinks, strict=True):
        _play(robot, Wanderer(), sink, SEED)
    for one, other in zip(*map(_columns, sinks), strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_seed_is_another_scene_and_another_start():
    robot = _robot()

    def laid_out(seed: int) -> tuple[float, ...]:
        seen, truth = robot.reset(seed).observation, robot._world.truth()
        return truth["socket_x"], truth["socket_y"], truth["socket_yaw"], *map(float, seen["tool_pose"][:3])

    assert laid_out(1) == laid_out(1)
    assert all(one != other for one, other in zip(laid_out(1), laid_out(2), strict=True))


def test_a_policy_sees_what_the_spec_declares_and_never_the_truth():
    robot = _robot()
    outcomes = [robot.reset(SEED), *(robot.step(STILL) for _ in range(3))]
    for outcome in outcomes:
        SPEC.check(outcome.observation)
        assert not set(outcome.observation) & set(robot._world.truth())
        assert not set(outcome.observation) & set(TRUTH)
        assert outcome.truth_success is False
    # the socket is seen through a tracker that errs, not as it is
    truth = robot._world.truth()
    seen = outcomes[-1].observation["socket_pose"][:2]
    error = np.hypot(seen[0] - truth["socket_x"], seen[1] - truth["socket_y"])
    assert 1e-6 < error < 0.02


def test_with_cameras_the_images_belong_to_the_observation():
    config = RobotConfig(cameras=CameraConfig(image_size=32))
    outcome = build.local_robot(config, has_images=True).reset(SEED)
    build.robot_spec(config).check(outcome.observation)
    assert outcome.observation["images/front"].std() > 5.0


def test_without_a_tracker_the_socket_is_not_in_the_observation():
    env = EnvConfig(id="local", has_cameras=True)
    config = RobotConfig(task=TaskConfig(has_tracker=False), env=env, cameras=CameraConfig(image_size=32))
    outcome = build.local_robot(config).reset(SEED)
    build.robot_spec(config).check(outcome.observation)
    assert "socket_pose" not in outcome.observation
    assert "images/wrist" in outcome.observation
    assert outcome.stream_stamps_ns.keys() == outcome.observation.keys()


def test_the_truth_is_told_beside_what_the_tracker_says_and_changes_nothing():
    told = RobotConfig(cameras=CameraConfig(names=()), env=EnvConfig(id="local", tells_truth=True))
    robots = _robot(), _robot(config=told)
    for robot in robots:
        robot.reset(SEED)
    for _ in range(5):
        plain, knowing = (robot.step(decision(0.5, 0.2, -0.5, 0.1)) for robot in robots)
        build.robot_spec(told).check(knowing.observation)
        for key, value in plain.observation.items():
            np.testing.assert_array_equal(value, knowing.observation[key])
        truth = robots[1]._world.truth()
        pose = Pose.from_vector(knowing.observation["truth/socket_pose"])
        np.testing.assert_allclose(pose.position, [truth[f"socket_{axis}"] for axis in "xyz"], atol=1e-6)
        assert yaw(pose.quaternion) == pytest.approx(truth["socket_yaw"], abs=1e-6)
        assert not np.array_equal(knowing.observation["socket_pose"], knowing.observation["truth/socket_pose"])


def test_what_renders_is_given_back():
    robot = build.local_robot(RobotConfig(cameras=CameraConfig(image_size=32)), has_images=True)
    robot.reset(SEED)
    robot.close()
    robot.close()


def test_an_episode_starts_at_its_start_pose():
    outcome = _robot().reset(SEED)
    pose = Pose.from_vector(outcome.observation["tool_pose"])
    assert is_reached(CONFIG.reset, pose, start_pose(CONFIG.reset, CONFIG.control.q_home, SEED))
    assert outcome.source is Source.RESET


def test_a_step_takes_one_period_and_moves_by_the_executed_action():
    robot = _robot()
    before = robot.reset(SEED)
    after = robot.step(decision(0.5, 0.0, 0.0, 0.0))
    assert after.stamp_ns - before.stamp_ns == 100_000_000
    assert set(after.stream_stamps_ns) == set(SPEC.observation)
    assert after.timing == StepTiming.simulated(before.stamp_ns)
    np.testing.assert_allclose(after.executed, [0.5, 0, 0, 0], atol=1e-5)
    for _ in range(10):
        robot.step(decision(0.5, 0.0, 0.0, 0.0))
    way = robot.step(STILL).observation["tool_pose"][:3] - before.observation["tool_pose"][:3]
    assert way[0] > 0.03
    assert np.abs(way[1:]).max() < 0.01


@pytest.mark.parametrize(("action", "reason"), [(3.0, Reason.LINEAR_SPEED), (9.0, Reason.JUMP)])
def test_the_governor_sits_between_every_policy_and_the_arm(action: float, reason: Reason):
    robot = _robot()
    robot.reset(SEED)
    outcome = robot.step(decision(action, 0.0, 0.0, 0.0))
    assert outcome.reasons == reason
    assert (outcome.source is Source.HOLD) == (reason is Reason.JUMP)
    assert np.linalg.norm(outcome.executed) <= 1.5 + 1e-6


def test_an_action_that_is_not_finite_holds_the_arm():
    robot = _robot()
    before = robot.reset(SEED).observation["tool_pose"]
    outcome = robot.step(decision(np.nan, 0.0, 0.0, 0.0))
    assert outcome.reasons == Reason.NOT_FINITE
    np.testing.assert_array_equal(outcome.executed, np.zeros(4))
    # it comes to rest from the way to the start
    np.testing.assert_allclose(outcome.observation["tool_pose"][:3], before[:3], atol=5e-3)


def test_after_the_end_the_arm_holds():
    robot = _robot()
    robot.reset(SEED)
    for _ in range(3):
        robot.step(decision(1.0, 0.0, 0.0, 0.0))
    robot.end()
    robot.end()
    assert robot._server.is_holding
    assert robot._mux.mode is Mode.READY


def test_a_start_that_cannot_be_reached_latches_a_fault_until_a_person_clears_it():
    out_of_reach = replace(CONFIG, reset=ResetConfig(start_position_m=(0.5, 0.0, 0.69), timeout_s=0.5))
    robot = _robot(config=out_of_reach)
    with pytest.raises(RobotError, match=r"not reached in 0\.5 s"):
        robot.reset(SEED)
    with pytest.raises(FaultError, match="mode fault; a person must clear it"):
        robot.reset(SEED)
    assert robot.step(decision(1.0, 0.0, 0.0, 0.0)).source is Source.HOLD
    robot._reset_config = CONFIG.reset
    for event in (Event.CLEAR_BY_PERSON, Event.ENABLE):
        robot._mux.handle(event)
    robot.reset(SEED)
    assert robot.step(STILL).source is Source.POLICY


def test_a_fault_of_the_arm_aborts_the_episode_and_refuses_the_next():
    robot = _robot()
    robot.reset(SEED)
    robot._server._latch("the link is lost")
    outcome = robot.step(STILL)
    assert outcome.is_aborted
    with pytest.raises(FaultError, match="the link is lost"):
        robot.reset(SEED)
    assert robot._mux.mode is Mode.FAULT


def _recorded(path: Path, role: str, policy, seed: int = SEED, config: RobotConfig = CONFIG) -> Episode:
    with StoreWriter.open(path, SPEC, {}) as writer:
        _play(_robot(role, config), policy, writer, seed)
    return StoreReader.open(path).episode(0)


def _assert_same_path(result: ReplayResult, episode: Episode) -> None:
    assert result.position_error_mm.shape == result.rotation_error_deg.shape == (episode.length + 1,)
    np.testing.assert_array_equal(result.position_error_mm, 0.0)
    np.testing.assert_array_equal(result.rotation_error_deg, 0.0)
    assert result.first_apart is None
    np.testing.assert_allclose(np.diff(result.stamps_s), 0.1, atol=1e-9)


@pytest.mark.parametrize(("role", "policy"), [("watch", Wanderer()), ("demonstrate", HoldPolicy(4))])
def test_a_replay_of_a_stored_episode_takes_exactly_its_path(tmp_path: Path, role: str, policy):
    episode = _recorded(tmp_path / "a.zarr", role, policy)
    result = replay_episode(_robot(), episode, int(episode.attributes["seed"]))
    _assert_same_path(result, episode)
    assert result.is_success == (role == "demonstrate")


def test_a_replay_of_an_episode_that_changes_hands_takes_its_path_too(tmp_path: Path):
    episode = _recorded(tmp_path / "a.zarr", "supervise", Wanderer())
    assert len(set(episode.source)) > 1
    _assert_same_path(replay_episode(_robot(), episode, SEED), episode)


def test_a_replay_from_another_start_or_under_other_limits_shows_how_far_it_is_off(tmp_path: Path):
    episode = _recorded(tmp_path / "a.zarr", "watch", Wanderer())
    elsewhere = replay_episode(_robot(), episode, SEED + 1)
    assert elsewhere.first_apart == 0
    slow = replace(CONFIG, safety=SafetyConfig(max_linear_speed=0.05))
    slowed = replay_episode(_robot(config=slow), episode, SEED)
    # the way to the start is slower as well, so that even the first pose differs, but by less than its tolerance
    assert slowed.position_error_mm[0] < 20.0 < slowed.position_error_mm.max()
