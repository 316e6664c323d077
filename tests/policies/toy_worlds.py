"""Two worlds small enough to learn in within seconds: a plane with a biased base, a corridor above a cliff."""

from __future__ import annotations

import numpy as np
import torch
from conftest import make_episode, toy_spec

from policies.base import ActionScaler, BasePolicy
from policies.base_config import BaseConfig
from policies.chunks.mlp import MlpChunk
from policies.chunks.model import ChunkModel, Seen
from robot.store import Episode


class Reach:
    """A point on a plane that must stop within 0.05 of the origin; the base misses by a constant bias."""

    STEPS, RADIUS, SPEED = 12, 0.05, 0.2

    def __init__(self) -> None:
        config = BaseConfig(hidden=(), chunk=1, execute_steps=1)
        model = MlpChunk(2, config.hidden, config.chunk, 2, torch.Generator())
        views = model.network.views(model.flat.data.zero_())
        views["weight0"][0] = -torch.eye(2) / self.SPEED
        views["bias0"][:] = 0.1 / self.SPEED  # aims at (0.1, 0.1)
        scaler = ActionScaler(np.zeros(2, np.float32), np.ones(2, np.float32))
        self.base = BasePolicy(toy_spec(), config, model, scaler)

    def play(self, policy, seed: int) -> Episode:
        """Play an episode; returns it as the store would."""
        angle, radius = np.random.default_rng(seed).uniform([0.0, 0.2], [2 * np.pi, 0.5])
        p = (radius * np.array([np.cos(angle), np.sin(angle)])).astype(np.float32)
        policy.reset(seed)
        states, actions, bases = [p], [], []
        while len(actions) < self.STEPS and np.linalg.norm(p) > self.RADIUS:
            decision = policy.act({"state": p})
            p = (p + self.SPEED * decision.action).astype(np.float32)
            states.append(p)
            actions.append(decision.action)
            bases.append(decision.base_action)
        bases.append(policy.act({"state": p}).base_action)
        columns = {"observation": {"state": np.array(states[:-1])}, "final_observation": {"state": p}}
        columns |= {"action": np.array(actions)}
        end = "success" if np.linalg.norm(p) <= self.RADIUS else "timeout"
        return make_episode(len(actions), seed=seed, end=end, base_action=np.array(bases), **columns)

    def success(self, policy) -> float:
        policy.deterministic = True
        wins = [self.play(policy, 50_000 + i).is_success for i in range(60)]
        policy.deterministic = False
        return float(np.mean(wins))


class EitherWay(ChunkModel):
    """A whole chunk goes one way along x or the other, as the first of its noises has it."""

    noise_size = 3

    def predict(self, seen: Seen, noise: torch.Tensor) -> torch.Tensor:
        way = torch.tanh(3.0 * noise[:, :1, None]).expand(-1, self.chunk, 1)
        return torch.cat([way, torch.zeros_like(way)], dim=2)


class Fork:
    """A point that must come to x = 0.8, and not to x = -0.8; the base goes either way, plan by plan."""

    STEPS, SPEED, GOAL = 24, 0.1, 0.8

    def __init__(self) -> None:
        config = BaseConfig(kind="flow", chunk=3, execute_steps=3)
        scaler = ActionScaler(np.zeros(2, np.float32), np.ones(2, np.float32))
        self.base = BasePolicy(toy_spec(), config, EitherWay(3, 2), scaler)

    def play(self, policy, seed: int) -> Episode:
        """Play an episode; returns it as the store would."""
        p = np.random.default_rng(seed).uniform(-0.3, 0.3, 2).astype(np.float32)
        policy.reset(seed)
        states, actions = [p], []
        while len(actions) < self.STEPS and abs(p[0]) < self.GOAL:
            decision = policy.act({"state": p})
            p = (p + self.SPEED * decision.action).astype(np.float32)
            states.append(p)
            actions.append(decision.action)
        end = "success" if p[0] >= self.GOAL else "failure" if p[0] <= -self.GOAL else "timeout"
        columns = {"observation": {"state": np.array(states[:-1])}, "final_observation": {"state": p}}
        return make_episode(len(actions), seed=seed, end=end, action=np.array(actions), **columns)

    def success(self, policy) -> float:
        return float(np.mean([self.play(policy, 50_000 + i).is_success for i in range(60)]))


class Corridor:
    """Along x from 0 to the goal at 1; below y = -0.1 is a cliff, and a wind blows towards it.

    A person takes over right after each step that led towards the cliff or not towards the goal, every time, and then
    acts at random for two steps; nothing falls meanwhile. So when they take over is all that there is to learn from:
    what they do is worth nothing.
    """

    STEPS, SPEED, WIND, CLIFF, WALL, HELD = 25, 0.1, 0.04, -0.1, 0.3, 2

    def step(self, p: np.ndarray, action: np.ndarray) -> np.ndarray:
        x, y = p + self.SPEED * action + np.array([0.0, -self.WIND])
        return np.array([max(x, 0.0), min(y, self.WALL)], np.float32)

    def is_bad(self, before: np.ndarray, after: np.ndarray) -> bool:
        return bool(after[1] < self.CLIFF + 0.07 or after[0] - before[0] < 0.03)

    def play(self, act, seed: int, *, is_supervised: bool = True) -> Episode:
        """Play an episode of `act(state)`; without the person it may end in a failure, over the cliff."""
        rng = np.random.default_rng(seed)
        p = np.array([0.0, rng.uniform(0.0, 0.15)], np.float32)
        states, actions, human, held, end = [p], [], [], 0, "timeout"
        while end == "timeout" and len(actions) < self.STEPS:
            is_human = held > 0
            action = (rng.uniform(-1, 1, 2) if is_human else act(p)).astype(np.float32)
            after = self.step(p, action)
            if is_human:
                human.append(len(actions))
                after[1], held = max(after[1], 0.0), held - 1
            elif is_supervised and self.is_bad(p, after):
                after[1], held = max(after[1], self.CLIFF), self.HELD
            states.append(after)
            actions.append(action)
            p = after
            if p[1] < self.CLIFF:
                end = "failure"
            elif p[0] >= 1.0:
                end = "success"
        columns = {"observation": {"state": np.array(states[:-1])}, "final_observation": {"state": p}}
        columns["action"] = np.array(actions)
        return make_episode(len(actions), seed=seed, end=end, human=tuple(human), **columns)

    def success(self, act) -> float:
        return float(np.mean([self.play(act, 90_000 + i, is_supervised=False).is_success for i in range(50)]))
