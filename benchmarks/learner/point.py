"""A point on a plane that is to be brought to a goal: short episodes without a simulator, and who demonstrates them."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

GYM_ID = "gym:benchmarks.learner.point:Point-v0"
EXPERT = "benchmarks.learner.point:PointExpert"
MAX_STEPS = 30
STRIDE = 0.1

Seen = dict[str, NDArray[np.float64]]


class Point(gymnasium.Env[Seen, NDArray[np.float32]]):
    """Success within a stride of the goal; too far away is a failure."""

    metadata = {"render_modes": [], "render_fps": 20}  # noqa: RUF012 - gymnasium's own declaration

    def __init__(self) -> None:
        self.action_space = spaces.Box(-1.0, 1.0, (2,))
        place = spaces.Box(-10.0, 10.0, (2,), np.float64)
        seen: Any = spaces.Dict({"point": place, "goal": place})
        self.observation_space = seen
        self.point = self.goal = np.zeros(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Seen, dict[str, Any]]:
        super().reset(seed=seed)
        self.point, self.goal = self.np_random.uniform(-1.0, 1.0, (2, 2))
        return self._seen(), {}

    def step(self, action: NDArray[np.float32]) -> tuple[Seen, float, bool, bool, dict[str, Any]]:
        self.point = self.point + STRIDE * action
        way = float(np.linalg.norm(self.goal - self.point))
        is_success, is_lost = way < STRIDE, bool(np.abs(self.point).max() > 1.5)
        return self._seen(), -way, is_success or is_lost, False, {"is_success": is_success}

    def _seen(self) -> Seen:
        return {"point": self.point, "goal": self.goal}


class PointExpert:
    """Walks straight to the goal."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        self._env: Any = env.unwrapped

    def reset(self, seed: int) -> None:
        """Nothing to remember."""

    def act(self, observation: object) -> NDArray[np.float32]:
        wanted: NDArray[np.float32] = np.clip((self._env.goal - self._env.point) / STRIDE, -1, 1).astype(np.float32)
        return wanted

    def progress(self, observation: object) -> float:
        return -float(np.linalg.norm(self._env.goal - self._env.point))


gymnasium.register("Point-v0", "benchmarks.learner.point:Point", max_episode_steps=MAX_STEPS)
