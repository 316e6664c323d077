"""The running episode on disk: an append-only file of checksummed records of one size, without pickle.

Header:  magic (8 bytes), length and crc32 of the JSON text that follows, crc32 of these three, then the text (schema
         digest, episode, seed, attributes).
Record:  kind (u32: step or final), number within the file (u32), crc32 of kind, number and row (u32), row.
A row is one structured numpy value (`Schema.row`), images included.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robot.errors import StoreError

MAGIC = b"NUDGEJ\x00\x01"
STEP, FINAL = 1, 2
_PREFIX = struct.Struct("<8sII")
_HEADER = struct.Struct("<8sIII")
_KIND = struct.Struct("<II")
_RECORD = struct.Struct("<III")


@dataclass(frozen=True)
class EpisodeHeader:
    """What is known of an episode before its first step; `index` is the place it will be committed at."""

    digest: str
    index: int
    seed: int
    attributes: dict[str, str | int | float]


@dataclass(frozen=True)
class JournalContent:
    """What a journal holds up to its first bad byte.

    Attributes:
        header: None when the file ends within the header, so that no step was ever acknowledged.
        steps: structured rows (T,).
        final: structured row (1,) where the episode was ended, else None.
        length: bytes up to the end of the last whole record.
        torn_bytes: bytes after that, which a crash in mid-write leaves.
        is_damaged: whether a record failed its checksum although all of its bytes are there.
    """

    header: EpisodeHeader | None
    steps: NDArray[np.void]
    final: NDArray[np.void] | None
    length: int
    torn_bytes: int
    is_damaged: bool


class JournalWriter:
    """Appends records; a record is in the kernel's hands when `append` returns, so that only a power cut loses it.

    Args:
        path: file to create; it must not exist.
        header: of the episode.
        row: dtype of a row.
        is_synced: flush to the disk on every append as well.
    """

    def __init__(self, path: Path, header: EpisodeHeader, row: np.dtype[np.void], is_synced: bool) -> None:
        self._path = path
        self._is_synced = is_synced
        self._buffer = bytearray(_RECORD.size + row.itemsize)
        self._row = np.frombuffer(self._buffer, row, count=1, offset=_RECORD.size)
        text = json.dumps(asdict(header), sort_keys=True).encode()
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        self._length = 0
        try:
            prefix = _PREFIX.pack(MAGIC, len(text), zlib.crc32(text))
            self._write(prefix + struct.pack("<I", zlib.crc32(prefix)) + text)
        except OSError:
            self.remove()
            raise
        self._start = self._length

    @property
    def row(self) -> NDArray[np.void]:
        """The row (1,) that the next `append` writes; fill it in place."""
        return self._row

    def append(self, kind: int) -> None:
        """Write `row` as one record; after any exception the next one takes its place."""
        view = memoryview(self._buffer)
        number = (self._length - self._start) // len(view)
        checksum = zlib.crc32(view[_RECORD.size :], zlib.crc32(_KIND.pack(kind, number)))
        _RECORD.pack_into(self._buffer, 0, kind, number, checksum)
        self._write(view)

    def sync(self) -> None:
        """Flush the file to the disk."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Leave the file as it is; may be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def remove(self) -> None:
        """Delete the file and close it; where it cannot be deleted it stays open, and this may be tried again."""
        self._path.unlink(missing_ok=True)
        self.close()

    def _write(self, content: bytes | memoryview) -> None:
        # At a stated place, and the length moves last: neither a full disk nor Ctrl-C leaves bytes in between.
        done = 0
        while done < len(content):
            done += os.pwrite(self._descriptor, memoryview(content)[done:], self._length + done)
        if self._is_synced:
            os.fsync(self._descriptor)
        self._length += done


def read_journal(path: Path, row: np.dtype[np.void], name: Path | None = None) -> JournalContent:
    """Read every whole record up to the first that is torn or damaged.

    Args:
        name: of the file, for a person; `path` where it is not given.

    Raises:
        StoreError: all of the header's bytes are there, and they are not a journal's.
    """
    content = path.read_bytes()
    header, start = _read_header(name or path, content)
    size = _RECORD.size + row.itemsize
    empty = np.empty(0, row)
    if header is None:
        return JournalContent(None, empty, None, 0, len(content), False)
    stop, final, is_damaged = start, None, False
    for number in range((len(content) - start) // size):
        kind, found, checksum = _RECORD.unpack_from(content, stop)
        body = memoryview(content)[stop + _RECORD.size : stop + size]
        if found != number or zlib.crc32(body, zlib.crc32(_KIND.pack(kind, number))) != checksum:
            is_damaged = True
            break
        stop += size
        if kind == FINAL:
            final = np.frombuffer(body, row)
            break
    records = (stop - start) // size - (final is not None)
    record = np.dtype({"names": ["row"], "formats": [row], "offsets": [_RECORD.size], "itemsize": size})
    steps = np.frombuffer(content, record, records, start)["row"] if records else empty
    return JournalContent(header, steps, final, stop, len(content) - stop, is_damaged)


def _read_header(path: Path, content: bytes) -> tuple[EpisodeHeader | None, int]:
    damaged = StoreError(
        f"The header of the journal {path} is damaged; move the file away to use the store without its episode."
    )
    if not content.startswith(MAGIC[: len(content)]):
        raise damaged
    if len(content) < _HEADER.size:
        return None, 0
    _, length, text_checksum, prefix_checksum = _HEADER.unpack_from(content)
    if zlib.crc32(content[: _PREFIX.size]) != prefix_checksum:
        raise damaged
    start = _HEADER.size + length
    if len(content) < start:
        return None, 0
    text = content[_HEADER.size : start]
    if zlib.crc32(text) != text_checksum:
        raise damaged
    return EpisodeHeader(**json.loads(text)), start
