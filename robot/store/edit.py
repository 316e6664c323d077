"""Changes to a store that is there: whole episodes left out, cut, put together, or said otherwise.

Nothing is changed in place. A new store is built beside the old one and takes its place in one step; the old one stays
as `<name>.before-<n>` until somebody deletes it, and whoever has it open goes on reading it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robot.errors import StoreError
from robot.store.builder import StoreBuilder
from robot.store.disk import disk_errors
from robot.store.lock import locked
from robot.store.remarks import ENDS, Remark, end_of
from robot.store.schema import END_FLAGS
from robot.store.tables import JOURNAL, Tables, decode_attributes, require_same_robot


@dataclass(frozen=True, eq=False)
class Whole:
    """One episode as the journal has it: rows (T,) with images, what followed (1,) or None, seed and attributes.

    `remarks` are what was said beside its steps; how it ended after all is in the rows.
    """

    seed: int
    attributes: dict[str, str | int | float]
    steps: NDArray[np.void]
    final: NDArray[np.void] | None
    remarks: tuple[Remark, ...] = ()


Change = Callable[[int, Whole], Whole | None]
"""Gives what becomes of an episode, by its index; None leaves it out."""

Seen = Callable[[], None]
"""Called once for every episode of the old store that is done."""


def _unseen() -> None:
    """Nobody looks on."""


def read_whole(tables: Tables, index: int) -> Whole:
    """Return episode `index` with everything that is kept of it."""
    ends = tables.ends()
    start, stop = int(ends[index - 1]) if index else 0, int(ends[index])
    row = tables.schema.row()
    steps = np.zeros(stop - start, row)
    for name, chunks in tables.data.items():
        steps[name] = chunks.rows(start, stop)
    columns: dict[str, Any] = {name: chunks.rows(index, index + 1) for name, chunks in tables.episodes.items()}
    tables.remarks.refresh()
    attributes = decode_attributes(columns["attributes"][0])
    flags = {flag: bool(columns[flag][0]) for flag in END_FLAGS}
    flags, attributes = tables.remarks.amended(index, flags, attributes)
    for flag in END_FLAGS:
        steps[flag][-1] = flags[flag]
    final = None
    if columns["has_final"][0]:
        final = np.zeros(1, row)
        for name, chunks in tables.final.items():
            final[name] = chunks.rows(index, index + 1)
    said = tuple(remark for remark in tables.remarks.of(index) if remark.kind != "end")
    return Whole(int(columns["seed"][0]), attributes, steps, final, said)


def drop(path: str | Path, episodes: Iterable[int], out: str | Path | None = None, seen: Seen = _unseen) -> Path:
    """Leave out `episodes`; returns where the changed store is.

    Raises:
        StoreError: no store, no such episode, a writer at work, or the place is taken.
    """
    left_out = set(episodes)
    return _edit(path, out, lambda index, whole: None if index in left_out else whole, left_out, seen)


def trim(
    path: str | Path, episode: int, start: int, stop: int | None, out: str | Path | None = None, seen: Seen = _unseen
) -> Path:
    """Keep the steps [start, stop) of `episode` alone; without a `stop`, up to its end.

    An episode that is cut before its end is truncated there, and what followed is the observation of the next step.

    Raises:
        StoreError: as `drop`, or an empty or impossible range.
    """

    def change(index: int, whole: Whole) -> Whole:
        return cut(whole, start, len(whole.steps) if stop is None else stop) if index == episode else whole

    return _edit(path, out, change, {episode}, seen)


def cut(whole: Whole, start: int, stop: int) -> Whole:
    """Return the steps [start, stop) of an episode.

    Raises:
        StoreError: there are no such steps.
    """
    length = len(whole.steps)
    if not 0 <= start < stop <= length:
        raise StoreError(
            f"The episode has {length} steps, from 0; a part of it begins at a step and stops behind a later one, at "
            f"{length} at most; found start {start} and stop {stop}."
        )
    kept = (remark for remark in whole.remarks if remark.step is None or start <= remark.step < stop)
    said = tuple(r if r.step is None else replace(r, step=r.step - start) for r in kept)
    if stop == length:
        return replace(whole, steps=whole.steps[start:], remarks=said)
    steps, final = whole.steps[start:stop].copy(), whole.steps[stop : stop + 1].copy()
    steps["is_truncated"][-1] = True
    return replace(whole, steps=steps, final=final, remarks=said)


def relabel(path: str | Path, ends: Mapping[int, str], out: str | Path | None = None, seen: Seen = _unseen) -> Path:
    """Say otherwise how episodes ended: "success", "failure", "truncated" or "aborted", by index.

    What a person said in the episode (data/label) stays as it was; who changed the end stands in its attributes.

    Raises:
        StoreError: as `drop`, or an end of another name.
    """
    for end in ends.values():
        if end not in ENDS:
            raise StoreError(f"An episode ends in {', '.join(ENDS)}; found {end!r}.")

    def change(index: int, whole: Whole) -> Whole:
        if index not in ends:
            return whole
        steps = whole.steps.copy()
        before = end_of({flag: steps[flag][-1] for flag in END_FLAGS})
        for flag in END_FLAGS:
            steps[flag][-1] = flag in ENDS[ends[index]]
        return replace(whole, steps=steps, attributes={**whole.attributes, "relabelled_from": before})

    return _edit(path, out, change, set(ends), seen)


def merge(sources: Sequence[str | Path], out: str | Path, seen: Seen = _unseen) -> Path:
    """Put all episodes of `sources`, in order, into a new store at `out`.

    Raises:
        StoreError: a source is no store, they are of different robots, or `out` exists.
    """
    if not sources:
        raise StoreError("Name at least one store to merge.")
    tables = [Tables.open(Path(source)) for source in sources]
    for other in tables[1:]:
        require_same_robot(other, tables[0].schema.spec)
    shared = {k: v for k, v in tables[0].attributes.items() if all(t.attributes.get(k) == v for t in tables)}
    with StoreBuilder.open(out, tables[0].schema.spec, shared) as builder:
        for one in tables:
            own = {k: v for k, v in one.attributes.items() if k not in shared}
            for index in range(len(one.ends())):
                whole = read_whole(one, index)
                builder.add(whole.seed, {**own, **whole.attributes}, whole.steps, whole.final, whole.remarks)
                seen()
        builder.finish()
    return Path(out)


def _edit(path: str | Path, out: str | Path | None, change: Change, named: set[int], seen: Seen) -> Path:
    path = Path(path)
    if out is not None:
        return _rebuilt(Tables.open(path), out, change, named, seen)
    # locked to the end: what somebody committed meanwhile would be lost
    tables, lock = locked(lambda: Tables.open(path))
    try:
        return _rebuilt(tables, None, change, named, seen)
    finally:
        lock.release()


def _rebuilt(tables: Tables, out: str | Path | None, change: Change, named: set[int], seen: Seen) -> Path:
    path = tables.path
    count = len(tables.ends())
    if missing := sorted(index for index in named if not 0 <= index < count):
        raise StoreError(f"{path} has episodes 0 to {count - 1}; there is no {missing[0]}.")
    if out is None and (tables.root / JOURNAL).exists():
        raise StoreError(f"A session of {path} died within an episode; make it whole first: nudge store repair {path}")
    target = path if out is None else Path(out)
    with StoreBuilder.open(target, tables.schema.spec, tables.attributes, is_replacing=out is None) as builder:
        with disk_errors(path, "Nothing was changed."):
            for index in range(count):
                changed = change(index, read_whole(tables, index))
                if changed is not None:
                    builder.add(changed.seed, changed.attributes, changed.steps, changed.final, changed.remarks)
                seen()
        builder.finish(None if out is not None else _free(path))
    return target


def _free(path: Path) -> Path:
    """Return a name beside `path` that nothing has."""
    number = 1
    while (place := path.with_name(f"{path.name}.before-{number}")).exists():
        number += 1
    return place
