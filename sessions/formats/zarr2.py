"""Reads arrays of a zarr v2 group, in a folder or a zip file, with a bound on everything that is unpacked.

zarr itself unpacks whatever size a chunk claims; here a chunk gives exactly the bytes of its shape, or an error.
"""

from __future__ import annotations

import bz2
import json
import lzma
import math
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numcodecs
import numpy as np
from numcodecs.compat import ensure_bytes
from numpy.typing import NDArray

from robot.errors import StoreError
from sessions.formats.guard import MAX_TEXT_BYTES, inside, require, require_size

MAX_CHUNK_BYTES = 1 << 30
_TYPE = re.compile(r"[<>|]([fiub][1248]|f2)")
_LENGTHS = {"blosc": 4, "lz4": 0}
"""Where the header of a compressed chunk has its unpacked length (uint32, little-endian)."""


class Folder(Protocol):
    """Files by their path below a root."""

    path: Path

    def names(self, below: str) -> list[str]:
        """Return the names of the members of a group."""

    def read(self, name: str, most: int) -> bytes | None:
        """Return a file of at most `most` bytes, or None where there is none."""


class Directory:
    """A folder on the disk; links that leave it are refused."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self, below: str) -> list[str]:
        return sorted(entry.name for entry in (self.path / below).iterdir() if entry.name[0] != ".")

    def read(self, name: str, most: int) -> bytes | None:
        if not (self.path / name).exists():
            return None
        file = inside(self.path, name)
        require_size(f"{file}", file.stat().st_size, most)
        return file.read_bytes()


class Zip:
    """A zip file, as diffusion policy packs its data."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = zipfile.ZipFile(path)
        listed = {info.filename.removeprefix("./"): info for info in self._file.infolist()}
        roots = sorted((name for name in listed if name.endswith(".zgroup")), key=len)
        self._root = roots[0].removesuffix(".zgroup") if roots else ""
        self._files = {n.removeprefix(self._root): info for n, info in listed.items() if n.startswith(self._root)}

    def names(self, below: str) -> list[str]:
        start = f"{below}/" if below else ""
        inner = (name.removeprefix(start) for name in self._files if name.startswith(start))
        return sorted({name.partition("/")[0] for name in inner if name and name[0] != "."})

    def read(self, name: str, most: int) -> bytes | None:
        info = self._files.get(name)
        if info is None:
            return None
        require_size(f"{name} in {self.path}", info.file_size, most)
        with self._file.open(info) as file:
            data = file.read(most + 1)
        require(len(data) == info.file_size, f"{name} in {self.path} is not as long as the zip file says.")
        return data


