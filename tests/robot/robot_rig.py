"""Random poses, a small robot behind the environment, and a sink in memory; both check what they are given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import settings

from robot import se3
from robot.actions import ActionMap
from robot.errors import RobotError, StoreError
from robot.se3 import Pose
from robot.specs import ArraySpec, RobotSpec
from robot.types import Decision, FinalRecord, Outcome, Source, StepRecord

repeatable = settings(derandomize=True, deadline=None, database=None)
"""Hypothesis tries the same examples in every run."""

Q_HOME = (1.0, 0.0, 0.0, 0.0)
ACTIONS = ActionMap(("x", "y", "z", "rz"), (0.02, 0.02, 0.02, 0.1), Q_HOME)
SPEC = RobotSpec(
    "fake/point",
    {
        "tool_pose": ArraySpec((7,), "float32", "m", "base"),
        "images/front": ArraySpec((4, 4, 3), "uint8", "RGB", "front_optical_frame"),
    },
    ACTIONS.axes,
    ACTIONS.scale,
    0.1,
)
PERIOD_NS = 100_000_000


def quaternions(count: int, rng: np.random.Generator) -> np.ndarray:
    """Return uniformly random unit quaternions (count, 4)."""
    q = rng.normal(size=(count, 4))
    return q / np.linalg.norm(q, axis=1, keepdims=True)


def poses(count: int, rng: np.random.Generator) -> list[Pose]:
    return [Pose(p, q) for p, q in zip(rng.normal(size=(count, 3)), quaternions(count, rng), strict=True)]


def upright(rng: np.random.Generator, tilt: float = 0.0) -> Pose:
    """Return a tool somewhere above the table, at any yaw, tilted by `tilt` [rad] about a random level axis."""
    heading = rng.uniform(-np.pi, np.pi)
    lean = se3.exp_rotation(tilt * np.array([np.cos(heading), np.sin(heading), 0.0]))
    turned = se3.quaternion_multiply(se3.about_z(rng.uniform(-3.0, 3.0)), np.array(Q_HOME))
    position = rng.uniform((0.3, -0.3, 0.0), (0.7, 0.3, 0.5))
    return Pose(position, se3.quaternion_multiply(lean, turned))


def decision(*action: float) -> Decision:
    nothing = np.full(len(action), np.nan, np.float32)
    return Decision(np.array(action, np.float32), nothing, nothing)


def seen(count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Return the observation after `count` steps: no two are alike."""
    pose = np.array([count, seed, 0.0, 0.0, 0.0, 0.0, 1.0], np.float32)
    return {"tool_pose": pose, "images/front": np.full((4, 4, 3), count, np.uint8)}


class FakePort:
    """A robot of `SPEC` that does half of what it is asked; `script` overrides parts of the outcome by step.

    It refuses what a robot must not be sent: steps outside of an episode and actions of the wrong shape or type.
    An exception in the script is raised.
    """

    def __init__(self, *script: dict[str, Any] | Exception) -> None:
        self._script = script
        self._seed = 0
        self._count = 0
        self.is_running = False
        self.ends = 0

    def reset(self, seed: int) -> Outcome:
        self._seed, self._count, self.is_running = seed, 0, True
        return self._outcome(np.zeros(SPEC.action_size, np.float32), {"source": Source.RESET})

    def step(self, decision: Decision) -> Outcome:
        if not self.is_running:
            raise RobotError("The fake robot was stepped outside of an episode.")
        ArraySpec((SPEC.action_size,), "float32").check("action", decision.action)
        change = self._script[self._count] if self._count < len(self._script) else {}
        self._count += 1
        if isinstance(change, Exception):
            raise change
        return self._outcome(0.5 * decision.action, {"truth_success": False} | change)

    def end(self) -> None:
        self.ends += 1
        self.is_running = False

    def close(self) -> None:
        self.is_running = False

    def _outcome(self, executed: np.ndarray, change: dict[str, Any]) -> Outcome:
        stamp_ns = (1000 + self._count) * PERIOD_NS
        parts = {"source": Source.POLICY, "stream_stamps_ns": dict.fromkeys(SPEC.observation, stamp_ns)} | change
        observation = seen(self._count, self._seed)
        SPEC.check(observation)
        return Outcome(observation, stamp_ns, executed, **parts)


@dataclass
class MemorySink:
    """A StepSink in memory, as strict as the store: one episode at a time, and only a whole one is committed."""

    committed: list[tuple[list[StepRecord], FinalRecord]] = field(default_factory=list)
    journal: list[StepRecord] | None = None
    begun: list[tuple[int, dict[str, str | int | float]]] = field(default_factory=list)

    def begin(self, episode_seed: int, attributes: dict[str, str | int | float]) -> None:
        if self.journal is not None:
            raise StoreError("An episode is running.")
        self.begun.append((episode_seed, attributes))
        self.journal = []

    def append(self, step: StepRecord) -> None:
        steps = self._running()
        SPEC.check(step.observation)
        if steps and (steps[-1].is_terminated or steps[-1].is_truncated):
            raise StoreError("The episode has ended.")
        steps.append(step)

    def commit(self, final: FinalRecord) -> int:
        steps = self._running()
        SPEC.check(final.observation)
        if not steps or not (steps[-1].is_terminated or steps[-1].is_truncated):
            raise StoreError("The episode has not ended.")
        self.committed.append((steps, final))
        self.journal = None
        return len(self.committed) - 1

    def discard(self) -> None:
        self._running()
        self.journal = None

    def _running(self) -> list[StepRecord]:
        if self.journal is None:
            raise StoreError("No episode is running.")
        return self.journal
