"""Edits of a store and of its lists, in place, to another place, and where they must be refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from benchmarks.store.model import ENDS, PlainEpisode, relabelled, trimmed
from benchmarks.store.world import Place, World, expect, expect_refused
from robot.store import repair
from robot.store.edit import drop, merge, relabel, trim

PLACES = 4
"""Stores of a sequence at most."""


def mend(world: World, a: int, b: int, c: int) -> None:
    place = world.here
    if place.writer is not None:
        expect_refused(lambda: repair(place.path), "one writer at a time")
        return
    left = place.running
    done = repair(place.path)
    world.settle(done.episode is not None)
    expect(done.steps == (len(left.steps) if left else 0), f"repaired {done.steps} steps")


def drop_some(world: World, a: int, b: int, c: int) -> None:
    if c % 2:
        world.close()
        _mended(world)
    kept = list(world.here.episodes)
    chosen = {a % (len(kept) + 1), *([b % len(kept)] if kept else [])}
    if max(chosen) >= len(kept):
        out = world.folder / "refused.zarr"
        expect_refused(lambda: drop(world.here.path, chosen, out), "there is no")
        expect(not out.exists(), "half a store was left")
        return
    changed = [one for index, one in enumerate(kept) if index not in chosen]
    _edit(world, c, lambda path, out: drop(path, chosen, out), changed)


def trim_one(world: World, a: int, b: int, c: int) -> None:
    world.close()
    _mended(world)
    kept = list(world.here.episodes)
    if not kept:
        return
    index = a % len(kept)
    length = len(kept[index].steps)
    start = b % length
    stop = start + 1 + c % (length - start)
    changed = [*kept[:index], trimmed(kept[index], start, stop), *kept[index + 1 :]]
    _edit(world, a + b + c, lambda path, out: trim(path, index, start, stop, out), changed)


def relabel_some(world: World, a: int, b: int, c: int) -> None:
    kept = list(world.here.episodes)
    if not kept:
        return
    ends = {a % len(kept): ENDS[b % 4], c % len(kept): ENDS[(a + c) % 4]}
    changed = [relabelled(one, ends[index]) if index in ends else one for index, one in enumerate(kept)]
    _edit(world, b + c, lambda path, out: relabel(path, ends, out), changed)


def merge_all(world: World, a: int, b: int, c: int) -> None:
    """Merge two stores, which may have writers at work, into a new one, and go on there."""
    if len(world.places) >= PLACES:
        return
    sources = [world.places[a % len(world.places)], world.places[b % len(world.places)]]
    out = world.new_path()
    merge([place.path for place in sources], out)
    shared = {k: v for k, v in sources[0].attributes.items() if sources[1].attributes.get(k) == v}
    episodes = []
    for place in sources:
        own = {k: v for k, v in place.attributes.items() if k not in shared}
        episodes += [replace(one, attributes={**own, **one.attributes}) for one in place.episodes]
    world.here = world.add(Place(out, episodes, attributes=shared))


def _mended(world: World) -> None:
    """Make a store whole that has a dead session's journal; without its writer."""
    if world.here.writer is None and not world.here.is_whole:
        mend(world, 0, 0, 0)


def _edit(world: World, how: int, change: Callable[..., object], changed: list[PlainEpisode]) -> None:
    """Edit in place (which needs a store that is whole), or to another place where there is room."""
    place = world.here
    if how % 3 == 0 and len(world.places) < PLACES:
        out = world.new_path()
        change(place.path, out)
        world.here = world.add(Place(out, changed, attributes=place.attributes))
        return
    world.close()
    if not place.is_whole:
        expect_refused(lambda: change(place.path, None), "died within an episode")
        return
    change(place.path, None)
    place.episodes = changed
