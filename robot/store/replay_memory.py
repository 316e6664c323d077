"""What a learner draws from: the transitions of one or more stores, in exact shares, with images by content."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from robot.errors import ConfigError
from robot.settings import Settings, setting
from robot.store.frames import Frames, Images
from robot.store.memory import Labeller, Memory, empty_images
from robot.store.quota import Draws, quotas
from robot.store.reader import StoreReader
from robot.store.sumtree import SumTree
from robot.types import Observation

STEP_COLUMNS = ("action", "base_action", "chunk_phase", "source")


@dataclass(frozen=True)
class ReplayConfig(Settings):
    """How mini-batches are made."""

    batch: int = setting(256, "windows in a mini-batch", low=1, high=65536)
    n_step: int = setting(3, "length of the return's window", unit="steps", low=1, high=1000)
    gamma: float = setting(0.97, "discount a step", low=0.0, high=1.0)
    memory_gb: float = setting(4.0, "memory for images", unit="GB", low=0.0, high=4096.0)
    priority: float = setting(0.0, "exponent of the priorities, alpha; 0 draws uniformly", low=0.0, high=2.0)
    correction: float = setting(0.4, "exponent of the weights that undo them, beta", low=0.0, high=1.0)


class Sample(NamedTuple):
    """A mini-batch of windows, pool by pool; all arrays (B, ...).

    Attributes:
        observation, next_observation: by key, images uint8; at the beginning of the window and after it (of its last
            step, where it is terminal and nobody saw what followed).
        action, base_action, chunk_phase, source: of the window's first step.
        next_base_action, next_chunk_phase: of what the base policy would do after it; NaN where it is not known.
        ret, discount: as in `robot.store.rows.Windows`.
        weight: importance of the window, at most 1; 1 where nothing is prioritised.
        pool: index of the pool in the order of the shares, place: in that pool; episode, step: where the window begins.
    """

    observation: Observation
    action: NDArray[np.float32]
    base_action: NDArray[np.float32]
    chunk_phase: NDArray[np.int32]
    source: NDArray[np.uint8]
    ret: NDArray[np.float32]
    discount: NDArray[np.float32]
    next_observation: Observation
    next_base_action: NDArray[np.float32]
    next_chunk_phase: NDArray[np.int32]
    weight: NDArray[np.float32]
    pool: NDArray[np.int64]
    place: NDArray[np.int64]
    episode: NDArray[np.int64]
    step: NDArray[np.int64]


class Replay:
    """Mini-batches over several stores, the same for the same seed, stores and calls.

        replay = Replay({"demos": demos, "online": online}, {"demos": 0.5, "online": 0.4, "online:human": 0.1}, label)
        replay.refresh()
        sample = replay.draw()

    Args:
        readers: stores of one robot, by name.
        shares: of each pool: a store's name for all its transitions, "name:human" for a person's, "name:success" for
            those of episodes that succeeded. Empty ones give way to the others.
        label: gives the rewards of an episode.

    Raises:
        ConfigError: a pool of no known store or kind.
    """

    def __init__(
        self,
        readers: Mapping[str, StoreReader],
        shares: Mapping[str, float],
        label: Labeller,
        config: ReplayConfig | None = None,
        seed: int = 0,
    ) -> None:
        self.config = config or ReplayConfig()
        self._frames = Frames(round(self.config.memory_gb * 1e9))
        self.memories = {name: Memory(reader, label, self._frames) for name, reader in readers.items()}
        self._shares = dict(shares)
        self._trees = {name: SumTree() for name in shares}
        self._ranked = dict.fromkeys(shares, 0)
        self._highest = 1.0
        self.draws = Draws(seed)
        for name in shares:
            self._pool(name)

    def refresh(self) -> int:
        """Take in newly committed episodes; returns how many."""
        return sum(memory.refresh() for memory in self.memories.values())

    def relabel(self, label: Labeller) -> None:
        """Compute all rewards anew."""
        for memory in self.memories.values():
            memory.relabel(label)

    def counts(self) -> dict[str, int]:
        """Return how many windows of each pool the next batch has."""
        filled = [name for name in self._shares if len(self._pool(name))]
        return quotas(self.config.batch, self._shares, filled)

    def draw(self) -> Sample:
        """Return the next mini-batch.

        Raises:
            StoreError: there is no transition yet.
        """
        names, start, parts = list(self._shares), 0, []
        # images are most of the bytes: every part puts its own where they stay
        spec = next(memory.spec for memory in self.memories.values())
        now, after = (empty_images(spec, self.config.batch) for _ in range(2))
        for name, count in self.counts().items():
            if count:
                place = slice(start, start + count)
                images = [{key: values[place] for key, values in room.items()} for room in (now, after)]
                parts.append(self._part(name, names.index(name), count, *images))
                start += count
        joined = {name: _joined([getattr(part, name) for part in parts], now) for name in Sample._fields}
        joined["observation"] |= now
        joined["next_observation"] |= after
        return Sample(**joined)

    def prioritise(self, sample: Sample, errors: NDArray[np.floating[Any]]) -> None:
        """Set the priorities of a sample's windows to (|error| + 1e-6)^alpha (Schaul et al. 2016, eq. 1).

        Raises:
            ConfigError: nothing is prioritised, or an error is not finite.
        """
        if not self.config.priority:
            raise ConfigError("replay.priority is 0: there are no priorities to set.")
        values = (np.abs(np.asarray(errors, np.float64)) + 1e-6) ** self.config.priority
        for number, name in enumerate(self._shares):
            chosen = sample.pool == number
            self._trees[name].set(sample.place[chosen], values[chosen])
        self._highest = max(self._highest, float(values.max(initial=0.0)))

    def close(self) -> None:
        self._frames.close()

    def _pool(self, name: str) -> NDArray[np.int64]:
        store, _, kind = name.partition(":")
        if store not in self.memories:
            raise ConfigError(f"The pool {name!r} is of no store; there are {', '.join(self.memories)}.")
        return self.memories[store].pool(kind)

    def _places(self, name: str, count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return places in a pool to draw, and their weights: uniform, or by priority.

        A window that was never drawn has the highest priority that there was. The weights are (N p)^-beta over their
        largest in the pool's part (Schaul et al. 2016, section 3.4).
        """
        size = len(self._pool(name))
        if not self.config.priority:
            return self.draws.integers(size, count), np.ones(count, np.float32)
        tree = self._trees[name]
        new = np.arange(self._ranked[name], size)
        tree.set(new, np.full(len(new), self._highest))
        self._ranked[name] = size
        places = tree.find(self.draws.uniform(count) * tree.total)
        weights = (size * tree.weights(places) / tree.total) ** -self.config.correction
        return places, (weights / weights.max()).astype(np.float32)

    def _part(
        self, name: str, number: int, count: int, now: Mapping[str, Images], after: Mapping[str, Images]
    ) -> Sample:
        memory = self.memories[name.partition(":")[0]]
        places, weights = self._places(name, count)
        first = self._pool(name)[places]
        rows = memory.rows
        windows = rows.windows(first, self.config.n_step, self.config.gamma)
        at = {column: rows.column(column)[first] for column in (*STEP_COLUMNS, "episode", "step")}
        return Sample(
            observation=memory.observation(first, now),
            action=at["action"],
            base_action=at["base_action"],
            chunk_phase=at["chunk_phase"],
            source=at["source"],
            ret=windows.ret,
            discount=windows.discount,
            next_observation=memory.observation(windows.after, after),
            next_base_action=rows.column("base_action")[windows.after],
            next_chunk_phase=rows.column("chunk_phase")[windows.after],
            weight=weights,
            pool=np.full(count, number),
            place=places,
            episode=at["episode"],
            step=at["step"],
        )


def _joined(parts: list[Any], apart: Collection[str]) -> Any:
    """Return arrays one after the other; of dicts of arrays all but the keys `apart`."""
    if isinstance(parts[0], dict):
        return {key: np.concatenate([part[key] for part in parts]) for key in parts[0] if key not in apart}
    return np.concatenate(parts)
