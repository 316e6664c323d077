"""What comes when: the commit point last, a lock on the folder that is there, a flush where one is asked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from store_samples import QUICK, plain_episode, robot, write

from robot.errors import StoreError
from robot.store import StoreReader, StoreSettings, StoreWriter, builder
from robot.store.edit import drop
from robot.store.lock import locked
from robot.store.tables import Tables

SPEC = robot()


def test_the_last_file_of_a_commit_is_its_commit_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, renamed = tmp_path / "a.zarr", []
    replace = Path.replace

    def noted(self: Path, target: Path) -> Path:
        renamed.append("/".join(target.parts[-2:]))
        return replace(self, target)

    write(path, SPEC, [plain_episode(SPEC, 0, 3, "success")])
    monkeypatch.setattr(Path, "replace", noted)
    write(path, SPEC, [plain_episode(SPEC, 1, 3, "success")])
    assert renamed[-1] == "episode_ends/c.0"
    assert renamed.index("episode_ends/zarr.json") < len(renamed) - 1


def test_a_lock_is_on_the_folder_that_stands_at_the_path(tmp_path: Path) -> None:
    """An edit puts another folder in place between opening and locking: the lock must not be on the old one."""
    path, old = tmp_path / "a.zarr", tmp_path / "old.zarr"
    write(path, SPEC, [plain_episode(SPEC, 0, 3, "success")])
    opened = []

    def open_store() -> Tables:
        tables = Tables.open(path)
        if not opened:
            path.rename(old)
            write(path, SPEC, [plain_episode(SPEC, 1, 5, "success")])
        opened.append(tables)
        return tables

    tables, lock = locked(open_store)
    assert len(opened) == 2
    assert tables.is_current
    with pytest.raises(StoreError, match="one writer at a time"):
        StoreWriter.open(path, SPEC, {}, QUICK)
    StoreWriter.open(old, SPEC, {}, QUICK).close()
    lock.release()


def test_a_damaged_index_of_a_file_of_images_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    write(path, SPEC, [plain_episode(SPEC, 0, 40, "success")])
    file = path / "data/images/front/c.0.0.0.0"
    content = bytearray(file.read_bytes())
    content[-4 - 16 * 32 + 16] ^= 1  # where the second chunk begins
    file.write_bytes(content)
    with pytest.raises(StoreError, match="index of file 0 is damaged"):
        StoreReader.open(path).episode(0).images("images/front")


@pytest.mark.parametrize("is_synced", [True, False])
def test_a_step_is_flushed_before_it_is_acknowledged_where_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_synced: bool
) -> None:
    flushed, fsync = [], os.fsync

    def noted(descriptor: int) -> None:
        flushed.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    with StoreWriter.open(tmp_path / "a.zarr", SPEC, {}, StoreSettings(is_synced, is_commit_synced=False)) as writer:
        writer.begin(0, {})
        monkeypatch.setattr(os, "fsync", noted)
        for count, step in enumerate(plain_episode(SPEC, 0, 3, "success").steps, 1):
            writer.append(step)
            assert len([name for name in flushed if name.endswith("journal/episode")]) == count * is_synced


def test_an_episode_is_flushed_before_the_first_of_its_files_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acts: list[tuple[str, str]] = []
    fsync, replace = os.fsync, Path.replace

    def flushed(descriptor: int) -> None:
        acts.append(("flush", Path(os.readlink(f"/proc/self/fd/{descriptor}")).name))
        fsync(descriptor)

    def renamed(self: Path, target: Path) -> Path:
        acts.append(("rename", self.name))
        return replace(self, target)

    plain = plain_episode(SPEC, 0, 3, "success")
    with StoreWriter.open(tmp_path / "a.zarr", SPEC, {}, StoreSettings(is_commit_synced=True)) as writer:
        writer.begin(0, {})
        for step in plain.steps:
            writer.append(step)
        monkeypatch.setattr(os, "fsync", flushed)
        monkeypatch.setattr(Path, "replace", renamed)
        assert plain.final is not None
        writer.commit(plain.final)
    kinds = [kind for kind, _ in acts]
    first, last = kinds.index("rename"), len(kinds) - 1 - kinds[::-1].index("rename")
    before = sorted(name for _, name in acts[:first])
    assert before == sorted(["episode", *(name for kind, name in acts if kind == "rename")])
    assert acts[last + 1 :] == [("flush", "episode_ends")]


def test_an_edit_is_flushed_before_it_takes_the_stores_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.zarr"
    write(path, SPEC, [plain_episode(SPEC, number, 4, "success") for number in range(2)])
    seen = []
    flush = builder._sync_disk_of

    def flushed(folder: Path) -> None:
        seen.append(len(StoreReader.open(path)))  # still the old one
        flush(folder)

    monkeypatch.setattr(builder, "_sync_disk_of", flushed)
    drop(path, {0})
    assert seen == [2]
    assert len(StoreReader.open(path)) == 1
