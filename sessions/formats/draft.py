"""Episodes on their way into a store: what a source gave, with everything else marked as absent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robot.errors import StoreError
from robot.specs import ArraySpec, RobotSpec
from robot.store.builder import StoreBuilder
from robot.store.remarks import ENDS, Remark
from robot.store.schema import NO_STAMP, Schema
from robot.types import NO_VERSION, Label, Source
from sessions.formats.guard import MAX_EPISODE_BYTES, MAX_EPISODES, require, require_size
from sessions.formats.report import Mapped

NO_SEED = -1
"""Of an episode whose source does not say with which seed it began."""

Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Draft:
    """One episode of T steps as a source gave it.

    Attributes:
        name: of the episode, for errors.
        columns: (T, ...) by name in the store: every observation key and "action"; any other where it is known.
        end: how it ended, one of `robot.store.remarks.ENDS`.
        final: (...) by observation key: what followed the last action; None where it is not known. May have
            base_action, chunk_phase and stamp_ns as well.
        attributes: of the episode.
        seed: `NO_SEED` where not known.
        remarks: marks and notes, whatever index they name.
    """

    name: str
    columns: Columns
    end: str = "truncated"
    final: Columns | None = None
    attributes: dict[str, str | int | float] = field(default_factory=dict)
    seed: int = NO_SEED
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, eq=False)
class Plan:
    """A source that was opened and understood.

    Attributes:
        spec: of the store that it becomes.
        episodes: how many it has.
        read: gives an episode by its index.
        mapped, missing, left_out: as in `Report`, as far as known before the episodes are read.
        attributes: of the store, beside where it came from.
        notes: what reading the episodes brought up: lines for `left_out`, appended as they turn up.
    """

    spec: RobotSpec
    episodes: int
    read: Callable[[int], Draft]
    mapped: tuple[Mapped, ...]
    missing: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    attributes: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        require(self.episodes >= 1, "There is no episode in it; nothing was imported.")
        require(self.episodes <= MAX_EPISODES, f"It has {self.episodes} episodes; at most {MAX_EPISODES} are read.")


def absent(commanded_by: Source) -> dict[str, Any]:
    """Return, by name of a step's array, the value that says "not known"."""
    return {
        "requested": np.nan,
        "base_action": np.nan,
        "residual": np.nan,
        "chunk_phase": 0,
        "source": int(commanded_by),
        "label": 0,
        "reasons": 0,
        "reward": np.nan,
        "weights_version": NO_VERSION,
        "stamp_ns": NO_STAMP,
        "stream_stamps_ns": NO_STAMP,
        "timing_ns": 0,
    }


def add(builder: StoreBuilder, spec: RobotSpec, draft: Draft, commanded_by: Source) -> int:
    """Append an episode to a store and return its number of steps.

    Raises:
        StoreError: lengths, shapes or types differ from the spec, or a number is not finite.
    """
    length = len(draft.columns["action"])
    require(length > 0, f"{draft.name} has no step; leave it out of the source.")
    require_size(draft.name, length * builder.row.itemsize, MAX_EPISODE_BYTES)
    steps = np.zeros(length, builder.row)
    fields = Schema(spec).data
    for name, value in absent(commanded_by).items():
        steps[name] = value
    for name, values in draft.columns.items():
        steps[name] = checked(f"{name} of {draft.name}", values, fields[name].array, length, name == "reward")
    _require_known(steps, draft.name)
    for flag in ENDS[draft.end]:
        steps[flag][-1] = True
    final = None
    if draft.final is not None:
        final = np.zeros(1, builder.row)
        final["stamp_ns"], final["base_action"] = NO_STAMP, np.nan
        for name, value in draft.final.items():
            where = f"what followed the last step of {draft.name}: {name}"
            final[name] = checked(where, np.asarray(value)[None], fields[name].array, 1, name == "base_action")
    builder.add(draft.seed, draft.attributes, steps, final, draft.remarks)
    return length


def _require_known(steps: NDArray[np.void], name: str) -> None:
    """Raise StoreError where a code stands for nothing in a store."""
    is_source = np.isin(steps["source"], [int(source) for source in Source])
    require(bool(np.all(is_source)), f"{name} has steps of source {steps['source'][~is_source][:1]}; there is no such.")
    is_label = steps["label"] < 2 * max(Label)
    require(bool(np.all(is_label)), f"{name} has the label {steps['label'][~is_label][:1]}; there is no such.")
    require(bool(np.all(steps["timing_ns"] >= 0)), f"{name} has times before the beginning of time in timing_ns.")


_MAY_BE_ABSENT = ("requested", "base_action", "residual", "reward")


def checked(where: str, values: NDArray[Any], array: ArraySpec, length: int, may_be_absent: bool) -> NDArray[Any]:
    """Return `values` (length, ...), in the spec's type.

    Raises:
        StoreError: another length, shape or type, or not finite (where it may not be absent).
    """
    wanted, found = (length, *array.shape), values.shape
    if found != wanted:
        raise StoreError(
            f"{where} must have the shape {wanted}; found {found}. Mend or drop the episode in the source."
        )
    if values.dtype != np.dtype(array.dtype):
        if not (values.dtype.kind in "fiub" and array.dtype == "float32"):
            raise StoreError(f"{where} must be {array.dtype}; found {values.dtype}. Convert the source first.")
        with np.errstate(over="ignore"):
            values = values.astype(np.float32)
    may_be_absent |= where.split(" ")[0] in _MAY_BE_ABSENT
    if values.dtype.kind == "f":
        is_bad = np.isinf(values) if may_be_absent else ~np.isfinite(values)
        if np.any(is_bad):
            step = int(np.argwhere(is_bad)[0][0])
            raise StoreError(
                f"{where} must be finite; found {values[is_bad][0]} at step {step}. Mend or drop the episode there."
            )
    return values
