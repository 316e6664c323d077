"""The environment: a robot port seen as episodes, and as a `gymnasium.Env`."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from robot.errors import ConfigError, RobotError, did_you_mean
from robot.interfaces import RobotPort
from robot.specs import RobotSpec
from robot.types import Decision, Label, Observation, Outcome, TimeStep, first, mid, terminated, truncated

JUDGES = ("operator", "truth")


class RobotEnv(gymnasium.Env[Observation, NDArray[np.float32]]):
    """Episodes on a robot.

    `begin` and `advance` are what the loop uses; `reset` and `step` are the same in gymnasium's words, with the
    sparse success as reward.

    Args:
        port: the robot, over ROS 2 or in process.
        spec: what it gives and takes.
        max_steps: an episode is truncated after this many control periods.
        judge: who says that the task is done: "operator" (labels) or "truth" (simulation only, for evaluation).

    Raises:
        ConfigError: there is no such judge.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - gymnasium's own declaration

    def __init__(self, port: RobotPort, spec: RobotSpec, max_steps: int, judge: str = "operator") -> None:
        if judge not in JUDGES:
            raise ConfigError(f"No judge {judge!r}.{did_you_mean(judge, JUDGES)}")
        self.spec_robot = spec
        self.max_steps = max_steps
        self.judge = judge
        self._port = port
        self._steps = 0
        self._begin_ns = 0
        self._is_running = False
        self._seeds = np.random.default_rng(0)
        spaces: dict[str, gymnasium.Space[Any]] = {}
        for key, array in spec.observation.items():
            is_image = array.dtype == "uint8"
            low, high = (0, 255) if is_image else (-np.inf, np.inf)
            spaces[key] = gymnasium.spaces.Box(low, high, array.shape, np.dtype(array.dtype).type)
        self.observation_space: gymnasium.spaces.Space[Any] = gymnasium.spaces.Dict(spaces)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (spec.action_size,), np.float32)

    def begin(self, seed: int) -> tuple[TimeStep, Outcome]:
        """Reset the robot and start an episode; the outcome carries the first observation's stamps."""
        self._is_running = False
        outcome = self._port.reset(seed)
        self._steps = 0
        self._begin_ns = outcome.stamp_ns
        self._is_running = True
        return first(outcome.observation), outcome

    def advance(self, decision: Decision) -> tuple[TimeStep, Outcome]:
        """Run one control period under `decision`.

        Raises:
            RobotError: the episode has ended or never begun (call `begin`), or the robot failed, which ends it; or
                the judge is "truth" and the robot tells none.
        """
        if not self._is_running:
            raise RobotError("The episode has ended: call begin() (or reset()) before the next step.")
        self._is_running = False  # until the robot has answered
        outcome = self._port.step(decision)
        self._steps += 1
        step = self._judge(outcome)
        self._is_running = not step.is_last
        if step.is_last:
            self._end(step)
        return step, outcome

    def _end(self, last: TimeStep) -> None:
        try:
            self._port.end()
        except RobotError:
            # what stopped the episode may be what does not answer now; its steps are kept, the next reset complains
            if not last.is_aborted:
                raise

    def _judge(self, outcome: Outcome) -> TimeStep:
        observation = outcome.observation
        if outcome.is_aborted or Label.DISCARD in outcome.label:
            return truncated(observation, aborted=True)
        if self._is_success(outcome):
            return terminated(observation, success=True)
        if Label.FAILURE in outcome.label:
            return terminated(observation, success=False)
        if outcome.is_out_of_time or self._steps >= self.max_steps:
            return truncated(observation)
        return mid(observation)

    def _is_success(self, outcome: Outcome) -> bool:
        if self.judge == "operator":
            return Label.SUCCESS in outcome.label
        if outcome.truth_success is None:
            raise RobotError('This robot tells no truth: judge by "operator" outside of simulation.')
        return bool(outcome.truth_success)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        if seed is not None:
            self._seeds = np.random.default_rng(seed)
        step, _ = self.begin(int(self._seeds.integers(2**31)))
        return step.observation, {"elapsed_ns": 0}

    def step(self, action: NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        nothing = np.full(self.spec_robot.action_size, np.nan, np.float32)
        step, outcome = self.advance(Decision(np.asarray(action, np.float32), nothing, nothing))
        info = {
            "elapsed_ns": outcome.stamp_ns - self._begin_ns,
            "executed": outcome.executed,
            "source": int(outcome.source),
            "is_aborted": step.is_aborted,
        }
        return step.observation, float(step.is_success), step.is_terminated, step.is_truncated, info

    def close(self) -> None:
        self._port.close()
