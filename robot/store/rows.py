"""Episodes in memory as columns, and the n-step windows over them.

An episode of T transitions has T + 1 rows: its steps, and last what followed them. A window begins at a step, goes on
for n steps or to the end of its episode, and never into the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from robot.errors import StoreError

LEAST_ROWS = 4096
BUILT_IN = ("end", "continues", "reward")
"""Columns that every buffer has: the row of the episode's last observation; whether values go on after it (0 or 1);
the reward of the step."""


class Windows(NamedTuple):
    """n-step windows, (B,) each.

    Attributes:
        first: row that the window begins at.
        after: row of the observation after it, min(n, steps left) later.
        ret: sum over the window of gamma^k times the reward.
        discount: what the value of `after` counts: gamma^m, or 0 where the episode terminated there.
    """

    first: NDArray[np.int64]
    after: NDArray[np.int64]
    ret: NDArray[np.float32]
    discount: NDArray[np.float32]


class EpisodeRows:
    """Columns of many episodes, with room that doubles; `add` is the only way in.

    `relabel` and `amend` change how one was paid, and how it ended.
    """

    def __init__(self) -> None:
        self._columns: dict[str, NDArray[Any]] = {}
        self._steps = np.empty(0, np.int64)
        self._starts = np.empty(0, np.int64)
        self.size = 0
        """Rows that are filled."""

    @property
    def episodes(self) -> int:
        return len(self._starts)

    @property
    def steps(self) -> NDArray[np.int64]:
        """Rows that hold a transition, in order."""
        return self._steps

    def column(self, name: str) -> NDArray[Any]:
        """Return the filled rows of a column; a view.

        Raises:
            StoreError: nothing was added yet, or there is no such column.
        """
        if not self._columns:
            raise StoreError("There are no rows yet; add an episode first.")
        if name not in self._columns:
            raise StoreError(f"There is no column {name!r}; there are {', '.join(sorted(self._columns))}.")
        return self._columns[name][: self.size]

    def add(self, columns: Mapping[str, NDArray[np.generic]], reward: NDArray[np.float32], continues: bool) -> int:
        """Append an episode and return the row it begins at.

        Args:
            columns: T + 1 rows each, always the same names, shapes and types; those of the last row that belong to a
                step (an action) are never drawn.
            reward: (T,).
            continues: whether values go on after the end: False where the episode was terminated.

        Raises:
            StoreError: lengths, names, shapes or types differ, or a name is one of `BUILT_IN`.
        """
        length, start = len(reward), self.size
        rows = {
            **columns,
            "end": np.full(length + 1, start + length, np.int64),
            "continues": np.full(length + 1, float(continues), np.float32),
            "reward": np.append(reward, 0.0).astype(np.float32),
        }
        self._check(columns, rows, length)
        self._reserve(rows, start + length + 1)
        for name, values in rows.items():
            self._columns[name][start : start + length + 1] = values
        self.size += length + 1
        self._starts = np.append(self._starts, start)
        self._steps = np.append(self._steps, np.arange(start, start + length))
        return start

    def amend(self, episode: int, reward: NDArray[np.float32], continues: bool, **columns: NDArray[np.generic]) -> None:
        """Say otherwise how the episode that was added as number `episode` ended.

        Args:
            reward, continues: as in `add`.
            columns: those of its T + 1 rows that follow from it, by name.
        """
        self.relabel(episode, reward)
        start, length = self.extent(episode)
        rows = slice(start, start + length + 1)
        self._columns["continues"][rows] = float(continues)
        for name, values in columns.items():
            self._columns[name][rows] = values

    def relabel(self, episode: int, reward: NDArray[np.float32]) -> None:
        """Replace the rewards (T,) of the episode that was added as number `episode`."""
        start, length = self.extent(episode)
        if len(reward) != length:
            raise StoreError(f"Episode {episode} has {length} transitions; found {len(reward)} rewards.")
        self._columns["reward"][start : start + length] = reward

    def extent(self, episode: int) -> tuple[int, int]:
        """Return the first row of the episode that was added as number `episode`, and how many transitions it has."""
        start = int(self._starts[episode])
        return start, int(self.column("end")[start]) - start

    def regrouped(self, pool: NDArray[np.int64], episode: int, is_in: bool) -> NDArray[np.int64]:
        """Return a pool of rows with, or without, all transitions of the episode that was added as number `episode`."""
        first, length = self.extent(episode)
        others = pool[(pool < first) | (pool >= first + length)]
        return np.concatenate([others, np.arange(first, first + length if is_in else first)])

    def windows(self, first: NDArray[np.int64], n: int, gamma: float) -> Windows:
        """Return the windows of up to `n` steps that begin at rows `first` (B,).

        They are cut at the end of the episode rather than dropped, so that the steps right before it are learnt from
        (DrQ-v2's sampler never draws those). A truncated episode's last observation keeps its value.
        """
        end = np.asarray(self.column("end")[first], np.int64)
        after = np.minimum(first + n, end)
        offsets = np.arange(n)
        inside = first[:, None] + offsets
        rewards = np.asarray(self.column("reward"), np.float32)
        taken = np.where(inside < end[:, None], rewards[np.minimum(inside, end[:, None])], 0.0)
        continues = np.asarray(self.column("continues")[first], np.float32)
        discount = gamma ** (after - first) * np.where(after == end, continues, 1.0)
        return Windows(first, after, (taken @ gamma**offsets).astype(np.float32), discount.astype(np.float32))

    def _check(
        self, columns: Mapping[str, NDArray[np.generic]], rows: Mapping[str, NDArray[np.generic]], length: int
    ) -> None:
        if length < 1:
            raise StoreError("An episode without a transition has no rows.")
        if taken := set(columns) & set(BUILT_IN):
            raise StoreError(f"{min(taken)!r} is a column that every buffer has; name yours otherwise.")
        if self._columns and rows.keys() != self._columns.keys():
            odd = min(rows.keys() ^ self._columns.keys())
            raise StoreError(f"Every episode has the same columns; {odd!r} is not in all.")
        for name, values in rows.items():
            if len(values) != length + 1:
                raise StoreError(f"{name!r} must have {length + 1} rows; found {len(values)}.")
            known = self._columns.get(name)
            if known is not None and (values.shape[1:] != known.shape[1:] or values.dtype != known.dtype):
                wanted = f"{known.dtype}{list(known.shape[1:])}"
                raise StoreError(f"{name!r} must be {wanted}; found {values.dtype}{list(values.shape[1:])}.")

    def _reserve(self, rows: Mapping[str, NDArray[np.generic]], needed: int) -> None:
        if self._columns and needed <= len(self._columns["end"]):
            return
        capacity = max(2 * needed, LEAST_ROWS)
        grown = {name: np.zeros((capacity, *values.shape[1:]), values.dtype) for name, values in rows.items()}
        for name, values in self._columns.items():
            grown[name][: self.size] = values[: self.size]
        self._columns = grown
