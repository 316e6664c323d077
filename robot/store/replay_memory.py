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
from robot.store.pools import Places, Pools
from robot.store.quota import Draws
from robot.store.reader import StoreReader
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
        self._pools = Pools(shares, self.config.priority, self.config.correction, seed)
        for name in shares:
            self._pool(name)

    def refresh(self) -> int:
        """Take in newly committed episodes, and what has been said of those that are here; returns how many are new."""
        found = 0
        for name, memory in self.memories.items():
            found += memory.refresh()
            if memory.has_changed:
                self._pools.forget(f"{name}:success")
        return found

    def relabel(self, label: Labeller) -> None:
        """Compute all rewards anew."""
        for memory in self.memories.values():
            memory.relabel(label)

    @property
    def draws(self) -> Draws:
        """The random numbers that the next batches follow from."""
        return self._pools.draws

    def counts(self) -> dict[str, int]:
        """Return how many windows of each pool the next batch has."""
        return self._pools.counts(self.config.batch, self._filled())

    def _filled(self) -> dict[str, int]:
        return {name: len(self._pool(name)) for name in self._pools.shares}

    def draw(self) -> Sample:
        """Return the next mini-batch.

        Raises:
            StoreError: there is no transition yet.
        """
        names, start, parts = list(self._pools.shares), 0, []
        # images are most of the bytes: every part puts its own where they stay
        spec = next(memory.spec for memory in self.memories.values())
        now, after = (empty_images(spec, self.config.batch) for _ in range(2))
        for name, places in self._pools.draw(self.config.batch, self._filled()).items():
            part = slice(start, start + len(places.place))
            images = [{key: values[part] for key, values in room.items()} for room in (now, after)]
            parts.append(self._part(name, names.index(name), places, *images))
            start = part.stop
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
        for number, name in enumerate(self._pools.shares):
            chosen = sample.pool == number
            self._pools.prioritise(name, sample.place[chosen], np.asarray(errors)[chosen])

    def close(self) -> None:
        self._frames.close()

    def _pool(self, name: str) -> NDArray[np.int64]:
        store, _, kind = name.partition(":")
        if store not in self.memories:
            raise ConfigError(f"The pool {name!r} is of no store; there are {', '.join(self.memories)}.")
        return self.memories[store].pool(kind)

    def _part(
        self, name: str, number: int, places: Places, now: Mapping[str, Images], after: Mapping[str, Images]
    ) -> Sample:
        memory = self.memories[name.partition(":")[0]]
        first = self._pool(name)[places.place]
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
            weight=places.weight,
            pool=np.full(len(first), number),
            place=places.place,
            episode=at["episode"],
            step=at["step"],
        )


def _joined(parts: list[Any], apart: Collection[str]) -> Any:
    """Return arrays one after the other; of dicts of arrays all but the keys `apart`."""
    if isinstance(parts[0], dict):
        return {key: np.concatenate([part[key] for part in parts]) for key in parts[0] if key not in apart}
    return np.concatenate(parts)
