"""Zarr's sharding codec as files: many compressed chunks in one file, each of which is read alone.

A shard is the encoded chunks one after another, then for each its offset and size (two little-endian u64; both all
ones where there is no chunk) and the crc32c of these, as the zarr v3 codec `sharding_indexed` with its index at the end
lays down. A shard that grows is written anew and renamed into place: a chunk that was full is copied as it is.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robot.errors import StoreError
from robot.store.chunks import CHECKSUM_BYTES, Batch, Chunks, checksum
from robot.store.disk import OpenFolder
from robot.store.schema import Field

ENTRY_BYTES = 16
ENCODING_THREADS = 2
"""zstd and numpy let go of Python's lock; few, for the sake of the process's other threads."""
ABSENT = np.uint64(2**64 - 1)


@dataclass(frozen=True, eq=False)
class Index:
    """Where the chunks of one shard lie; `entries` is u64 (N, 2): offset and size [bytes], ABSENT where there is none.

    `token` tells one version of the file from another.
    """

    token: tuple[int, int, int]
    entries: NDArray[np.uint64]


class ShardedChunks(Chunks):
    """The files of one array whose first axis grows, `field.shard` chunks to a file."""

    def __init__(self, folder: OpenFolder, field: Field) -> None:
        super().__init__(folder, field)
        self._indices: dict[int, Index] = {}

    def stage_rows(self, batch: Batch, start: int, rows: NDArray[np.generic]) -> None:
        """Stage `rows` at [start, start + len(rows)); rows before `start` are kept, and none follow."""
        stop, size = start + len(rows), self._field.rows * self._field.shard
        for shard in range(start // size, (stop - 1) // size + 1):
            low, high = max(start, shard * size), min(stop, (shard + 1) * size)
            kept = self._encoded(shard, (low - shard * size) // self._field.rows)
            first = shard * self._field.shard + len(kept)
            indices = range(first, -(-high // self._field.rows))
            with ThreadPoolExecutor(ENCODING_THREADS) as pool:
                fresh = list(pool.map(lambda index: self._encode(self._filled(index, start, rows)), indices))
            batch.stage(self._path(shard), _assembled([*kept, *fresh], self._field.shard))

    def _content(self, index: int) -> bytes | None:
        shard, place = divmod(index, self._field.shard)
        try:
            with self._path(shard).open("rb", buffering=0) as file:
                offset, size = self._index(shard, file.fileno()).entries[place]
                return None if offset == ABSENT else os.pread(file.fileno(), int(size), int(offset))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _filled(self, index: int, start: int, rows: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return chunk `index` with those of `rows` that fall into it, what was before `start`, and fill after."""
        size = self._field.rows
        low, high = max(start, index * size), min(start + len(rows), (index + 1) * size)
        if low > index * size:
            chunk = self.chunk(index).copy()
        else:
            chunk = np.full(self._shape, self._field.fill, self._dtype)
        chunk[low - index * size : high - index * size] = rows[low - start : high - start]
        return chunk

    def _encoded(self, shard: int, count: int) -> list[bytes]:
        """Return the first `count` chunks of a shard as they lie on the disk."""
        if count == 0:
            return []
        with self._path(shard).open("rb", buffering=0) as file:
            entries = self._index(shard, file.fileno()).entries[:count]
            if np.any(entries == ABSENT):
                raise StoreError(f"File {shard} of {self.name} lacks chunks that are committed; check the store.")
            return [os.pread(file.fileno(), int(size), int(offset)) for offset, size in entries]

    def _index(self, shard: int, descriptor: int) -> Index:
        """Return the index of the very file that is open, whatever is renamed into its place meanwhile.

        Raises:
            ValueError: the file is too short, or its checksum is wrong.
        """
        status = os.fstat(descriptor)
        token = (status.st_ino, status.st_mtime_ns, status.st_size)
        known = self._indices.get(shard)
        if known is not None and known.token == token:
            return known
        size = self._field.shard * ENTRY_BYTES
        tail = os.pread(descriptor, size + CHECKSUM_BYTES, max(0, status.st_size - size - CHECKSUM_BYTES))
        if len(tail) != size + CHECKSUM_BYTES or checksum(tail[:size]) != tail[size:]:
            raise ValueError(f"the index of file {shard} is damaged")
        entries = np.frombuffer(tail, "<u8", 2 * self._field.shard).reshape(-1, 2)
        body = status.st_size - len(tail)
        written = entries[entries[:, 0] != ABSENT].astype(np.float64)
        if np.any(written.sum(axis=1) > body):
            raise ValueError(f"the index of file {shard} points past its end")
        index = Index(token, entries)
        self._indices[shard] = index
        return index


def _assembled(chunks: list[bytes], count: int) -> bytes:
    """Return a shard of at most `count` chunks."""
    entries = np.full((count, 2), ABSENT, "<u8")
    sizes = np.array([len(chunk) for chunk in chunks], np.uint64)
    entries[: len(chunks), 0] = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    entries[: len(chunks), 1] = sizes
    index = entries.tobytes()
    return b"".join([*chunks, index, checksum(index)])
