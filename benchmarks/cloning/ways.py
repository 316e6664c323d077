"""Two ways around an obstacle: an environment in which the mean of good demonstrations is bad."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

STEP = 0.1
RADIUS = 0.35
GOAL_X = 0.9
DETOUR = 0.6
"""How far from the middle the expert goes round."""

Float = NDArray[np.float32]


class Ways(gymnasium.Env[Float, Float]):
    """A point goes from the left to x > 0.9; in the middle stands a disc, and to touch it is a failure."""

    metadata = {"render_modes": [], "render_fps": 10}  # noqa: RUF012 - gymnasium's own declaration

    def __init__(self) -> None:
        self.observation_space = spaces.Box(-2.0, 2.0, (2,), np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.point = np.zeros(2, np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Float, dict[str, Any]]:
        super().reset(seed=seed)
        self.point = np.array([-0.9, self.np_random.uniform(-0.02, 0.02)], np.float32)
        return self.point.copy(), {}

    def step(self, action: Float) -> tuple[Float, float, bool, bool, dict[str, Any]]:
        self.point = (self.point + STEP * action).astype(np.float32)
        is_success = bool(self.point[0] > GOAL_X)
        is_lost = bool(np.hypot(*self.point) < RADIUS or np.abs(self.point).max() > 1.5)
        return self.point.copy(), float(is_success), is_success or is_lost, False, {"is_success": is_success}


class WaysExpert:
    """Goes round above or below, as its seed has it, along a half wave; each step is a little off."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        self._env: Any = env.unwrapped
        self._rng = np.random.default_rng(0)
        self._side = 1.0

    def reset(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._side = 1.0 if self._rng.random() < 0.5 else -1.0

    def act(self, observation: Any) -> Float:
        x, y = self._env.point
        ahead = min(x + STEP, 1.0)
        wanted = self._side * DETOUR * np.cos(0.5 * np.pi * ahead)
        way = np.array([STEP, wanted - y]) / STEP + 0.05 * self._rng.standard_normal(2)
        return np.clip(way, -1.0, 1.0).astype(np.float32)

    def progress(self, observation: Any) -> float:
        return float(self._env.point[0])


gymnasium.register("Ways-v0", Ways, max_episode_steps=60)  # type: ignore[arg-type]  # it makes one without arguments
