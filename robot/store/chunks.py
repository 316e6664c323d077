"""Zarr v3 arrays as files: rows are written chunk by chunk, staged together and renamed into place in order.

The zarr library creates the arrays and reads them anywhere; appending an episode to forty arrays through it takes
about 100 ms and gives no say over the order of renames, so the one write path that matters is spelt out here.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import google_crc32c
import numpy as np
from numcodecs.zstd import Zstd
from numpy.typing import NDArray

from robot.errors import StoreError
from robot.store.deltas import differences, images
from robot.store.disk import OpenFolder
from robot.store.schema import Field

ZSTD_LEVEL = 3
CHECKSUM_BYTES = 4
SYNC_THREADS = 2
"""A journalling file system makes one flush of those that wait together. Many threads keep others of the process from
Python's lock: with 16 a heartbeat once waited 0.2 s, which stops a reset."""


class Batch:
    """Files that become visible one after the other, in the order staged, only when all are written.

    A failure while staging (a full disk) leaves the store as it was.
    """

    def __init__(self, is_synced: bool) -> None:
        self._is_synced = is_synced
        self._staged: list[tuple[Path, Path]] = []

    def __enter__(self) -> Batch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for temporary, _ in self._staged:
            temporary.unlink(missing_ok=True)

    def stage(self, path: Path, content: bytes) -> None:
        """Write `content` beside `path`, to replace it at `publish`."""
        temporary = path.with_name(f"{path.name}.partial")
        self._staged.append((temporary, path))
        with temporary.open("wb", buffering=0) as file:
            view = memoryview(content)
            while view:
                view = view[file.write(view) :]

    def publish(self) -> None:
        """Flush every staged file, then rename each into place; the last rename is the commit point."""
        if self._is_synced:
            with ThreadPoolExecutor(SYNC_THREADS) as pool:
                list(pool.map(sync, [temporary for temporary, _ in self._staged]))
        for temporary, path in self._staged:
            temporary.replace(path)
        if self._is_synced and self._staged:
            # Journalling file systems keep renames in order, so the last one on disk means all are.
            sync(self._staged[-1][1].parent)
        self._staged.clear()


