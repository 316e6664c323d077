"""Says what a store holds and what is wrong with it; changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from robot.errors import StoreError
from robot.store.disk import disk_errors
from robot.store.episode import Episode
from robot.store.metadata import check_metadata
from robot.store.reader import StoreReader
from robot.store.remarks import ENDS
from robot.store.remarks import FILE as REMARKS
from robot.store.repair import is_torn_commit
from robot.store.schema import NO_STAMP
from robot.store.tables import JOURNAL, Tables
from robot.types import Label, Source


def info(path: str | Path) -> dict[str, str | int | float]:
    """Return what a store holds: counts, bytes, the robot's name, when it was created, the schema's version.

    Raises:
        StoreError: missing, not a store, or of another version of nudge.
    """
    with disk_errors(Path(path), "Nothing was read."):
        tables = Tables.open(Path(path))
        ends = tables.ends()
        steps = int(ends[-1]) if len(ends) else 0
        tables.remarks.refresh()
        flags = {name: _count(tables, name, len(ends)) for name in ("is_success", "is_aborted")}
        is_human = tables.data["source"].rows(0, steps) == Source.HUMAN
        goes_on = np.append([False], is_human[:-1])[:steps]
        goes_on[ends[:-1]] = False  # in the step before, not in the episode before
        size = sum(file.stat().st_size for file in Path(path).rglob("*") if file.is_file())
    return {
        "path": str(path),
        "spec": tables.schema.spec.name,
        "created": tables.created,
        "schema_version": tables.version,
        "episodes": len(ends),
        "steps": steps,
        "successes": flags["is_success"],
        "aborted": flags["is_aborted"],
        "interventions": int(np.count_nonzero(is_human & ~goes_on)),
        "bytes": size,
        "bytes_per_step": size / steps if steps else 0.0,
    }


def check(path: str | Path) -> list[str]:
    """Return one sentence for every problem of a store; an empty list for none.

    Raises:
        StoreError: missing, not a store, or of another version of nudge.
    """
    tables = Tables.open(Path(path))
    with disk_errors(tables.path, "The check was not finished."):
        problems = check_metadata(tables) or _check_counts(tables) or _check_remarks(tables, len(tables.ends()))
        if problems:
            return problems
        reader = StoreReader(tables)
        for index in range(len(reader)):
            try:
                found = _check_episode(reader.episode(index))
            except StoreError as error:
                found = [str(error)]
            problems += [f"Episode {index}: {what}" for what in found]
    return problems


def _count(tables: Tables, flag: str, episodes: int) -> int:
    """Return how many episodes have a flag, after all that was said of them."""
    down = np.array(tables.episodes[flag].rows(0, episodes), bool)
    for index, end in tables.remarks.ends.items():
        if index < episodes:
            down[index] = flag in ENDS[end]
    return int(down.sum())


def _check_remarks(tables: Tables, episodes: int) -> list[str]:
    try:
        tables.remarks.refresh()
    except StoreError as error:
        return [str(error)]
    # a mark on an episode that runs, or died before its first step, waits for it; an end is said of one that is there
    odd = [remark.episode for remark in tables.remarks.all if remark.episode >= episodes + (remark.kind != "end")]
    return [f"{REMARKS} speaks of episode {index}, and there are {episodes}." for index in odd[:1]]


def _check_counts(tables: Tables) -> list[str]:
    problems = []
    stated = json.loads((tables.root / "zarr.json").read_bytes())["attributes"].get("spec_digest")
    if stated != tables.schema.spec.digest():
        problems.append(f"The spec's digest is {tables.schema.spec.digest()}, and the attributes say {stated}.")
    if (tables.root / JOURNAL).exists():
        problems.append(
            "A journal is there: of a running session, or of a dead one; the next session makes it an episode."
        )
    try:
        committed = tables.committed()
    except StoreError as error:
        return [*problems, str(error)]
    is_torn = any(chunks.length() > length for chunks, length in committed.items()) and is_torn_commit(tables)
    for chunks, length in committed.items():
        # what a torn commit has written is the journal's, and no reader sees it
        if chunks.length() < length or (chunks.length() > length and not is_torn):
            problems.append(f"{chunks.name} has {chunks.length()} rows; meta/episode_ends says {length}.")
        problems += [f"{chunks.name}: {what}" for what in chunks.missing(length)]
    return problems


def _check_episode(episode: Episode) -> list[str]:
    problems = []
    if not np.all(np.isfinite(episode.action)):
        problems.append(f"the executed action of step {_first(~np.isfinite(episode.action))} is not finite.")
    for key, values in episode.observation.items():
        if not np.all(np.isfinite(values)):
            problems.append(f"{key} of step {_first(~np.isfinite(values))} is not finite.")
    for name, known in (("source", [*Source]), ("label", range(2 * max(Label)))):
        is_odd = ~np.isin(getattr(episode, name), [int(value) for value in known])
        if np.any(is_odd):
            problems.append(f"the {name} of step {_first(is_odd)} is {getattr(episode, name)[is_odd][0]}: unknown.")
    stamps = np.append(episode.stamp_ns, episode.final_stamp_ns) if episode.has_final else episode.stamp_ns
    if np.any(stamps != NO_STAMP) and np.any(np.diff(stamps) <= 0):
        problems.append(f"the stamp after step {_first(np.diff(stamps) <= 0)} is not later than that step's.")
    for key, stream in episode.stream_stamps_ns.items():
        known = stream != NO_STAMP
        known &= episode.stamp_ns != NO_STAMP
        if np.any(stream[known] > episode.stamp_ns[known]):
            late = _first(known & (stream > episode.stamp_ns))
            problems.append(f"{key} of step {late} was captured after the step's own stamp.")
    if np.any(episode.timing_ns < 0):
        problems.append(f"the timing of step {_first(episode.timing_ns < 0)} is negative.")
    if episode.is_terminated == episode.is_truncated:
        problems.append("it must have ended in exactly one way, terminated or truncated.")
    return problems


def _first(is_bad: np.ndarray) -> int:
    return int(np.argwhere(is_bad)[0][0])
