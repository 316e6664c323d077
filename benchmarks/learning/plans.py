"""What the learning benchmark runs: tasks, methods at the size of a session, and how many seeds of each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from policies.presets import preset

FIRST_SEED = 10
"""Seeds below were looked at while the defaults were chosen."""

BENCH_PYTHON = ".venv-bench/bin/python"
"""Made by `make bench-setup`, for tasks that hold numpy and MuJoCo back."""


@dataclass(frozen=True)
class Task:
    """A task, and how long a session on it is.

    Attributes:
        env: as `nudge record --env` takes it.
        steps: robot steps of a session; every: steps between two evaluations.
        python: interpreter; empty for the one that runs the benchmark.
        overrides: settings of the run, whatever the method.
        methods: those that are run on it; empty for all.
        seeds: how many at most; 0 for as many as a method has.
    """

    env: str
    steps: int
    every: int
    python: str = ""
    overrides: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    seeds: int = 0


@dataclass(frozen=True)
class Method:
    """A preset at the size of a session, and how many seeds of it are run."""

    preset: str
    overrides: tuple[str, ...] = ()
    seeds: int = 3


_BOUND = ("training.actor.bound=[0.5]", "training.actor.gripper_bound=2.0")
"""The same for every residual: one turns a gripper round, that the base holds open or closed, with 2 only."""

_SEES = ("bc.base.vision.cameras=[front,wrist]", "bc.batch=64")

# 20 demonstrations where that leaves something to learn: with them the base solves pick-cube.
TASKS = {
    "peg": Task("local", 4000, 500, overrides=_BOUND),
    "peg-weak": Task(
        "local",
        4000,
        500,
        overrides=("session.demonstrations=3", "bc.updates=600", *_BOUND),
        methods=("gated", "resfit"),  # those that stand on a base: what becomes of them where it is weak
    ),
    "pick-cube": Task(
        "gym:pick-cube",
        4000,
        500,
        BENCH_PYTHON,
        ("session.demonstrations=3", *_BOUND),
    ),
    "peg-pictures": Task(
        "local",
        3000,
        1000,
        overrides=("env.has_cameras=true", "task.has_tracker=false", *_SEES, *_BOUND),
        methods=("gated",),
        seeds=3,
    ),
    "lift-pictures": Task(
        "gym:lift-pictures", 4000, 2000, BENCH_PYTHON, (*_SEES, *_BOUND), methods=("gated",), seeds=3
    ),
    "lift": Task(  # at 20 Hz: 8,000 steps are the 400 s that 4,000 are at the others' 10 Hz
        "gym:lift",
        8000,
        1000,
        BENCH_PYTHON,
        _BOUND,
    ),
}

# The papers' numbers are for hundreds of thousands of steps and a GPU. A session has some thousand steps and a
# processor: the same updates a step and critics' width for all, starts in proportion. What makes a method itself stays.
_BUDGET = ("training.updates=4", "training.actor.hidden=[256, 256]", "training.learner.hidden=[256, 256]")
_EVERY_FOURTH = ("training.learner.actor_every=4",)


def _written(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return settings as a command line has them: defaults may move, and a result says which they were."""
    return tuple(f"{key}={json.dumps(value)}" for key, value in sorted(values.items()))


METHODS = {
    "rlpd": Method("rlpd", (*_BUDGET, *_EVERY_FOURTH, "training.schedule.start_steps=300")),
    "hil-serl": Method("hil-serl", (*_BUDGET, "training.learner.actor_every=2")),
    "resfit": Method(
        "resfit",
        (
            *_BUDGET,
            "training.learner.actor_rate=1e-4",
            "training.schedule.start_steps=500",
            "training.schedule.critic_updates=2000",
        ),
        seeds=5,
    ),
    "rlif": Method("rlif", (*_BUDGET, *_EVERY_FOURTH)),
    "gated": Method("gated", _written(preset("gated").values), seeds=5),
}


QUICK = ("session.demonstrations=5", "bc.updates=200", "training.schedule.warmup_steps=50", "training.updates=1")
QUICK_STEPS = 150


@dataclass(frozen=True)
class Plan:
    """One run of the campaign."""

    task: str
    method: str
    seed: int
    episodes: int = 50
    extra: tuple[str, ...] = field(default=())
    is_quick: bool = False

    @property
    def name(self) -> str:
        return f"{self.task}-{self.method}-{self.seed}"

    @property
    def steps(self) -> int:
        return QUICK_STEPS if self.is_quick else TASKS[self.task].steps

    @property
    def every(self) -> int:
        return QUICK_STEPS if self.is_quick else TASKS[self.task].every

    @property
    def overrides(self) -> tuple[str, ...]:
        """Settings of the run, later ones over earlier ones."""
        return (*TASKS[self.task].overrides, *METHODS[self.method].overrides, *self.extra)


def plans(at_most: int = 0) -> list[Plan]:
    """Return every run: first a seed of each method on each task, then the next seeds; `at_most` 0 for all of them."""
    most = at_most or max(method.seeds for method in METHODS.values())
    return [
        Plan(task, name, FIRST_SEED + seed)
        for seed in range(most)
        for task in TASKS
        for name, method in METHODS.items()
        if seed < min(method.seeds, TASKS[task].seeds or method.seeds) and name in (TASKS[task].methods or METHODS)
    ]
