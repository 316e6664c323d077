"""Damaged, cut, foreign, newer and hostile files: one clear error each, and nothing is left behind."""

from __future__ import annotations

import json
import os
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import foreign
import h5py
import numcodecs
import numpy as np
import pytest
from format_samples import make, nothing_left, robot
from mcap.records import Chunk
from mcap.writer import CompressionType, Writer
from refusal import OPTIONS, refused

from sessions.formats import FORMATS, export_store

SOURCES: dict[str, Callable[[Path], Path]] = {
    "robomimic": lambda folder: foreign.robomimic(folder / "a.hdf5"),
    "dp-zarr": lambda folder: foreign.replay_buffer(folder / "a.zarr.zip", is_zip=True),
    "mcap": lambda folder: foreign.bag(folder / "a.mcap"),
}


@pytest.mark.parametrize("place", [0, 0.01, 0.2, 0.5, 0.8, 0.99, -1])
@pytest.mark.parametrize("name", SOURCES)
def test_a_file_that_was_cut_is_refused(name: str, place: float, tmp_path: Path) -> None:
    source = SOURCES[name](tmp_path)
    whole = source.read_bytes()
    source.write_bytes(whole[: int(len(whole) * place)] if place >= 0 else whole[:-1])
    refused(source, r"a\.(hdf5|zarr\.zip|mcap)", name)


@pytest.mark.parametrize("place", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("name", ["robomimic", "dp-zarr", "mcap", "lerobot"])
def test_an_export_that_was_cut_is_refused(name: str, place: float, tmp_path: Path) -> None:
    store = make(tmp_path / "a.zarr", robot(is_plain=True))
    out = tmp_path / {"dp-zarr": "b.zarr.zip"}.get(name, "b")
    export_store(store, out, name)
    file = out / "data/chunk-000/file-000.parquet" if out.is_dir() else out
    os.truncate(file, int(file.stat().st_size * place))
    refused(out, "b", name)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89HDF\r\n\x1a\n", b"\x89MCAP0\r\n", b"PK\x05\x06" + bytes(18)])
@pytest.mark.parametrize("name", FORMATS)
def test_a_foreign_file_is_refused(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content)
    refused(tmp_path / "a", "a", name)


@pytest.mark.parametrize("name", FORMATS)
def test_a_foreign_folder_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "a" / "meta").mkdir(parents=True)
    refused(tmp_path / "a", "a", name)


@pytest.mark.parametrize("name", ["robomimic", "mcap", "dp-zarr"])
def test_bytes_that_flipped_never_raise_anything_else(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(20260106)
    whole = np.frombuffer(SOURCES[name](tmp_path).read_bytes(), np.uint8)
    source = next(path for path in tmp_path.iterdir())
    for _ in range(60):
        damaged = whole.copy()
        damaged[rng.integers(0, len(whole), 20)] = rng.integers(0, 256, 20)
        source.write_bytes(damaged.tobytes())
        try:
            with FORMATS[name].open(source, OPTIONS) as plan:
                plan.read(0)
        except (MemoryError, SystemError):
            raise
        except Exception:  # noqa: BLE001 - import_store makes a StoreError of whatever it is
            continue


@pytest.mark.parametrize("name", ["robomimic", "dp-zarr", "mcap", "lerobot"])
def test_an_export_of_a_newer_nudge_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = make(tmp_path / "a.zarr", robot(is_plain=True))
    monkeypatch.setattr("sessions.formats.carry.VERSION", 99)
    export_store(store, tmp_path / "b", name)
    monkeypatch.undo()
    refused(tmp_path / "b", "newer nudge", name)


# robomimic

ROBOMIMIC = {
    "a NaN": ({"obs/object": np.full((3, 10), np.nan)}, "must be finite; found nan at step 0"),
    "an infinite action": ({"actions": np.full((3, 7), np.inf)}, "must be finite"),
    "ragged": ({"obs/object": np.zeros((4, 10))}, "must be as long as"),
    "another width": ({"actions": np.zeros((3, 6))}, "must have the shape"),
    "a shorter next_obs": ({"next_obs/object": np.zeros((2, 10))}, "must be as long as"),
    "texts": ({"obs/object": np.array([b"a", b"b", b"c"])}, "must be numbers"),
    "no actions": ({"actions": None}, "no dataset"),
    "a key less": ({"obs/object": None}, "must have the observations"),
    "too few rewards": ({"rewards": np.zeros(2)}, "must have 3 rewards"),
    "a link": ({"obs/object": h5py.SoftLink("/data/demo_0/obs/object")}, "is a link"),
    "a link to another file": ({"obs/object": h5py.ExternalLink("b.hdf5", "/x")}, "is a link"),
    "another type": ({"obs/agentview_image": np.zeros((3, 16, 16, 3))}, "must be uint8; found float64"),
}


@pytest.mark.parametrize("name", ROBOMIMIC)
def test_robomimic_data_that_a_store_cannot_hold_are_refused(name: str, tmp_path: Path) -> None:
    changes, match = ROBOMIMIC[name]
    refused(foreign.robomimic(tmp_path / "a.hdf5", **changes), match)


def test_hdf5_data_in_other_files_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(240))
    source = foreign.robomimic(tmp_path / "a.hdf5", **{"obs/object": None})
    with h5py.File(source, "a") as file:
        outside = [(str(tmp_path / "secret"), 0, 240)]
        file["data/demo_1/obs"].create_dataset("object", (3, 10), "f8", external=outside)
    refused(source, "keeps its data in other files")


