"""An archive is a whole store or none, and what comes back is what went there."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
import zarr
from store_samples import assert_same, plain_episode, robot, write
from zarr.abc.store import Store
from zarr.core.buffer import Buffer, default_buffer_prototype
from zarr.storage import MemoryStore, WrapperStore

from robot.errors import StoreError
from robot.store import StoreReader, StoreWriter
from robot.store.archive import ROOT, pull, push

SPEC = robot()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "a.zarr"
    write(path, SPEC, [plain_episode(SPEC, number, 5, "success") for number in range(3)])
    return path


def test_what_is_pulled_is_what_was_pushed(store: Path, tmp_path: Path) -> None:
    archive, told = MemoryStore(), []
    sent = push(store, archive, lambda done, total: told.append((done, total)))
    assert told == [(number + 1, sent) for number in range(sent)]
    assert pull(archive, tmp_path / "b.zarr") == sent
    reader = StoreReader.open(tmp_path / "b.zarr", SPEC)
    for number in range(3):
        assert_same(SPEC, reader.episode(number), plain_episode(SPEC, number, 5, "success"))
    with StoreWriter.open(tmp_path / "b.zarr", SPEC, {}):
        pass  # and it can be written to


def test_plain_zarr_reads_the_archive_where_it_is(store: Path) -> None:
    archive = MemoryStore()
    push(store, archive)
    group = zarr.open_group(archive, mode="r")
    np.testing.assert_array_equal(np.asarray(group["meta/episode_ends"]), [5, 10, 15])
    images = np.concatenate([StoreReader.open(store).episode(i).images("images/front") for i in range(3)])
    np.testing.assert_array_equal(np.asarray(group["data/images/front"]), images)


def test_a_push_that_is_cut_off_leaves_no_archive_and_can_be_done_again(store: Path, tmp_path: Path) -> None:
    class Failing(WrapperStore[MemoryStore]):
        left = 20

        async def set(self, key: str, value: Buffer) -> None:
            self.left -= 1
            if self.left < 0:
                raise OSError(5, "Input/output error")
            await super().set(key, value)

    archive = MemoryStore()
    with pytest.raises(StoreError, match=r"Input/output error. It was not finished"):
        push(store, Failing(archive))
    with pytest.raises(StoreError, match="no whole store at this place"):
        pull(archive, tmp_path / "b.zarr")
    push(store, archive)
    pull(archive, tmp_path / "b.zarr")
    assert len(StoreReader.open(tmp_path / "b.zarr")) == 3


def put(archive: Store, key: str, content: bytes) -> None:
    asyncio.run(archive.set(key, default_buffer_prototype().buffer.from_bytes(content)))


def test_an_archive_is_not_written_over(store: Path) -> None:
    archive = MemoryStore()
    push(store, archive)
    with pytest.raises(StoreError, match="an archive at this place already"):
        push(store, archive)


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("data/action/c.0.0", "What arrived is damaged and was not kept: data/action: chunk 0 cannot be read"),
        ("data/../../evil", "is no name of a store's file"),
        (ROOT, "is not a nudge store"),
    ],
)
def test_a_damaged_or_hostile_archive_is_not_kept(store: Path, tmp_path: Path, key: str, sentence: str) -> None:
    archive = MemoryStore()
    push(store, archive)
    put(archive, key, b"{}")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StoreError, match=sentence):
        pull(archive, tmp_path / "b.zarr")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_store_at_work_or_damaged_is_not_archived(store: Path) -> None:
    archive = MemoryStore()
    with StoreWriter.open(store, SPEC, {}) as writer:
        writer.begin(1, {})
        with pytest.raises(StoreError, match="one writer at a time"):
            push(store, archive)
        writer.append(plain_episode(SPEC, 9, 2, "success").steps[0])
    with pytest.raises(StoreError, match="nudge store repair"):
        push(store, archive)
    with StoreWriter.open(store, SPEC, {}):
        pass  # makes an episode of what was left
    (store / "data" / "source" / "c.0").unlink()
    with pytest.raises(StoreError, match="is damaged and was not archived: data/source: chunk 0 is missing"):
        push(store, archive)
    assert not asyncio.run(archive.exists(ROOT))
