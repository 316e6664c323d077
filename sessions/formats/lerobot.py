"""LeRobotDataset v3: parquet files with many episodes each, and mp4 or PNG images; import."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robot.errors import StoreError
from robot.specs import ArraySpec, RobotSpec
from robot.types import Source
from sessions.formats.draft import Draft, Plan, absent
from sessions.formats.ends import Endings
from sessions.formats.guard import MAX_SIDE, inside, read_json, require, require_size
from sessions.formats.keys import Names, axes
from sessions.formats.lerobot_carry import EXTRA, FILE, own_plan
from sessions.formats.lerobot_tables import Episodes, Rows
from sessions.formats.lerobot_video import frames
from sessions.formats.options import ImportOptions
from sessions.formats.report import Mapped

INFO = "meta/info.json"
INDEX = ("timestamp", "frame_index", "episode_index", "index", "task_index")
"""Columns that every dataset has and a store does not need: they follow from the order of the rows."""

MAX_TASK = 400
"""Characters of a task that an episode keeps."""

ENDING = ("next.reward", "next.done", "next.success")
CONVERT = "python -m lerobot.scripts.convert_dataset_v21_to_v30 --repo-id=..."
EXTRAS = tuple(name for name in absent(Source.UNKNOWN) if name not in ("reward", "stream_stamps_ns"))
"""Arrays of a step that an export of nudge adds and that have the same shape in any store."""

STREAMS = EXTRA + "stream_stamps_ns"
_TYPES = re.compile(r"bool|float(32|64)|u?int(8|16|32|64)")


def matches(path: Path) -> bool:
    """Tell whether `path` is a folder with meta/info.json."""
    return (path / INFO).is_file()


@contextmanager
def opened(path: Path, options: ImportOptions) -> Iterator[Plan]:
    """Open a dataset of version 3.

    Raises:
        StoreError: of another version; the text says how to convert an older one.
    """
    info = read_json(inside(path, INFO))
    version = str(info.get("codebase_version", "")).removeprefix("v")
    if version.startswith(("1.", "2.")):
        raise StoreError(f"{path} is of LeRobot's version {version}; convert it to 3.0 first: {CONVERT}")
    require(version.startswith("3."), f"{path} is of LeRobot's version {version or '?'}; 3.0 is read. Update nudge.")
    if (path / FILE).exists():
        yield own_plan(path, info)
    else:
        yield _Dataset(path, info, options).plan()


class Feature:
    """One entry of meta/info.json's features.

    Attributes:
        is_video, is_image: how pictures are kept.
        shape, dtype: of a row in the store; pictures are uint8 (H, W, 3).
        names: of the components; () where it does not say.
    """

    def __init__(self, name: str, raw: Any, where: Path) -> None:
        self.name, self.dtype = name, str(raw["dtype"])
        self.shape = tuple(int(n) for n in raw["shape"])
        self.is_video, self.is_image = self.dtype == "video", self.dtype == "image"
        self.is_picture = self.is_video or self.is_image
        self.names = _names(raw.get("names"))
        details = {**(raw.get("info") or {}), **(raw.get("video_info") or {})}
        is_depth = bool(details.get("is_depth_map") or details.get("video.is_depth_map"))
        if self.is_picture:
            require(len(self.shape) == 3, f"{where}: the pictures {name!r} have the shape {self.shape}; 3 are needed.")
            if self.shape[0] in (1, 3) and self.shape[2] not in (1, 3):
                self.shape = (self.shape[1], self.shape[2], self.shape[0])
            self.dtype = "uint8"
        elif self.shape == (1,):
            self.shape = ()
        self.is_read = not is_depth and (self.shape[2] == 3 if self.is_picture else bool(_TYPES.fullmatch(self.dtype)))
        if self.is_picture:
            require(max(self.shape) <= MAX_SIDE, f"{where}: the pictures {name!r} are {self.shape}; too large.")


def _names(raw: Any) -> tuple[str, ...]:
    while isinstance(raw, dict) and raw:
        raw = next(iter(raw.values()))
    return tuple(str(name) for name in raw) if isinstance(raw, list) else ()


class _Dataset:
    """A dataset that nudge did not write."""

    def __init__(self, path: Path, info: Any, options: ImportOptions) -> None:
        self._path, self._info, self._options = path, info, options
        self._rows, self._episodes = Rows(path, str(info["data_path"])), Episodes(path)
        every = {str(name): Feature(str(name), raw, path) for name, raw in info["features"].items()}
        require("action" in every, f"{path} has no feature 'action'; it has {', '.join(every)}.")
        self._all = every
        # of an export of nudge that another tool has changed since, so that FILE is gone
        self._extras = {EXTRA + n: n for n in EXTRAS if EXTRA + n in every}
        inner = {n: f for n, f in every.items() if n not in (*INDEX, *ENDING, *self._extras, STREAMS, "action")}
        names = Names()
        self._keys = {
            n: names.give(re.sub(r"^observation\.(images?\.)?", "", n), f.is_picture)
            for n, f in inner.items()
            if f.is_read
        }
        self._unread = [f"{n} ({f.dtype})" for n, f in inner.items() if not f.is_read]
        self._unread += [f"{STREAMS} (their order is not known any more)"] * (STREAMS in every)

    def plan(self) -> Plan:
        action = self._all["action"]
        size = int(np.prod(action.shape))
        names = axes(size, str(self._path))
        names = action.names if len(set(action.names)) == size else names
        fps = float(self._info["fps"])
        require(
            fps > 0 or self._options.period_s is not None, f"{self._path} has {fps} frames a second; give --period."
        )
        keys = {key: ArraySpec(self._all[n].shape, self._all[n].dtype) for n, key in self._keys.items()}
        name = self._options.name or str(self._info.get("robot_type") or self._path.name)
        spec = RobotSpec(name, keys, names, (1.0,) * size, self._options.period_s or 1.0 / fps)
        mapped = [
            Mapped(n, key, f"{keys[key].dtype}{list(keys[key].shape)}", "mp4: lossy" * self._all[n].is_video)
            for n, key in self._keys.items()
        ]
        remark = "" if action.dtype == "float32" else f"{action.dtype} rounded to float32"
        mapped.append(Mapped("action", "action", f"float32[{size}]", remark))
        mapped += [Mapped(n, name, "") for n, name in self._extras.items()]
        mapped += [Mapped("next.reward", "reward", "float32[]")] * ("next.reward" in self._all)
        missing = ["stamps (timestamps of the format are nominal)", "requested actions", "who commanded", "seeds"]
        missing += ["what followed each last step", "units and frames"]
        missing += ["rewards"] * ("next.reward" not in self._all)
        notes: list[str] = []
        endings = Endings(notes)
        left_out = [*self._unread, "statistics", "timestamp, frame_index, index (they follow from the order)"]
        if any(len(self._episodes[index].task) > MAX_TASK for index in range(len(self._episodes))):
            left_out.append(f"what a task says beyond its first {MAX_TASK} characters")
        read = lambda index: self._read(index, endings)  # noqa: E731
        return Plan(spec, len(self._episodes), read, tuple(mapped), tuple(missing), tuple(left_out), {}, notes)

    def _read(self, index: int, endings: Endings) -> Draft:
        episode = self._episodes[index]
        where = f"episode {index} of {self._path}"
        wanted = [
            n for n in (*self._keys, *self._extras, "action", *ENDING) if n in self._all and not self._all[n].is_video
        ]
        row_bytes = sum(int(np.prod(f.shape, dtype=np.int64)) * np.dtype(f.dtype).itemsize for f in self._read_features)
        require_size(where, episode.length * row_bytes)
        order = ["frame_index"] if "frame_index" in self._all else []
        table = self._rows.episode(episode, [*wanted, *order], {n: self._all[n] for n in (*wanted, *order)})
        require(
            not order or np.array_equal(table["frame_index"], np.arange(episode.length)),
            f"{where} must have its rows in the order of frame_index; sort them, or copy the dataset again.",
        )
        columns = {key: table[n] for n, key in self._keys.items() if not self._all[n].is_video}
        columns |= {name: table[n] for n, name in self._extras.items()}
        length = episode.length
        columns["action"] = table["action"].reshape(length, -1)
        if "next.reward" in table:
            columns["reward"] = table["next.reward"].reshape(length).astype(np.float32)
        for n, key in self._keys.items():
            if self._all[n].is_video:
                columns[key] = self._video(episode, n, where)
        reward = float(columns["reward"][-1]) if "reward" in columns else None
        done = bool(table["next.done"].reshape(length)[-1]) if "next.done" in table else None
        success = bool(table["next.success"].reshape(length)[-1]) if "next.success" in table else None
        end = endings.end(done, reward, success)
        return Draft(where, columns, end, None, {"task": episode.task[:MAX_TASK], "lerobot_episode": index})

    @property
    def _read_features(self) -> list[Feature]:
        return [self._all[n] for n in (*self._keys, *self._extras, "action")]

    def _video(self, episode: Any, name: str, where: str) -> NDArray[np.uint8]:
        file, start_s = self._episodes.video(episode, name, str(self._info.get("video_path")))
        shape = self._all[name].shape
        return frames(file, start_s, episode.length, float(self._info["fps"]), shape, f"{name} of {where}")
