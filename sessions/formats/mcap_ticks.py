"""A foreign bag, or a raw log of nudge, as episodes: at every tick the newest sample that is not later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robot.errors import StoreError, did_you_mean
from robot.specs import ArraySpec, RobotSpec
from robot.types import Source
from sessions.formats import cdr
from sessions.formats.draft import Draft, Plan
from sessions.formats.guard import require, require_size
from sessions.formats.keys import Names, axes, is_picture
from sessions.formats.mcap_messages import Sample, messages
from sessions.formats.mcap_values import STAMPED, TYPES, Decoder
from sessions.formats.options import ImportOptions
from sessions.formats.report import Mapped

ACTION = "action"
RAW_LOG = {
    "joint_states": "joint_positions",
    "joint_states#velocity": "joint_velocities",
    "current_pose": "tool_pose",
    "current_twist": "tool_twist",
    "external_wrench": "wrench",
    "tracker/socket_pose": "socket_pose",
    "policy/image": "images/",
}
"""Keys by the end of a topic, in the logs of nudge's own recorder; the executed action is in `EXECUTED`."""

EXECUTED, EVENT = "intervention", "episode/event"
MAX_MESSAGES = 50_000_000


class _Stream:
    """A mapped topic (with the part of the message that is taken, after a #) and the stamps of its samples."""

    def __init__(self, topic: str, key: str) -> None:
        self.topic, _, self.part = topic.partition("#")
        self.key = key
        self.type = ""
        self.stamps: list[int] = []
        self.order: NDArray[np.int64] = np.empty(0, np.int64)
        self.sorted: NDArray[np.int64] = np.empty(0, np.int64)
        self.sample: NDArray[Any] | None = None

    def sort(self) -> None:
        stamps = np.array(self.stamps, np.int64)
        self.order = np.argsort(stamps, kind="stable")
        self.sorted = stamps[self.order]

    def newest(self, ticks_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return (N,) which sample is the newest that is not later than each tick; -1 for none."""
        place = np.searchsorted(self.sorted, ticks_ns, side="right") - 1
        return np.where(place >= 0, self.order[np.maximum(place, 0)], -1)


def stamp_ns(sample: Sample) -> int:
    """Return when a sample was taken: its header's stamp, else when it was published."""
    stamp = cdr.header_stamp_ns(sample.data) if sample.type in STAMPED else 0
    return stamp or sample.publish_ns or sample.log_ns


def foreign_plan(path: Path, options: ImportOptions) -> Plan:
    """Plan the import of a bag that nudge did not export.

    Raises:
        StoreError: no period or mapping, an unknown topic, or a type that has no numbers to take.
    """
    types, spans = _survey(path)
    mapping = dict(options.topics) or _raw_mapping(types)
    if not mapping:
        known = ", ".join(f"{topic} ({kind})" for topic, kind in sorted(types.items()))
        raise StoreError(f"Say which topics of {path} become which keys (--topic TOPIC=KEY); it has {known}.")
    if options.period_s is None:
        raise StoreError(f"Say at which control period {path} is to be read (--period).")
    for topic in mapping:
        name = topic.partition("#")[0]
        if name not in types:
            raise StoreError(f"{path} has no topic {name!r}.{did_you_mean(name, types)}")
        if types[name] not in TYPES:
            raise StoreError(
                f"{name} in {path} is a {types[name]}, which has no place in a store; there: {', '.join(TYPES)}."
            )
    require(
        list(mapping.values()).count(ACTION) == 1, f"One topic of {path} must become {ACTION!r}: the executed action."
    )
    streams = [_Stream(topic, key) for topic, key in mapping.items()]
    return _Bag(path, streams, options, types, spans).plan()


def _survey(path: Path) -> tuple[dict[str, str], list[tuple[int, int]]]:
    """Return the type of every topic, and from when to when the episodes lasted where the bag says so."""
    types: dict[str, str] = {}
    spans: list[tuple[int, int]] = []
    begun = None
    for number, sample in enumerate(messages(path)):
        require(number < MAX_MESSAGES, f"{path} has more than {MAX_MESSAGES:,} messages; split it.")
        types[sample.topic] = sample.type
        if sample.topic.endswith(EVENT) and sample.type == cdr.TEXT:
            event = _event(sample.data)
            at_ns = int(event.get("stamp_ns") or sample.log_ns)
            if event.get("event") == "start":
                begun = at_ns
            elif event.get("event") in ("success", "end") and begun is not None:
                spans.append((begun, at_ns))
                begun = None
    return types, spans


def _event(data: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(cdr.unpack_text(data))
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _raw_mapping(types: Mapping[str, str]) -> dict[str, str]:
    """Return the mapping for a log of nudge's recorder; {} for another bag."""
    executed = [topic for topic in types if topic.endswith("/" + EXECUTED)]
    if len(executed) != 1:
        return {}
    mapping = {}
    for topic in types:
        for end, key in RAW_LOG.items():
            name, _, part = end.partition("#")
            if topic.endswith("/" + name):
                camera = topic.strip("/").split("/")[0] if key == "images/" else ""
                mapping[topic + (f"#{part}" if part else "")] = key + camera
    return mapping | {executed[0]: ACTION}


class _Bag:
    def __init__(
        self,
        path: Path,
        streams: list[_Stream],
        options: ImportOptions,
        types: dict[str, str],
        spans: list[tuple[int, int]],
    ) -> None:
        self._path, self._streams, self._options, self._types = path, streams, options, types
        self._decoder = Decoder()
        self._scan()
        (self._action,) = (stream for stream in streams if stream.key == ACTION)
        self._period_ns = round((options.period_s or 0.0) * 1e9)
        self._ticks = [ticks for span in self._spans(spans) if len(ticks := self._all_ticks(*span)) >= 1]
        require(
            bool(self._ticks),
            f"{path} has no moment at which all of {', '.join(s.topic for s in streams)} were there; map fewer topics.",
        )

    def _scan(self) -> None:
        by_topic: dict[str, list[_Stream]] = {}
        for stream in self._streams:
            by_topic.setdefault(stream.topic, []).append(stream)
        for sample in messages(self._path):
            for stream in by_topic.get(sample.topic, ()):
                stream.stamps.append(stamp_ns(sample))
                if stream.sample is None:
                    stream.type, stream.sample = sample.type, self._decode(stream, sample)
        names = Names()
        for stream in self._streams:
            require(stream.sample is not None, f"{self._path} has no message of {stream.topic}.")
            stream.sort()
            if stream.key != ACTION and stream.sample is not None:
                picture = is_picture(stream.sample.shape, stream.sample.dtype.name)
                stream.key = names.give(stream.key.removeprefix("images/") if picture else stream.key, picture)

    def _decode(self, stream: _Stream, sample: Sample) -> NDArray[Any]:
        return self._decoder.value(sample, stream.part, f"{sample.topic} in {self._path}")

    def _spans(self, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
        end = int(self._action.sorted[-1]) + 1
        return spans or [(0, end)]

    def _all_ticks(self, begin_ns: int, end_ns: int) -> NDArray[np.int64]:
        """Return the ticks of an episode: from when every stream has a sample, to the last action."""
        first = max(begin_ns, *(int(stream.sorted[0]) for stream in self._streams))
        if self._types[self._action.topic] == "sensor_msgs/msg/Joy" and self._action.topic.endswith("/" + EXECUTED):
            stamps = self._action.sorted
            return np.unique(stamps[(stamps >= first) & (stamps < end_ns)])  # the actor's own ticks
        last = min(end_ns, int(self._action.sorted[-1]) + 1)
        require(
            last - first < MAX_MESSAGES * self._period_ns, f"{self._path} lasts too long for this period; split it."
        )
        return np.arange(first, last, self._period_ns, dtype=np.int64)

    def plan(self) -> Plan:
        size = self._action.sample.size if self._action.sample is not None else 0
        keys, mapped = {}, []
        for stream in self._streams:
            if stream.sample is None:
                continue
            array = ArraySpec(stream.sample.shape, stream.sample.dtype.name)
            remark, is_action = "newest not later than the tick", stream is self._action
            if is_action:
                remark = "newest before the next tick"
                remark += f", {array.dtype} rounded to float32" * (array.dtype != "float32")
                array = ArraySpec((size,), "float32")
            mapped.append(
                Mapped(
                    stream.topic + f"#{stream.part}" * bool(stream.part),
                    stream.key,
                    f"{array.dtype}{list(array.shape)}",
                    remark,
                )
            )
            if not is_action:
                keys[stream.key] = array
        name = self._options.name or self._path.stem
        spec = RobotSpec(name, keys, axes(size, str(self._path)), (1.0,) * size, self._options.period_s or 0.0)
        taken = {stream.topic for stream in self._streams}
        left_out = [f"{topic} ({kind})" for topic, kind in sorted(self._types.items()) if topic not in taken]
        left_out.append("samples between the ticks")
        missing: tuple[str, ...] = ("requested actions", "rewards", "seeds", "units and frames")
        missing += ("who commanded (as the options say)",) * (not self._is_raw)
        missing += ("what followed each last step", "how each episode ended: stored as truncated")
        return Plan(spec, len(self._ticks), self._read, tuple(mapped), missing, tuple(left_out))

    def _read(self, index: int) -> Draft:
        ticks = self._ticks[index]
        where = f"episode {index} of {self._path}"
        rows: dict[int, NDArray[np.int64]] = {}
        columns: dict[str, NDArray[Any]] = {"stamp_ns": ticks}
        require_size(where, len(ticks) * sum(s.sample.nbytes for s in self._streams if s.sample is not None))
        stamps = np.full((len(ticks), len(self._streams) - 1), -1, np.int64)
        column = 0
        for number, stream in enumerate(self._streams):
            is_action = stream is self._action
            rows[number] = stream.newest(ticks + self._period_ns - 1 if is_action and not self._is_raw else ticks)
            sample = stream.sample
            if sample is None:
                continue
            columns[stream.key] = np.empty((len(ticks), *sample.shape), sample.dtype)
            if not is_action:
                stamps[:, column] = np.array(stream.stamps, np.int64)[rows[number]]
                column += 1
        self._fill(rows, columns, where)
        columns["stream_stamps_ns"] = stamps
        columns["action"] = columns["action"].reshape(len(ticks), -1)
        if self._is_raw:
            columns |= self._labels(rows[self._streams.index(self._action)])
        return Draft(where, columns)

    @property
    def _is_raw(self) -> bool:
        return not self._options.topics

    def _fill(self, rows: dict[int, NDArray[np.int64]], columns: dict[str, NDArray[Any]], where: str) -> None:
        wanted: dict[str, list[tuple[int, set[int]]]] = {}
        for number, stream in enumerate(self._streams):
            wanted.setdefault(stream.topic, []).append((number, set(rows[number].tolist())))
        counts: dict[str, int] = {}
        for sample in messages(self._path):
            if sample.topic not in wanted:
                continue
            count = counts.get(sample.topic, 0)
            counts[sample.topic] = count + 1
            for number, needed in wanted[sample.topic]:
                if count in needed:
                    stream = self._streams[number]
                    value, known = self._decode(stream, sample), columns[stream.key]
                    require(
                        value.shape == known.shape[1:] and value.dtype == known.dtype,
                        f"{stream.topic} in {where} must be {known.dtype}{list(known.shape[1:])} as at first; "
                        f"found {value.dtype}{list(value.shape)}.",
                    )
                    known[rows[number] == count] = value

    def _labels(self, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Return who commanded and what safety changed, as the mux of nudge says with every executed action."""
        needed, buttons, count = set(rows.tolist()), {}, 0
        for sample in messages(self._path):
            if sample.topic == self._action.topic:
                if count in needed:
                    buttons[count] = self._decoder.value(sample, "buttons", self._action.topic)
                count += 1
        require(
            all(len(b) == 2 and b[0] in list(Source) for b in buttons.values()), f"{self._action.topic} is not nudge's."
        )
        found = np.stack([buttons[int(row)] for row in rows])
        return {"source": found[:, 0].astype(np.uint8), "reasons": found[:, 1].astype(np.uint32)}
