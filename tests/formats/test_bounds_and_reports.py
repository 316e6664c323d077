"""Files that are small and unpack to a lot, and reports that say no more than is so."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import foreign
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from foreign import SIZE
from refusal import refused

from robot.errors import StoreError
from sessions.formats import ImportOptions, Report, import_store
from sessions.formats.guard import bounded_memory, one_error

OPTIONS = ImportOptions("human", 0.05)


def _imported(source: Path, tmp_path: Path) -> Report:
    return import_store(source, tmp_path / "out", options=OPTIONS)


def test_one_array_in_twenty_thousand_transitions_is_not_unpacked(tmp_path: Path) -> None:
    large = np.zeros(1 << 20, np.uint8)
    step = {"observations": {"x": large}, "next_observations": {"x": large}, "actions": np.zeros(2), "rewards": 0.0}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([step | {"dones": False}] * 20_000))
    refused(tmp_path / "a.pkl", "20,971,520,000 bytes of memory")


def test_datasets_that_were_declared_and_never_written_are_counted_together(tmp_path: Path) -> None:
    source = foreign.robomimic(tmp_path / "lift.hdf5")
    with h5py.File(source, "a") as file:
        for number in range(20):
            file.create_dataset(f"data/demo_0/obs/more{number}", (4, 1 << 24), "f8", chunks=(1, 1 << 20))
            file.create_dataset(f"data/demo_1/obs/more{number}", (3, 1 << 24), "f8", chunks=(1, 1 << 20))
    refused(source, "bytes of memory")


def test_a_group_of_rows_is_measured_as_it_unpacks(tmp_path: Path) -> None:
    root = foreign.lerobot(tmp_path / "data")
    file = next((root / "data").rglob("*.parquet"))
    zeros = pa.array(np.zeros(40_000_000, np.int8))
    names = pq.read_table(file).column_names
    pq.write_table(pa.table(dict.fromkeys(names, zeros)), file, row_group_size=40_000_000)
    assert pq.ParquetFile(file).metadata.row_group(0).total_byte_size < 10 << 20  # what it says that it unpacks to
    refused(root, "A group of rows of .* bytes of memory", "lerobot")


def test_rows_of_a_dataset_that_are_out_of_order_are_refused(tmp_path: Path) -> None:
    root = foreign.lerobot(tmp_path / "data")
    file = next((root / "data").rglob("*.parquet"))
    table = pq.read_table(file)
    pq.write_table(table.take([1, 0, *range(2, table.num_rows)]), file)
    refused(root, "in the order of frame_index", "lerobot")


def test_memory_beyond_the_bound_is_one_sentence_and_the_bound_is_taken_away_again(tmp_path: Path) -> None:
    program = (
        "import resource\nfrom pathlib import Path\nimport numpy as np\n"
        "from sessions.formats import guard\nguard.MAX_IMPORT_BYTES = 1 << 28\n"
        "before = resource.getrlimit(resource.RLIMIT_DATA)\n"
        "try:\n  with guard.bounded_memory(), guard.one_error(Path('bomb')):\n    np.ones(1 << 29, np.uint8)\n"
        "except Exception as error:\n  print(error)\n"
        "print(resource.getrlimit(resource.RLIMIT_DATA) == before)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert "bomb takes more memory than there is" in done.stdout
    assert done.stdout.splitlines()[-1] == "True"
    with bounded_memory(), pytest.raises(StoreError, match="is damaged"), one_error(tmp_path):
        raise ValueError("odd")


def test_a_pipe_in_place_of_a_chunk_is_refused(tmp_path: Path) -> None:
    source = foreign.replay_buffer(tmp_path / "a.zarr")
    chunk = source / "data/action/0.0"
    chunk.unlink()
    os.mkfifo(chunk)
    refused(source, "neither a file nor a folder")


def test_rewards_are_mapped_only_where_there_are_any(tmp_path: Path) -> None:
    bare = foreign.robomimic(tmp_path / "bare.hdf5")
    with h5py.File(bare, "a") as file:
        for demo in ("demo_0", "demo_1"):
            del file[f"data/{demo}/rewards"]
    report = _imported(bare, tmp_path)
    assert "rewards" not in {entry.source for entry in report.mapped}
    assert "rewards" in report.missing


def test_what_only_a_later_demo_has_or_lacks_is_said(tmp_path: Path) -> None:
    report = _imported(foreign.robomimic(tmp_path / "a.hdf5", rewards=None, surprise=np.zeros(3)), tmp_path)
    assert any(line.startswith("surprise (demo_1") for line in report.left_out)
    assert any("rewards are not in every demo (demo_1" in line for line in report.left_out)


def _serl(tmp_path: Path, **changes: object) -> Path:
    seen = [{"state": np.full(3, t, np.float32), "wrist": foreign.pixels(SIZE, SIZE, 3, seed=t)} for t in range(3)]
    steps = [
        {
            "observations": seen[t],
            "next_observations": seen[t + 1],
            "actions": np.zeros(2, np.float32),
            "rewards": 0.0,
            "dones": t == 1,
        }
        | changes
        for t in range(2)
    ]
    path = tmp_path / "log.pkl"
    path.write_bytes(pickle.dumps(steps))
    return path


def test_interventions_are_mapped_only_where_some_are_logged(tmp_path: Path) -> None:
    report = _imported(_serl(tmp_path), tmp_path)
    assert not any("intervene" in entry.source for entry in report.mapped)
    assert "who commanded (as the options say)" in report.missing


def test_a_reward_of_two_numbers_is_no_reward(tmp_path: Path) -> None:
    refused(_serl(tmp_path, rewards=np.array([1.0, 2.0])), "A reward of a transition must be one value; found 2")


def test_a_long_task_in_any_script_is_kept_as_far_as_it_goes(tmp_path: Path) -> None:
    root = foreign.lerobot(tmp_path / "data")
    file = root / "meta/episodes/chunk-000/file-000.parquet"
    rows = pq.read_table(file).to_pylist()
    rows[0]["tasks"] = ["穴に入れる" * 200]
    pq.write_table(pa.Table.from_pylist(rows), file)
    report = _imported(root, tmp_path)
    assert "what a task says beyond its first 400 characters" in report.left_out
    assert json.loads(report.as_json())["invented"] == []
