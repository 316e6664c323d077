"""A store's folder: how it is created and opened, how far it is committed, and the one way an episode gets in."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import Crc32cCodec, TransposeCodec, ZstdCodec
from zarr.codecs.numcodecs import Delta
from zarr.errors import ZarrUserWarning

from robot.errors import StoreError
from robot.specs import RobotSpec
from robot.store import deltas
from robot.store.chunks import ZSTD_LEVEL, Batch, Chunks
from robot.store.disk import OpenFolder
from robot.store.journal import EpisodeHeader
from robot.store.schema import ATTRIBUTE_BYTES, END_FLAGS, ENDS_ROWS, SCHEMA_VERSION, Field, Schema, first_difference
from robot.store.shards import ShardedChunks

FORMAT = "nudge"
JOURNAL = "journal/episode"
LOCK = "journal/lock"


class Tables:
    """The committed part of a store. `create` or `open` one.

    Attributes:
        path: the store's folder, by name.
        root: the same folder as it was opened, whatever has been put in its place since; for reading and writing.
        schema: its arrays.
        attributes: of the store, as given at creation.
        created: date and time (ISO 8601, UTC).
        version: of the schema it was written with.
    """

    def __init__(self, path: Path, folder: OpenFolder, schema: Schema, attributes: dict[str, Any]) -> None:
        self.path = path
        self.root = folder.path
        self._folder = folder
        self.schema = schema
        self.attributes: dict[str, str] = dict(attributes["attributes"])
        self.created: str = attributes["created"]
        self.version: int = attributes["schema_version"]
        self.data = {name: chunks_of(folder, field) for name, field in schema.data.items()}
        self.final = {name: chunks_of(folder, field) for name, field in schema.final.items()}
        self.episodes = {name: chunks_of(folder, field) for name, field in schema.episodes.items()}
        self._ends = chunks_of(folder, schema.ends)
        self._known = np.empty(0, np.int64)

    @staticmethod
    def create(path: Path, spec: RobotSpec, attributes: Mapping[str, str]) -> Tables:
        """Create an empty store, complete at the moment it appears; where one has appeared meanwhile, open that."""
        # a name that nobody else has: process ids come again, in containers at once
        temporary = path.with_name(f"{path.name}.creating-{os.urandom(4).hex()}")
        schema = Schema(spec)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _create_arrays(temporary, schema, attributes)
            temporary.rename(path)
        except OSError:
            if not (path / "zarr.json").exists():
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return Tables.open(path)

    @staticmethod
    def open(path: Path) -> Tables:
        """Open an existing store.

        Raises:
            StoreError: missing, not a store, or written by a newer or an older nudge.
        """
        if not path.exists():
            raise StoreError(f"There is no store at {path}; record one first or correct the path.")
        if not path.is_dir():
            raise StoreError(f"{path} is not a nudge store; choose another path.")
        folder = OpenFolder(path)
        return Tables(path, folder, *_opened(path, folder.path))

    @property
    def is_current(self) -> bool:
        """Whether the folder at `path` is still the one that was opened; an edit puts another in its place."""
        return self._folder.is_current

    def ends(self) -> NDArray[np.int64]:
        """Return the end row of every committed episode (E,), rereading only what may have grown."""
        known = [self._known]
        start = len(self._known)
        while True:
            chunk = np.asarray(self._ends.chunk_or_fill(start // ENDS_ROWS)[start % ENDS_ROWS :], np.int64)
            committed = int(np.argmax(chunk < 0)) if np.any(chunk < 0) else len(chunk)
            known.append(chunk[:committed])
            start += committed
            if committed < len(chunk):
                break
        self._known = np.concatenate(known)
        return self._known

    def commit(
        self, header: EpisodeHeader, steps: NDArray[np.void], final: NDArray[np.void] | None, is_synced: bool
    ) -> int:
        """Make an episode visible and return its index; the end flags are those of the last step.

        Args:
            header: seed and attributes.
            steps: journal rows (T,).
            final: journal row (1,) of what followed; None where it is not known.
        """
        ends = self.ends()
        count, start = len(ends), int(ends[-1]) if len(ends) else 0
        if header.index < count:
            return header.index  # committed before, by a call that failed after its commit point
        with Batch(is_synced) as batch:
            for name, chunks in self.data.items():
                chunks.stage_rows(batch, start, steps[name])
            for name, chunks in self.final.items():
                chunks.stage_rows(batch, count, _absent(self.schema.final[name]) if final is None else final[name])
            for name in END_FLAGS:
                self.episodes[name].stage_rows(batch, count, steps[name][-1:])
            self.episodes["has_final"].stage_rows(batch, count, np.array([final is not None]))
            self.episodes["seed"].stage_rows(batch, count, np.array([header.seed]))
            text = encode_attributes(header.attributes)
            self.episodes["attributes"].stage_rows(batch, count, text[None])
            self.stage_lengths(batch, start + len(steps), count + 1)
            self._ends.stage_rows(batch, count, np.array([start + len(steps)]))
            batch.publish()
        return count

    def stage_lengths(self, batch: Batch, steps: int, episodes: int) -> None:
        """Stage the lengths that plain zarr readers see."""
        for chunks in self.data.values():
            chunks.stage_length(batch, steps)
        for chunks in (*self.final.values(), *self.episodes.values(), self._ends):
            chunks.stage_length(batch, episodes)

    def trim(self) -> bool:
        """Set every array's length to what is committed; tell whether a torn commit had left another."""
        ends = self.ends()
        steps, episodes = int(ends[-1]) if len(ends) else 0, len(ends)
        lengths = [chunks.length() == steps for chunks in self.data.values()]
        lengths += [c.length() == episodes for c in (*self.final.values(), *self.episodes.values(), self._ends)]
        if all(lengths):
            return False
        with Batch(is_synced=True) as batch:
            self.stage_lengths(batch, steps, episodes)
            batch.publish()
        return True


