"""The transitions of one store in memory, with images by row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robot.errors import ConfigError
from robot.store.episode import Episode
from robot.store.frames import Frames
from robot.store.reader import StoreReader
from robot.store.rows import EpisodeRows
from robot.types import Observation, Source

Labeller = Callable[[Episode], NDArray[np.float32]]
"""Gives the rewards (T,) of an episode's steps: a view of its events, computed when it is taken in, or anew."""


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
        before, there = self._taken, self._reader.refresh()
        while self._taken < there:  # counted one by one: an episode that cannot be read now is asked for again
            self._add(self._reader.episode(self._taken))
            self._taken += 1
        return there - before

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
        is_whole = length == episode.length

        def with_last(steps: NDArray[Any], last: object) -> NDArray[Any]:
            """Return the rows of all transitions and of what followed them."""
            return np.concatenate([steps, np.asarray(last, steps.dtype)[None]]) if is_whole else steps

        # where nobody saw what followed a terminal step, its own observation stands there: its value does not count
        seen = episode.final_observation if episode.has_final else {k: v[-1] for k, v in episode.observation.items()}
        image_rows = np.arange(episode.first_row, episode.first_row + episode.length)
        columns = {key: with_last(values, seen[key]) for key, values in episode.observation.items()}
        columns["action"] = with_last(episode.action, np.zeros_like(episode.action[0]))
        columns["base_action"] = with_last(episode.base_action, episode.final_base_action)
        columns["chunk_phase"] = with_last(episode.chunk_phase, episode.final_chunk_phase)
        columns["source"] = with_last(episode.source, Source.HOLD)
        columns["image_row"] = with_last(image_rows, -1 - episode.index if episode.has_final else image_rows[-1])
        columns["episode"] = np.full(length + 1, episode.index, np.int64)
        columns["step"] = np.arange(length + 1)
        start = self.rows.add(columns, self._label(episode)[:length], not episode.is_terminated)
        self._kept.append(episode.index)
        new = np.arange(start, start + length)
        self._pools[""].append(new)
        self._pools["human"].append(new[episode.source[:length] == Source.HUMAN])
        if episode.is_success:
            self._pools["success"].append(new)
