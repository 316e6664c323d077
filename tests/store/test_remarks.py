"""What is said of episodes beside their steps: ends that are taken back count at once, marks and notes stay."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from store_samples import ENDS, QUICK, plain_episode, robot, write

from robot.errors import StoreError
from robot.store import StoreReader, StoreWriter, check, info
from robot.store.archive import files_of
from robot.store.edit import drop, merge, read_whole, relabel, trim
from robot.store.remarks import FILE, Remark
from robot.store.tables import Tables

SPEC = robot()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    store = tmp_path / "a.zarr"
    write(store, SPEC, [plain_episode(SPEC, number, 6, "success") for number in range(3)])
    return store


def say(path: Path, *remarks: Remark) -> None:
    with StoreWriter.open(path, SPEC, {}, QUICK) as writer:
        for remark in remarks:
            writer.remark(remark)


def end_of(path: Path, index: int) -> dict[str, bool]:
    episode = StoreReader.open(path).episode(index)
    flags = ("is_terminated", "is_truncated", "is_aborted", "is_success")
    return {flag: getattr(episode, flag) for flag in flags if getattr(episode, flag)}


@pytest.mark.parametrize("end", ENDS)
def test_an_end_that_is_taken_back_reads_as_if_it_had_been_said_at_first(path: Path, tmp_path: Path, end: str) -> None:
    other = tmp_path / "b.zarr"
    write(other, SPEC, [plain_episode(SPEC, 0, 6, end)])
    say(path, Remark(0, "end", "failure"), Remark(0, "end", end))  # the newest word counts
    assert end_of(path, 0) == end_of(other, 0)
    assert end_of(path, 1) == {"is_terminated": True, "is_success": True}
    changed = StoreReader.open(path).episode(0).attributes.get("relabelled_from")
    assert changed == (None if end == "success" else "success")
    assert check(path) == []
    assert info(path)["successes"] == (3 if end == "success" else 2)
    assert info(path)["aborted"] == (end == "aborted")


def test_a_reader_hears_of_it_with_its_next_look_and_only_once(path: Path) -> None:
    reader = StoreReader.open(path)
    with StoreWriter.open(path, SPEC, {}, QUICK) as writer:
        writer.remark(Remark(1, "end", "aborted", stamp_ns=5))
        assert reader.changed() == []
        reader.refresh()
        assert reader.changed() == [1]
        assert reader.episode(1).is_aborted
        writer.remark(Remark(1, "note", "slipped", step=3))
        writer.remark(Remark(1, "end", "aborted"))  # nothing new
        reader.refresh()
        assert reader.changed() == []
        writer.remark(Remark(1, "end", "success"))
        reader.refresh()
        assert reader.changed() == [1]
    assert StoreReader.open(path).changed() == []  # who comes later reads it as it is
    kinds = [(remark.kind, remark.text, remark.step) for remark in reader.episode(1).remarks]
    assert kinds[:2] == [("end", "aborted", None), ("note", "slipped", 3)]


def test_marks_may_be_made_in_the_running_episode_and_ends_may_not_be_said_of_it(path: Path) -> None:
    with StoreWriter.open(path, SPEC, {}, QUICK) as writer:
        with pytest.raises(StoreError, match="has 3 episodes; nothing can be said of 4"):
            writer.remark(Remark(4, "mark", step=0))
        plain = plain_episode(SPEC, 3, 4, "failure")
        writer.begin(plain.seed, plain.attributes)
        writer.append(plain.steps[0])
        writer.remark(Remark(3, "mark", step=1, stamp_ns=7))
        with pytest.raises(StoreError, match="nothing can be said of 3"):
            writer.remark(Remark(3, "end", "aborted"))
        for step in plain.steps[1:]:
            writer.append(step)
        writer.commit(plain.final)
    assert StoreReader.open(path).episode(3).remarks == (Remark(3, "mark", step=1, stamp_ns=7),)
    assert check(path) == []


def test_what_death_tore_is_no_remark_and_is_not_in_the_way_of_the_next(path: Path) -> None:
    say(path, Remark(0, "note", "first"))
    with (path / FILE).open("ab") as file:
        file.write(b'{"episode": 1, "kind": "end", "te')
    assert [remark.text for remark in StoreReader.open(path).episode(0).remarks] == ["first"]
    assert check(path) == []
    say(path, Remark(2, "note", "second"))
    assert [remark.text for remark in StoreReader.open(path).episode(2).remarks] == ["second"]


@pytest.mark.parametrize(
    "line",
    [
        b"[1]",
        b"\xff\xfe",
        b'{"episode": -1, "kind": "mark"}',
        b'{"episode": true, "kind": "mark"}',
        b'{"episode": 0, "kind": "end", "text": "won"}',
        b'{"episode": 0, "kind": "shout"}',
        b'{"episode": 0, "kind": "note", "text": 5}',
        b'{"episode": 0, "kind": "mark", "step": -3}',
        b'{"episode": 0, "kind": "mark", "more": 1}',
        b'{"episode": 1e400, "kind": "mark"}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_line_is_named_and_nothing_is_guessed(path: Path, line: bytes) -> None:
    say(path, Remark(0, "mark"))
    with (path / FILE).open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(StoreError, match=r"Line 2 of .*remarks.jsonl is damaged"):
        StoreReader.open(path)
    assert any("Line 2" in problem for problem in check(path))


def test_a_remark_on_an_episode_that_is_not_there_is_found(path: Path) -> None:
    say(path)
    (path / FILE).write_bytes(json.dumps({"episode": 9, "kind": "mark"}).encode() + b"\n")
    assert check(path) == [f"{FILE} speaks of episode 9, and there are 3."]


def test_edits_put_the_end_into_the_store_and_take_marks_and_notes_along(path: Path, tmp_path: Path) -> None:
    marks = [Remark(2, "mark", step=step) for step in (0, 2, 4)]
    say(path, Remark(1, "end", "failure"), Remark(2, "note", "the last one"), *marks)
    merged = merge([path, path], tmp_path / "m.zarr")
    assert [len(StoreReader.open(merged).episode(index).remarks) for index in range(6)] == [0, 0, 4, 0, 0, 4]
    whole = read_whole(Tables.open(merged), 4)
    assert whole.steps["is_terminated"][-1]
    assert not whole.steps["is_success"][-1]
    assert whole.attributes["relabelled_from"] == "success"
    assert not [remark for remark in Tables.open(merged).remarks.all if remark.kind == "end"]
    drop(path, [0])
    trim(path, 1, 1, 4)
    kept = StoreReader.open(path).episode(1).remarks
    assert [(remark.episode, remark.kind, remark.step) for remark in kept] == [(1, "note", None), (1, "mark", 1)]
    relabel(path, {0: "aborted"})
    assert StoreReader.open(path).episode(0).is_aborted
    assert check(path) == []


def test_an_archive_takes_them_along(path: Path) -> None:
    say(path, Remark(0, "note", "kept"))
    assert FILE in files_of(path)


def test_plain_zarr_reads_such_a_store_without_a_word(path: Path, recwarn: pytest.WarningsRecorder) -> None:
    import zarr

    say(path, Remark(0, "note", "kept"))
    assert np.asarray(zarr.open_group(path, mode="r")["data/source"][:]).shape == (18,)
    assert sorted(zarr.open_group(path, mode="r").keys())
    assert not list(recwarn)


def test_what_is_said_of_an_episode_that_is_not_committed_yet_is_news_only_once_it_is(path: Path) -> None:
    reader = StoreReader.open(path)
    with (path / FILE).open("ab") as file:
        file.write(b'{"episode": 3, "kind": "end", "text": "aborted"}\n')
    reader.refresh()
    assert reader.changed() == []
    assert check(path) == [f"{FILE} speaks of episode 3, and there are 3."]


def test_a_folder_in_its_place_and_a_closed_writer_are_one_sentence(path: Path) -> None:
    writer = StoreWriter.open(path, SPEC, {}, QUICK)
    writer.close()
    with pytest.raises(StoreError, match="is closed"):
        writer.remark(Remark(0, "end", "aborted"))
    (path / FILE).mkdir()
    with pytest.raises(StoreError, match=r"remarks.jsonl cannot be read \(Is a directory\)"):
        StoreReader.open(path)
    assert any("cannot be read" in problem for problem in check(path))
