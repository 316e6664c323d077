"""Third-party tasks: repeatable by seed, judged by their own rules, and solved by their experts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from drivers import bench
from drivers.gymnasium_config import EnvConfig
from drivers.gymnasium_robot import GymnasiumRobot, max_steps_of
from robot.env import RobotEnv
from robot.interfaces import Supervisor
from robot.types import Decision
from teleop.supervisor import ScriptedSupervisor
from teleop.supervisor_config import SupervisorConfig

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # whatever the packages of others warn of


OPEN: list[GymnasiumRobot] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


def env_of(name: str, role: str = "watch") -> RobotEnv:
    if name in bench.TASKS and not bench.is_installed(name):
        pytest.skip(f"needs {bench.TASKS[name].package}: make bench-setup, then .venv-bench/bin/python -m pytest")
    env = bench.make(name)
    person: Supervisor | None = None
    expert = bench.expert_of(name, env)
    if expert is not None:
        person = ScriptedSupervisor(expert, SupervisorConfig(noise=0.0, mistakes=0.0))
    robot = GymnasiumRobot(env, EnvConfig(id=f"gym:{name}"), name, person)
    robot.role = role
    OPEN.append(robot)
    return RobotEnv(robot, robot.spec, max_steps_of(env) or 100, judge="truth")


@pytest.mark.parametrize("name", bench.TASKS)
def test_the_last_axis_is_the_grippers(name: str) -> None:
    spec = env_of(name).spec_robot
    assert spec.gripper_axis == spec.action_size - 1


def play(env: RobotEnv, seed: int, steps: int = 1000) -> tuple[bool, list[dict[str, np.ndarray]]]:
    """Play random actions, or the person's where they act; returns success and all observations."""
    rng = np.random.default_rng(seed)
    step, _ = env.begin(seed)
    seen = [step.observation]
    size = env.spec_robot.action_size
    nothing = np.full(size, np.nan, np.float32)
    while not step.is_last and len(seen) <= steps:
        action = rng.uniform(-1, 1, size).astype(np.float32)
        step, outcome = env.advance(Decision(action, nothing, nothing))
        assert np.isfinite(outcome.reward)
        env.spec_robot.check(step.observation)
        seen.append(step.observation)
    return step.is_success, seen


@pytest.mark.parametrize("name", bench.TASKS)
def test_an_episode_follows_from_its_seed_whatever_came_before(name: str) -> None:
    env = env_of(name)
    once = play(env, 5, steps=12)[1]
    play(env, 6, steps=7)
    again = play(env, 5, steps=12)[1]
    for before, after in zip(once, again, strict=True):
        for key, value in before.items():
            np.testing.assert_array_equal(value, after[key], err_msg=key)
    other = play(env, 6, steps=1)[1]
    assert any(not np.array_equal(once[0][key], other[0][key]) for key in once[0])


@pytest.mark.parametrize("name", bench.TASKS)
def test_the_expert_solves_it_and_a_random_walk_does_not(name: str) -> None:
    env = env_of(name, "demonstrate")
    assert [play(env, seed)[0] for seed in (0, 1, 2)] == [True] * 3
    env = env_of(name)
    assert not play(env, 0, steps=60)[0]


@pytest.mark.parametrize("name", bench.TASKS)
def test_the_experts_progress_rises_to_the_success(name: str) -> None:
    env = env_of(name, "demonstrate")
    expert = env._port._supervisor.expert
    step, _ = env.begin(1)
    nothing = np.full(env.spec_robot.action_size, np.nan, np.float32)
    path = [expert.progress(step.observation)]
    while not step.is_last:
        step, _ = env.advance(Decision(nothing, nothing, nothing))
        path.append(expert.progress(step.observation))
    assert step.is_success
    assert path[-1] > path[0] + 0.5
    longest = np.diff(np.flatnonzero(np.diff(np.maximum.accumulate(path)) > 0)).max()
    assert longest <= SupervisorConfig().patience_steps + SupervisorConfig().reaction_steps


def test_the_long_name_of_gym_hil_means_the_same_task() -> None:
    assert bench.name_of("gym_hil/PandaPickCubeBase-v0") == "pick-cube"


def test_adroit_is_a_robot_without_an_expert() -> None:
    pytest.importorskip("gymnasium_robotics", reason="needs gymnasium-robotics: make bench-setup")
    env = env_of("AdroitHandDoor-v1")
    assert env.spec_robot.action_size == 28
    assert not bench.has_expert("AdroitHandDoor-v1")
    assert play(env, 0)[0] is False
