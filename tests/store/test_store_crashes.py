"""Writers killed at random points, acts cut at a file operation, full disks and spoilt journals: nothing is lost."""

from __future__ import annotations

import pytest

from benchmarks.store import cut, full_disk, kill, torn

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
