"""A journal cut or damaged anywhere gives its whole records up to there, and says so."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from store_samples import QUICK, PlainEpisode, assert_same, cut, plain_episode, robot

from robot.errors import StoreError
from robot.store import StoreReader, StoreWriter, check, repair
from robot.store.edit import merge
from robot.store.journal import FINAL, STEP, EpisodeHeader, JournalWriter, read_journal
from robot.store.tables import JOURNAL, Tables

SPEC = robot(image_size=0)
PLAIN = plain_episode(SPEC, 0, 4, "success")
ROW = np.dtype([("action", "<f4", (3,)), ("stamp_ns", "<i8")])
HEADER = EpisodeHeader("0123456789abcdef", 0, 7, {"phase": "record"})
RECORD_BYTES = 12 + ROW.itemsize


def small_journal(path: Path) -> tuple[bytes, int]:
    """Write three steps and a final record; returns the file's content and where the records start."""
    journal = JournalWriter(path, HEADER, ROW, is_synced=False)
    start = path.stat().st_size
    for number in range(4):
        journal.row["action"] = number
        journal.row["stamp_ns"] = 100 + number
        journal.append(FINAL if number == 3 else STEP)
    journal.close()
    return path.read_bytes(), start


def dead_store(path: Path, length: int) -> Path:
    """A store whose session died after `length` steps; returns the journal's path."""
    with StoreWriter.open(path, SPEC, {}, QUICK) as writer:
        writer.begin(PLAIN.seed, PLAIN.attributes)
        for step in PLAIN.steps[:length]:
            writer.append(step)
    return path / JOURNAL


def test_a_journal_cut_at_any_byte_keeps_its_whole_records(tmp_path: Path) -> None:
    content, start = small_journal(tmp_path / "j")
    for length in range(len(content) + 1):
        (tmp_path / "j").write_bytes(content[:length])
        found = read_journal(tmp_path / "j", ROW)
        whole = max(length - start, 0) // RECORD_BYTES
        assert (found.header == HEADER) == (length >= start)
        assert found.steps["stamp_ns"].tolist() == [100, 101, 102][:whole]
        assert (found.final is not None) == (whole == 4)
        assert found.torn_bytes == (length - start - whole * RECORD_BYTES if length >= start else length)
        assert not found.is_damaged


