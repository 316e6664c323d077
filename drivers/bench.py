"""Third-party tasks under short names, each with its adapter and, where there is one, its scripted expert."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import Any

import gymnasium

from drivers import gymnasium_robot
from drivers.gymnasium_robot import Env
from robot.errors import ConfigError
from robot.interfaces import Expert

PACKAGES = ("gymnasium_robotics", "gym_hil")
"""What registers environments when it is imported."""

HOW = "Third-party tasks live in an environment of their own: make bench-setup, then .venv-bench/bin/nudge ..."


@dataclass(frozen=True)
class BenchTask:
    """One task: `module` makes it (`make(task)`) and its expert (`expert(task, env)`); it needs `package`."""

    name: str
    module: str
    package: str
    has_expert: bool = True


TASKS = {
    "pick-cube": BenchTask("pick-cube", "drivers.bench_pick_cube", "gym_hil"),
    "lift": BenchTask("lift", "drivers.bench_robosuite", "robosuite"),
    "lift-pictures": BenchTask("lift-pictures", "drivers.bench_robosuite", "robosuite"),
    "can": BenchTask("can", "drivers.bench_robosuite", "robosuite"),
    "square": BenchTask("square", "drivers.bench_robosuite", "robosuite"),
}

ALIASES = {"gym_hil/PandaPickCubeBase-v0": "pick-cube"}
"""Ids that mean our adapter, which makes the task reproducible and free of pictures."""


def name_of(gym_id: str) -> str:
    """Return the one name under which a task is kept in stores."""
    return ALIASES.get(gym_id, gym_id)


def make(gym_id: str) -> Env:
    """Return an environment without a time limit, by a short name of ours or by its gymnasium id.

    Raises:
        ConfigError: it is unknown, or a package that it needs is not installed.
    """
    task = TASKS.get(name_of(gym_id))
    if task is not None:
        _require(task)
        env: Env = importlib.import_module(task.module).make(task.name)
        return env
    if ":" not in gym_id and gym_id not in gymnasium.registry:
        for package in PACKAGES:
            if importlib.util.find_spec(package) is not None:
                importlib.import_module(package)
    try:
        return gymnasium_robot.make(gym_id)
    except ConfigError as error:
        if gym_id in gymnasium.registry:
            raise
        raise ConfigError(f"{error} Short names: {', '.join(TASKS)}. {HOW}") from None


def has_expert(gym_id: str) -> bool:
    """Whether a scripted expert of the task is there."""
    task = TASKS.get(name_of(gym_id))
    return task is not None and task.has_expert


def expert_of(gym_id: str, env: Any) -> Expert | None:
    """Return the scripted expert for an environment that `make` has made; None where there is none."""
    task = TASKS.get(name_of(gym_id))
    if task is None or not task.has_expert:
        return None
    expert: Expert = importlib.import_module(task.module).expert(task.name, env)
    return expert


def is_installed(name: str) -> bool:
    """Whether the package of one of `TASKS` is there."""
    return importlib.util.find_spec(TASKS[name].package) is not None


def _require(task: BenchTask) -> None:
    if not is_installed(task.name):
        raise ConfigError(f"The task {task.name!r} needs the package {task.package}, which is not installed. {HOW}")
