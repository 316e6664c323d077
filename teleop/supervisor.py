"""A scripted person beside an environment: demonstrates, or takes over by a rule, and gives back."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from robot.errors import RobotError
from robot.interfaces import Expert
from robot.types import ROLES, Observation
from teleop.supervisor_config import SupervisorConfig

_MISTAKE_BY = 30
"""A mistake begins within this many of the person's steps, so that most episodes are long enough for it."""


class ScriptedSupervisor:
    """Implements `robot.interfaces.Supervisor` with an expert's actions and a person's failings.

    The choices of an episode follow from its seed alone.
    """

    def __init__(self, expert: Expert, config: SupervisorConfig) -> None:
        self.expert, self.config = expert, config
        self._role = "watch"
        self._rng = np.random.default_rng(0)
        self._forget()

    def begin(self, seed: int, role: str) -> None:
        """Start an episode.

        Raises:
            RobotError: there is no such role.
        """
        if role not in ROLES:
            raise RobotError(f"A supervisor's role is one of {', '.join(ROLES)}; found {role!r}.")
        self._role = role
        self._rng = np.random.default_rng([seed, ROLES.index(role)])
        self._forget()
        self.expert.reset(seed)
        is_mistaken = self._rng.random() < self.config.mistakes
        self._mistake_at = int(self._rng.integers(_MISTAKE_BY)) if is_mistaken else -1

    def take(self, observation: Observation) -> NDArray[np.float32] | None:
        """Return the person's action, or None where the policy goes on."""
        if self._role == "demonstrate":
            return self._act(observation)
        if self._role == "watch" or self.config.rule == "never":
            return None
        self._judge(self.expert.progress(observation))
        return self._act(observation) if self._is_engaged else None

    def _forget(self) -> None:
        self._is_engaged = False
        self._acted = self._held = self._stuck = 0
        self._wait: int | None = None
        self._best = -math.inf
        self._taken_at = 0.0
        self._mistake_at = -1
        self._wrong: NDArray[np.float32] | None = None

    def _judge(self, progress: float) -> None:
        """Decide whether the person has the robot in this step."""
        if self._is_engaged:
            self._held += 1
            is_restored = progress >= self._taken_at + self.config.restored
            if is_restored or self._held >= self.config.hold_steps:
                self._is_engaged, self._wait, self._stuck, self._best = False, None, 0, progress
            return
        if self._has_reason(progress) and self._wait is None:
            self._wait = self.config.reaction_steps
        if self._wait is not None:
            if self._wait == 0:
                self._is_engaged, self._held, self._taken_at = True, 0, progress
            else:
                self._wait -= 1

    def _has_reason(self, progress: float) -> bool:
        if self.config.rule == "random":
            return bool(self._rng.random() < self.config.onset)
        if progress > self._best + self.config.better:
            self._best, self._stuck, self._wait = progress, 0, None
        else:
            self._stuck += 1
        return self._stuck >= self.config.patience_steps

    def _act(self, observation: Observation) -> NDArray[np.float32]:
        action = np.asarray(self.expert.act(observation), np.float32)
        noise = self.config.noise * self._rng.standard_normal(action.shape).astype(np.float32)
        if 0 <= self._mistake_at <= self._acted < self._mistake_at + self.config.mistake_steps:
            if self._wrong is None:
                self._wrong = self._rng.uniform(-1.0, 1.0, action.shape).astype(np.float32)
            action = self._wrong
        self._acted += 1
        return np.clip(action + noise, -1.0, 1.0)