def test_a_bit_flipped_anywhere_is_noticed_and_costs_no_record_before_it(tmp_path: Path) -> None:
    content, start = small_journal(tmp_path / "j")
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << (place % 8)
        (tmp_path / "j").write_bytes(flipped)
        if place < start:
            with pytest.raises(StoreError, match="is damaged; move the file away"):
                read_journal(tmp_path / "j", ROW)
        else:
            found = read_journal(tmp_path / "j", ROW)
            assert found.is_damaged
            assert found.steps["stamp_ns"].tolist() == [100, 101, 102][: (place - start) // RECORD_BYTES]
            assert found.final is None


@pytest.mark.parametrize("missing", [1, 100, 250])
def test_a_torn_journal_becomes_an_aborted_episode_of_its_whole_steps(tmp_path: Path, missing: int) -> None:
    path = tmp_path / "a.zarr"
    journal = dead_store(path, 3)
    size = journal.stat().st_size
    record = 12 + StoreReader.open(path)._tables.schema.row().itemsize
    with journal.open("r+b") as file:
        file.truncate(size - missing)
    kept = 3 - -(-missing // record)
    done = repair(path)
    assert (done.episode, done.steps, done.is_aborted) == (0, kept, True)
    assert f"{kept} steps" in done.message
    assert_same(SPEC, StoreReader.open(path).episode(0), cut(PLAIN, kept))
    assert repair(path).episode is None


def test_a_damaged_record_ends_the_episode_before_it_and_the_journal_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    journal = dead_store(path, 3)
    content = bytearray(journal.read_bytes())
    content[-1] ^= 1
    journal.write_bytes(content)
    done = repair(path)
    assert done.steps == 2
    assert "checksum" in done.message
    assert [f.read_bytes() for f in journal.parent.glob("damaged-*")] == [bytes(content)]
    assert_same(SPEC, StoreReader.open(path).episode(0), cut(PLAIN, 2))


def test_a_damaged_header_stops_the_writer_and_loses_nothing(tmp_path: Path) -> None:
    journal = dead_store(tmp_path / "a.zarr", 3)
    content = bytearray(journal.read_bytes())
    content[9] ^= 1
    journal.write_bytes(content)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"a.zarr/journal/episode is damaged; move the file away"):
            StoreWriter.open(tmp_path / "a.zarr", SPEC, {}, QUICK)
    assert journal.read_bytes() == bytes(content)


def test_a_writer_repairs_by_itself_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    dead_store(tmp_path / "a.zarr", 3)
    with StoreWriter.open(tmp_path / "a.zarr", SPEC, {}, QUICK) as writer:
        assert writer.repaired is not None
        assert "3 steps of a session that died are now the aborted episode 0" in writer.repaired.message
    assert writer.repaired.message in caplog.text


def test_an_episode_whose_end_was_journalled_is_not_called_aborted(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    dead_store(path, 4)
    done = repair(path)
    assert not done.is_aborted
    episode = StoreReader.open(path).episode(0)
    assert (episode.is_success, episode.is_aborted, episode.has_final) == (True, False, False)


def test_a_commit_torn_before_its_last_rename_is_done_again_from_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    first = plain_episode(SPEC, 1, 5, "truncated")
    ends = path / "meta/episode_ends/c.0"
    with StoreWriter.open(path, SPEC, {}, QUICK) as writer:
        for plain in (first, PLAIN):
            writer.begin(plain.seed, plain.attributes)
            for step in plain.steps:
                writer.append(step)
            if plain is PLAIN:
                shutil.copy(ends, tmp_path / "ends")
                shutil.copy(path / JOURNAL, tmp_path / "journal")
            assert plain.final is not None
            writer.commit(plain.final)
    shutil.copy(tmp_path / "ends", ends)
    shutil.copy(tmp_path / "journal", path / JOURNAL)
    assert len(StoreReader.open(path)) == 1
    assert repair(path).steps == 4
    reader = StoreReader.open(path)
    assert len(reader) == 2
    assert_same(SPEC, reader.episode(0), first)
    assert reader.episode(1).stamp_ns.tolist() == [step.stamp_ns for step in PLAIN.steps]


def test_a_journal_left_after_its_commit_is_not_committed_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    with StoreWriter.open(path, SPEC, {}, QUICK) as writer:
        writer.begin(PLAIN.seed, PLAIN.attributes)
        for step in PLAIN.steps:
            writer.append(step)
        shutil.copy(path / JOURNAL, tmp_path / "journal")
        assert PLAIN.final is not None
        writer.commit(PLAIN.final)
    shutil.copy(tmp_path / "journal", path / JOURNAL)
    assert repair(path).episode is None
    assert len(StoreReader.open(path)) == 1
    assert not (path / JOURNAL).exists()


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_commit_point_that_is_lost_or_old_never_costs_an_episode(tmp_path: Path, is_gone: bool) -> None:
    """Without the journal of a torn commit it is the commit point that is wrong, not the rows beyond it."""
    path = tmp_path / "a.zarr"
    ends = path / "meta/episode_ends/c.0"
    model = [plain_episode(SPEC, number, 5, "truncated") for number in range(3)]
    with StoreWriter.open(path, SPEC, {}, QUICK) as writer:
        for number, plain in enumerate(model):
            write_whole(writer, plain)
            if number == 0:
                shutil.copy(ends, tmp_path / "old")
    shutil.copy(ends, tmp_path / "ends")
    shutil.copy(tmp_path / "old", ends)
    if is_gone:
        ends.unlink()
    assert any("has 15 rows" in problem for problem in check(path))
    for act in (lambda: StoreWriter.open(path, SPEC, {}, QUICK), lambda: repair(path)):
        with pytest.raises(StoreError, match="data/action has 15 rows, and meta/episode_ends says"):
            act()
    if not is_gone:
        merge([path], tmp_path / "committed.zarr")
        assert_same(SPEC, StoreReader.open(tmp_path / "committed.zarr").episode(0), model[0])
    shutil.copy(tmp_path / "ends", ends)
    assert check(path) == []
    StoreWriter.open(path, SPEC, {}, QUICK).close()
    reader = StoreReader.open(path)
    for number, plain in enumerate(model):
        assert_same(SPEC, reader.episode(number), plain)


def test_a_commit_that_was_torn_is_done_again_from_its_journal(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    ends = path / "meta/episode_ends/c.0"
    model = [plain_episode(SPEC, number, 5, "truncated") for number in range(2)]
    with StoreWriter.open(path, SPEC, {}, QUICK) as writer:
        write_whole(writer, model[0])
        shutil.copy(ends, tmp_path / "old")
        writer.begin(model[1].seed, model[1].attributes)
        for step in model[1].steps:
            writer.append(step)
        shutil.copy(path / JOURNAL, tmp_path / "journal")
        assert model[1].final is not None
        writer.commit(model[1].final)
    shutil.copy(tmp_path / "old", ends)
    shutil.copy(tmp_path / "journal", path / JOURNAL)
    (told,) = check(path)
    assert told.startswith("A journal is there")  # that is all that is wrong: the rows beyond are its own
    assert repair(path).episode == 1
    assert check(path) == []
    assert StoreReader.open(path).episode(1).action.tolist() == [s.executed.tolist() for s in model[1].steps]


def test_dropping_an_episode_whose_commit_failed_leaves_a_whole_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.zarr"
    plain, replaced = plain_episode(SPEC, 0, 5, "truncated"), Path.replace

    def fails_at_the_end(self: Path, target: Path) -> Path:
        if "episode_ends/c" in str(target):
            raise OSError(5, "Input/output error", str(target))
        return replaced(self, target)

    with StoreWriter.open(path, SPEC, {}, QUICK) as writer:
        writer.begin(0, {})
        for step in plain.steps:
            writer.append(step)
        monkeypatch.setattr(Path, "replace", fails_at_the_end)
        assert plain.final is not None
        with pytest.raises(StoreError, match="Input/output error"):
            writer.commit(plain.final)
        monkeypatch.undo()
        writer.discard()
        assert check(path) == []
        write_whole(writer, plain)
    assert_same(SPEC, StoreReader.open(path).episode(0), plain)


def test_committing_the_same_journal_twice_adds_one_episode(tmp_path: Path) -> None:
    journal = dead_store(tmp_path / "a.zarr", 4)
    tables = Tables.open(tmp_path / "a.zarr")
    content = read_journal(journal, tables.schema.row())
    assert content.header is not None
    for _ in range(2):
        assert tables.commit(content.header, content.steps, content.final, is_synced=False) == 0
    assert tables.ends().tolist() == [4]


def write_whole(writer: StoreWriter, plain: PlainEpisode) -> None:
    writer.begin(plain.seed, plain.attributes)
    for step in plain.steps:
        writer.append(step)
    assert plain.final is not None
    writer.commit(plain.final)
