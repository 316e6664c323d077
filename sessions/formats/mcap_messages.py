"""The messages of an MCAP file, one after the other, with a bound on what is unpacked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import lz4.frame
import zstandard
from mcap.exceptions import McapError
from mcap.records import Channel, Chunk, Message, Metadata, Schema
from mcap.stream_reader import StreamReader, breakup_chunk

from robot.errors import StoreError
from sessions.formats.guard import require, require_size

MAX_CHUNK_BYTES = 1 << 30


class Sample(NamedTuple):
    """A message as it is in the file: topic, type ("package/msg/Name"), definition, stamps and bytes."""

    topic: str
    type: str
    schema: Schema | None
    log_ns: int
    publish_ns: int
    data: bytes


def messages(path: Path) -> Iterator[Sample]:
    """Give every message in the file's order.

    Raises:
        StoreError: cut, damaged, not CDR, or chunks that unpack to too much.
    """
    schemas: dict[int, Schema] = {}
    channels: dict[int, Channel] = {}
    for record in _records(path):
        if isinstance(record, Schema):
            schemas[record.id] = record
        elif isinstance(record, Channel):
            encoding = record.message_encoding
            require(encoding == "cdr", f"{path}: {record.topic} is in {encoding!r}; only CDR (ROS 2) is read.")
            channels[record.id] = record
        elif isinstance(record, Message):
            channel = channels[record.channel_id]
            schema = schemas.get(channel.schema_id)
            name = schema.name if schema else ""
            yield Sample(channel.topic, name, schema, record.log_time, record.publish_time, record.data)


def metadata(path: Path, name: str) -> dict[str, str] | None:
    """Return the first metadata record called `name` that stands before any message."""
    for record in _records(path):
        if isinstance(record, Metadata) and record.name == name:
            return dict(record.metadata)
        if isinstance(record, Message):
            return None
    return None


def _records(path: Path) -> Iterator[Any]:
    try:
        with path.open("rb") as file:
            for record in StreamReader(
                file, emit_chunks=True, validate_crcs=True, record_size_limit=MAX_CHUNK_BYTES
            ).records:
                if isinstance(record, Chunk):
                    yield from breakup_chunk(_unpacked(record, path), validate_crc=True)
                else:
                    yield record
    except (McapError, RuntimeError, ValueError, KeyError) as error:
        what = f"{type(error).__name__}: {error}"[:200]
        raise StoreError(
            f"{path} is damaged or incomplete ({what}); copy it again, or repair it with mcap recover."
        ) from error


def _unpacked(chunk: Chunk, path: Path) -> Chunk:
    """Return the chunk with its records unpacked to exactly the size that it states."""
    size = chunk.uncompressed_size
    require_size(f"A chunk of {path}", size, MAX_CHUNK_BYTES)
    if chunk.compression == "lz4":
        data = lz4.frame.LZ4FrameDecompressor().decompress(chunk.data, max_length=size + 1)
    elif chunk.compression == "zstd":
        with zstandard.ZstdDecompressor().stream_reader(chunk.data) as stream:
            data = stream.read(size + 1)
    else:
        require(chunk.compression == "", f"{path} is packed with {chunk.compression!r}, which is not read.")
        data = chunk.data
    require(len(data) == size, f"{path}: a chunk must unpack to {size} bytes; found another number.")
    plain = {"compression": "", "data": data, "uncompressed_size": size, "uncompressed_crc": chunk.uncompressed_crc}
    return Chunk(**plain, message_start_time=chunk.message_start_time, message_end_time=chunk.message_end_time)