def test_hdf5_arrays_of_absurd_size_are_not_read(tmp_path: Path) -> None:
    source = foreign.robomimic(tmp_path / "a.hdf5", **{"obs/object": None})
    with h5py.File(source, "a") as file:
        file["data/demo_1/obs"].create_dataset("object", (1 << 40, 10), "f8", chunks=(1, 10))
    refused(source, "bytes of memory")


def test_a_stated_length_that_is_wrong_is_refused(tmp_path: Path) -> None:
    source = foreign.robomimic(tmp_path / "a.hdf5")
    with h5py.File(source, "a") as file:
        file["data/demo_1"].attrs["num_samples"] = 5
    refused(source, "must have 5 steps")


# diffusion-policy zarr


def _described(source: Path, name: str, **changes: Any) -> None:
    file = source / name / ".zarray"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


ZARRAY = {
    "a huge shape": ("data/state", {"shape": [7, 1 << 50]}, "of shapes > 0"),
    "a huge action": ("data/action", {"shape": [7, 10**12], "chunks": [3, 2]}, "1 to 4096 are possible"),
    "a huge chunk": ("data/state", {"chunks": [1 << 50, 5]}, "bytes of memory"),
    "fewer rows": ("data/state", {"shape": [6, 5]}, "must have 7 rows"),
    "objects": ("data/state", {"dtype": "|O"}, "must be numbers"),
    "records": ("data/state", {"dtype": [["a", "<f4"]]}, "must be numbers"),
    "filters": ("data/state", {"filters": [{"id": "pickle"}]}, "has filters"),
    "a codec of pickles": ("data/state", {"compressor": {"id": "pickle"}}, "is not read"),
    "a video codec": ("data/camera_0", {"compressor": {"id": "imagecodecs_jpeg2k"}}, "is not read"),
    "version 3": ("data/state", {"zarr_format": 3}, "only 2 is read"),
    "an empty chunk": ("data/state", {"chunks": [0, 5]}, "that is no array"),
    "ends of floats": ("meta/episode_ends", {"dtype": "<f8"}, "must be a row of integers"),
    "another type": ("data/action", {"dtype": "<f4"}, "must unpack to|unpack to"),
}


@pytest.mark.parametrize("name", ZARRAY)
def test_zarr_arrays_that_are_not_what_they_say_are_refused(name: str, tmp_path: Path) -> None:
    array, changes, match = ZARRAY[name]
    source = foreign.replay_buffer(tmp_path / "a.zarr")
    _described(source, array, **changes)
    refused(source, match)


@pytest.mark.parametrize("ends", [[3, 3], [4, 2], [0, 7], [-1, 7], [4, 8]])
def test_ends_that_do_not_grow_or_go_beyond_are_refused(ends: list[int], tmp_path: Path) -> None:
    source = foreign.replay_buffer(tmp_path / "a.zarr")
    for number, end in enumerate(ends):
        (source / f"meta/episode_ends/{number}").write_bytes(struct.pack("<q", end))
    refused(source, "must grow|must have 8 rows")


def test_a_missing_or_cut_chunk_is_refused(tmp_path: Path) -> None:
    source = foreign.replay_buffer(tmp_path / "a.zarr", foreign.BLOSC)
    chunk = source / "data/camera_0/1.0.0.0"
    whole = chunk.read_bytes()
    for content in (whole[:-1], whole[:10], b"", whole + b"x"):
        chunk.write_bytes(content)
        refused(source, "a.zarr")
    chunk.unlink()
    refused(source, "is missing")


