"""Stores for the tests of formats, with every kind of array, and their comparison."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from robot.specs import ArraySpec, RobotSpec
from robot.store import Episode, StoreReader
from robot.store.builder import StoreBuilder
from robot.store.edit import read_whole
from robot.store.remarks import ENDS
from robot.store.schema import NO_STAMP, Schema
from robot.store.tables import Tables

LENGTHS = {"success": 5, "failure": 3, "truncated": 4, "aborted": 2}
PERIOD_NS = 100_000_000


def robot(is_plain: bool = False, size: int = 16) -> RobotSpec:
    """A robot with two cameras; unless `is_plain`, with keys of unusual names, shapes and types as well."""
    keys = {
        "tool_pose": ArraySpec((7,), "float32", "m, quaternion xyzw", "base"),
        "images/front": ArraySpec((size, size + 2, 3), "uint8", "RGB", "front_optical_frame"),
        "images/wrist": ArraySpec((size, size, 3), "uint8", "RGB", "wrist_optical_frame"),
        "wrench": ArraySpec((6,), "float32", "N, Nm", "base"),
    }
    if not is_plain:
        keys |= {
            "front": ArraySpec((2,), "float64", "m"),
            "tactile/left": ArraySpec((4, 3), "float32", "Pa"),
            "gripper": ArraySpec((), "float32", "1"),
            "buttons": ArraySpec((3,), "bool"),
            "counter": ArraySpec((), "int64"),
            "level": ArraySpec((1,), "uint16"),
        }
    return RobotSpec("sim_panda/peg_insertion", keys, ("x", "y", "rz"), (0.02, 0.02, 0.1), 0.1)


def make(path: Path, spec: RobotSpec, has_stamps: bool = True, ends: tuple[str, ...] = tuple(ENDS)) -> Path:
    """Build a store with an episode of every end; the last one does not know what followed its last step."""
    rng = np.random.default_rng(20260104)
    fields = Schema(spec).data
    with StoreBuilder.open(path, spec, {"operator": "Ana", "task": "peg"}) as builder:
        for number, end in enumerate(ends):
            length = LENGTHS[end]
            rows = np.zeros(length + 1, builder.row)
            for name, field in fields.items():
                rows[name] = _values(rng, (length + 1, *field.array.shape), field.array.dtype)
            start = (1 + 100 * number) * PERIOD_NS
            rows["stamp_ns"] = start + PERIOD_NS * np.arange(length + 1) if has_stamps else NO_STAMP
            stamps = rows["stamp_ns"][:, None] - rng.integers(0, PERIOD_NS // 2, rows["stream_stamps_ns"].shape)
            rows["stream_stamps_ns"] = np.where(rng.integers(4, size=stamps.shape) > 0, stamps, NO_STAMP)
            if not has_stamps:
                rows["stream_stamps_ns"] = NO_STAMP
            rows["source"], rows["label"] = rng.integers(5, size=length + 1), rng.integers(8, size=length + 1)
            rows["timing_ns"] = np.abs(rows["timing_ns"])
            rows["reward"] = rng.choice([np.nan, 0.0, 1.0], length + 1)
            rows["base_action"][rng.integers(2, size=length + 1) > 0] = np.nan
            for flag in ENDS[end]:
                rows[flag][length - 1] = True
            final = None if number == len(ends) - 1 else rows[length:]
            builder.add(1000 + number, {"phase": "record", "number": number, "skill": 0.5}, rows[:length], final)
        builder.finish()
    return path


def _values(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return rng.uniform(-1.0, 1.0, shape).astype(kind)
    if kind.kind == "b":
        return rng.integers(2, size=shape).astype(bool)
    info = np.iinfo(kind)
    return rng.integers(info.min, info.max, shape, dtype=kind, endpoint=True)


def assert_same_store(one: Path, other: Path, but: tuple[str, ...] = ()) -> None:
    """Compare every number of two stores, bit by bit; `but` names arrays of a step that may differ."""
    a, b = Tables.open(one), Tables.open(other)
    assert a.schema.spec == b.schema.spec
    assert list(a.schema.spec.observation) == list(b.schema.spec.observation)
    assert a.ends().tolist() == b.ends().tolist()
    for name, value in a.attributes.items():
        assert b.attributes[name] == value
    for index in range(len(a.ends())):
        left, right = read_whole(a, index), read_whole(b, index)
        assert (left.seed, left.attributes) == (right.seed, right.attributes)
        assert (left.final is None) == (right.final is None)
        for name in left.steps.dtype.names:
            if name not in but:
                assert left.steps[name].tobytes() == right.steps[name].tobytes(), name
        if left.final is not None:
            for name in (*a.schema.final,):
                if name not in but:
                    assert left.final[name].tobytes() == right.final[name].tobytes(), name


def episodes_of(store: Path) -> list[Episode]:
    reader = StoreReader.open(store)
    return [reader.episode(index) for index in range(len(reader))]


def nothing_left(folder: Path, *known: str) -> bool:
    """Tell whether a folder has nothing but what is `known`."""
    return sorted(path.name for path in folder.iterdir()) == sorted(known)
