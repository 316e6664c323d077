"""What a store holds, derived from a robot's spec: arrays, dtypes, units, frames, and the journal's row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robot.errors import StoreError
from robot.specs import ArraySpec, RobotSpec
from robot.types import StepTiming

SCHEMA_VERSION = 4
"""Version 2 added data/timing_ns; version 3 data/reward, and many images in a file; version 4 keeps images as
differences."""

NO_STAMP = -1
"""Stamp of a stream that a step did not name, and of every step of an imported log that has none."""

STATE_ROWS = 2048
"""Rows in a chunk of a low-dimensional array: about 0.7 MB over all arrays of a step, rewritten at a commit."""

IMAGE_ROWS = 16
"""Images in a chunk. zstd finds the still background again in the frames before: of the two rendered cameras of the
default robot an image takes 1.5 kB, alone 2.8 kB (docs/decisions has codecs and noise). An appended episode decodes at
most 15 frames that were there before."""

IMAGE_SHARD = 32
"""Chunks of images in a file: 512 images, about 0.9 MB of rendered ones, which an appended episode writes anew. A
million steps of a camera are 2,000 files."""

FINAL_SHARD = 256

EPISODE_ROWS = 256
ENDS_ROWS = 4096

ATTRIBUTE_BYTES = 2048
"""Room for the attributes of one episode as JSON text."""

END_FLAGS = ("is_terminated", "is_truncated", "is_aborted", "is_success")
"""How an episode ended; `has_final` beside them says whether the observation after its last action is known."""


@dataclass(frozen=True)
class Field:
    """One array of a store, with rows along the first axis.

    Attributes:
        path: place within the zarr group, for example "data/action".
        array: shape, dtype, unit and frame of one row.
        rows: rows in a chunk.
        is_compressed: whether chunks are zstd-compressed; the others are plain little-endian bytes.
        fill: value of rows never written.
        shard: chunks in a file, each of which can be read alone; 0 for a file a chunk.
        is_image: rows are images (H, W, C), kept as differences (`robot.store.deltas`).
    """

    path: str
    array: ArraySpec
    rows: int
    is_compressed: bool = False
    fill: int = 0
    shard: int = 0
    is_image: bool = False


@dataclass(frozen=True)
class Schema:
    """All arrays of a robot's store. `streams` names the columns of data/stream_stamps_ns."""

    spec: RobotSpec

    def __post_init__(self) -> None:
        reserved = {name for name, _ in self._step_arrays()} | {"observation"}
        for key in self.spec.observation:
            if key in reserved or not all(part and part[0] != "." for part in key.split("/")):
                raise StoreError(
                    f"Observation key {key!r} of {self.spec.name} cannot be an array of a store; rename it."
                )
        for key in self.spec.image_keys:
            image = self.spec.observation[key]
            if image.dtype != "uint8" or len(image.shape) != 3:
                raise StoreError(
                    f"Images are uint8 of height, width and colours; {key!r} of {self.spec.name} is {image.dtype}"
                    f"{list(image.shape)}."
                )

    @property
    def streams(self) -> tuple[str, ...]:
        return tuple(self.spec.observation)

    def _step_arrays(self) -> list[tuple[str, ArraySpec]]:
        action = ArraySpec((self.spec.action_size,), "float32", "1")
        return [
            ("action", action),
            ("requested", action),
            ("base_action", action),
            ("residual", action),
            ("chunk_phase", ArraySpec((), "int32")),
            ("source", ArraySpec((), "uint8")),
            ("label", ArraySpec((), "uint8")),
            ("reasons", ArraySpec((), "uint32")),
            ("reward", ArraySpec((), "float32", "1")),
            ("weights_version", ArraySpec((), "int64")),
            ("stamp_ns", ArraySpec((), "int64", "ns")),
            ("stream_stamps_ns", ArraySpec((len(self.streams),), "int64", "ns")),
            ("timing_ns", ArraySpec((len(StepTiming().as_row()),), "int64", "ns")),
        ]

    @property
    def step_names(self) -> tuple[str, ...]:
        """Names of the low-dimensional arrays of a step that are not observations."""
        return tuple(name for name, _ in self._step_arrays())

    @property
    def data(self) -> dict[str, Field]:
        """Arrays with one row a step, by name."""
        fields = {name: Field(f"data/{name}", array, STATE_ROWS) for name, array in self._step_arrays()}
        for key, array in self.spec.observation.items():
            is_image = key in self.spec.image_keys
            image = Field(f"data/{key}", array, IMAGE_ROWS, True, shard=IMAGE_SHARD, is_image=True)
            fields[key] = image if is_image else Field(f"data/{key}", array, STATE_ROWS)
        return fields

    @property
    def final(self) -> dict[str, Field]:
        """Arrays with one row an episode that hold what followed its last action."""
        step = dict(self._step_arrays())
        fields = {
            name: Field(f"meta/final/{name}", step[name], EPISODE_ROWS)
            for name in ("base_action", "chunk_phase", "stamp_ns")
        }
        for key, array in self.spec.observation.items():
            is_image = key in self.spec.image_keys
            image = Field(f"meta/final/{key}", array, 1, True, shard=FINAL_SHARD, is_image=True)
            fields[key] = image if is_image else Field(f"meta/final/{key}", array, EPISODE_ROWS)
        return fields

    @property
    def episodes(self) -> dict[str, Field]:
        """Columns of the episode table."""
        columns = {name: ArraySpec((), "bool") for name in (*END_FLAGS, "has_final")}
        columns["seed"] = ArraySpec((), "int64")
        fields = {name: Field(f"meta/episodes/{name}", a, EPISODE_ROWS) for name, a in columns.items()}
        text = ArraySpec((ATTRIBUTE_BYTES,), "uint8")
        return fields | {"attributes": Field("meta/episodes/attributes", text, EPISODE_ROWS, True)}

    @property
    def ends(self) -> Field:
        """The commit point: index of the row after each episode's last; -1 is not committed."""
        return Field("meta/episode_ends", ArraySpec((), "int64"), ENDS_ROWS, fill=-1)

    def row(self) -> np.dtype[np.void]:
        """Return the journal's row: a packed, little-endian structure of all data arrays and the end's flags."""
        parts = [(name, np.dtype(f.array.dtype).newbyteorder("<"), f.array.shape) for name, f in self.data.items()]
        parts += [(name, np.dtype("bool"), ()) for name in END_FLAGS]
        return np.dtype(parts)


def first_difference(theirs: RobotSpec, ours: RobotSpec) -> str:
    """Return where two specs first differ, as "what is X in the store and Y here"; "" where they do not."""
    pairs: list[tuple[str, object, object]] = [
        ("name", theirs.name, ours.name),
        ("observation keys", sorted(theirs.observation), sorted(ours.observation)),
    ]
    pairs += [(f"observation {key!r}", array, ours.observation.get(key)) for key, array in theirs.observation.items()]
    pairs += [
        ("action axes", theirs.action_axes, ours.action_axes),
        ("action scale", theirs.action_scale, ours.action_scale),
        ("control period [s]", theirs.period_s, ours.period_s),
    ]
    for what, a, b in pairs:
        if a != b:
            return f"{what}: {a} in the store, {b} here"
    return ""
