"""Random sequences of everything that may happen to a store give what plain lists give, and a broken store does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmarks.store import sequences
from benchmarks.store.operations import Op
from robot.store import edit, memory, pools, quota, rows

SEED = 11
COUNT = 16

SHORT = [
    Op("follow", 1, 30, 1),
    Op("episode", 2, 3, 3),
    Op("episode", 4, 1, 1),
    Op("begin", 1, 1, 1),
    Op("append", 3, 1, 1),
    Op("last", 0, 0, 0),
    Op("crash", 0, 0, 0),
    Op("reopen", 0, 0, 0),
    Op("refresh", 0, 0, 0),
    Op("draw", 0, 0, 0),
    Op("trim", 0, 1, 1),
    Op("relabel", 0, 1, 1),
    Op("drop", 2, 2, 1),
    Op("merge", 0, 0, 0),
]
"""Most of what may happen, in a few seconds."""


def test_any_sequence_of_operations_gives_what_plain_lists_give() -> None:
    result = sequences.run(COUNT, SEED, lambda note: None)
    assert [str(failure) for failure in result.mismatches] == []
    assert result.sequences == COUNT
    assert result.windows > 1000


def test_the_short_sequence_is_right() -> None:
    what, windows = sequences.attempt(SHORT, is_by_zarr=True)
    assert what == ""
    assert windows > 50


def changed(result: Callable[..., Any], change: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: change(result(*args, **kwargs))


BREAKS: dict[str, tuple[object, str, Callable[[Any], Any]]] = {
    "a window reaches one step too far": (
        rows.EpisodeRows,
        "windows",
        lambda good: lambda self, first, n, gamma: good(self, first, n + 1, gamma),
    ),
    "a window gives the next row instead of that after it": (
        rows.EpisodeRows,
        "windows",
        lambda good: changed(good, lambda w: w._replace(after=w.first + 1)),
    ),
    "values go on after the end": (
        rows.EpisodeRows,
        "windows",
        lambda good: changed(good, lambda w: w._replace(discount=np.maximum(w.discount, 0.1))),
    ),
    "images come from the row before": (
        memory.Memory,
        "_put_images",
        lambda good: lambda self, key, at, out: good(self, key, np.where(at > 0, at - 1, at), out),
    ),
    "a final image is the last one instead": (
        memory.Memory,
        "_put_images",
        lambda good: lambda self, key, at, out: good(self, key, np.where(at < 0, self._reader.steps - 1, at), out),
    ),
    "a pool has one window more": (
        pools,
        "quotas",
        lambda good: lambda *a: {name: count + (name == "a") for name, count in good(*a).items()},
    ),
    "shares are taken as equal": (
        pools,
        "quotas",
        lambda good: lambda size, shares, filled: quota.quotas(size, dict.fromkeys(shares, 1.0), filled),
    ),
    "a relabel is written down and not done": (
        edit,
        "replace",
        lambda good: (
            lambda whole, **new: good(whole, **({"attributes": new["attributes"]} if "attributes" in new else new))
        ),
    ),
    "an end that was cut off is called aborted": (
        edit,
        "cut",
        lambda good: changed(good, lambda whole: (whole.steps["is_aborted"].__setitem__(-1, True), whole)[1]),
    ),
    "a trim stops one step late": (
        edit,
        "cut",
        lambda good: lambda whole, start, stop: good(whole, start, min(stop + 1, len(whole.steps))),
    ),
    "a merge loses an episode": (
        edit,
        "read_whole",
        lambda good: lambda tables, index: good(tables, max(0, index - 1)),
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_store_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, attribute, breaking = BREAKS[name]
    monkeypatch.setattr(owner, attribute, breaking(getattr(owner, attribute)))
    assert sequences.attempt(SHORT, is_by_zarr=False)[0] != ""


def test_a_failure_names_the_shortest_sequence_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    good = edit.cut
    monkeypatch.setattr(edit, "cut", lambda whole, start, stop: good(whole, start, len(whole.steps)))
    kept = sequences.shrunk([SHORT[0], SHORT[1], Op("trim", 0, 0, 0), SHORT[9]], is_by_zarr=False)
    assert [op.name for op in kept] == ["episode", "trim"]
