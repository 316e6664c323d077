"""What the learner draws from: episodes in memory, exact quotas per source, n-step windows built when drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from policies.base import BasePolicy, with_final
from policies.rewards import RewardConfig, label
from robot.errors import StoreError
from robot.settings import Settings, setting
from robot.store import Episode
from robot.types import Source

Float = NDArray[np.float32]


class Rows(NamedTuple):
    """Columns of an episode for learning; an episode of T steps has T+1 rows, the last its final observation.

    Attributes:
        state: (N, S) features, base action and one-hot chunk phase: Markov with a chunked base.
        base: (N, A) what the frozen base would do.
        action: (N, A) what was executed; zero in final rows.
        reward: (N,) zero in final rows.
        is_human: (N,) whether a person commanded the step.
        end: (N,) index of the final row of the same episode.
        continues: (N,) 0 where the episode ended by termination, 1 where values go on after its end.
    """

    state: Float
    base: Float
    action: Float
    reward: Float
    is_human: NDArray[np.bool_]
    end: NDArray[np.int64]
    continues: Float


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
    """Episodes in memory, low-dimensional, with room that doubles; `add` is the only way in."""

    def __init__(self, base: BasePolicy, rewards: RewardConfig) -> None:
        self._base, self._rewards = base, rewards
        self._rows: Rows | None = None
        self._size = 0
        self._steps = np.empty(0, np.int64)
        self._human = np.empty(0, np.int64)
        self.episodes = 0

    def add(self, episode: Episode) -> None:
        """Append an episode; base actions that the log lacks (demonstrations) come from the frozen base."""
        length = episode.transitions
        if length < 1:
            self.episodes += 1
            return
        new = rows_of(episode, self._base, self._rewards)
        start = self._size
        new = new._replace(end=new.end + start)
        self._reserve(new)
        rows = self.rows
        _copy(new, rows, start)
        self._size += length + 1
        self._steps = np.append(self._steps, np.arange(start, start + length))
        self._human = np.append(self._human, start + np.flatnonzero(new.is_human))
        self.episodes += 1

    @property
    def rows(self) -> Rows:
        if self._rows is None:
            raise StoreError("The buffer is empty; add an episode with a step first.")
        return self._rows

    @property
    def steps(self) -> NDArray[np.int64]:
        """Rows that hold a transition."""
        return self._steps

    @property
    def human_steps(self) -> NDArray[np.int64]:
        """Rows that hold a transition which a person commanded."""
        return self._human

    def windows(self, index: NDArray[np.int64], n: int, gamma: float) -> Batch:
        """Return the n-step windows that begin at rows `index` (B,).

        A window ends with its episode: R = sum over k < m of gamma^k r, m = min(n, steps left); the value after
        it counts gamma^m, or 0 where the episode terminated there. Truncation bootstraps. Windows are cut at
        the end rather than dropped, so the steps right before success are learnt from (DrQ-v2's sampler never
        draws them).
        """
        rows = self.rows
        end = rows.end[index]
        after = np.minimum(index + n, end)
        offsets = np.arange(n)
        inside = index[:, None] + offsets
        reward = np.where(inside < end[:, None], rows.reward[np.minimum(inside, end[:, None])], 0.0)
        ret = reward @ (gamma**offsets)
        discount = gamma ** (after - index) * np.where(after == end, rows.continues[index], 1.0)
        return Batch(
            rows.state[index],
            rows.base[index],
            rows.action[index],
            ret.astype(np.float32),
            discount.astype(np.float32),
            rows.state[after],
            rows.base[after],
            rows.is_human[index],
        )

    def _reserve(self, new: Rows) -> None:
        needed = self._size + len(new.end)
        if self._rows is not None and needed <= len(self._rows.end):
            return
        capacity = max(2 * needed, 4096)
        grown = Rows(*(np.zeros((capacity, *c.shape[1:]), c.dtype) for c in new))
        if self._rows is not None:
            _copy(self._rows, grown, 0)
        self._rows = grown


def _copy(new: Rows, rows: Rows, start: int) -> None:
    """Write the columns of `new` into `rows` from row `start` on."""
    for name in Rows._fields:
        column, values = getattr(rows, name), getattr(new, name)
        column[start : start + len(values)] = values


def rows_of(episode: Episode, base: BasePolicy, rewards: RewardConfig) -> Rows:
    """Return the learning rows of one episode, with indices counted from its first row."""
    length = episode.transitions
    relabelled, relabelled_phase = base.relabel(episode)
    stored = np.concatenate([episode.base_action, episode.final_base_action[None]])[: length + 1]
    absent = np.isnan(stored).any(axis=1)
    base_action = np.where(absent[:, None], relabelled, stored).astype(np.float32)
    stored_phase = np.append(episode.chunk_phase, episode.final_chunk_phase)[: length + 1]
    phase = np.where(absent, relabelled_phase, stored_phase).astype(np.int64)
    pad = np.zeros((1, episode.action.shape[1]), np.float32)
    return Rows(
        state=state_of(base.features(with_final(episode)), base_action, phase, base.phases),
        base=base_action,
        action=np.concatenate([episode.action[:length], pad]).astype(np.float32),
        reward=np.append(label(episode, rewards)[:length], np.float32(0.0)),
        is_human=np.append(episode.source[:length] == Source.HUMAN, False),
        end=np.full(length + 1, length, np.int64),
        continues=np.full(length + 1, 0.0 if episode.is_terminated else 1.0, np.float32),
    )


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
        self._rng = np.random.default_rng(seed)

    def quotas(self) -> tuple[int, int, int]:
        """Return how many of the next batch are demonstration, online at large, and online human steps."""
        size = self.config.batch
        if not len(self.online.steps):
            return size, 0, 0
        demo = round(size * self.config.demo_share) if len(self.demo.steps) else 0
        human = round((size - demo) * self.config.human_share) if len(self.online.human_steps) else 0
        return demo, size - demo - human, human

    def draw(self) -> Batch:
        """Return the next mini-batch (`config.batch` rows): demonstrations first, human steps last.

        Raises:
            StoreError: no episode with a step was added yet.
        """
        if not len(self.demo.steps) and not len(self.online.steps):
            raise StoreError("There is nothing to draw from: both demonstrations and online episodes are empty.")
        n, gamma = self.config.n_step, self.config.gamma
        parts = []
        pools = (self.demo.steps, self.online.steps, self.online.human_steps)
        for buffer, pool, count in zip((self.demo, self.online, self.online), pools, self.quotas(), strict=True):
            if count:
                index = pool[self._rng.integers(len(pool), size=count)]
                parts.append(buffer.windows(index, n, gamma))
        return Batch(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def state(self) -> dict[str, Any]:
        """Return the random state, ready for JSON."""
        return dict(self._rng.bit_generator.state)

    def restore(self, state: dict[str, Any]) -> None:
        self._rng.bit_generator.state = state
