"""Plays a policy in simulation, in this process, to see how good it is; nothing of it is kept."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from robot.env import RobotEnv
from robot.interfaces import Policy
from robot.loop import run_episode
from robot.types import FinalRecord, StepRecord
from sessions import build, environments
from sessions.run_config import RunConfig


class _Nowhere:
    """A sink that forgets."""

    def begin(self, episode_seed: int, attributes: dict[str, str | int | float]) -> None:
        """Nothing is kept."""

    def append(self, step: StepRecord) -> None:
        """Nothing is kept."""

    def commit(self, final: FinalRecord) -> int:
        return 0

    def discard(self) -> None:
        """Nothing was kept."""


class Trials:
    """The share of `episodes` that a policy wins alone, from the same starts each time; none is an evaluation's."""

    def __init__(self, env: RobotEnv, config: RunConfig, episodes: int) -> None:
        self._env, self._config, self._episodes = env, config, episodes

    def __call__(self, policy: Policy) -> float:
        seeds = (build.episode_seed(self._config, "trial", index) for index in range(self._episodes))
        wins = [run_episode(self._env, policy, _Nowhere(), seed, {}).is_success for seed in seeds]
        return sum(wins) / self._episodes


@contextlib.contextmanager
def trials(config: RunConfig) -> Iterator[Trials | None]:
    """Open the run's simulation for `bc.select=success`; None where it is not asked for, or not in this process."""
    if config.bc.select != "success" or not config.env.is_local:
        yield None
        return
    robot = environments.robot(config)
    try:
        robot.role = "watch"  # type: ignore[attr-defined]  # both robots in process have one
        env = RobotEnv(robot, build.robot_spec(config), environments.max_steps(config), "truth")
        yield Trials(env, config, config.bc.trial_episodes)
    finally:
        robot.close()
