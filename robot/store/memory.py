"""The transitions of one store in memory, with images by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robot.errors import ConfigError
from robot.specs import RobotSpec
from robot.store.episode import Episode
from robot.store.frames import Frames
from robot.store.reader import StoreReader
from robot.store.rows import EpisodeRows
from robot.types import Observation, Source

Labeller = Callable[[Episode], NDArray[np.float32]]
"""Gives the rewards (T,) of an episode's steps: a view of its events, computed when it is taken in, or anew."""


def empty_images(spec: RobotSpec, count: int) -> dict[str, NDArray[np.uint8]]:
    """Return room for so many images of each image key."""
    return {key: np.empty((count, *spec.observation[key].shape), np.uint8) for key in spec.image_keys}


class Memory:
    """The transitions of one store; `refresh` takes in what was committed since.

    Images stay compressed, within the memory of `frames`; all else is kept as it is (some 300 bytes a step).
    """

    def __init__(self, reader: StoreReader, label: Labeller, frames: Frames) -> None:
        self._reader, self._label, self._frames = reader, label, frames
        self.rows = EpisodeRows()
        self._taken = 0
        self.has_changed = False
        """Whether the last `refresh` heard of an episode here that it ended otherwise."""
        self._kept: list[int] = []
        self._pools: dict[str, list[NDArray[np.int64]]] = {"": [], "human": [], "success": []}

    @property
    def spec(self) -> RobotSpec:
        return self._reader.spec

    def refresh(self) -> int:
        """Take in new episodes, and what has been said of those that are here; returns how many are new."""
        before, there = self._taken, self._reader.refresh()
        changed = [index for index in self._reader.changed() if index < before]
        self.has_changed = bool(changed)
        for index in changed:
            self._amend(self._reader.episode(index))
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

    def observation(self, rows: NDArray[np.int64], into: Mapping[str, NDArray[np.uint8]] | None = None) -> Observation:
        """Return the observations at `rows` (B,), images included; with `into`, images are put there, by key."""
        into = empty_images(self._reader.spec, len(rows)) if into is None else into
        image_rows = np.asarray(self.rows.column("image_row")[rows], np.int64)
        for key, out in into.items():
            self._put_images(key, image_rows, out)
        found: Observation = {key: self.rows.column(key)[rows] for key in self._reader.spec.state_keys}
        return {key: into[key] if key in into else found[key] for key in self._reader.spec.observation}

    def relabel(self, label: Labeller) -> None:
        """Compute all rewards anew; those of episodes to come as well."""
        self._label = label
        for number, index in enumerate(self._kept):
            episode = self._reader.episode(index)
            self.rows.relabel(number, label(episode)[: episode.transitions])

    def _amend(self, episode: Episode) -> None:
        """Take in that an episode ended otherwise."""
        if episode.index not in self._kept:
            return
        number = self._kept.index(episode.index)
        length = self.rows.extent(number)[1]
        continues = not episode.is_terminated and episode.has_final
        self.rows.amend(number, self._label(episode)[:length], continues)
        self._pools["success"] = [self.rows.regrouped(self.pool("success"), number, episode.is_success)]

    def _put_images(self, key: str, image_rows: NDArray[np.int64], out: NDArray[np.uint8]) -> None:
        data, final = self._reader.image_chunks(key)
        at, at_final = np.flatnonzero(image_rows >= 0), np.flatnonzero(image_rows < 0)
        self._frames.fill(out, at, data, image_rows[at], self._reader.steps)
        self._frames.fill(out, at_final, final, -1 - image_rows[at_final], len(self._reader))

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