def sync(path: Path) -> None:
    """Flush a file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Chunks:
    """The files of one array whose first axis grows; all other axes lie within one chunk."""

    def __init__(self, folder: OpenFolder, field: Field) -> None:
        self._store = folder  # kept open by this
        self._folder = folder.path / field.path
        self._field = field
        self._dtype = np.dtype(field.array.dtype).newbyteorder("<")
        self._shape = (field.rows, *field.array.shape)
        self._metadata: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        return self._field.path

    @property
    def chunk_rows(self) -> int:
        return self._field.rows

    @property
    def row_shape(self) -> tuple[int, ...]:
        return self._field.array.shape

    def missing(self, length: int) -> list[str]:
        """Return what is wrong with the files of the chunks below `length`: missing, or not to be decoded."""
        problems = []
        for index in range(-(-length // self._field.rows)):
            try:
                if self._content(index) is None:
                    problems.append(f"chunk {index} is missing.")
                else:
                    self.chunk(index)
            except (ValueError, StoreError) as error:
                problems.append(f"chunk {index} cannot be read: {error.__cause__ or error}.")
        return problems

    def length(self) -> int:
        """Return the length of the first axis that plain zarr readers see."""
        return int(self._read_metadata()["shape"][0])

    def stage_length(self, batch: Batch, length: int) -> None:
        """Stage a new length of the first axis."""
        if self._metadata is None:
            self._metadata = self._read_metadata()  # once: only the length ever changes
        self._metadata["shape"][0] = length
        batch.stage(self._folder / "zarr.json", json.dumps(self._metadata).encode())

    def stage_rows(self, batch: Batch, start: int, rows: NDArray[np.generic]) -> None:
        """Stage `rows` at [start, start + len(rows)); rows before `start` are kept."""
        stop, size = start + len(rows), self._field.rows
        for index in range(start // size, (stop - 1) // size + 1):
            low, high = max(start, index * size), min(stop, (index + 1) * size)
            if low > index * size:
                chunk = self.chunk(index).copy()
            else:
                chunk = np.full(self._shape, self._field.fill, self._dtype)
            chunk[low - index * size : high - index * size] = rows[low - start : high - start]
            batch.stage(self._path(index), self._encode(chunk))

    def chunk(self, index: int) -> NDArray[np.generic]:
        """Return chunk `index` (rows, ...), with the fill value after the last row that was written. Read-only.

        Raises:
            StoreError: it is missing, or damaged.
        """
        advice = "see what else is damaged with: nudge store check"
        try:
            content = self._content(index)
            if content is None:
                raise StoreError(f"Chunk {index} of {self.name} is missing; {advice}.")
            decoded = self._decode(content)
            if self._field.is_image:
                return images(decoded, self._shape)
            return np.frombuffer(decoded, self._dtype).reshape(self._shape)
        except (ValueError, RuntimeError) as error:
            raise StoreError(f"Chunk {index} of {self.name} is damaged ({error}); {advice}.") from error

    def chunk_or_fill(self, index: int) -> NDArray[np.generic]:
        """Return chunk `index`, or the fill value where it was never written."""
        if self._content(index) is None:
            return np.full(self._shape, self._field.fill, self._dtype)
        return self.chunk(index)

    def rows(self, start: int, stop: int) -> NDArray[np.generic]:
        """Return rows [start, stop)."""
        size = self._field.rows
        rows = np.empty((stop - start, *self._field.array.shape), self._dtype)
        for index in range(start // size, -(-stop // size) if stop > start else start // size):
            low, high = max(start, index * size), min(stop, (index + 1) * size)
            rows[low - start : high - start] = self.chunk(index)[low - index * size : high - index * size]
        return rows

    def _encode(self, chunk: NDArray[np.generic]) -> bytes:
        """Return a chunk as it lies on the disk: zarr's codecs `bytes`, `zstd` where compressed, and `crc32c`.

        Before them come those of `robot.store.deltas` where it holds images.
        """
        content = differences(np.asarray(chunk, np.uint8)) if self._field.is_image else chunk.tobytes()
        content = Zstd(level=ZSTD_LEVEL).encode(content) if self._field.is_compressed else content
        return content + checksum(content)

    def _decode(self, encoded: bytes) -> bytes:
        """Inverse of `_encode`.

        Raises:
            ValueError, RuntimeError: the bytes are not those that were written.
        """
        content = encoded[:-CHECKSUM_BYTES]
        if checksum(content) != encoded[-CHECKSUM_BYTES:]:
            raise ValueError("its checksum is wrong")
        decoded: bytes = Zstd().decode(content) if self._field.is_compressed else content
        return decoded

    def _content(self, index: int) -> bytes | None:
        """Return chunk `index` as it lies on the disk; None where it was never written."""
        try:
            return self._path(index).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _read_metadata(self) -> dict[str, Any]:
        """Return the array's zarr.json.

        Raises:
            StoreError: it is damaged.
        """
        try:
            metadata: dict[str, Any] = json.loads((self._folder / "zarr.json").read_bytes().decode())
            int(metadata["shape"][0])
        except (ValueError, TypeError, LookupError) as error:
            raise StoreError(f"The metadata of {self.name} are damaged ({error}); see nudge store check.") from error
        return metadata

    def _path(self, index: int) -> Path:
        return self._folder / ".".join(["c", str(index), *("0" for _ in self._field.array.shape)])


def checksum(content: bytes) -> bytes:
    """Return the crc32c of `content`, little-endian, as zarr's codec of that name has it."""
    return int(google_crc32c.value(content)).to_bytes(CHECKSUM_BYTES, "little")
