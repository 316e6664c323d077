"""Images by row, in any order, from memory with a stated bound: each one compressed alone.

On the disk sixteen images share a chunk, because zstd then needs half the bytes; to draw one of them the whole chunk is
decoded, which takes half a millisecond. Here that happens once, and its images are kept one by one: 20 us each.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import zstandard
from numpy.typing import NDArray

from robot.errors import StoreError
from robot.store.chunks import Chunks

LEVEL = 1
THREADS = 2
OVERHEAD_BYTES = 100
"""Of Python for each image kept."""


class _Group(NamedTuple):
    """The images of one chunk, as far as they were there when it was read."""

    images: tuple[bytes, ...]
    size: int


class Frames:
    """Images of one or more arrays; draws are from memory where they may be, and from the disk where they must.

    frames = Frames(memory_bytes=4 * 10**9)
    frames.images(chunks, np.array([17, 4, 90_000]), committed=100_000)    # uint8 (3, H, W, 3)

    The least recently drawn chunks make room for others; one that is larger than the whole memory is not kept.

    Attributes:
        bytes: taken now.
        hits, misses: chunks that were in memory, and that were not.
    """

    def __init__(self, memory_bytes: int) -> None:
        if memory_bytes < 0:
            raise StoreError(f"Memory for images must be at least 0 bytes; found {memory_bytes}.")
        self._limit = memory_bytes
        self._groups: OrderedDict[tuple[int, int], _Group] = OrderedDict()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="frames")
        self.bytes = self.hits = self.misses = 0

    def images(self, chunks: Chunks, rows: NDArray[np.int64], committed: int) -> NDArray[np.uint8]:
        """Return the images uint8 (B, H, W, 3) of `rows` (B,) of an array with so many `committed` rows.

        Raises:
            IndexError: a row is not committed.
        """
        if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < committed:
            raise IndexError(f"Rows {rows.min()} to {rows.max()} of {committed} in {chunks.name}.")
        out = np.empty((len(rows), *chunks.row_shape), np.uint8)
        groups, places = np.divmod(rows, chunks.chunk_rows)
        order = np.argsort(groups, kind="stable")
        parts = [part for part in np.array_split(order, THREADS) if len(part)]
        for done in [self._pool.submit(self._fill, chunks, committed, groups, places, part, out) for part in parts]:
            done.result()
        return out

    def close(self) -> None:
        self._pool.shutdown()
        self._groups.clear()
        self.bytes = 0

    def _fill(
        self,
        chunks: Chunks,
        committed: int,
        groups: NDArray[np.int64],
        places: NDArray[np.int64],
        part: NDArray[np.int64],
        out: NDArray[np.uint8],
    ) -> None:
        decoder = zstandard.ZstdDecompressor()
        begin = 0
        while begin < len(part):
            index = int(groups[part[begin]])
            end = begin + int(np.searchsorted(groups[part[begin:]], index, side="right"))
            members = part[begin:end]
            group = self._group(chunks, committed, index, int(places[members].max()))
            for member in members:
                content = decoder.decompress(group.images[places[member]])
                out[member] = np.frombuffer(content, np.uint8).reshape(chunks.row_shape)
            begin = end

    def _group(self, chunks: Chunks, committed: int, index: int, last: int) -> _Group:
        """Return the images of a chunk, at least up to place `last`."""
        key = (id(chunks), index)
        with self._lock:
            group = self._groups.get(key)
            if group is not None and last < len(group.images):
                self._groups.move_to_end(key)
                self.hits += 1
                return group
            self.misses += 1
        group = _packed(chunks, index, min(committed - index * chunks.chunk_rows, chunks.chunk_rows))
        with self._lock:
            self._drop(key)
            if group.size <= self._limit:
                self._groups[key] = group
                self.bytes += group.size
            while self.bytes > self._limit:
                self._drop(next(iter(self._groups)))
        return group

    def _drop(self, key: tuple[int, int]) -> None:
        group = self._groups.pop(key, None)
        if group is not None:
            self.bytes -= group.size


def _packed(chunks: Chunks, index: int, count: int) -> _Group:
    encoder = zstandard.ZstdCompressor(level=LEVEL)
    images = tuple(encoder.compress(image.tobytes()) for image in chunks.chunk(index)[:count])
    return _Group(images, sum(map(len, images)) + OVERHEAD_BYTES * len(images))
