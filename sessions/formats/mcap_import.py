"""ROS 2 MCAP bags: import of nudge's own exports, of its raw logs, and of foreign bags by a mapping of topics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from robot.errors import StoreError
from robot.specs import ArraySpec, RobotSpec
from robot.store.schema import Schema
from sessions.formats import carry, cdr
from sessions.formats.draft import Draft, Plan
from sessions.formats.guard import MAX_EPISODES, require, require_size
from sessions.formats.mcap_export import EPISODE, HEADER
from sessions.formats.mcap_messages import Sample, messages, metadata
from sessions.formats.mcap_ticks import foreign_plan
from sessions.formats.options import ImportOptions
from sessions.formats.report import Mapped

_MAGIC = b"\x89MCAP0\r\n"


def matches(path: Path) -> bool:
    """Tell whether `path` begins like an MCAP file or is called so."""
    if path.is_dir():
        return False
    with path.open("rb") as file:
        return path.suffix == ".mcap" or file.read(8) == _MAGIC


@contextmanager
def opened(path: Path, options: ImportOptions) -> Iterator[Plan]:
    """Open a bag: nudge's own export as the same store, another one by `options.topics` at `options.period_s`."""
    require(path.is_file(), f"{path} must be one .mcap file; name the file in the folder of the bag.")
    own = metadata(path, HEADER)
    yield foreign_plan(path, options) if own is None else _own_plan(path, own)


def _own_plan(path: Path, about: dict[str, str]) -> Plan:
    header = carry.parse_header(about.get("header", ""), str(path))
    count = int(about.get("episodes", "0"))
    require(0 < count <= MAX_EPISODES, f"{path} says that it has {count} episodes; that cannot be.")
    episodes = _own_episodes(path, header)

    def read(index: int) -> Draft:
        draft = next(episodes, None)
        if draft is None:
            raise StoreError(f"{path} must have {count} episodes; found {index}. Copy it again.")
        if index == count - 1:
            require(next(episodes, None) is None, f"{path} must have {count} episodes; found more.")
        return draft

    mapped = [Mapped(topic, key, "") for key, topic in header.names.items()]
    mapped += [Mapped("/action", "action", ""), Mapped("/reward", "reward", ""), Mapped("/nudge/*", "all others", "")]
    return Plan(header.spec, count, read, tuple(mapped), attributes=header.attributes)


def _own_episodes(path: Path, header: carry.Header) -> Iterator[Draft]:
    spec = header.spec
    data = Schema(spec).data
    arrays = {topic: (key, data[key].array) for key, topic in header.names.items()}
    steps = {name for name in data if name not in spec.observation}
    arrays |= {f"/nudge/{name}": (name, data[name].array) for name in steps - {"action", "reward"}}
    arrays |= {f"/{name}": (name, data[name].array) for name in ("action", "reward")}
    found: dict[str, list[Any]] = {}
    number, size = 0, 0
    for sample in messages(path):
        where = f"episode {number} of {path}"
        if sample.topic == EPISODE:
            event = json.loads(cdr.unpack_text(sample.data))
            if event["event"] == "end":
                yield _own_draft(where, found, spec, json.dumps(event["episode"]))
                number += 1
            found, size = {}, 0
        elif sample.topic in arrays:
            name, array = arrays[sample.topic]
            size += len(sample.data)
            require_size(where, size)
            found.setdefault(name, []).append(_value(sample, array, f"{sample.topic} in {where}"))
    require(not found, f"{path} ends within an episode; it is incomplete, copy it again.")


def _value(sample: Sample, array: ArraySpec, where: str) -> Any:
    try:
        if sample.type == cdr.IMAGE:
            return cdr.unpack_image(sample.data)
        dtype = "uint8" if array.dtype == "bool" else array.dtype
        return cdr.unpack_array(sample.data, dtype, array.shape).astype(array.dtype, copy=False)
    except StoreError as error:
        raise StoreError(f"{where}: {error}; it is damaged or was not written by nudge.") from error


def _own_draft(where: str, found: dict[str, list[Any]], spec: RobotSpec, text: str) -> Draft:
    length = len(found.get("action", []))
    require(length > 0, f"{where} has no action; it is damaged.")
    names = {*spec.observation, *(name for name in found if name not in spec.observation)}
    has_final = all(len(found.get(key, [])) == length + 1 for key in spec.observation)
    columns, final = {}, {}
    for name in names:
        values = found.get(name, [])
        if name in spec.observation and has_final:
            final[name] = values.pop()
        require(len(values) == length, f"{where} must have {length} messages of {name}; found {len(values)}.")
        columns[name] = np.stack(values)
    return carry.draft(where, text, columns, final if has_final else None)
