"""What the learning benchmark runs: tasks, methods at the size of a session, and how many seeds of each."""

from __future__ import annotations

from dataclasses import dataclass, field

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
        gripper_axis: of the action, -1 for none.
    """

    env: str
    steps: int
    every: int
    python: str = ""
    overrides: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    gripper_axis: int = -1


@dataclass(frozen=True)
class Method:
    """A preset at the size of a session, how many seeds of it are run, and whether it has a head for the gripper."""

    preset: str
    overrides: tuple[str, ...] = ()
    seeds: int = 3
    has_gripper_head: bool = False


# 20 demonstrations where that leaves something to learn: with them the base solves pick-cube. A residual turns a
# gripper round that the base holds open or closed only where its bound is 2 there; the same bounds for every residual.
TASKS = {
    "peg": Task("local", 4000, 500, overrides=("training.actor.bound=[0.5]",)),
    "peg-weak": Task(
        "local",
        4000,
        500,
        overrides=("session.demonstrations=3", "bc.updates=600", "training.actor.bound=[0.5]"),
        methods=("gated", "resfit"),  # those that stand on a base: what becomes of them where it is weak
    ),
    "pick-cube": Task(
        "gym:pick-cube",
        4000,
        500,
        BENCH_PYTHON,
        ("session.demonstrations=3", "training.actor.bound=[0.5, 0.5, 0.5, 2.0]"),
        gripper_axis=3,
    ),
    "lift": Task(  # at 20 Hz: 8,000 steps are the 400 s that 4,000 are at the others' 10 Hz
        "gym:lift",
        8000,
        1000,
        BENCH_PYTHON,
        ("training.actor.bound=[0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 2.0]",),
        gripper_axis=6,
    ),
}

# The papers' numbers are for hundreds of thousands of steps and a GPU. A session has some thousand steps and a
# processor: the same updates a step and critics' width for all, starts in proportion. What makes a method itself stays.
_BUDGET = ("training.updates=4", "training.actor.hidden=[256, 256]", "training.learner.hidden=[256, 256]")
_EVERY_FOURTH = ("training.learner.actor_every=4",)

METHODS = {
    "rlpd": Method("rlpd", (*_BUDGET, *_EVERY_FOURTH, "training.schedule.start_steps=300")),
    "hil-serl": Method("hil-serl", (*_BUDGET, "training.learner.actor_every=2"), has_gripper_head=True),
    "resfit": Method(
        "resfit",
        (
            *_BUDGET,
            "training.learner.actor_rate=1e-4",
            "training.schedule.start_steps=500",
            "training.schedule.critic_updates=2000",
        ),
    ),
    "rlif": Method("rlif", (*_BUDGET, *_EVERY_FOURTH)),
    "gated": Method("gated", seeds=5),
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
        task, method = TASKS[self.task], METHODS[self.method]
        has_head = method.has_gripper_head and task.gripper_axis >= 0
        head = (f"training.actor.gripper_axis={task.gripper_axis}",) if has_head else ()
        return (*task.overrides, *method.overrides, *head, *self.extra)


def plans(at_most: int = 0) -> list[Plan]:
    """Return every run: first a seed of each method on each task, then the next seeds; `at_most` 0 for all of them."""
    most = at_most or max(method.seeds for method in METHODS.values())
    return [
        Plan(task, name, FIRST_SEED + seed)
        for seed in range(most)
        for task in TASKS
        for name, method in METHODS.items()
        if seed < method.seeds and name in (TASKS[task].methods or METHODS)
    ]
