"""What the learner draws from: episodes in memory as features, exact quotas per source, n-step windows when drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from policies.base import BasePolicy, with_final
from policies.rewards import RewardConfig, label
from robot.settings import Settings, setting
from robot.store import Episode
from robot.store.quota import Draws, quotas
from robot.store.rows import EpisodeRows
from robot.types import Source

Float = NDArray[np.float32]
POOLS = ("demonstration", "online", "human")


class Batch(NamedTuple):
    """One mini-batch; `ret` is the n-step reward sum and `discount` multiplies the value of `next_state`."""

    state: Float
    base: Float
    action: Float
    ret: Float
    discount: Float
    next_state: Float
    next_base: Float
    is_human: NDArray[np.bool_]


class EpisodeBuffer:
    """Episodes in memory, low-dimensional; `add` is the only way in.

    An episode of T transitions has T + 1 rows, the last its final observation:

        state: (N, S) features, base action and one-hot chunk phase: Markov with a chunked base.
        base: (N, A) what the frozen base would do.
        action: (N, A) what was executed; zero in final rows.
        is_human: (N,) whether a person commanded the step.
    """

    def __init__(self, base: BasePolicy, rewards: RewardConfig) -> None:
        self._base, self._rewards = base, rewards
        self._rows = EpisodeRows()
        self._human = np.empty(0, np.int64)
        self.episodes = 0

    def add(self, episode: Episode) -> None:
        """Append an episode; base actions that the log lacks (demonstrations) come from the frozen base."""
        self.episodes += 1
        length = episode.transitions
        if length < 1:
            return
        columns = columns_of(episode, self._base)
        reward = label(episode, self._rewards)[:length]
        start = self._rows.add(columns, reward, continues=not episode.is_terminated)
        self._human = np.append(self._human, start + np.flatnonzero(columns["is_human"]))

    def column(self, name: str) -> NDArray[Any]:
        """Return a column of all rows; StoreError where there is no such column, or no row yet."""
        return self._rows.column(name)

    @property
    def steps(self) -> NDArray[np.int64]:
        """Rows that hold a transition."""
        return self._rows.steps

    @property
    def human_steps(self) -> NDArray[np.int64]:
        """Rows that hold a transition which a person commanded."""
        return self._human

    def windows(self, index: NDArray[np.int64], n: int, gamma: float) -> Batch:
        """Return the n-step windows that begin at rows `index` (B,), see `EpisodeRows.windows`."""
        windows = self._rows.windows(index, n, gamma)
        state, base = self.column("state"), self.column("base")
        return Batch(
            state[index],
            base[index],
            self.column("action")[index],
            windows.ret,
            windows.discount,
            state[windows.after],
            base[windows.after],
            self.column("is_human")[index],
        )


def columns_of(episode: Episode, base: BasePolicy) -> dict[str, NDArray[np.generic]]:
    """Return the columns of one episode, as `EpisodeBuffer` names them."""
    length = episode.transitions
    relabelled, relabelled_phase = base.relabel(episode)
    stored = np.concatenate([episode.base_action, episode.final_base_action[None]])[: length + 1]
    absent = np.isnan(stored).any(axis=1)
    base_action = np.where(absent[:, None], relabelled, stored).astype(np.float32)
    stored_phase = np.append(episode.chunk_phase, episode.final_chunk_phase)[: length + 1]
    phase = np.where(absent, relabelled_phase, stored_phase).astype(np.int64)
    pad = np.zeros((1, episode.action.shape[1]), np.float32)
    return {
        "state": state_of(base.features(with_final(episode)), base_action, phase, base.phases),
        "base": base_action,
        "action": np.concatenate([episode.action[:length], pad]).astype(np.float32),
        "is_human": np.append(episode.source[:length] == Source.HUMAN, False),
    }


def state_of(feature: Float, base_action: Float, phase: NDArray[np.int64], phases: int) -> Float:
    """Return the networks' state (B, D + A + phases): features, base action, one-hot chunk phase."""
    one_hot = (phase[:, None] == np.arange(phases)).astype(np.float32)
    return np.concatenate([feature, base_action, one_hot], axis=1)


@dataclass(frozen=True)
class SamplerConfig(Settings):
    """Who fills a mini-batch."""

    batch: int = setting(256, "samples in a mini-batch", low=2, high=65536)
    demo_share: float = setting(0.5, "share of demonstrations (RLPD's symmetric sampling)", low=0.0, high=1.0)
    human_share: float = setting(
        0.25, "share of a person's steps within the online part, once there are any", low=0.0, high=1.0
    )
    n_step: int = setting(3, "length of the return's window", unit="steps", low=1, high=100)
    gamma: float = setting(0.97, "discount a step", low=0.0, high=0.9999)


class QuotaSampler:
    """Draws mini-batches with exact counts per source, the same for the same seed and the same buffers."""

    def __init__(self, demo: EpisodeBuffer, online: EpisodeBuffer, config: SamplerConfig, seed: int) -> None:
        self.demo, self.online, self.config = demo, online, config
        self._draws = Draws(seed)

    def quotas(self) -> tuple[int, int, int]:
        """Return how many of the next batch are demonstration, online at large, and online human steps.

        Raises:
            StoreError: no episode with a step was added yet.
        """
        sizes = (len(self.demo.steps), len(self.online.steps), len(self.online.human_steps))
        if sizes[0] and not sizes[1]:
            return self.config.batch, 0, 0
        demo = self.config.demo_share if sizes[0] else 0.0
        human = self.config.human_share if sizes[2] else 0.0  # without any, their share is the online part's
        shares = dict(zip(POOLS, (demo, (1 - demo) * (1 - human), (1 - demo) * human), strict=True))
        filled = [name for name, size in zip(POOLS, sizes, strict=True) if size]
        counts = quotas(self.config.batch, shares, filled)
        return counts.get(POOLS[0], 0), counts.get(POOLS[1], 0), counts.get(POOLS[2], 0)

    def draw(self) -> Batch:
        """Return the next mini-batch (`config.batch` rows): demonstrations first, human steps last.

        Raises:
            StoreError: no episode with a step was added yet.
        """
        n, gamma = self.config.n_step, self.config.gamma
        parts = []
        pools = (self.demo.steps, self.online.steps, self.online.human_steps)
        for buffer, pool, count in zip((self.demo, self.online, self.online), pools, self.quotas(), strict=True):
            if count:
                parts.append(buffer.windows(pool[self._draws.integers(len(pool), count)], n, gamma))
        return Batch(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def state(self) -> dict[str, Any]:
        """Return the random state, ready for JSON."""
        return self._draws.state

    def restore(self, state: dict[str, Any]) -> None:
        self._draws.state = state
