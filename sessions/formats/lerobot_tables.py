"""The parquet files of a LeRobot dataset: where an episode's rows and videos are, and its rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robot.errors import StoreError
from sessions.formats.guard import MAX_EPISODES, inside, library, require, require_size
from sessions.formats.pictures import from_file

MAX_GROUP_BYTES = 2 << 30
"""Of the rows that a parquet file keeps together, unpacked."""

VALUE_BYTES = 8
_PLACE = re.compile(r"\{(chunk_index|file_index|video_key)(?::0?(\d)d)?\}")


@dataclass(frozen=True)
class Place:
    """One episode's entry: its files, rows [start, stop) of the dataset, and its task."""

    index: int
    length: int
    start: int
    chunk: int
    file: int
    task: str
    raw: dict[str, Any]


def filled(template: str, root: Path, chunk: int, file: int, video: str = "") -> Path:
    """Return the file that a path template of meta/info.json means.

    Raises:
        StoreError: the template has other fields than the format's, or leads out of the folder.
    """
    values: dict[str, Any] = {"chunk_index": chunk, "file_index": file, "video_key": video}

    def one(match: re.Match[str]) -> str:
        value = values[match[1]]
        return f"{int(value):0{int(match[2])}d}" if match[2] else str(value)

    path = _PLACE.sub(one, template)
    require("{" not in path and "}" not in path, f"{root} has the path {template!r}; it is no template of version 3.")
    return inside(root, path)


class Episodes:
    """The table of episodes, meta/episodes/*/*.parquet."""

    def __init__(self, root: Path) -> None:
        self._root = root
        parquet = library("pyarrow.parquet")
        files = sorted((root / "meta/episodes").glob("*/*.parquet"))
        require(bool(files), f"{root} has no meta/episodes/*/*.parquet; the dataset is incomplete, copy it again.")
        rows: list[dict[str, Any]] = []
        for path in files:
            with parquet.ParquetFile(inside(root, str(path.relative_to(root)))) as file:
                require(len(rows) + file.metadata.num_rows <= MAX_EPISODES, f"{root} has too many episodes.")
                names = [n for n in file.schema_arrow.names if not n.startswith("stats/")]
                rows += file.read(columns=names).to_pylist()
        self._places = [self._place(row) for row in sorted(rows, key=lambda row: int(row["episode_index"]))]
        for number, place in enumerate(self._places):
            before = self._places[number - 1] if number else None
            fits = place.index == number and place.start == (before.start + before.length if before else 0)
            require(fits and place.length > 0, f"{root}: the entry of episode {number} does not follow the one before.")

    def _place(self, row: dict[str, Any]) -> Place:
        start, stop = int(row["dataset_from_index"]), int(row["dataset_to_index"])
        length = int(row["length"])
        index = int(row["episode_index"])
        require(stop - start == length, f"{self._root}: episode {index} has {length} steps but rows {start} to {stop}.")
        tasks = row.get("tasks")
        task = "; ".join(map(str, tasks)) if isinstance(tasks, list) else str(tasks or "")
        return Place(index, length, start, int(row["data/chunk_index"]), int(row["data/file_index"]), task, row)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Place:
        return self._places[index]

    def video(self, place: Place, name: str, template: str) -> tuple[Path, float]:
        """Return the file of an episode's video and where it begins in it [s]."""
        chunk, file = int(place.raw[f"videos/{name}/chunk_index"]), int(place.raw[f"videos/{name}/file_index"])
        require("/" not in name and ".." not in name, f"{self._root}: {name!r} is no name of a video.")
        return filled(template, self._root, chunk, file, name), float(place.raw[f"videos/{name}/from_timestamp"])


