"""What may happen to a store, each operation with three numbers that say how; any list of them can be done."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from benchmarks.store import plain_steps
from benchmarks.store.edits import PLACES, drop_some, mend, merge_all, relabel_some, trim_one
from benchmarks.store.model import ENDS, PlainEpisode
from benchmarks.store.world import (
    QUICK,
    SPEC,
    Place,
    World,
    expect,
    expect_refused,
    file_size_limit,
    forget_records,
    overwrite,
)
from robot.store import StoreWriter
from robot.store.edit import drop
from robot.store.journal import _HEADER, _RECORD
from robot.store.replay_memory import ReplayConfig
from robot.store.schema import Schema
from robot.store.tables import JOURNAL
from robot.types import Source

RECORD = _RECORD.size + Schema(SPEC).row().itemsize


class Op(NamedTuple):
    """An operation by its name in `OPERATIONS`."""

    name: str
    a: int
    b: int
    c: int

    def __str__(self) -> str:
        return f"{self.name}({self.a}, {self.b}, {self.c})"


def begin(world: World, a: int, b: int, c: int) -> None:
    writer, place = world.writer(), world.here
    if place.running is not None:
        expect_refused(lambda: writer.begin(a, {}), "An episode is running")
        return
    episode = PlainEpisode(a, {"phase": "lists", "number": b, "share": c / 7})
    writer.begin(episode.seed, dict(episode.attributes))
    place.running = episode


def append(world: World, a: int, b: int, c: int) -> None:
    """Append 1 to 6 steps, seldom many more, so that files of images are filled."""
    _running(world)
    count = 20 + a % 40 if b % 8 == 0 else 1 + a % 6
    for _ in range(600 if b % 250 == 1 else count):
        _append(world, "")


def last(world: World, a: int, b: int, c: int) -> None:
    _running(world)
    _append(world, ENDS[a % len(ENDS)])


def commit(world: World, a: int, b: int, c: int) -> None:
    writer, place = world.writer(), world.here
    number = world.number()
    record = plain_steps.final(SPEC, number)
    if place.running is None:
        expect_refused(lambda: writer.commit(record), "No episode is running")
    elif not place.running.end:
        expect_refused(lambda: writer.commit(record), "An episode ends with a step")
    else:
        index = writer.commit(record)
        expect(index == len(place.episodes), f"committed as episode {index}")
        # what was written with a commit that failed stays
        place.episodes.append(replace(place.running, final=place.running.final or record))
        place.running = None


def finish(world: World, a: int, b: int, c: int) -> None:
    """End the running episode and commit it."""
    last(world, a, b, c)
    commit(world, a, b, c)


def episode(world: World, a: int, b: int, c: int) -> None:
    """A whole episode with a correction in its middle."""
    append(world, a, b, c)
    world.source = Source.HUMAN
    append(world, b, c + 1, a)
    world.source = Source.POLICY
    finish(world, c, b, a)


def intervene(world: World, a: int, b: int, c: int) -> None:
    world.source = Source.HUMAN


def release(world: World, a: int, b: int, c: int) -> None:
    world.source = (Source.POLICY, Source.RESET, Source.HOLD, Source.UNKNOWN)[a % 4]


def discard(world: World, a: int, b: int, c: int) -> None:
    writer, place = world.writer(), world.here
    if place.running is None:
        expect_refused(writer.discard, "No episode is running")
        return
    writer.discard()
    place.running = None


def fill_disk(world: World, a: int, b: int, c: int) -> None:
    """Let the disk be full for one append or one commit."""
    _running(world)
    writer, place = world.writer(), world.here
    assert place.running is not None
    content = (place.path / JOURNAL).read_bytes()
    records = len(place.running.steps) + (place.running.final is not None)
    size = _header_size(content) + records * RECORD  # an append that failed may have left bytes after these
    if not place.running.end:
        with file_size_limit(size + a % RECORD):
            expect_refused(lambda: writer.append(plain_steps.step(SPEC, world.number())), "No room is left")
        return
    record, is_new = plain_steps.final(SPEC, world.number()), place.running.final is None
    is_written = is_new and bool(b % 2)
    with file_size_limit(size + RECORD * is_written):
        expect_refused(lambda: writer.commit(record), "No room is left")
    if is_written:
        place.running = replace(place.running, final=record)


def reopen(world: World, a: int, b: int, c: int) -> None:
    world.close()
    world.writer()


def crash(world: World, a: int, b: int, c: int) -> None:
    """Abandon the writer, and let the machine's death spoil the journal's end in one of many ways, or not at all."""
    world.writer()
    world.close()
    place = world.here
    if place.running is None:
        return
    path = place.path / JOURNAL
    content = path.read_bytes()
    start = _header_size(content)
    records = len(place.running.steps) + (place.running.final is not None)
    whole = start + records * RECORD
    how = b % 5
    if how == 1:  # a half-written record
        overwrite(path, whole, (content[start:] or bytes(RECORD))[: 1 + a % (RECORD - 1)])
    elif how == 2:  # a power cut that took the end
        length = a * 7919 % (whole + 1)
        os.truncate(path, length)
        forget_records(place, (length - start) // RECORD)
    elif how == 3 and records:  # a bit flipped in the last records
        at = max(start, whole - 1 - a * 31 % (2 * RECORD))
        overwrite(path, at, bytes([content[at] ^ (1 << c % 8)]))
        forget_records(place, (at - start) // RECORD)
    elif how == 4:  # blocks that were given to the file and never written
        overwrite(path, whole, bytes(RECORD * (1 + a % 2)))


def elsewhere(world: World, a: int, b: int, c: int) -> None:
    """Go on with another store, new where there is room."""
    if a % 2 and len(world.places) < PLACES:
        name = str(len(world.places))
        world.here = world.add(Place(world.new_path(), attributes={"code": name, "who": "lists"}))
        world.writer()
    else:
        world.here = world.places[b % len(world.places)]


def intrude(world: World, a: int, b: int, c: int) -> None:
    """A second writer, and an edit under a writer, are refused."""
    world.writer()
    path = world.here.path
    expect_refused(lambda: StoreWriter.open(path, SPEC, {}, QUICK), "one writer at a time")
    expect_refused(lambda: drop(path, [0]), "one writer at a time")


def follow(world: World, a: int, b: int, c: int) -> None:
    memory_gb = (1.0, 0.0, 4e-6)[a % 3]
    config = ReplayConfig(
        batch=1 + b % 40, n_step=(1, 3, 5, 50)[c % 4], gamma=0.9, memory_gb=memory_gb, priority=float(a % 5 == 0)
    )
    if len(world.followers) < 3:
        world.follow(a, config, bool(b % 2))


def refresh(world: World, a: int, b: int, c: int) -> None:
    for follower in world.followers:
        world.refresh(follower)


def draw(world: World, a: int, b: int, c: int) -> None:
    for follower in world.followers:
        world.draw(follower)


def examine(world: World, a: int, b: int, c: int) -> None:
    for follower in world.followers:
        world.examine(follower)


Operation = Callable[[World, int, int, int], None]
OPERATIONS: Mapping[str, tuple[Operation, int]] = {
    "begin": (begin, 4),
    "append": (append, 10),
    "last": (last, 4),
    "commit": (commit, 4),
    "finish": (finish, 6),
    "episode": (episode, 10),
    "intervene": (intervene, 4),
    "release": (release, 4),
    "discard": (discard, 2),
    "fill_disk": (fill_disk, 3),
    "reopen": (reopen, 2),
    "crash": (crash, 7),
    "repair": (mend, 2),
    "drop": (drop_some, 2),
    "trim": (trim_one, 2),
    "merge": (merge_all, 2),
    "relabel": (relabel_some, 2),
    "elsewhere": (elsewhere, 2),
    "intrude": (intrude, 1),
    "follow": (follow, 4),
    "refresh": (refresh, 6),
    "draw": (draw, 6),
    "examine": (examine, 3),
}
"""Each with how often it is chosen."""


def chosen(rng: np.random.Generator, count: int) -> list[Op]:
    """Return `count` random operations."""
    weights = np.array([weight for _, weight in OPERATIONS.values()], np.float64)
    names = rng.choice(list(OPERATIONS), count, p=weights / weights.sum())
    numbers = rng.integers(0, 1000, (count, 3))
    return [Op(str(name), *map(int, row)) for name, row in zip(names, numbers, strict=True)]


def _header_size(content: bytes) -> int:
    return _HEADER.size + int(_HEADER.unpack_from(content)[1])


def _running(world: World) -> None:
    world.writer()
    if world.here.running is None:
        begin(world, world.number(), 0, 0)


def _append(world: World, end: str) -> None:
    writer, place = world.writer(), world.here
    record = plain_steps.step(SPEC, world.number(), world.source, end)
    assert place.running is not None
    if place.running.end:
        expect_refused(lambda: writer.append(record), "has ended")
        return
    writer.append(record)
    place.running = replace(place.running, steps=[*place.running.steps, record], end=end)
