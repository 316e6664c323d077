"""Composes robots that run in this process: gymnasium environments with their experts, and our own arm."""

from __future__ import annotations

import dataclasses
import importlib
from functools import lru_cache
from typing import TYPE_CHECKING

from drivers.gymnasium_config import AUTO, NOBODY, EnvConfig
from robot.errors import ConfigError

if TYPE_CHECKING:  # gymnasium and MuJoCo are loaded only by the processes that need them
    from robot.interfaces import Expert, RobotPort
    from robot.specs import RobotSpec
    from sessions.robot_config import RobotConfig
    from sessions.run_config import RunConfig


@lru_cache(maxsize=8)
def _facts(gym_id: str) -> tuple[RobotSpec, int | None]:
    """Return what an environment gives and takes, and after how many steps it ends; it is made and closed once."""
    from drivers import bench
    from drivers.gymnasium_robot import max_steps_of, spec_of

    env = bench.make(gym_id)
    try:
        return spec_of(env, bench.name_of(gym_id)), max_steps_of(env)
    finally:
        env.close()


def spec(config: EnvConfig) -> RobotSpec:
    """Return what the gymnasium environment of `config` gives and takes.

    Raises:
        ConfigError, SpecError: it is unknown, not installed, or not continuous.
    """
    return _facts(config.gym_id)[0]


def max_steps(config: RobotConfig) -> int:
    """Return after how many steps an episode is truncated."""
    if not config.env.gym_id:
        return config.task.max_steps
    limit = config.env.max_steps or _facts(config.env.gym_id)[1]
    if not limit:
        raise ConfigError(f"{config.env.gym_id} sets no limit to its episodes; set one, such as env.max_steps=200.")
    return limit


def expert(config: EnvConfig, env: object) -> Expert | None:
    """Return who plays the person in an environment; None for nobody.

    Raises:
        ConfigError: the module or the function of `env.expert` is not there.
    """
    from drivers import bench

    if config.expert in (AUTO, NOBODY):
        return bench.expert_of(config.gym_id, env) if config.expert == AUTO else None
    module, _, name = config.expert.partition(":")
    try:
        made: Expert = getattr(importlib.import_module(module), name)(env)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"env.expert {config.expert!r} is not to be had: {error}; it is module:function.") from error
    return made


def has_expert(config: EnvConfig) -> bool:
    """Whether somebody can demonstrate in this environment."""
    from drivers import bench

    if not config.gym_id or config.expert not in (AUTO, NOBODY):
        return True
    return config.expert == AUTO and bench.has_expert(config.gym_id)


def robot(config: RobotConfig) -> RobotPort:
    """Return the robot of a run that takes place in this process."""
    from sessions import build

    if not config.env.gym_id:
        return build.local_robot(config)
    from drivers import bench
    from drivers.gymnasium_robot import GymnasiumRobot
    from teleop.supervisor import ScriptedSupervisor

    env = bench.make(config.env.gym_id)
    who = expert(config.env, env)
    supervisor = None if who is None else ScriptedSupervisor(who, config.person)
    return GymnasiumRobot(env, config.env, bench.name_of(config.env.gym_id), supervisor)


def paid(config: RunConfig) -> RunConfig:
    """Return `config` with the reward of its environment, where nobody is known to tell success from failure there."""
    if not config.env.gym_id or has_expert(config.env):
        return config
    rewards = dataclasses.replace(config.training.rewards, environment=1.0, success=0.0, intervention=0.0)
    return dataclasses.replace(config, training=dataclasses.replace(config.training, rewards=rewards))
