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
        methods: those that are run on it; empty for all that are not for some tasks only.
        seeds: how many at most; 0 for as many as a method has.
        person: settings of the person who watches the session; the demonstrations are a practised one's.
    """

    env: str
    steps: int
    every: int
    python: str = ""
    overrides: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    seeds: int = 0
    person: tuple[str, ...] = ()


@dataclass(frozen=True)
class Method:
    """A preset at the size of a session, and how many seeds of it are run.

    Attributes:
        clones: HG-DAgger: nothing is learnt in the session; at every evaluation a new base is cloned from the
            demonstrations and all corrections so far.
        is_for_some: run only on the tasks that name it.
    """

    preset: str
    overrides: tuple[str, ...] = ()
    seeds: int = 3
    clones: bool = False
    is_for_some: bool = False


_BOUND = ("training.actor.bound=[0.5]", "training.actor.gripper_bound=2.0")
"""The same for every residual: one turns a gripper round, that the base holds open or closed, with 2 only."""

_SEES = ("bc.base.vision.cameras=[front,wrist]", "bc.batch=64")

_INTERVENTIONS = ("rlif-base", "rlif-base-lag", "rlif-base-q", "rlif-base-q-lag", "hg-dagger")


def _watched_by(skill: str) -> Task:
    """Return the peg watched by someone of this skill, who takes over where they would get on better (RLIF's rule)."""
    person = (f"operator.skill={skill}", "operator.rule=value", "operator.reaction_time_s=0.3")
    return Task("local", 1500, 500, overrides=_BOUND, methods=_INTERVENTIONS, person=person)


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
    "peg-apprentice": _watched_by("apprentice"),
    "peg-clumsy": _watched_by("clumsy"),
}

# The papers' numbers are for hundreds of thousands of steps and a GPU. A session has some thousand steps and a
# processor: the same updates a step and critics' width for all, starts in proportion. What makes a method itself stays.
_BUDGET = ("training.updates=4", "training.actor.hidden=[256, 256]", "training.learner.hidden=[256, 256]")
_EVERY_FOURTH = ("training.learner.actor_every=4",)


def _written(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return settings as a command line has them: defaults may move, and a result says which they were."""
    return tuple(f"{key}={json.dumps(value)}" for key, value in sorted(values.items()))


_FILTERED = ("training.learner.imitation=1.0", "training.learner.filters_imitation=true")
_LAG = ("training.rewards.lag_steps=3",)  # 0.3 s at 10 Hz


def _rlif_on_a_base(*overrides: str) -> Method:
    """Return a residual on the base, without a gate, that is paid by interventions alone: RLIF as it is of use here."""
    values = preset("gated").values | {
        "training.rewards.success": 0.0,
        "training.rewards.intervention": 1.0,
        "training.learner.imitation": 0.0,
        "training.actor.gate": "none",
        "training.actor.proof": 0.0,
        "training.schedule.unlock": "steps",
        "training.schedule.warmup_steps": 300,
    }
    return Method("gated", (*_written(values), *overrides), is_for_some=True)


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
    "rlif-base": _rlif_on_a_base(),
    "rlif-base-lag": _rlif_on_a_base(*_LAG),
    "rlif-base-q": _rlif_on_a_base(*_FILTERED),
    "rlif-base-q-lag": _rlif_on_a_base(*_FILTERED, *_LAG),
    "hg-dagger": Method("gated", ("training.updates=0",), clones=True, is_for_some=True),
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
        if seed < min(method.seeds, TASKS[task].seeds or method.seeds) and _is_run(task, name)
    ]


def _is_run(task: str, method: str) -> bool:
    named = TASKS[task].methods
    return method in named if named else not METHODS[method].is_for_some
