"""A store's folder: how it is created and opened, how far it is committed, and the one way an episode gets in."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robot.errors import StoreError
from robot.specs import RobotSpec
from robot.store.chunks import Batch, Chunks
from robot.store.create import FORMAT, create_arrays
from robot.store.disk import OpenFolder
from robot.store.journal import EpisodeHeader
from robot.store.remarks import Remarks
from robot.store.schema import ATTRIBUTE_BYTES, END_FLAGS, ENDS_ROWS, SCHEMA_VERSION, Field, Schema, first_difference
from robot.store.shards import ShardedChunks

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
        remarks: what was said of its episodes beside their steps.
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
        self.remarks = Remarks(folder.path, path)

    @staticmethod
    def create(path: Path, spec: RobotSpec, attributes: Mapping[str, str]) -> Tables:
        """Create an empty store, complete at the moment it appears; where one has appeared meanwhile, open that."""
        # a name that nobody else has: process ids come again, in containers at once
        temporary = path.with_name(f"{path.name}.creating-{os.urandom(4).hex()}")
        schema = Schema(spec)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            create_arrays(temporary, schema, attributes)
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
        """Return the end row of every committed episode (E,), rereading only what may have grown.

        Raises:
            StoreError: they are damaged: they do not grow, or go beyond the rows of the arrays.
        """
        known = [self._known]
        start = len(self._known)
        while True:
            chunk = np.asarray(self._ends.chunk_or_fill(start // ENDS_ROWS)[start % ENDS_ROWS :], np.int64)
            committed = int(np.argmax(chunk < 0)) if np.any(chunk < 0) else len(chunk)
            known.append(chunk[:committed])
            start += committed
            if committed < len(chunk):
                break
        ends = np.concatenate(known)
        if len(ends) > len(self._known):
            self._require_sound(ends)
            self._known = ends
        return self._known

    def _require_sound(self, ends: NDArray[np.int64]) -> None:
        problem = ""
        if np.any(np.diff(ends, prepend=0) < 1):
            problem = "it does not grow with every episode"
        elif (rows := self.data["stamp_ns"].length()) < ends[-1]:
            problem = f"it says that there are {ends[-1]} steps, and data/stamp_ns has {rows}"
        if problem:
            raise StoreError(f"meta/episode_ends of {self.path} is damaged: {problem}. Restore it from a copy.")

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

    def committed(self) -> dict[Chunks, int]:
        """Return how many rows of each array are committed."""
        ends = self.ends()
        lengths = dict.fromkeys(self.data.values(), int(ends[-1]) if len(ends) else 0)
        return lengths | dict.fromkeys((*self.final.values(), *self.episodes.values(), self._ends), len(ends))

    def uncommitted(self) -> str:
        """Return which array has another length than is committed, in words; "" for none."""
        for chunks, length in self.committed().items():
            if chunks.length() != length:
                return f"{chunks.name} has {chunks.length()} rows, and meta/episode_ends says {length}"
        return ""

    def trim(self) -> None:
        """Set every array's length to what is committed, as after a commit that was torn."""
        with Batch(is_synced=True) as batch:
            for chunks, length in self.committed().items():
                chunks.stage_length(batch, length)
            batch.publish()


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
    """Inverse of `encode_attributes`.

    Raises:
        StoreError: they are damaged.
    """
    try:
        attributes: dict[str, str | int | float] = dict(json.loads(row.tobytes().rstrip(b"\0") or b"{}"))
    except (ValueError, TypeError) as error:
        raise StoreError(f"The attributes of an episode are damaged ({error}); see nudge store check.") from error
    return attributes


MAX_ROW_BYTES = 1 << 30
"""Of a step with its images."""


def _opened(path: Path, root: Path) -> tuple[Schema, dict[str, Any]]:
    """Return schema and attributes of the store in the folder `root`, called `path`."""
    attributes = _read_attributes(root)
    if attributes is None:
        raise StoreError(f"{path} is not a nudge store; choose another path.")
    version = attributes.get("schema_version")
    if isinstance(version, int) and version != SCHEMA_VERSION:
        advice = "update nudge" if version > SCHEMA_VERSION else "record anew, or use the nudge that wrote it"
        raise StoreError(
            f"The store {path} has schema version {version}, and this nudge reads {SCHEMA_VERSION}; {advice}."
        )
    try:
        schema = Schema(RobotSpec.from_json(json.dumps(attributes["spec"])))
        if schema.row().itemsize > MAX_ROW_BYTES:
            raise ValueError(f"a step of {schema.row().itemsize:,} bytes")
        known = {"created": str(attributes["created"]), "attributes": dict(attributes["attributes"])}
        if not isinstance(version, int):
            raise TypeError(f"its schema version is {version!r}")
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise StoreError(
            f"The description of the store {path} (zarr.json) is damaged ({error}); restore that file from a copy."
        ) from error
    return schema, {**attributes, **known}


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


def require_same_robot(tables: Tables, spec: RobotSpec) -> None:
    theirs = tables.schema.spec
    if theirs.digest() != spec.digest():
        raise StoreError(
            f"The store {tables.path} belongs to {theirs.name!r} ({theirs.digest()}), and this robot is "
            f"{spec.name!r} ({spec.digest()}); they differ in {first_difference(theirs, spec)}. "
            "Choose another store or the robot that this one was recorded with."
        )
