"""One committed episode: all of it in memory, but for its images."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robot.errors import StoreError
from robot.store.chunks import Chunks
from robot.store.remarks import Remark
from robot.store.tables import Tables
from robot.types import Observation, Source


@dataclass(frozen=True, eq=False)
class Episode:
    """One committed episode of `length` T steps; all arrays are the caller's own, time first.

    Attributes:
        observation: by state key (T, ...), before the action.
        final_observation: by state key (...), after the last action; NaN where not `has_final`.
        action: executed action, float32 (T, A), normalised.
        requested, base_action, residual: float32 (T, A); NaN where absent.
        chunk_phase (T,); source (T,) uint8 `Source`; label (T,) uint8 `Label`; reasons (T,) uint32;
        reward: float32 (T,), given with the step by somebody; NaN where nobody did.
        weights_version (T,) int64.
        stamp_ns: (T,) int64; stream_stamps_ns: (T,) int64 by observation key, NO_STAMP where not known.
        timing_ns: (T, 6) int64, the attributes of `StepTiming` in their order.
        final_base_action: (A,); final_chunk_phase; final_stamp_ns: as in FinalRecord.
        has_final: False where the session died before it saw what followed the last action.
        attributes: of the episode, with its "seed"; "relabelled_from" where it was said later that it ended otherwise.
        remarks: what was said of it beside its steps: marks, notes, later ends.
    """

    index: int
    length: int
    observation: Observation
    final_observation: Observation
    action: NDArray[np.float32]
    requested: NDArray[np.float32]
    base_action: NDArray[np.float32]
    residual: NDArray[np.float32]
    chunk_phase: NDArray[np.int32]
    source: NDArray[np.uint8]
    label: NDArray[np.uint8]
    reasons: NDArray[np.uint32]
    reward: NDArray[np.float32]
    weights_version: NDArray[np.int64]
    stamp_ns: NDArray[np.int64]
    stream_stamps_ns: dict[str, NDArray[np.int64]]
    timing_ns: NDArray[np.int64]
    is_terminated: bool
    is_truncated: bool
    is_aborted: bool
    is_success: bool
    has_final: bool
    final_base_action: NDArray[np.float32]
    final_chunk_phase: int
    final_stamp_ns: int
    attributes: dict[str, str | int | float]
    remarks: tuple[Remark, ...]
    _tables: Tables = field(repr=False)
    _start: int = field(repr=False)

    @property
    def store(self) -> Path:
        """The folder of the store that it was read from."""
        return self._tables.path

    @property
    def first_row(self) -> int:
        """Row of the first step in the store's arrays."""
        return self._start

    @property
    def transitions(self) -> int:
        """Steps that can be learnt from: T, or T - 1 where nobody saw what followed the last one and its value counts.

        After a terminal step none does.
        """
        return self.length if self.has_final or self.is_terminated else self.length - 1

    @property
    def interventions(self) -> int:
        """How often a person took over."""
        is_human = self.source == Source.HUMAN
        return int(np.count_nonzero(is_human & ~np.concatenate([[False], is_human[:-1]])))

    def images(self, key: str) -> NDArray[np.uint8]:
        """Read the images (T, H, W, 3) of an image key from the disk."""
        return np.asarray(self._chunks(key, "data").rows(self._start, self._start + self.length), np.uint8)

    def final_image(self, key: str) -> NDArray[np.uint8]:
        """Read the image (H, W, 3) after the last action; StoreError where not `has_final`."""
        chunks = self._chunks(key, "final")
        if not self.has_final:
            raise StoreError(f"Episode {self.index} has no final image: its session died; use has_final.")
        return np.asarray(chunks.rows(self.index, self.index + 1)[0], np.uint8)

    def _chunks(self, key: str, table: str) -> Chunks:
        if key not in self._tables.schema.spec.image_keys:
            known = ", ".join(self._tables.schema.spec.image_keys) or "none"
            raise StoreError(f"{key!r} is no image of {self._tables.schema.spec.name}; its images: {known}.")
        return (self._tables.data if table == "data" else self._tables.final)[key]
