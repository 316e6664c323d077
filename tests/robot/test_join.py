"""Samples of one stamp find each other in whatever order they come, once, and memory stays bounded."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from robot_rig import repeatable

from robot.nodes.join import StampJoin

NAMES = ("pose", "wrench", "image")
STAMPS = (300, 100, 200)
SAMPLES = list(itertools.product(NAMES, STAMPS))


@repeatable
@given(st.permutations(SAMPLES))
def test_every_stamp_completes_once_whatever_the_order_of_its_samples(order: list[tuple[str, int]]):
    join = StampJoin(NAMES)
    completed = {}
    for position, (name, stamp_ns) in enumerate(order):
        row = join.put(name, stamp_ns, (name, stamp_ns))
        is_last = all((other, stamp_ns) in order[: position + 1] for other in NAMES)
        assert (row is not None) == is_last
        if row is not None:
            assert stamp_ns not in completed
            completed[stamp_ns] = row
    assert completed == {stamp: {name: (name, stamp) for name in NAMES} for stamp in STAMPS}


@repeatable
@given(st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 200)), max_size=400, unique=True))
def test_a_row_never_mixes_stamps_and_is_never_incomplete(arrivals: list[tuple[str, int]]):
    join = StampJoin(NAMES)
    for name, stamp_ns in arrivals:
        row = join.put(name, stamp_ns, stamp_ns)
        assert row is None or row == dict.fromkeys(NAMES, stamp_ns)


def test_a_sample_that_comes_again_replaces_the_one_before():
    join = StampJoin(("a", "b"))
    join.put("a", 5, "old")
    join.put("a", 5, "new")
    assert join.put("b", 5, "b") == {"a": "new", "b": "b"}


def test_a_single_name_completes_at_once():
    assert StampJoin(("a",)).put("a", 1, "x") == {"a": "x"}


def test_only_the_newest_incomplete_stamps_are_kept():
    join = StampJoin(("a", "b"))
    count = StampJoin.CAPACITY + 10
    for stamp in range(count):
        join.put("a", stamp, stamp)
    # asked from the newest on, since every late sample of a forgotten stamp would push out one more
    completed = [stamp for stamp in reversed(range(count)) if join.put("b", stamp, stamp) is not None]
    assert completed == list(reversed(range(10, count)))


def test_completed_stamps_take_no_room():
    join = StampJoin(("a", "b"))
    join.put("a", -1, "waits")
    for stamp in range(10 * StampJoin.CAPACITY):
        join.put("a", stamp, "")
        assert join.put("b", stamp, "") is not None
    assert join.put("b", -1, "found") == {"a": "waits", "b": "found"}


def test_missing_names_what_has_not_come():
    join = StampJoin(NAMES)
    assert join.missing(7) == sorted(NAMES)
    join.put("wrench", 7, 0)
    join.put("pose", 8, 0)
    assert join.missing(7) == ["image", "pose"]
