"""Rewards as views: pure functions from what happened in an episode to one number a step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robot.errors import StoreError
from robot.settings import Settings, setting
from robot.store import Episode
from robot.types import Source

Rewards = NDArray[np.float32]


@dataclass(frozen=True)
class RewardConfig(Settings):
    """A sum of named terms; a weight of zero removes its term."""

    success: float = setting(1.0, "reward of the step that ends in success", low=0.0, high=1000.0)
    intervention: float = setting(
        0.2, "penalty (>= 0) of the step before a person takes over (RLIF)", low=0.0, high=1000.0
    )
    lag_steps: int = setting(
        0, "how many steps late a person reacts; the penalty moves that much earlier", unit="steps", low=0, high=100
    )
    lag_window: int = setting(
        1, "over how many steps, from there back, the penalty is spread", unit="steps", low=1, high=100
    )
    lag_decay: float = setting(0.7, "each of these steps bears this share of the one after it", low=0.0, high=1.0)
    environment: float = setting(
        0.0, "weight of the reward that was recorded with the step (of a gymnasium environment)", low=0.0, high=1000.0
    )
    low: float = setting(-math.inf, "lowest possible return of the environment's rewards", high=0.0)
    high: float = setting(math.inf, "highest possible return of the environment's rewards", low=0.0)

    def bounds(self, gamma: float) -> tuple[float, float]:
        """Return the lowest and highest possible return; Q targets are clipped to it."""
        # two onsets are at least two steps apart, so at most every second step is penalised; but an episode's first
        # step bears all that would lie before it
        before = (self.lag_steps + self.lag_window) // 2
        low, high = -self.intervention * (before + 1.0 / (1.0 - gamma**2)), self.success
        if self.environment > 0.0:
            low, high = low + self.environment * self.low, high + self.environment * self.high
        return low, high


def sparse_success(length: int, *, is_terminated: bool, is_success: bool) -> Rewards:
    """Return (T,): 1 at the last step of an episode that terminated in success, else 0."""
    reward = np.zeros(length, np.float32)
    if length and is_terminated and is_success:
        reward[-1] = 1.0
    return reward


def rlif(intervened: NDArray[np.bool_], lag_steps: int = 0, lag_window: int = 1, lag_decay: float = 1.0) -> Rewards:
    """Return (T,): -1 on the transition just before each onset of an intervention, else 0 (RLIF, algorithm 1).

    An onset is a step of a person that follows a step without one. An onset at the episode's first step has no
    predecessor and penalises nothing. With `lag_steps` = k the penalty moves to k steps earlier, at most to the
    episode's start, because a person reacts late to the action that made them. It is spread over `lag_window` steps
    from there back, in shares that add up to 1, each `lag_decay` times that of the step after it; what would lie
    before the episode's start is borne by its first step.
    """
    reward = np.zeros(len(intervened), np.float32)
    onset = np.flatnonzero(intervened[1:] & ~intervened[:-1]) + 1
    shares = np.power(lag_decay, np.arange(lag_window), dtype=np.float64)
    shares /= shares.sum()
    for back, share in enumerate(shares):
        np.subtract.at(reward, np.maximum(onset - 1 - lag_steps - back, 0), np.float32(share))
    return reward


def by_classifier(score: Callable[[Episode], NDArray[np.float32]], threshold: float) -> Callable[[Episode], Rewards]:
    """Return a labeller whose success is a classifier's, whatever the episode's own label says.

        replay.relabel(by_classifier(lambda episode: model(episode.images("images/wrist")), threshold=0.85))

    An episode that terminated earns 1 at its last step where the score of that step reaches `threshold`.

    Args:
        score: gives (T,), one number a step, from whatever the episode holds.
    """

    def label_by(episode: Episode) -> Rewards:
        scores = np.asarray(score(episode))
        if scores.shape != (episode.length,):
            raise StoreError(f"A classifier gives one score for each of {episode.length} steps; found {scores.shape}.")
        is_success = episode.length > 0 and bool(scores[-1] >= threshold)
        return sparse_success(episode.length, is_terminated=episode.is_terminated, is_success=is_success)

    return label_by


def label(episode: Episode, config: RewardConfig) -> Rewards:
    """Return the rewards (T,) of an episode's steps: the weighted sum of the terms."""
    success = sparse_success(episode.length, is_terminated=episode.is_terminated, is_success=episode.is_success)
    total = config.success * success
    if config.intervention > 0.0:
        intervened = episode.source == Source.HUMAN
        total = total + config.intervention * rlif(intervened, config.lag_steps, config.lag_window, config.lag_decay)
    if config.environment > 0.0:
        total = total + config.environment * episode.reward
    return total.astype(np.float32)
