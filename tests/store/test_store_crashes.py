"""Writers killed at random points, acts cut at a file operation, full disks and spoilt journals: nothing is lost."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.store import cut, full_disk, kill, torn
from robot.store import builder, chunks, journal

SEED = 5


def quiet(note: str) -> None:
    """Show no progress."""


@pytest.mark.slow
def test_a_writer_killed_anywhere_loses_nothing_and_shows_no_half_episode() -> None:
    result = kill.run(12, SEED, quiet)
    assert result.wrong + result.half + result.problems == []
    assert (result.points, result.lost) == (12, 0)
    assert result.acknowledged > 0
    assert result.seen > 0


@pytest.mark.slow
def test_an_act_cut_at_a_file_operation_is_done_or_not_done_and_can_be_done_again() -> None:
    result = cut.run(2, SEED, quiet)
    assert result.wrong + result.half + result.problems == []
    assert result.points >= 2 * len(cut.ACTS)


def test_a_commit_that_fails_at_its_last_file_operations_can_be_done_again() -> None:
    result = cut.run(3, SEED, quiet, acts=("commit",))
    assert result.wrong + result.half + result.problems == []


@pytest.mark.slow
def test_a_disk_that_fills_up_at_any_moment_loses_nothing() -> None:
    if not full_disk.is_possible():
        pytest.skip("this machine gives no private mounts to make a small disk with")
    result = full_disk.run(5, SEED, quiet)
    assert result.wrong + result.half + result.problems == []
    assert (result.points, result.lost) == (5, 0)
    assert result.acknowledged > 0


@pytest.mark.slow
def test_a_spoilt_journal_is_mended_to_its_last_whole_record() -> None:
    result = torn.run(8, SEED, quiet, is_sampled=True)
    assert result.wrong == []
    assert (result.mended, result.read > 300) == (8, True)


def without_last_step(good: Callable[..., Any]) -> Callable[..., Any]:
    def read(*args: Any) -> Any:
        content = good(*args)
        return replace(content, steps=content.steps[:-1])

    return read


def put_in_place(one: Path, other: Path) -> None:
    """Move the old store away first, so that for a moment there is none."""
    other.rename(other.with_name("away"))
    one.rename(other)


def test_a_commit_point_before_what_it_commits_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    good = chunks.Batch.publish
    monkeypatch.setattr(chunks.Batch, "publish", lambda self: (self._staged.reverse(), good(self)))
    assert cut.run(3, SEED, quiet, acts=("commit",)).half != []


def test_a_repair_that_loses_a_step_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    mending = importlib.import_module("robot.store.repair")  # the package names its function so, too
    monkeypatch.setattr(mending, "read_journal", without_last_step(journal.read_journal))
    result = kill.run(3, SEED, quiet)
    assert result.wrong != []
    assert result.lost > 0


def test_an_edit_that_leaves_a_moment_without_a_store_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder, "_exchange", put_in_place)
    assert cut.run(6, SEED, quiet, acts=("drop",)).wrong != []


def test_checksums_that_nobody_looks_at_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "zlib", SimpleNamespace(crc32=lambda *args: 0))
    assert torn.run(0, SEED, quiet, is_sampled=True).wrong != []
