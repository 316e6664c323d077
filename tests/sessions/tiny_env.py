"""A point on a plane that is to be brought to a goal: a gymnasium environment of ours for tests, and its expert."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

LOW, HIGH = np.array([-2.0, -1.0], np.float32), np.array([4.0, 1.0], np.float32)
STEP = 0.1


class Tiny(gymnasium.Env):
    """The action box is lopsided, so that a wrong mapping of actions misses the goal; far away is failure."""

    metadata = {"render_modes": [], "render_fps": 20}  # noqa: RUF012 - gymnasium's own declaration

    def __init__(self, is_ending: bool = True) -> None:
        self.is_ending = is_ending
        self.action_space = spaces.Box(LOW, HIGH)
        box = spaces.Box(-10.0, 10.0, (2,), np.float64)
        picture = spaces.Box(0, 255, (4, 4, 3), np.uint8)
        self.observation_space = spaces.Dict({"point": box, "far": spaces.Dict({"goal": box}), "eye": picture})
        self.point = self.goal = np.zeros(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.point, self.goal = self.np_random.uniform(-1.0, 1.0, (2, 2))
        return self._observe(), {}

    def step(self, action):
        assert self.action_space.contains(action)
        middle, half = (HIGH + LOW) / 2, (HIGH - LOW) / 2
        self.point = self.point + STEP * (action - middle) / half
        way = float(np.linalg.norm(self.goal - self.point))
        is_success, is_lost = way < STEP, bool(np.abs(self.point).max() > 1.5)
        return self._observe(), -way, (is_success and self.is_ending) or is_lost, False, {"is_success": is_success}

    def _observe(self):
        return {"point": self.point, "far": {"goal": self.goal}, "eye": np.full((4, 4, 3), 7, np.uint8)}


class TinyExpert:
    """Walks straight to the goal."""

    def __init__(self, env: gymnasium.Env) -> None:
        self.env = env.unwrapped

    def reset(self, seed: int) -> None:
        """Nothing to remember."""

    def act(self, observation):
        return np.clip((self.env.goal - self.env.point) / STEP, -1.0, 1.0).astype(np.float32)

    def progress(self, observation) -> float:
        return -float(np.linalg.norm(self.env.goal - self.env.point))


def straight(observation):
    """A base policy that is a function: straight to the goal, at half speed."""
    way = observation["far_goal"] - observation["point"]
    return np.clip(0.5 * way / STEP, -1.0, 1.0)


def crooked(observation):
    """One for another robot."""
    return observation["point"]


def declare(shape):
    keys = {"point": {"shape": shape, "dtype": "float32"}, "far_goal": {"shape": [2], "dtype": "float32"}}
    return {"observation": keys, "action_axes": ["a0", "a1"], "action_scale": [1.0, 1.0], "period_s": 0.05}


straight.declared, crooked.declared = declare([2]), declare([3])


class Spoiling(Tiny):
    """From its 45th step on what it pays, or what it shows, is no number."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what, self.steps = what, 0

    def step(self, action):
        observation, reward, *ends = super().step(action)
        self.steps += 1
        if self.steps >= 45:
            reward = np.nan if self.what == "reward" else reward
            observation = observation | ({"point": np.full(2, np.nan)} if self.what == "observation" else {})
        return observation, reward, *ends


gymnasium.register("Tiny-v0", Tiny, max_episode_steps=30)
gymnasium.register("Endless-v0", Tiny)
gymnasium.register("Unending-v0", Tiny, max_episode_steps=30, kwargs={"is_ending": False})
gymnasium.register("Unpaid-v0", Spoiling, max_episode_steps=10, kwargs={"what": "reward"})
gymnasium.register("Blind-v0", Spoiling, max_episode_steps=10, kwargs={"what": "observation"})