BOMBS = {
    "blosc": lambda size: numcodecs.Blosc("zstd").encode(bytes(size)),
    "zlib": lambda size: zlib.compress(bytes(size)),
    "gzip": lambda size: numcodecs.GZip(9).encode(bytes(size)),
    "zstd": lambda size: numcodecs.Zstd(3).encode(bytes(size)),
    "lz4": lambda size: numcodecs.LZ4().encode(bytes(size)),
    "bz2": lambda size: numcodecs.BZ2(9).encode(bytes(size)),
    "lzma": lambda size: numcodecs.LZMA().encode(bytes(size)),
}


@pytest.mark.parametrize("codec", BOMBS)
def test_a_chunk_is_never_unpacked_beyond_its_shape(codec: str, tmp_path: Path) -> None:
    source = foreign.replay_buffer(tmp_path / "a.zarr")
    _described(source, "data/state", compressor={"id": codec})
    for number in range(3):
        (source / f"data/state/{number}.0").write_bytes(BOMBS[codec](8_000_000))
    refused(source, "must unpack to 60 bytes; (it says 8000000|found 61)|bytes of memory")


def test_links_that_leave_a_dataset_are_not_followed(tmp_path: Path) -> None:
    source = foreign.replay_buffer(tmp_path / "a.zarr")
    chunk = source / "data/state/0.0"
    shutil.move(chunk, tmp_path / "secret")
    chunk.symlink_to(tmp_path / "secret")
    refused(source, "is a link that leaves")


def test_a_zip_file_that_lies_about_a_size_is_refused(tmp_path: Path) -> None:
    source = foreign.replay_buffer(tmp_path / "a.zarr")
    with zipfile.ZipFile(tmp_path / "b.zarr.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for path in source.rglob("*"):
            if path.is_file():
                content = bytes(50_000_000) if path.name == "0.0" and path.parent.name == "state" else path.read_bytes()
                file.writestr(str(path.relative_to(source)), content)
    refused(tmp_path / "b.zarr.zip", "bytes of memory")


# MCAP


def test_a_bag_whose_chunk_unpacks_to_more_than_it_says_is_refused(tmp_path: Path) -> None:
    import zstandard

    with (tmp_path / "a.mcap").open("wb") as file:
        writer = Writer(file, compression=CompressionType.NONE)
        writer.start("ros2")
        bomb = zstandard.compress(bytes(100_000_000))
        chunk = Chunk("zstd", bomb, 0, 0, 0, 1000)
        builder = (
            writer._Writer__record_builder if hasattr(writer, "_Writer__record_builder") else writer._record_builder
        )
        chunk.write(builder)
        file.write(builder.end())
        writer.finish()
    refused(tmp_path / "a.mcap", "must unpack to 1000 bytes")


def test_a_bag_without_a_message_of_a_stream_is_refused(tmp_path: Path) -> None:
    store = make(tmp_path / "a.zarr", robot(is_plain=True))
    from sessions.formats import mcap_export

    put = mcap_export._Bag._put

    def forget(self: Any, topic: str, *rest: Any) -> None:
        if topic != "/observation/wrench" or self._counts.get(self._channels.get(topic, -1), 0) < 3:
            put(self, topic, *rest)

    mcap_export._Bag._put = forget  # type: ignore[method-assign]
    try:
        export_store(store, tmp_path / "b.mcap", "mcap")
    finally:
        mcap_export._Bag._put = put  # type: ignore[method-assign]
    refused(tmp_path / "b.mcap", "messages of")


def test_an_export_that_was_edited_since_is_refused(tmp_path: Path) -> None:
    store = make(tmp_path / "a.zarr", robot(is_plain=True))
    export_store(store, tmp_path / "b.hdf5", "robomimic")
    with h5py.File(tmp_path / "b.hdf5", "a") as file:
        for name in ("actions", "rewards"):
            values = file[f"data/demo_0/{name}"][:-1]
            del file[f"data/demo_0/{name}"]
            file[f"data/demo_0/{name}"] = values
    refused(tmp_path / "b.hdf5", "it was edited since")


def test_a_missing_library_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = foreign.robomimic(tmp_path / "a.hdf5")
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    refused(source, r"pip install -e '\.\[formats\]'")
    assert nothing_left(tmp_path, "a.hdf5")