class Rows:
    """The data files; of each, only the groups of rows that an episode touches are read."""

    def __init__(self, root: Path, template: str) -> None:
        self._root, self._template = root, template
        self._path: Path | None = None
        self._file: Any = None
        self._group: tuple[int, tuple[str, ...], Any] = (-1, (), None)
        self._parquet, self._arrow = library("pyarrow.parquet"), library("pyarrow")
        self._compute = library("pyarrow.compute")

    def episode(self, place: Place, names: list[str], features: dict[str, Any]) -> dict[str, NDArray[Any]]:
        """Return the columns `names` (T, ...) of an episode.

        Args:
            features: shape and dtype by name.

        Raises:
            StoreError: columns, rows or values are missing, or of other types than the features say.
        """
        path = filled(self._template, self._root, place.chunk, place.file)
        if path != self._path:
            self._path, self._file = path, self._parquet.ParquetFile(path)
            self._group = (-1, (), None)
        missing = [name for name in (*names, "episode_index") if name not in self._file.schema_arrow.names]
        require(not missing, f"{path} has no column {', '.join(missing)}, which meta/info.json names.")
        table = self._find(place, (*names, "episode_index"))
        require(
            table.num_rows == place.length,
            f"{path} must have {place.length} rows of episode {place.index}; found {table.num_rows}. Copy it again.",
        )
        where = f"episode {place.index} in {path}"
        return {name: self._values(table.column(name), features[name], f"{name} of {where}") for name in names}

    def _find(self, place: Place, names: tuple[str, ...]) -> Any:
        parts = []
        for group in range(self._file.metadata.num_row_groups):
            span = self._span(group)
            if span is not None and not span[0] <= place.index <= span[1]:
                continue
            table = self._read(group, names)
            is_ours = np.asarray(table.column("episode_index")) == place.index
            if np.any(is_ours):
                first, count = int(np.argmax(is_ours)), int(np.count_nonzero(is_ours))
                together = bool(np.all(is_ours[first : first + count]))
                require(together, f"{self._path}: the rows of episode {place.index} do not lie together.")
                parts.append(table.slice(first, count))
        if not parts:
            raise StoreError(f"{self._path} has no rows of episode {place.index}; the dataset is incomplete.")
        return self._arrow.concat_tables(parts)

    def _span(self, group: int) -> tuple[int, int] | None:
        """Return the first and last episode of a group of rows, where the file says so."""
        metadata = self._file.metadata.row_group(group)
        for number in range(metadata.num_columns):
            column = metadata.column(number)
            if column.path_in_schema == "episode_index" and column.is_stats_set and column.statistics.has_min_max:
                return int(column.statistics.min), int(column.statistics.max)
        return None

    def _read(self, group: int, names: tuple[str, ...]) -> Any:
        if self._group[:2] != (group, names):
            rows = self._file.metadata.row_group(group)
            # what the file says that it unpacks to is before its own run-length encoding, which knows no bound
            values = sum(rows.column(number).num_values for number in range(rows.num_columns))
            size = max(rows.total_byte_size, VALUE_BYTES * values)
            require_size(f"A group of rows of {self._path}", size, MAX_GROUP_BYTES)
            self._group = (group, names, self._file.read_row_group(group, columns=list(names)))
        return self._group[2]

    def _values(self, column: Any, feature: Any, where: str) -> NDArray[Any]:
        array = column.combine_chunks()
        if hasattr(array, "num_chunks"):
            array = self._arrow.concat_arrays(array.chunks) if array.num_chunks != 1 else array.chunk(0)
        if hasattr(array, "storage"):
            array = array.storage
        length = len(array)
        require(array.null_count == 0, f"{where} has rows without a value; mend or drop the episode.")
        if feature.is_picture:
            return _pictures(array, feature.shape, where)
        depth = 0
        while self._arrow.types.is_nested(array.type) and hasattr(array, "flatten"):
            wanted = feature.shape[depth] if depth < len(feature.shape) else 1
            lengths = np.asarray(self._compute.list_value_length(array))
            require(array.null_count == 0, f"{where} has rows without a value; mend or drop the episode.")
            require(depth < 6 and bool(np.all(lengths == wanted)), f"{where} must have {wanted} values each.")
            array, depth = array.flatten(), depth + 1
        values: NDArray[Any] = np.asarray(array.to_numpy(zero_copy_only=False))
        require(values.dtype.kind in "fiub", f"{where} must be {feature.dtype}; found {values.dtype}.")
        wanted = length * int(np.prod(feature.shape, dtype=np.int64))
        require(values.size == wanted, f"{where} must have {wanted} numbers; found {values.size}.")
        require(values.dtype == np.dtype(feature.dtype), f"{where} must be {feature.dtype}; found {values.dtype}.")
        return values.reshape(length, *feature.shape)


def _pictures(array: Any, shape: tuple[int, ...], where: str) -> NDArray[np.uint8]:
    out = np.empty((len(array), *shape), np.uint8)
    for number in range(len(array)):
        data = array[number].as_py()
        inner = data.get("bytes") if isinstance(data, dict) else data
        if not isinstance(inner, bytes):
            raise StoreError(f"{where} has no picture in step {number}, only the name of a file; embed the pictures.")
        out[number] = from_file(inner, shape, f"{where}, step {number}")
    return out