@dataclass(frozen=True)
class Array:
    """An array, unread: rows along the first axis.

    Attributes:
        shape, dtype: of the whole.
        chunks: shape of a chunk.
    """

    folder: Folder
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...]
    compressor: dict[str, Any] | None
    order: str
    separator: str

    @staticmethod
    def open(folder: Folder, name: str) -> Array:
        """Read an array's description.

        Raises:
            StoreError: missing, of zarr v3, or with types, filters or sizes that are not read.
        """
        where = f"{folder.path}: {name}"
        text = folder.read(f"{name}/.zarray", MAX_TEXT_BYTES)
        require(text is not None, f"{where} is no zarr v2 array; the file is incomplete or of another format.")
        raw = json.loads(text or b"{}")
        require(raw["zarr_format"] == 2, f"{where} is of zarr format {raw['zarr_format']}; only 2 is read.")
        shape, chunks = tuple(map(int, raw["shape"])), tuple(map(int, raw["chunks"]))
        is_number = isinstance(raw["dtype"], str) and _TYPE.fullmatch(raw["dtype"]) is not None
        require(is_number, f"{where} must be numbers; found {str(raw['dtype'])[:80]}. Remove it from the source.")
        require(not raw["filters"], f"{where} has filters; they are not read. Save it without.")
        sane = len(shape) == len(chunks) and len(shape) >= 1 and min(shape) >= 0 and min(chunks) >= 1
        require(sane, f"{where} has the shape {shape} in chunks {chunks}; that is no array.")
        dtype = np.dtype(raw["dtype"])
        require_size(f"A chunk of {where}", math.prod(chunks) * dtype.itemsize, MAX_CHUNK_BYTES)
        separator = str(raw.get("dimension_separator", "."))
        require(separator in "./" and raw["order"] in "CF", f"{where} has an unknown order or separator.")
        return Array(folder, name, shape, dtype, chunks, raw["compressor"], raw["order"], separator)

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows [start, stop).

        Raises:
            StoreError: too many, or a chunk is missing or damaged.
        """
        where = f"{self.folder.path}: {self.name}"
        require(0 <= start <= stop <= self.shape[0], f"{where} has {self.shape[0]} rows; {stop} were asked for.")
        shape = (stop - start, *self.shape[1:])
        require_size(f"Rows {start} to {stop} of {where}", math.prod(shape) * self.dtype.itemsize)
        out: NDArray[Any] = np.empty(shape, self.dtype)
        inner = [range(math.ceil(n / size)) for n, size in zip(self.shape[1:], self.chunks[1:], strict=True)]
        for block in range(start // self.chunks[0], math.ceil(stop / self.chunks[0]) if stop > start else 0):
            low, high = max(start, block * self.chunks[0]), min(stop, (block + 1) * self.chunks[0])
            for index in np.ndindex(*[len(numbers) for numbers in inner]):
                chunk = self._chunk((block, *index))
                places = [slice(i * n, min((i + 1) * n, top)) for i, n, top in self._inner(index)]
                sizes = tuple(slice(0, place.stop - place.start) for place in places)
                first = block * self.chunks[0]
                out[(slice(low - start, high - start), *places)] = chunk[(slice(low - first, high - first), *sizes)]
        return out.astype(self.dtype.newbyteorder("="), copy=False)

    def _inner(self, index: tuple[int, ...]) -> list[tuple[int, int, int]]:
        return list(zip(index, self.chunks[1:], self.shape[1:], strict=True))

    def _chunk(self, index: tuple[int, ...]) -> NDArray[Any]:
        name = f"{self.name}/{self.separator.join(map(str, index))}"
        size = math.prod(self.chunks) * self.dtype.itemsize
        packed = self.folder.read(name, size + size // 8 + 65536)
        if packed is None:
            raise StoreError(
                f"{self.folder.path}: the chunk {name} is missing; copy the data again (or, where it was left out "
                "because all of it is the fill value, save it with write_empty_chunks)."
            )
        data = _unpack(packed, self.compressor, size, f"{self.folder.path}: the chunk {name}")
        return np.frombuffer(data, self.dtype).reshape(self.chunks, order=self.order)  # type: ignore[call-overload,no-any-return]


def _unpack(packed: bytes, compressor: dict[str, Any] | None, size: int, where: str) -> bytes:
    """Return exactly `size` bytes, and never unpack more."""
    kind = "none" if compressor is None else str(compressor.get("id"))
    if kind == "none":
        data = packed
    elif kind in _LENGTHS:
        at = _LENGTHS[kind]
        stated = int.from_bytes(packed[at : at + 4], "little")
        require(stated == size, f"{where} must unpack to {size} bytes; it says {stated}.")
        is_whole = kind != "blosc" or int.from_bytes(packed[12:16], "little") == len(packed)
        require(is_whole, f"{where} is not as long as it says.")
        data = ensure_bytes(numcodecs.get_codec({"id": kind}).decode(packed))
    elif kind in ("zlib", "gzip"):
        stream = zlib.decompressobj(wbits=47)
        data = stream.decompress(packed, size + 1)
    elif kind == "bz2":
        data = bz2.BZ2Decompressor().decompress(packed, size + 1)
    elif kind == "lzma":
        data = lzma.LZMADecompressor(memlimit=1 << 28).decompress(packed, size + 1)
    elif kind == "zstd":
        zstd = numcodecs.zstd
        stated = _zstd_length(packed)
        require(stated == size, f"{where} must unpack to {size} bytes; it says {stated}.")
        data = ensure_bytes(zstd.decompress(packed))
    else:
        raise StoreError(f"{where} is packed with {kind!r}, which is not read; save it with blosc, zstd, zlib or none.")
    require(len(data) == size, f"{where} must unpack to {size} bytes; found {len(data)}.")
    return data


def _zstd_length(packed: bytes) -> int:
    """Return the unpacked length that a zstd frame states (RFC 8878, 3.1.1.1), -1 where it states none."""
    flags = packed[4]
    sizes = (1 if flags & 0x20 else 0, 2, 4, 8)
    width = sizes[flags >> 6]
    if packed[:4] != b"\x28\xb5\x2f\xfd" or width == 0:
        return -1
    at = 5 + (0 if flags & 0x20 else 1) + (0, 1, 2, 4)[flags & 3]
    return int.from_bytes(packed[at : at + width], "little") + (256 if width == 2 else 0)
