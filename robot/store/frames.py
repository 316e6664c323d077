"""Images by row, in any order, from memory with a stated bound.

On the disk sixteen images share a chunk, because zstd then needs half the bytes; to draw one of them the whole chunk is
decoded, which takes half a millisecond. Here that happens once. Images are kept as they are while there is room; when
there is none, those least recently drawn are compressed, each one alone, and when all are, dropped.
"""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import zstandard
from numpy.typing import NDArray

from robot.errors import StoreError
from robot.store import deltas
from robot.store.chunks import Chunks

LEVEL = 1
THREADS = 2
OVERHEAD_BYTES = 100
"""Of Python for each image kept."""

Images = NDArray[np.uint8]


class _Group(NamedTuple):
    """The images of one chunk, as far as they were there when it was read: as they are, or packed one by one.

    What is packed is one piece of memory: a hundred thousand small ones among large ones that come and go would take
    twice the room that they fill.

    Attributes:
        packed: the images one after the other; `ends` says where each ends.
    """

    plain: Images | None
    packed: bytes
    ends: tuple[int, ...]
    size: int

    @property
    def images(self) -> int:
        return len(self.ends) if self.plain is None else len(self.plain)

    def content(self, place: int) -> memoryview:
        """Return one packed image."""
        return memoryview(self.packed)[self.ends[place - 1] if place else 0 : self.ends[place]]


_Groups = OrderedDict[tuple[int, int], _Group]


class Frames:
    """Images of one or more arrays; draws are from memory where they may be, and from the disk where they must.

    frames = Frames(memory_bytes=4 * 10**9)
    frames.images(chunks, np.array([17, 4, 90_000]), committed=100_000)    # uint8 (3, H, W, 3)

    Room is made by packing the chunk that was drawn least recently; when all are packed, by dropping it. One that is
    larger than the whole memory is not kept.

    Attributes:
        bytes: taken now.
        hits, misses: chunks that were in memory, and that were not.
    """

    def __init__(self, memory_bytes: int) -> None:
        if memory_bytes < 0:
            raise StoreError(f"Memory for images must be at least 0 bytes; found {memory_bytes}.")
        self._limit = memory_bytes
        self._plain: _Groups = OrderedDict()
        self._packed: _Groups = OrderedDict()
        self._lock, self._making_room = threading.Lock(), threading.Lock()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="frames")
        self.bytes = self.hits = self.misses = 0

    def images(self, chunks: Chunks, rows: NDArray[np.int64], committed: int) -> Images:
        """Return the images uint8 (B, H, W, 3) of `rows` (B,) of an array with so many `committed` rows.

        Raises:
            IndexError: a row is not committed.
        """
        out = np.empty((len(rows), *chunks.row_shape), np.uint8)
        self.fill(out, np.arange(len(rows)), chunks, rows, committed)
        return out

    def fill(self, out: Images, at: NDArray[np.int64], chunks: Chunks, rows: NDArray[np.int64], committed: int) -> None:
        """Put the images of `rows` (N,) into the rows `at` (N,) of `out` (B, H, W, 3); as `images`."""
        if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < committed:
            raise IndexError(f"Rows {rows.min()} to {rows.max()} of {committed} in {chunks.name}.")
        groups, places = np.divmod(rows, chunks.chunk_rows)
        order = np.argsort(groups, kind="stable")
        parts = [part for part in np.array_split(order, THREADS) if len(part)]
        for done in [self._pool.submit(self._fill, chunks, committed, groups, places, part, out, at) for part in parts]:
            done.result()

    def close(self) -> None:
        self._pool.shutdown()
        self._plain.clear()
        self._packed.clear()
        self.bytes = 0

    def _fill(
        self,
        chunks: Chunks,
        committed: int,
        groups: NDArray[np.int64],
        places: NDArray[np.int64],
        part: NDArray[np.int64],
        out: Images,
        at: NDArray[np.int64],
    ) -> None:
        decoder = zstandard.ZstdDecompressor()
        begin = 0
        while begin < len(part):
            index = int(groups[part[begin]])
            end = begin + int(np.searchsorted(groups[part[begin:]], index, side="right"))
            members = part[begin:end]
            group = self._group(chunks, committed, index, int(places[members].max()))
            for member in members:
                if group.plain is not None:
                    out[at[member]] = group.plain[places[member]]
                else:
                    content = decoder.decompress(group.content(int(places[member])))
                    out[at[member]] = deltas.images(content, (1, *chunks.row_shape))[0]
            begin = end

    def _group(self, chunks: Chunks, committed: int, index: int, last: int) -> _Group:
        """Return the images of a chunk, at least up to place `last`."""
        key = (id(chunks), index)
        with self._lock:
            groups = self._plain if key in self._plain else self._packed
            group = groups.get(key)
            if group is not None and last < group.images:
                groups.move_to_end(key)
                self.hits += 1
                return group
            self.misses += 1
        whole = np.asarray(chunks.chunk(index), np.uint8)
        group = _Group(whole[: committed - index * chunks.chunk_rows], b"", (), whole.nbytes + OVERHEAD_BYTES)
        self._keep(key, group)
        with self._making_room:  # one thread at a time, or a group is dropped while another is being packed
            while (oldest := self._one_too_many()) is not None:
                if oldest[1].plain is not None:
                    self._keep(oldest[0], _packed(oldest[1].plain))
        return group

    def _keep(self, key: tuple[int, int], group: _Group) -> None:
        with self._lock:
            self._drop(key)
            if group.size <= self._limit:
                (self._packed if group.plain is None else self._plain)[key] = group
                self.bytes += group.size

    def _one_too_many(self) -> tuple[tuple[int, int], _Group] | None:
        """Take out the group that is to be packed, or dropped where it is packed; None where all have room."""
        with self._lock:
            if self.bytes <= self._limit:
                return None
            key, group = next(iter((self._plain or self._packed).items()))
            self._drop(key)
            return key, group

    def _drop(self, key: tuple[int, int]) -> None:
        for groups in (self._plain, self._packed):
            group = groups.pop(key, None)
            if group is not None:
                self.bytes -= group.size


def _packed(images: Images) -> _Group:
    encoder = zstandard.ZstdCompressor(level=LEVEL)
    parts = [encoder.compress(deltas.differences(image[None])) for image in images]
    ends = tuple(itertools.accumulate(map(len, parts)))
    return _Group(None, b"".join(parts), ends, ends[-1] + OVERHEAD_BYTES * len(parts))
