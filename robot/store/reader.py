"""Reads committed episodes, also while another process writes more."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robot.specs import RobotSpec
from robot.store.chunks import Chunks
from robot.store.disk import disk_errors
from robot.store.episode import Episode
from robot.store.schema import END_FLAGS
from robot.store.tables import Tables, decode_attributes, require_same_robot

FINAL_NAMES = ("base_action", "chunk_phase", "stamp_ns")

CACHED_BLOCKS = 512
"""Chunks of low-dimensional arrays kept in memory: with twenty arrays about 50,000 steps, 20 MB."""


class StoreReader:
    """Reads the committed part of a store; never locks, never waits.

    reader = StoreReader.open("runs/a/demos.zarr")
    while reader.refresh() > seen:
        episode = reader.episode(seen)
        seen += 1
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._ends = tables.ends()
        tables.remarks.refresh()
        self._told = dict(tables.remarks.ends)
        self._blocks: OrderedDict[tuple[str, str, int], tuple[int, NDArray[np.generic]]] = OrderedDict()

    @staticmethod
    def open(path: str | Path, spec: RobotSpec | None = None) -> StoreReader:
        """Open a store to read; with a `spec`, only if it is of that robot.

        Raises:
            StoreError: missing, not a store, of another version of nudge, or of another robot than `spec`.
        """
        with disk_errors(Path(path), "Nothing was read."):
            tables = Tables.open(Path(path))
        if spec is not None:
            require_same_robot(tables, spec)
        return StoreReader(tables)

    @property
    def path(self) -> Path:
        return self._tables.path

    @property
    def spec(self) -> RobotSpec:
        return self._tables.schema.spec

    @property
    def attributes(self) -> dict[str, str]:
        return dict(self._tables.attributes)

    @property
    def created(self) -> str:
        """Date and time of the store's creation (ISO 8601, UTC)."""
        return self._tables.created

    @property
    def schema_version(self) -> int:
        return self._tables.version

    @property
    def steps(self) -> int:
        """Committed steps as of the last `refresh`."""
        return int(self._ends[-1]) if len(self._ends) else 0

    def refresh(self) -> int:
        """Look for newly committed episodes; returns how many there are in all."""
        with disk_errors(self._tables.path, "Nothing new was read."):
            self._ends = self._tables.ends()
            self._tables.remarks.refresh()
        return len(self._ends)

    def changed(self) -> list[int]:
        """Return the episodes of which it was said since the last call that they ended otherwise; see `refresh`."""
        found, self._told = self._told, dict(self._tables.remarks.ends)
        return sorted(index for index, end in self._told.items() if found.get(index) != end and index < len(self))

    def __len__(self) -> int:
        return len(self._ends)

    def image_chunks(self, key: str) -> tuple[Chunks, Chunks]:
        """Return the arrays of an image key: by step, and what followed each episode's last step."""
        return self._tables.data[key], self._tables.final[key]

    def timing_ns(self) -> NDArray[np.int64]:
        """Return the timing of all committed steps (N, 6), as `Episode.timing_ns`."""
        with disk_errors(self._tables.path, "The timing was not read."):
            return np.asarray(self._tables.data["timing_ns"].rows(0, self.steps), np.int64)

    def episode(self, index: int) -> Episode:
        """Read an episode, all but its images.

        Raises:
            IndexError: there is no such episode (as of the last `refresh`).
        """
        if not 0 <= index < len(self._ends):
            raise IndexError(f"Episode {index} of {len(self._ends)} in {self._tables.path}.")
        with disk_errors(self._tables.path, f"Episode {index} was not read."):
            return self._episode(index)

    def _episode(self, index: int) -> Episode:
        schema = self._tables.schema
        start, stop = int(self._ends[index - 1]) if index else 0, int(self._ends[index])
        steps: dict[str, Any] = {name: self._rows("data", name, start, stop) for name in schema.step_names}
        stamps = steps.pop("stream_stamps_ns")
        flags: dict[str, Any] = {
            name: bool(self._rows("episodes", name, index, index + 1)[0]) for name in (*END_FLAGS, "has_final")
        }
        final = {name: self._rows("final", name, index, index + 1)[0] for name in FINAL_NAMES}
        attributes = decode_attributes(self._rows("episodes", "attributes", index, index + 1)[0])
        flags, attributes = self._tables.remarks.amended(index, flags, attributes)
        seed = int(self._rows("episodes", "seed", index, index + 1)[0])
        return Episode(
            index=index,
            length=stop - start,
            observation={key: self._rows("data", key, start, stop) for key in schema.spec.state_keys},
            final_observation={key: self._rows("final", key, index, index + 1)[0] for key in schema.spec.state_keys},
            **steps,
            stream_stamps_ns={key: stamps[:, i] for i, key in enumerate(schema.streams)},
            **flags,
            final_base_action=final["base_action"],
            final_chunk_phase=int(final["chunk_phase"]),
            final_stamp_ns=int(final["stamp_ns"]),
            attributes={**attributes, "seed": seed},
            remarks=self._tables.remarks.of(index),
            _tables=self._tables,
            _start=start,
        )

    def _rows(self, table: str, name: str, start: int, stop: int) -> NDArray[np.generic]:
        """Return rows [start, stop) of a low-dimensional array, from blocks kept in memory, as a new array."""
        chunks: Chunks = getattr(self._tables, table)[name]
        size = chunks.chunk_rows
        parts = []
        for block in range(start // size, (stop - 1) // size + 1):
            rows = self._block(chunks, (table, name, block), min(stop, (block + 1) * size) - block * size)
            parts.append(rows[max(start - block * size, 0) : stop - block * size])
        return np.concatenate(parts)

    def _block(self, chunks: Chunks, key: tuple[str, str, int], needed: int) -> NDArray[np.generic]:
        committed = self.steps if key[0] == "data" else len(self._ends)
        valid, rows = self._blocks.get(key, (0, None))
        if rows is None or valid < needed:
            valid = committed - key[2] * chunks.chunk_rows
            rows = chunks.chunk(key[2])
            self._blocks[key] = (valid, rows)
            while len(self._blocks) > CACHED_BLOCKS:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(key)
        return rows
