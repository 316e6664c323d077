"""Episodes that their first step's number tells in full, and the edits of a campaign, on a store and on plain lists."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from benchmarks.store import plain_steps
from benchmarks.store.compare import episode_differences
from benchmarks.store.model import ENDS, FLAGS, PlainEpisode, relabelled, trimmed
from robot.store import Episode, StoreReader
from robot.store.edit import drop, merge, relabel, trim
from robot.types import Source

SPEC = plain_steps.robot()
STRIDE = 20
"""From the number of an episode's first step to that of the next episode's."""
EDITS = ("drop", "trim", "relabel", "merge")


@lru_cache(maxsize=64)
def told(first: int) -> PlainEpisode:
    """Return the episode that begins with step `first`, 3 to 8 steps long."""
    length = 3 + first // STRIDE % 6
    end = ENDS[first // STRIDE % len(ENDS)]
    steps = []
    for number in range(first, first + length):
        source = Source.HUMAN if number % 4 == 0 else Source.POLICY
        steps.append(plain_steps.step(SPEC, number, source, end if number == first + length - 1 else ""))
    return PlainEpisode(first, {"first": first}, steps, end, plain_steps.final(SPEC, first + length))


def what_is_wrong(found: Episode) -> list[str]:
    """Say what is wrong with an episode by itself: each is a whole one, a part of one that an edit made, or one whose
    session died, aborted at a step."""
    whole = told(int(found.attributes["first"]))
    start = int(found.stamp_ns[0] // plain_steps.PERIOD_NS) - 1 - whole.seed
    stop = start + found.length
    if not 0 <= start < stop <= len(whole.steps):
        return [f"steps {start} to {stop} of {len(whole.steps)}"]
    part = trimmed(whole, start, stop)
    if not found.has_final:
        is_whole = stop == len(whole.steps)
        part = PlainEpisode(whole.seed, whole.attributes, part.steps, whole.end if is_whole else "aborted")
    if "relabelled_from" in found.attributes:
        flags = (found.is_terminated, found.is_truncated, found.is_aborted, found.is_success)
        part = relabelled(part, dict(zip(FLAGS.values(), FLAGS, strict=True))[flags])
        part.attributes["relabelled_from"] = found.attributes["relabelled_from"]
    return episode_differences(SPEC, found, part)


def edit(path: Path, kind: str) -> None:
    """Edit the store by a rule that needs no more than the store; a merge goes to `merged(path)`."""
    reader = StoreReader.open(path)
    lengths = [reader.episode(index).length for index in range(len(reader))]
    if kind == "drop":
        drop(path, range(0, len(lengths), 2))
    elif kind == "relabel":
        relabel(path, {0: ENDS[len(lengths) % 4]})
    elif kind == "trim":
        trim(path, *_trim(lengths))
    else:
        merge([path, path], merged(path))


def edited(episodes: list[PlainEpisode], kind: str) -> list[PlainEpisode]:
    """Return what `edit` makes of the lists; a merge leaves the store as it is."""
    if kind == "drop":
        return episodes[1::2]
    if kind == "relabel":
        return [relabelled(episodes[0], ENDS[len(episodes) % 4]), *episodes[1:]]
    if kind == "trim":
        index, start, stop = _trim([len(episode.steps) for episode in episodes])
        return [*episodes[:index], trimmed(episodes[index], start, stop), *episodes[index + 1 :]]
    return episodes


def merged(path: Path) -> Path:
    return path.with_name("merged.zarr")


def _trim(lengths: list[int]) -> tuple[int, int, int]:
    index = next((i for i, length in enumerate(lengths) if length > 2), 0)
    return (index, 1, lengths[index] - 1) if lengths[index] > 2 else (0, 0, lengths[0])
