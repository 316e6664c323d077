"""Any gymnasium environment with continuous actions is a robot: its episodes, rewards and ends arrive as they are."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from drivers import bench
from drivers.gymnasium_config import EnvConfig
from drivers.gymnasium_robot import GymnasiumRobot, make, max_steps_of, spec_of
from drivers.gymnasium_spaces import ActionBox, observation_of, observation_spec
from robot.env import RobotEnv
from robot.errors import ConfigError, NudgeError, RobotError, SpecError
from robot.types import Decision, Source, TimeStep

sys.path.append(str(Path(__file__).resolve().parents[1] / "sessions"))
import tiny_env

ACTIONS = arrays.arrays(np.float32, (2,), elements=st.floats(-1, 1, width=32))


def ask(*action: float) -> Decision:
    nothing = np.full(len(action), np.nan, np.float32)
    return Decision(np.array(action, np.float32), nothing, nothing)


def robot_of(gym_id: str, config: EnvConfig | None = None, supervisor=None) -> GymnasiumRobot:
    return GymnasiumRobot(make(gym_id), config or EnvConfig(id=f"gym:{gym_id}"), gym_id, supervisor)


def env_of(gym_id: str, config: EnvConfig | None = None) -> RobotEnv:
    robot = robot_of(gym_id, config)
    return RobotEnv(robot, robot.spec, max_steps_of(make(gym_id)) or 1000, judge="truth")


def play(env: RobotEnv, policy, seed: int = 0) -> tuple[TimeStep, list]:
    step, _ = env.begin(seed)
    outcomes = []
    while not step.is_last:
        step, outcome = env.advance(ask(*policy(step.observation)))
        outcomes.append(outcome)
    return step, outcomes


def to_goal(observation) -> np.ndarray:
    return np.clip((observation["far_goal"] - observation["point"]) / tiny_env.STEP, -1, 1)


def with_energy(observation) -> tuple[float]:
    """Climbs the hill of MountainCarContinuous by swinging."""
    return (1.0 if observation["state"][1] >= 0 else -1.0,)


@given(ACTIONS)
def test_actions_fill_a_bounded_box_and_come_back(action: np.ndarray) -> None:
    box = ActionBox.of("tiny", spaces.Box(tiny_env.LOW, tiny_env.HIGH))
    there = box.to_env(action)
    assert spaces.Box(tiny_env.LOW, tiny_env.HIGH).contains(there)
    np.testing.assert_allclose(box.from_env(there), action, atol=1e-6)


def test_the_ends_of_an_action_are_the_ends_of_the_box_and_unbounded_axes_stay_as_they_are() -> None:
    space = spaces.Box(np.array([-2, -np.inf, 0], np.float32), np.array([4, np.inf, np.inf], np.float32))
    box = ActionBox.of("odd", space)
    np.testing.assert_allclose(box.to_env(np.array([-1, -1, -1], np.float32)), [-2, -1, 0])
    np.testing.assert_allclose(box.to_env(np.array([1, 1, 1], np.float32)), [4, 1, 1])


def test_an_action_of_any_shape_is_flat_for_us() -> None:
    box = ActionBox.of("square", spaces.Box(-1, 1, (2, 2), np.float64))
    there = box.to_env(np.array([0.1, 0.2, 0.3, 0.4], np.float32))
    assert (there.shape, there.dtype) == ((2, 2), np.float64)


def test_pictures_and_states_have_their_keys() -> None:
    spec = observation_spec("tiny", tiny_env.Tiny().observation_space)
    assert {key: (array.shape, array.dtype) for key, array in spec.items()} == {
        "point": ((2,), "float32"),
        "far_goal": ((2,), "float32"),
        "images/eye": ((4, 4, 3), "uint8"),
    }
    assert list(observation_spec("box", spaces.Box(-1, 1, (3,)))) == ["state"]
    assert list(observation_spec("eye", spaces.Box(0, 255, (8, 8, 3), np.uint8))) == ["images/image"]


def test_an_observation_is_a_copy_that_later_steps_leave_alone() -> None:
    space = spaces.Box(-1, 1, (3,), np.float32)
    raw = np.zeros(3, np.float32)
    seen = observation_of(raw, observation_spec("box", space))
    raw[:] = 1
    assert seen["state"].max() == 0


@pytest.mark.filterwarnings("ignore:.*infinity. This is probably too.*", "ignore:.*precision lowered.*")
def test_gymnasium_finds_nothing_to_complain_of() -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*infinity. This is probably too.*")
        check_env(env_of("Pendulum-v1"), skip_render_check=True)


@pytest.mark.parametrize("gym_id", ["Tiny-v0", "Pendulum-v1"])
def test_an_episode_follows_from_its_seed_whatever_came_before(gym_id: str) -> None:
    def episode(env: RobotEnv, seed: int) -> list:
        rng = np.random.default_rng(seed)
        return play(env, lambda _: rng.uniform(-1, 1, env.spec_robot.action_size), seed)[1]

    env = env_of(gym_id)
    once = episode(env, 3)
    episode(env, 4)
    again = episode(env, 3)
    assert [o.reward for o in once] == [o.reward for o in again]
    for key in env.spec_robot.observation:
        np.testing.assert_array_equal(once[-1].observation[key], again[-1].observation[key])
    assert [o.reward for o in episode(env, 5)] != [o.reward for o in once]


def test_rewards_and_stamps_arrive() -> None:
    last, outcomes = play(env_of("Tiny-v0"), to_goal)
    assert last.is_success
    assert all(outcome.reward < 0 for outcome in outcomes)
    steps_ns = np.diff([outcome.stamp_ns for outcome in outcomes])
    assert set(steps_ns) == {50_000_000}  # 20 frames a second


def test_running_out_of_time_is_no_termination() -> None:
    last, outcomes = play(env_of("Pendulum-v1"), lambda _: (0.0,))
    assert len(outcomes) == 200
    assert (last.is_truncated, last.is_terminated, last.is_aborted) == (True, False, False)


def test_a_termination_without_success_is_a_failure() -> None:
    last, _ = play(env_of("Tiny-v0"), lambda _: (1.0, 0.0))
    assert (last.is_terminated, last.is_success) == (True, False)


@pytest.mark.parametrize(("threshold", "is_success"), [(None, False), (50.0, True)])
def test_a_threshold_on_the_last_reward_makes_success(threshold: float | None, is_success: bool) -> None:
    config = EnvConfig(id="gym:MountainCarContinuous-v0", success_reward=threshold)
    last, outcomes = play(env_of("MountainCarContinuous-v0", config), with_energy)
    assert outcomes[-1].reward > 50
    assert (last.is_terminated, last.is_success) == (True, is_success)


@pytest.mark.parametrize(("success_ends", "is_terminated"), [(True, True), (False, False)])
def test_success_that_info_alone_reports_ends_the_episode_if_so_configured(
    success_ends: bool, is_terminated: bool
) -> None:
    config = EnvConfig(id="gym:Unending-v0", success_ends=success_ends)
    last, _ = play(env_of("Unending-v0", config), to_goal)
    assert (last.is_terminated, last.is_success) == (is_terminated, is_terminated)


class Taking:
    """A supervisor who takes every second step."""

    def begin(self, seed: int, role: str) -> None:
        self.count, self.role = 0, role

    def take(self, observation):
        self.count += 1
        return np.array([0.5, -0.5], np.float32) if self.count % 2 else None


def test_a_supervisors_action_is_executed_and_labelled() -> None:
    taking = Taking()
    robot = robot_of("Tiny-v0", supervisor=taking)
    robot.role = "supervise"
    robot.reset(0)
    theirs, ours = robot.step(ask(0.1, 0.1)), robot.step(ask(0.1, 0.1))
    assert taking.role == "supervise"
    assert (theirs.source, ours.source) == (Source.HUMAN, Source.POLICY)
    np.testing.assert_allclose(theirs.executed, [0.5, -0.5])
    np.testing.assert_allclose(ours.executed, [0.1, 0.1])


def test_an_environments_own_limit_of_time_truncates() -> None:
    class Hasty(tiny_env.Tiny):
        def step(self, action):
            observation, reward, _, _, info = super().step(action)
            return observation, reward, False, True, info | {"is_success": False}

    robot = GymnasiumRobot(Hasty(), EnvConfig(id="gym:Hasty"), "Hasty")
    last, outcomes = play(RobotEnv(robot, robot.spec, 10, "truth"), lambda _: (0.0, 0.0))
    assert (len(outcomes), last.is_truncated, last.is_terminated) == (1, True, False)


@pytest.mark.parametrize(
    ("gym_id", "sentence"),
    [
        ("CartPole-v1", "nudge learns continuous actions only"),
        ("Pendulam-v1", "Did you mean 'Pendulum-v1'"),
        ("nowhere/Thing-v0", "Namespace nowhere not found"),
        ("no_such_module_of_ours:Thing-v0", "no_such_module_of_ours"),
    ],
)
def test_what_is_no_robot_is_refused_in_a_sentence(gym_id: str, sentence: str) -> None:
    with pytest.raises(NudgeError, match=sentence):
        GymnasiumRobot(bench.make(gym_id), EnvConfig(), gym_id)


def test_an_environment_that_fails_or_gives_something_else_is_named_with_the_place() -> None:
    robot = robot_of("Pendulum-v1")
    robot.reset(3)
    inner = robot._env.unwrapped
    inner.step = lambda action: (np.zeros(4), 0.0, False, False, {})
    with pytest.raises(SpecError, match=r"observation 'state' must be \[3\], as its space says; found \[4\]"):
        robot.step(ask(0.0))
    inner.step = lambda action: 1 / 0
    with pytest.raises(RobotError, match=r"failed in step\(\): ZeroDivisionError: .*test_gymnasium_robot\.py, line"):
        robot.step(ask(0.0))
    inner.reset = inner.step
    with pytest.raises(RobotError, match=r"failed in reset\(\): TypeError"):
        robot.reset(3)


def test_a_constructor_that_fails_is_named() -> None:
    def broken() -> gymnasium.Env:
        raise RuntimeError("broken at birth")

    gymnasium.register("Broken-v0", broken)
    try:
        with pytest.raises(ConfigError, match=r"'Broken-v0' failed while it was made: RuntimeError: broken at birth"):
            bench.make("Broken-v0")
    finally:
        del gymnasium.registry["Broken-v0"]


@pytest.mark.parametrize("nothing", [(), (0,)])
def test_actions_without_an_axis_are_refused(nothing: tuple[int, ...]) -> None:
    class Still(gymnasium.Env):
        observation_space, action_space = spaces.Box(-1, 1, (2,)), spaces.Box(-1, 1, nothing)

    with pytest.raises(SpecError, match="continuous actions only"):
        GymnasiumRobot(Still(), EnvConfig(id="gym:Still"), "Still")


def test_observations_that_are_no_arrays_are_refused() -> None:
    with pytest.raises(SpecError, match="arrays of numbers"):
        observation_spec("odd", spaces.Dict({"a": spaces.Tuple([spaces.Box(0, 1)])}))


def test_an_environment_may_name_its_axes_and_its_gripper_with_them() -> None:
    env = make("Pendulum-v1")
    plain = spec_of(env, "one")
    assert (plain.action_axes, plain.gripper_axis) == (("a0",), -1)
    env.unwrapped.action_axes = ("gripper",)
    assert spec_of(env, "one").gripper_axis == 0
    env.unwrapped.action_axes = ("x", "gripper")
    with pytest.raises(ConfigError, match="takes 1 action axes; its `action_axes` names 2"):
        spec_of(env, "one")


@pytest.mark.parametrize("wrong", ["gym", "gym:", "ros", "Pendulum-v1"])
def test_an_environment_is_named_in_one_way(wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"env\.id must be empty"):
        EnvConfig(id=wrong)


@pytest.mark.parametrize("name", bench.TASKS)
def test_a_task_that_is_not_installed_says_how_to_get_it(name: str) -> None:
    if bench.is_installed(name):
        pytest.skip("this environment has the extra [bench]")
    with pytest.raises(ConfigError, match="make bench-setup"):
        bench.make(name)


def test_gymnasium_is_not_asked_to_end_episodes() -> None:
    assert not isinstance(make("Pendulum-v1"), gymnasium.wrappers.TimeLimit)
    assert max_steps_of(make("Pendulum-v1")) == 200
    assert max_steps_of(make("Endless-v0")) is None


def test_only_the_simulated_arm_of_this_process_tells_the_truth() -> None:
    with pytest.raises(ConfigError, match=r"for --env local.*env.id is ''"):
        EnvConfig(tells_truth=True)
    with pytest.raises(ConfigError, match=r"env.id is 'gym:Pendulum-v1'"):
        EnvConfig(id="gym:Pendulum-v1", tells_truth=True)
