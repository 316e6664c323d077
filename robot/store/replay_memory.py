"""What a learner draws from: the transitions of one or more stores, in exact shares, with images by content."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robot.errors import ConfigError
from robot.settings import Settings, setting
from robot.store.episode import Episode
from robot.store.frames import Frames
from robot.store.quota import Draws, quotas
from robot.store.reader import StoreReader
from robot.store.rows import EpisodeRows
from robot.types import Observation, Source

Labeller = Callable[[Episode], NDArray[np.float32]]
"""Gives the rewards (T,) of an episode's steps: a view of its events, computed when it is taken in, or anew."""

STEP_COLUMNS = ("action", "base_action", "chunk_phase", "source")


@dataclass(frozen=True)
class ReplayConfig(Settings):
    """How mini-batches are made."""

    batch: int = setting(256, "windows in a mini-batch", low=1, high=65536)
    n_step: int = setting(3, "length of the return's window", unit="steps", low=1, high=1000)
    gamma: float = setting(0.97, "discount a step", low=0.0, high=1.0)
    memory_gb: float = setting(4.0, "memory for images", unit="GB", low=0.0, high=4096.0)


class Sample(NamedTuple):
    """A mini-batch of windows, pool by pool; all arrays (B, ...).

    Attributes:
        observation, next_observation: by key, images uint8; at the beginning of the window and after it.
        action, base_action, chunk_phase, source: of the window's first step.
        next_base_action, next_chunk_phase: of what the base policy would do after it; NaN where it is not known.
        ret, discount: as in `robot.store.rows.Windows`.
        pool: index of the pool in the order of the shares; episode, step: where the window begins.
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
    pool: NDArray[np.int64]
    episode: NDArray[np.int64]
    step: NDArray[np.int64]


class Memory:
    """The transitions of one store; `refresh` takes in what was committed since.

    Images stay compressed, within the memory of `frames`; all else is kept as it is (some 300 bytes a step).
    """

    def __init__(self, reader: StoreReader, label: Labeller, frames: Frames) -> None:
        self._reader, self._label, self._frames = reader, label, frames
        self.rows = EpisodeRows()
        self._taken = 0
        self._kept: list[int] = []
        self._pools: dict[str, list[NDArray[np.int64]]] = {"": [], "human": [], "success": []}

    def refresh(self) -> int:
        """Take in new episodes; returns how many."""
        before, self._taken = self._taken, self._reader.refresh()
        for index in range(before, self._taken):
            self._add(self._reader.episode(index))
        return self._taken - before

    def pool(self, name: str) -> NDArray[np.int64]:
        """Return the rows of "" (all transitions), "human" (a person's) or "success" (of episodes that succeeded)."""
        if name not in self._pools:
            raise ConfigError(f"There is no pool {name!r}; there are human, success, and a store's name alone for all.")
        parts = self._pools[name]
        if len(parts) > 1:
            self._pools[name] = parts = [np.concatenate(parts)]
        return parts[0] if parts else np.empty(0, np.int64)

    def observation(self, rows: NDArray[np.int64]) -> Observation:
        """Return the observations at `rows` (B,), images included."""
        found: Observation = {key: self.rows.column(key)[rows] for key in self._reader.spec.state_keys}
        image_rows = np.asarray(self.rows.column("image_row")[rows], np.int64)
        for key in self._reader.spec.image_keys:
            found[key] = self._images(key, image_rows)
        return {key: found[key] for key in self._reader.spec.observation}

    def relabel(self, label: Labeller) -> None:
        """Compute all rewards anew; those of episodes to come as well."""
        self._label = label
        for number, index in enumerate(self._kept):
            episode = self._reader.episode(index)
            self.rows.relabel(number, label(episode)[: episode.transitions])

    def _images(self, key: str, image_rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        data, final = self._reader.image_chunks(key)
        is_final = image_rows < 0
        out = np.empty((len(image_rows), *data.row_shape), np.uint8)
        out[~is_final] = self._frames.images(data, image_rows[~is_final], self._reader.steps)
        out[is_final] = self._frames.images(final, -1 - image_rows[is_final], len(self._reader))
        return out

    def _add(self, episode: Episode) -> None:
        length = episode.transitions
        if length < 1:
            return
        has_final = episode.has_final

        def with_last(steps: NDArray[np.generic], last: object) -> NDArray[np.generic]:
            """Return T + 1 rows: without a final observation that of the last step is what followed."""
            return np.concatenate([steps, np.asarray(last, steps.dtype)[None]]) if has_final else steps

        columns = {
            key: with_last(values, episode.final_observation[key]) for key, values in episode.observation.items()
        }
        columns["action"] = with_last(episode.action, np.zeros_like(episode.action[0]))
        columns["base_action"] = with_last(episode.base_action, episode.final_base_action)
        columns["chunk_phase"] = with_last(episode.chunk_phase, episode.final_chunk_phase)
        columns["source"] = with_last(episode.source, Source.HOLD)
        columns["image_row"] = with_last(
            np.arange(episode.first_row, episode.first_row + episode.length), -1 - episode.index
        )
        columns["episode"] = np.full(length + 1, episode.index, np.int64)
        columns["step"] = np.arange(length + 1)
        start = self.rows.add(columns, self._label(episode)[:length], not episode.is_terminated)
        self._kept.append(episode.index)
        new = np.arange(start, start + length)
        self._pools[""].append(new)
        self._pools["human"].append(new[episode.source[:length] == Source.HUMAN])
        if episode.is_success:
            self._pools["success"].append(new)


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
        parts = []
        for place, (name, count) in enumerate(self.counts().items()):
            rows = self.draws.rows({name: count}, {name: self._pool(name)})
            parts.append(self._part(name.partition(":")[0], rows, place))
        return Sample(*(_joined(column) for column in zip(*parts, strict=True)))

    def close(self) -> None:
        self._frames.close()

    def _pool(self, name: str) -> NDArray[np.int64]:
        store, _, kind = name.partition(":")
        if store not in self.memories:
            raise ConfigError(f"The pool {name!r} is of no store; there are {', '.join(self.memories)}.")
        return self.memories[store].pool(kind)

    def _part(self, store: str, first: NDArray[np.int64], place: int) -> Sample:
        memory = self.memories[store]
        rows = memory.rows
        windows = rows.windows(first, self.config.n_step, self.config.gamma)
        at = {name: rows.column(name)[first] for name in (*STEP_COLUMNS, "episode", "step")}
        return Sample(
            observation=memory.observation(first),
            action=at["action"],
            base_action=at["base_action"],
            chunk_phase=at["chunk_phase"],
            source=at["source"],
            ret=windows.ret,
            discount=windows.discount,
            next_observation=memory.observation(windows.after),
            next_base_action=rows.column("base_action")[windows.after],
            next_chunk_phase=rows.column("chunk_phase")[windows.after],
            pool=np.full(len(first), place),
            episode=at["episode"],
            step=at["step"],
        )


def _joined(parts: tuple[object, ...]) -> object:
    if isinstance(parts[0], dict):
        return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}  # type: ignore[index]
    return np.concatenate(parts)  # type: ignore[arg-type]
