"""LeRobotDataset v3; export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robot.specs import ArraySpec
from robot.store.edit import Whole
from sessions.formats import carry
from sessions.formats.guard import library
from sessions.formats.lerobot_carry import EXTRA, FILE, IMAGES, STATE, names, state_keys
from sessions.formats.lerobot_stats import Statistics
from sessions.formats.lerobot_video import CODEC, PIXELS, decibels, encode, frames
from sessions.formats.outgoing import Export
from sessions.formats.pictures import to_png

VERSION = "v3.0"
FILES_IN_CHUNK = 1000
DATA_FILE_BYTES = 100 << 20
"""Begin a new parquet file beyond this."""

DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
_INDEX = {"frame_index": "int64", "episode_index": "int64", "index": "int64", "task_index": "int64"}


def write(export: Export) -> None:
    """Write a store as a dataset: exact images in the parquet files, or one mp4 file an episode and camera."""
    _Dataset(export).write()


class _Dataset:
    def __init__(self, export: Export) -> None:
        self._export, self._spec, self._root = export, export.spec, export.out
        self._arrow, self._parquet = library("pyarrow"), library("pyarrow.parquet")
        self._names, self._states = names(export.spec), state_keys(export.spec)
        self._has_videos = export.options.images == "video" and bool(export.spec.image_keys)
        self._task = export.options.task or export.spec.name
        self._fps = _rate(export.spec.period_s)
        self._features = self._all_features()
        self._statistics = Statistics()
        self._worst_db = float("inf")
        self._data: Any = None
        self._chunk, self._file = 0, -1

    def write(self) -> None:
        (self._root / EPISODES).parent.mkdir(parents=True)
        own = self._own_writer()
        entries: list[dict[str, Any]] = []
        try:
            for index, whole in self._export.episodes():
                entries.append(self._episode(index, whole))
                own.write_table(self._arrow.Table.from_pylist([self._own_row(whole)], schema=own.schema))
        finally:
            own.close()
            if self._data is not None:
                self._data.close()
        self._parquet.write_table(self._arrow.Table.from_pylist(entries), self._root / EPISODES, compression="snappy")
        self._write_tasks()
        _write_json(self._root / "meta/stats.json", self._statistics.all())
        self._write_info(entries)
        self._tell()

    def _all_features(self) -> dict[str, dict[str, Any]]:
        spec = self._spec
        found: dict[str, dict[str, Any]] = {}
        if self._states:
            parts = [(key, i) for key in self._states for i in range(spec.observation[key].shape[0])]
            found[STATE] = {"dtype": "float32", "shape": [len(parts)], "names": [f"{key}.{i}" for key, i in parts]}
        for key, name in self._names.items():
            array = spec.observation[key]
            if key in spec.image_keys:
                found[name] = {"dtype": "image", "shape": list(array.shape), "names": ["height", "width", "channels"]}
                if self._has_videos:
                    found[name] |= {"dtype": "video", "info": self._video_info(array)}
            elif key not in self._states:
                found[name] = _feature(array)
        found["action"] = {"dtype": "float32", "shape": [spec.action_size], "names": list(spec.action_axes)}
        found["next.reward"], found["next.done"] = _feature(ArraySpec((), "float32")), _feature(ArraySpec((), "bool"))
        found["next.success"] = _feature(ArraySpec((), "bool"))
        data = self._export.tables.schema.data
        found |= {EXTRA + name: _feature(data[name].array) for name in carry.extras(self._export.tables)}
        found["timestamp"] = _feature(ArraySpec((), "float32"))
        return found | {name: _feature(ArraySpec((), dtype)) for name, dtype in _INDEX.items()}

    def _video_info(self, array: ArraySpec) -> dict[str, Any]:
        height, width = array.shape[:2]
        sizes = {"video.height": height, "video.width": width, "video.channels": 3, "video.fps": self._fps}
        kind = {"video.codec": "h264", "video.pix_fmt": PIXELS, "is_depth_map": False, "has_audio": False}
        return sizes | kind

    def _columns(self, index: int, whole: Whole) -> dict[str, NDArray[Any]]:
        steps, length = whole.steps, len(whole.steps)
        start = int(self._export.ends[index]) - length
        found: dict[str, NDArray[Any]] = {}
        if self._states:
            found[STATE] = np.concatenate([steps[key] for key in self._states], axis=1)
        found |= {name: steps[key] for key, name in self._names.items() if key not in self._states}
        found |= {"action": steps["action"], "next.reward": steps["reward"]}
        found |= {"next.done": steps["is_terminated"], "next.success": steps["is_success"]}
        found |= {EXTRA + name: steps[name] for name in carry.extras(self._export.tables)}
        frame = np.arange(length)
        found |= {"timestamp": (frame / self._fps).astype(np.float32), "frame_index": frame, "index": start + frame}
        return found | {"episode_index": np.full(length, index), "task_index": np.zeros(length, np.int64)}

    def _episode(self, index: int, whole: Whole) -> dict[str, Any]:
        length, stop = len(whole.steps), int(self._export.ends[index])
        columns = self._columns(index, whole)
        entry: dict[str, Any] = {"episode_index": index, "tasks": [self._task], "length": length}
        videos = self._write_videos(index, columns) if self._has_videos else {}
        self._write_rows(columns)
        entry |= {"data/chunk_index": self._chunk, "data/file_index": self._file}
        entry |= {"dataset_from_index": stop - length, "dataset_to_index": stop, **videos}
        entry |= {"meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0}
        for name, values in columns.items():
            if name.startswith(("observation.", "action", *_INDEX, "timestamp")):
                own = self._statistics.add(name, values, name.startswith(IMAGES))
                entry |= {f"stats/{name}/{kind}": value for kind, value in own.items()}
        return entry

    def _write_rows(self, columns: dict[str, NDArray[Any]]) -> None:
        arrays, fields = [], []
        for name, feature in self._features.items():
            if feature["dtype"] != "video":
                arrays.append(self._array(columns[name], feature))
                fields.append(self._arrow.field(name, arrays[-1].type))
        schema = self._arrow.schema(fields, {b"huggingface": json.dumps(_hugging_face(self._features)).encode()})
        path = self._root / DATA.format(chunk_index=self._chunk, file_index=max(self._file, 0))
        if self._data is None or path.stat().st_size > DATA_FILE_BYTES:
            if self._data is not None:
                self._data.close()
            self._file += 1
            self._chunk, self._file = self._chunk + self._file // FILES_IN_CHUNK, self._file % FILES_IN_CHUNK
            path = self._root / DATA.format(chunk_index=self._chunk, file_index=self._file)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._data = self._parquet.ParquetWriter(path, schema, compression="snappy")
        self._data.write_table(self._arrow.Table.from_arrays(arrays, schema=schema), row_group_size=1 << 30)

    def _array(self, values: NDArray[Any], feature: dict[str, Any]) -> Any:
        pa = self._arrow
        if feature["dtype"] == "image":
            kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
            return pa.array(
                [{"bytes": to_png(image), "path": f"frame-{i:06d}.png"} for i, image in enumerate(values)], kind
            )
        array = pa.array(np.ascontiguousarray(values).reshape(-1))
        shape = feature["shape"]
        for size in reversed(shape if shape != [1] else []):
            is_vector = len(shape) == 1
            starts = pa.array(np.arange(0, len(array) + 1, size, dtype=np.int32))
            array = (
                pa.FixedSizeListArray.from_arrays(array, size) if is_vector else pa.ListArray.from_arrays(starts, array)
            )
        return array

    def _write_videos(self, index: int, columns: dict[str, NDArray[Any]]) -> dict[str, Any]:
        entry: dict[str, Any] = {}
        chunk, file = divmod(index, FILES_IN_CHUNK)
        for key in self._spec.image_keys:
            name = self._names[key]
            images = columns[name]
            path = self._root / VIDEO.format(video_key=name, chunk_index=chunk, file_index=file)
            encode(path, images, self._fps)
            decoded = frames(path, 0.0, len(images), self._fps, images.shape[1:], f"{key} of episode {index}")
            self._worst_db = min(self._worst_db, decibels(images, decoded))
            entry |= {f"videos/{name}/chunk_index": chunk, f"videos/{name}/file_index": file}
            entry |= {f"videos/{name}/from_timestamp": 0.0, f"videos/{name}/to_timestamp": len(images) / self._fps}
        return entry

    def _own_writer(self) -> Any:
        pa = self._arrow
        fields = [("episode", pa.string()), *((f"final/{key}", pa.binary()) for key in self._spec.observation)]
        text = self._export.header(self._names).as_json().encode()
        return self._parquet.ParquetWriter(self._root / FILE, pa.schema(fields, {b"nudge": text}))

    def _own_row(self, whole: Whole) -> dict[str, Any]:
        row: dict[str, Any] = {"episode": carry.episode_json(whole)}
        for key in self._spec.observation:
            value = None if whole.final is None else whole.final[key][0]
            is_image = key in self._spec.image_keys
            row[f"final/{key}"] = None if value is None else to_png(value) if is_image else value.tobytes()
        return row

    def _write_tasks(self) -> None:
        pa = self._arrow
        columns = [
            {
                "name": "task_index",
                "field_name": "task_index",
                "pandas_type": "int64",
                "numpy_type": "int64",
                "metadata": None,
            },
            {"name": "task", "field_name": "task", "pandas_type": "unicode", "numpy_type": "object", "metadata": None},
        ]
        index: dict[str, Any] = {
            "name": None,
            "field_name": None,
            "pandas_type": "unicode",
            "numpy_type": "object",
            "metadata": {},
        }
        about = {"index_columns": ["task"], "column_indexes": [index], "columns": columns, "pandas_version": "2.0.0"}
        schema = pa.schema([("task_index", pa.int64()), ("task", pa.string())], {b"pandas": json.dumps(about).encode()})
        table = pa.Table.from_pydict({"task_index": [0], "task": [self._task]}, schema=schema)
        self._parquet.write_table(table, self._root / "meta/tasks.parquet")

    def _write_info(self, entries: list[dict[str, Any]]) -> None:
        info = {
            "codebase_version": VERSION,
            "robot_type": self._spec.name,
            "total_episodes": len(entries),
            "total_frames": int(self._export.ends[-1]),
            "total_tasks": 1,
            "chunks_size": FILES_IN_CHUNK,
            "data_files_size_in_mb": DATA_FILE_BYTES >> 20,
            "video_files_size_in_mb": 200,
            "fps": self._fps,
            "splits": {"train": f"0:{len(entries)}"},
            "data_path": DATA,
            "video_path": VIDEO if self._has_videos else None,
            "features": self._features,
        }
        _write_json(self._root / "meta/info.json", info)

    def _tell(self) -> None:
        shown = {key: name.replace(":", " as ") for key, name in self._names.items()}
        self._export.map_all(shown, "action", "next.reward", EXTRA + "{}")
        export = self._export
        if self._has_videos:
            worst = f"{self._worst_db:.1f} dB" if np.isfinite(self._worst_db) else "none lost"
            export.left_out.append(f"pixels: {CODEC} loses some; worst episode and camera {worst} (PSNR)")
        if abs(1.0 / self._fps - self._spec.period_s) > 1e-9:
            export.left_out.append(f"the exact period {self._spec.period_s} s; timestamps follow {self._fps} fps")
        export.left_out.append(f"observations after the last action: in {FILE}, which LeRobot does not read")
        export.missing += [
            *([] if export.options.task else [f"a task in words: {self._task!r} is the robot's name"]),
            "quantiles in the statistics",
            "next.reward is NaN where nobody gave one",
        ]


def _feature(array: ArraySpec) -> dict[str, Any]:
    return {"dtype": array.dtype, "shape": list(array.shape) or [1], "names": None}


def _hugging_face(features: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return what Hugging Face's reader wants to know of the columns."""
    found: dict[str, Any] = {}
    for name, feature in features.items():
        dtype, shape = feature["dtype"], feature["shape"]
        if dtype == "image":
            found[name] = {"_type": "Image"}
        elif dtype != "video" and shape == [1]:
            found[name] = {"dtype": dtype, "_type": "Value"}
        elif dtype != "video" and len(shape) == 1:
            found[name] = {"feature": {"dtype": dtype, "_type": "Value"}, "length": shape[0], "_type": "List"}
        elif dtype != "video":
            found[name] = {"shape": shape, "dtype": dtype, "_type": f"Array{len(shape)}D"}
    return {"info": {"features": found}}


def _rate(period_s: float) -> int | float:
    rate = 1.0 / period_s
    return round(rate) if abs(rate - round(rate)) < 1e-6 else rate


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=4))
