"""Whether what was learnt has proved itself: how often it gets by without a person, against the base."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from policies.actor import ActorConfig
from robot.store import Episode
from robot.types import Source

Player = Literal["base", "gated", "trial"]
"""Who plays an episode: the base alone; what was learnt, under its gate; or without its gate."""

_DRAWS = 7
"""Keeps the draw of who plays apart from the draws that an episode's seed is for otherwise."""


def player(seed: int, is_doubted: bool, config: ActorConfig) -> Player:
    """Return who plays the training episode of `seed`; the same wherever it is asked."""
    base, trial = np.random.default_rng((seed, _DRAWS)).random(2)
    if is_doubted and base < config.proof:
        return "base"
    return "trial" if trial < config.gate_trials else "gated"


@dataclass(frozen=True)
class _Published:
    """What went with a version of the weights: whether the actor had moved, and whether it was doubted."""

    is_open: bool
    is_doubted: bool


@dataclass(frozen=True)
class _Outcome:
    """Who played an episode, and whether it was good."""

    player: Player
    is_good: bool


@dataclass
class Tally:
    """Episodes that went well and all of them; an older one counts `keeps` times the one after it."""

    keeps: float
    good: float = 0.0
    all: float = 0.0

    def add(self, is_good: bool) -> None:
        self.good = self.keeps * self.good + is_good
        self.all = self.keeps * self.all + 1.0


class Proof:
    """Doubts what was learnt until it gets by alone as often as the base does.

    An episode is good that ended in success without a person. The base's share is (good + 1) / (all + 2), that of what
    was learnt good / (all + 1): without episodes it is none. The doubt ends where the second is at least the first, and
    comes back where it is `TOLERANCE` less. Trials without a gate do not count, nor do aborted episodes; where
    everything was refused by the gate it was the base that played.

    Episodes are to be taken in the order of the store, also those that were learnt from before (resume).

    Args:
        config: see ActorConfig; `proof` 0 for no doubts.
        is_on: False where nobody can tell a good episode.
    """

    TOLERANCE = 0.1

    def __init__(self, config: ActorConfig, is_on: bool) -> None:
        self._config = config
        self._is_on = is_on and config.needs_base and config.proof > 0.0
        self.base, self.learnt = Tally(0.95), Tally(0.85)
        self._is_doubted = self._is_on
        self._published = [_Published(is_open=False, is_doubted=False)]
        self._outcomes: list[_Outcome | None] = []

    @property
    def shares(self) -> tuple[float, float]:
        """Of good episodes: the base's, and that of what was learnt."""
        return (self.base.good + 1.0) / (self.base.all + 2.0), self.learnt.good / (self.learnt.all + 1.0)

    @property
    def doubt(self) -> str:
        """Return what goes with the newest weights: why the base acts, or ""."""
        if not self._published[-1].is_doubted:
            return ""
        base, learnt = self.shares
        return f"The base acts until what was learnt gets by alone as often: {learnt:.0%} against {base:.0%}."

    def publish(self, version: int, is_open: bool) -> None:
        """Keep what goes with weights `version`; while the actor has not moved there is nothing to doubt."""
        del self._published[version:]
        self._published.append(_Published(is_open, self._is_doubted and is_open))

    def take(self, episode: Episode) -> None:
        """Count an episode that was played with weights that were published before."""
        self._outcomes.append(self._outcome(episode))
        self._count(self._outcomes[-1])

    def amend(self, order: int, episode: Episode) -> None:
        """Count all anew where the episode that was taken as number `order` ended otherwise."""
        self._outcomes[order] = self._outcome(episode)
        self.base, self.learnt = Tally(self.base.keeps), Tally(self.learnt.keeps)
        self._is_doubted = self._is_on
        for outcome in self._outcomes:
            self._count(outcome)

    def _outcome(self, episode: Episode) -> _Outcome | None:
        """Return what an episode counts for; None for nothing."""
        if not self._is_on or not episode.length or episode.is_aborted:
            return None
        by_policy = episode.source != Source.HUMAN
        is_good = bool(episode.is_success and by_policy.all())
        if self._is_bases(episode, by_policy):
            return _Outcome("base", is_good)
        return _Outcome("gated" if self._player(episode) == "gated" else "trial", is_good)

    def _count(self, outcome: _Outcome | None) -> None:
        if outcome is None:
            return
        if outcome.player != "trial":
            (self.base if outcome.player == "base" else self.learnt).add(outcome.is_good)
        base, learnt = self.shares
        self._is_doubted = learnt < base - (0.0 if self._is_doubted else self.TOLERANCE)

    def _is_bases(self, episode: Episode, by_policy: NDArray[np.bool_]) -> bool:
        """Whether nothing but the base was executed, or the actor had not moved: it is the base then, with noise."""
        moved = episode.requested != np.clip(episode.base_action, -1.0, 1.0)
        return not self._weights(episode).is_open or not np.any(moved[by_policy])

    def _player(self, episode: Episode) -> Player:
        return player(int(episode.attributes["seed"]), self._weights(episode).is_doubted, self._config)

    def _weights(self, episode: Episode) -> _Published:
        return self._published[max(0, int(episode.weights_version[-1]))]
