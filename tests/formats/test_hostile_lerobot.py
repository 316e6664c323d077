"""LeRobot datasets that are damaged, hostile or of another version: one clear error each, and nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import foreign
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from foreign import LENGTHS
from refusal import refused


def _info(root: Path, **changes: Any) -> None:
    file = root / "meta/info.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def _entries(root: Path, **changes: Any) -> None:
    file = root / "meta/episodes/chunk-000/file-000.parquet"
    rows = pq.read_table(file).to_pylist()
    rows[1] |= changes
    pq.write_table(pa.Table.from_pylist(rows), file)


INFO = {
    "version 2.1": ({"codebase_version": "v2.1"}, "convert it to 3.0 first: python -m lerobot"),
    "version 4": ({"codebase_version": "v4.0"}, "Update nudge"),
    "no version": ({"codebase_version": None}, "version"),
    "a path above": ({"data_path": "../secret.parquet"}, "outside of it"),
    "an absolute path": ({"data_path": "/etc/passwd"}, "outside of it"),
    "a path of code": ({"data_path": "{chunk_index.__class__}"}, "no template"),
    "a video above": ({"video_path": "../../{video_key}.mp4"}, "outside of it"),
    "no such file": ({"data_path": "data/other.parquet"}, "is missing"),
    "no action": ({"features": {}}, "no feature 'action'"),
    "a huge action": ({"features": {"action": {"dtype": "float32", "shape": [10**12]}}}, "1 to 4096 are possible"),
    "no rate": ({"fps": 0}, "division|damaged|frames"),
    "a wrong rate": ({"fps": 30}, "must have 4 frames"),
}


@pytest.mark.parametrize("name", INFO)
def test_a_dataset_with_a_strange_description_is_refused(name: str, tmp_path: Path) -> None:
    changes, match = INFO[name]
    root = foreign.lerobot(tmp_path / "data")
    _info(root, **changes)
    refused(root, match, "lerobot")


ENTRIES = {
    "other rows": ({"length": 2}, "2 steps but rows"),
    "a gap": ({"dataset_from_index": 5, "dataset_to_index": 8}, "does not follow"),
    "another file": ({"data/file_index": 3}, "is missing"),
    "more rows": ({"length": 4, "dataset_to_index": 8}, "must have 4 rows of episode 1; found 3"),
    "another place": ({"videos/observation.images.top/from_timestamp": 3.0}, "must have 3 frames from 3.000 s on"),
    "a negative length": ({"length": -1, "dataset_to_index": 3}, "does not follow"),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_a_dataset_with_a_wrong_table_of_episodes_is_refused(name: str, tmp_path: Path) -> None:
    changes, match = ENTRIES[name]
    root = foreign.lerobot(tmp_path / "data")
    _entries(root, **changes)
    refused(root, match, "lerobot")


@pytest.mark.parametrize("place", [0.05, 0.3, 0.6, 0.9])
@pytest.mark.parametrize(
    "name",
    [
        "data/chunk-000/file-000.parquet",
        "meta/episodes/chunk-000/file-000.parquet",
        "meta/info.json",
        "videos/observation.images.top/chunk-000/file-000.mp4",
    ],
)
def test_a_dataset_with_a_cut_file_is_refused(name: str, place: float, tmp_path: Path) -> None:
    root = foreign.lerobot(tmp_path / "data")
    os.truncate(root / name, int((root / name).stat().st_size * place))
    refused(root, "data", "lerobot")


def _replace(root: Path, name: str, values: Any) -> None:
    file = root / "data/chunk-000/file-000.parquet"
    table = pq.read_table(file)
    column = table.schema.get_field_index(name)
    pq.write_table(table.set_column(column, name, values), file, row_group_size=5)


COLUMNS = {
    "a NaN": ("observation.state", pa.array([[0.0] * 5 + [np.nan]] * 7, pa.list_(pa.float32())), "must be finite"),
    "nothing": ("observation.state", pa.array([[0.0] * 6] * 6 + [None], pa.list_(pa.float32())), "without a value"),
    "ragged rows": ("observation.state", pa.array([[0.0] * 5] * 7, pa.list_(pa.float32())), "must have 6 values each"),
    "lengths that even out": (
        "action",
        pa.array([[0.0]] + [[0.0, 0.0, 0.0]] + [[0.0, 0.0]] * 5, pa.list_(pa.float32())),
        "must have 2 values each",
    ),
    "another type": ("observation.state", pa.array([[0.0] * 6] * 7, pa.list_(pa.float64())), "must be float32; found"),
    "texts": ("action", pa.array([["a", "b"]] * 7), "must be float32"),
    "another order": ("episode_index", pa.array([0, 1, 0, 1, 0, 1, 0]), "do not lie together|must have 4 rows"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_rows_that_a_store_cannot_hold_are_refused(name: str, tmp_path: Path) -> None:
    column, values, match = COLUMNS[name]
    root = foreign.lerobot(tmp_path / "data")
    _replace(root, column, values)
    refused(root, match, "lerobot")


@pytest.mark.parametrize(
    ("picture", "match"),
    [
        ({"bytes": None, "path": "/etc/passwd"}, "only the name of a file"),
        ({"bytes": b"hello", "path": None}, "no whole PNG"),
        ({"bytes": foreign._png(np.zeros((32, 16, 3), np.uint8)), "path": None}, "must be 16x16; found 16x32"),
        ({"bytes": foreign._png(np.zeros((16, 16, 3), np.uint8))[:-30], "path": None}, "no whole PNG"),
    ],
)
def test_pictures_that_are_none_are_refused(picture: dict[str, Any], match: str, tmp_path: Path) -> None:
    root = foreign.lerobot(tmp_path / "data", "image")
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    _replace(root, "observation.images.top", pa.array([picture] * sum(LENGTHS), kind))
    refused(root, match, "lerobot")


def test_a_file_of_a_dataset_that_is_a_link_out_of_it_is_not_read(tmp_path: Path) -> None:
    root = foreign.lerobot(tmp_path / "data")
    file = root / "data/chunk-000/file-000.parquet"
    shutil.move(file, tmp_path / "secret")
    file.symlink_to(tmp_path / "secret")
    refused(root, "is a link that leaves", "lerobot")