def chunks_of(folder: OpenFolder, field: Field) -> Chunks:
    """Return the files of an array, as its field says."""
    return ShardedChunks(folder, field) if field.shard else Chunks(folder, field)


def encode_attributes(attributes: Mapping[str, str | int | float]) -> NDArray[np.uint8]:
    """Return JSON text padded with zeros, uint8 (ATTRIBUTE_BYTES,).

    Raises:
        StoreError: the text is too long, or a value is not text or a finite number.
    """
    try:
        text = json.dumps(dict(attributes), allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError) as error:
        raise StoreError(f"Attributes of an episode must be text or finite numbers; {error}.") from error
    if len(text) > ATTRIBUTE_BYTES:
        raise StoreError(f"Attributes of an episode may take {ATTRIBUTE_BYTES} bytes; found {len(text)}; shorten them.")
    return np.frombuffer(text.ljust(ATTRIBUTE_BYTES, b"\0"), np.uint8)


def decode_attributes(row: NDArray[np.generic]) -> dict[str, str | int | float]:
    """Inverse of `encode_attributes`."""
    attributes: dict[str, str | int | float] = json.loads(row.tobytes().rstrip(b"\0") or b"{}")
    return attributes


def _opened(path: Path, root: Path) -> tuple[Schema, dict[str, Any]]:
    """Return schema and attributes of the store in the folder `root`, called `path`."""
    attributes = _read_attributes(root)
    if attributes is None:
        raise StoreError(f"{path} is not a nudge store; choose another path.")
    version = attributes["schema_version"]
    if version != SCHEMA_VERSION:
        advice = "update nudge" if version > SCHEMA_VERSION else "record anew, or use the nudge that wrote it"
        raise StoreError(
            f"The store {path} has schema version {version}, and this nudge reads {SCHEMA_VERSION}; {advice}."
        )
    return Schema(RobotSpec.from_json(json.dumps(attributes["spec"]))), attributes


def _read_attributes(path: Path) -> dict[str, Any] | None:
    try:
        attributes = json.loads((path / "zarr.json").read_bytes())["attributes"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not isinstance(attributes, dict) or attributes.get("format") != FORMAT:
        return None
    return attributes


def _absent(field: Field) -> NDArray[np.generic]:
    """Return one row that says "not measured": NaN, or zeros where the type has no NaN."""
    dtype = np.dtype(field.array.dtype)
    return np.full((1, *field.array.shape), np.nan if dtype.kind == "f" else 0, dtype)


def _create_arrays(path: Path, schema: Schema, attributes: Mapping[str, str]) -> None:
    root = zarr.create_group(
        path,
        attributes={
            "format": FORMAT,
            "schema_version": SCHEMA_VERSION,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "spec": json.loads(schema.spec.to_json()),
            "spec_digest": schema.spec.digest(),
            "streams": list(schema.streams),
            "attributes": dict(attributes),
        },
    )
    fields = [*schema.data.values(), *schema.final.values(), *schema.episodes.values(), schema.ends]
    for field in fields:
        shape = field.array.shape
        _create_array(
            root,
            field.path,
            has_deltas=field.is_image,
            shape=(0, *shape),
            chunks=(field.rows, *shape),
            shards=(field.rows * field.shard, *shape) if field.shard else None,
            dtype=field.array.dtype,
            compressors=[*([ZstdCodec(level=ZSTD_LEVEL)] if field.is_compressed else []), Crc32cCodec()],
            fill_value=field.fill,
            # "c.0.0" instead of "c/0/0": no folder to make for every chunk
            chunk_key_encoding={"name": "default", "separator": "."},
            attributes={"unit": field.array.unit, "frame": field.array.frame},
        )
    # An (empty) array, because zarr looks for members in groups only and would warn of the journal's files.
    root.create_array("journal", shape=(0,), dtype="uint8")


def _create_array(root: zarr.Group, path: str, has_deltas: bool, **how: Any) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Numcodecs codecs are not", ZarrUserWarning)
        filters = [TransposeCodec(order=deltas.ORDER), Delta(dtype="u1")] if has_deltas else None
        root.create_array(path, filters=filters, **how)


def require_same_robot(tables: Tables, spec: RobotSpec) -> None:
    theirs = tables.schema.spec
    if theirs.digest() != spec.digest():
        raise StoreError(
            f"The store {tables.path} belongs to {theirs.name!r} ({theirs.digest()}), and this robot is "
            f"{spec.name!r} ({spec.digest()}); they differ in {first_difference(theirs, spec)}. "
            "Choose another store or the robot that this one was recorded with."
        )
