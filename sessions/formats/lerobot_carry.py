"""What nudge adds to a LeRobot dataset that it writes, and the import of such a dataset as the same store again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from robot.specs import ArraySpec, RobotSpec
from robot.store.schema import Schema
from sessions.formats import carry
from sessions.formats.draft import Draft, Plan
from sessions.formats.guard import inside, library, require
from sessions.formats.lerobot_tables import Episodes, Rows
from sessions.formats.lerobot_video import frames
from sessions.formats.pictures import from_file
from sessions.formats.report import Mapped

FILE = "meta/nudge_episodes.parquet"
"""One row an episode: what else is known of it, and the observation after its last action."""

STATE, IMAGES, EXTRA = "observation.state", "observation.images.", "nudge."


def state_keys(spec: RobotSpec) -> tuple[str, ...]:
    """Return the keys that go into observation.state: vectors of float32, in the spec's order."""
    return tuple(
        k for k in spec.seen_keys if spec.observation[k].dtype == "float32" and len(spec.observation[k].shape) == 1
    )


def names(spec: RobotSpec) -> dict[str, str]:
    """Return the feature of every key; those of `state_keys` share one, and are told apart by their order."""
    found = {}
    for key in spec.observation:
        plain = key.removeprefix("images/").replace("/", ".")
        if key in spec.image_keys:
            found[key] = IMAGES + plain
        else:
            found[key] = f"{STATE}:{key}" if key in state_keys(spec) else f"observation.{plain}"
    return found


class Column:
    """Shape and type of a column, as `Rows` needs them."""

    def __init__(self, array: ArraySpec, is_picture: bool = False) -> None:
        self.shape, self.dtype, self.is_picture = array.shape, array.dtype, is_picture


def own_plan(path: Path, info: Any) -> Plan:
    """Plan the import of a dataset that nudge exported."""
    parquet = library("pyarrow.parquet")
    with parquet.ParquetFile(inside(path, FILE)) as file:
        header = carry.parse_header((file.schema_arrow.metadata or {}).get(b"nudge", b""), str(path / FILE))
        rows = file.num_row_groups
    spec, features = header.spec, info["features"]
    episodes, data = Episodes(path), Rows(path, str(info["data_path"]))
    require(rows == len(episodes), f"{path} was edited since nudge exported it; remove {FILE} to import the rest.")
    states = state_keys(spec)
    width = sum(spec.observation[key].shape[0] for key in states)
    columns = {n: Column(spec.observation[k]) for k, n in header.names.items() if k not in states}
    columns |= {header.names[k]: Column(spec.observation[k], True) for k in spec.image_keys}
    columns |= {STATE: Column(ArraySpec((width,), "float32"))} if states else {}
    schema = Schema(spec).data
    columns |= {"action": Column(schema["action"].array), "next.reward": Column(schema["reward"].array)}
    extras = [name for name in schema if EXTRA + name in features]
    columns |= {EXTRA + name: Column(schema[name].array) for name in extras}
    videos = {k: header.names[k] for k in spec.image_keys if features[header.names[k]]["dtype"] == "video"}
    wanted = [name for name in columns if name not in videos.values()]

    def read(index: int) -> Draft:
        place = episodes[index]
        where = f"episode {index} of {path}"
        table = data.episode(place, wanted, columns)
        found = {"action": table["action"], "reward": table["next.reward"]}
        found |= {name: table[EXTRA + name] for name in extras}
        start = 0
        for key, array in spec.observation.items():
            if key in states:
                found[key] = table[STATE][:, start : start + array.shape[0]]
                start += array.shape[0]
            elif key in videos:
                video, start_s = episodes.video(place, videos[key], str(info["video_path"]))
                found[key] = frames(video, start_s, place.length, float(info["fps"]), array.shape, f"{key} of {where}")
            else:
                found[key] = table[header.names[key]]
        with parquet.ParquetFile(inside(path, FILE)) as file:
            row = file.read_row_group(index).to_pylist()[0]
        return carry.draft(where, row["episode"], found, _final(row, spec, where))

    remark = "mp4: lossy"
    mapped = [Mapped(name, key, "", remark if key in videos else "") for key, name in header.names.items()]
    mapped += [Mapped("action", "action", ""), Mapped("next.reward", "reward", "")]
    mapped += [Mapped(EXTRA + name, name, "") for name in extras]
    return Plan(spec, len(episodes), read, tuple(mapped), attributes=header.attributes)


def _final(row: dict[str, Any], spec: RobotSpec, where: str) -> dict[str, Any] | None:
    if any(row[f"final/{key}"] is None for key in spec.observation):
        return None
    final = {}
    for key, array in spec.observation.items():
        data = row[f"final/{key}"]
        if key in spec.image_keys:
            final[key] = from_file(data, array.shape, f"the last {key} of {where}")
        else:
            wanted = int(np.prod(array.shape, dtype=np.int64)) * np.dtype(array.dtype).itemsize
            require(len(data) == wanted, f"The last {key} of {where} must have {wanted} bytes; found {len(data)}.")
            final[key] = np.frombuffer(data, array.dtype).reshape(array.shape)
    return final
