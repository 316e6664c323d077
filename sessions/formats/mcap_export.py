"""ROS 2 MCAP bags: export, one topic a stream, standard messages, the store's stamps."""

from __future__ import annotations

from typing import Any

from mcap.writer import CompressionType, Writer

from robot.nodes.schemas import definition
from robot.store.edit import Whole
from robot.store.schema import NO_STAMP
from sessions.formats import carry, cdr
from sessions.formats.outgoing import Export

HEADER = "nudge"
"""Name of the metadata record with the store's description."""

EPISODE = "/nudge/episode"
"""JSON texts: {"event": "begin"} and {"event": "end", "episode": what else is known of it}."""


def topics(names: tuple[str, ...], prefix: str) -> dict[str, str]:
    """Return the topic of every name."""
    return {name: f"{prefix}{name}".replace(".", "_").replace("-", "_") for name in names}


def key_topics(keys: tuple[str, ...]) -> dict[str, str]:
    """Return the topic of every observation key, each another."""
    found: dict[str, str] = {}
    for key in keys:
        name = topics((key,), "/" if key.startswith("images/") else "/observation/")[key]
        while name in found.values():
            name += "_"
        found[key] = name
    return found


def write(export: Export) -> None:
    """Write a store as a bag."""
    _Bag(export).write()


class _Bag:
    def __init__(self, export: Export) -> None:
        self._export, self._spec = export, export.spec
        self._keys = key_topics(tuple(self._spec.observation))
        self._data = export.tables.schema.data
        own = ("action", "reward", *carry.extras(export.tables))
        self._steps = topics(own, "/nudge/") | {"action": "/action", "reward": "/reward"}
        self._channels: dict[str, int] = {}
        self._schemas: dict[str, int] = {}
        self._counts: dict[int, int] = {}
        self._writer: Any = None
        self._last_ns = 0
        self._is_nominal = False

    def write(self) -> None:
        with self._export.out.open("xb") as file:
            self._writer = _writer(file)
            self._writer.start(profile="ros2")
            about = {"header": self._export.header(self._keys).as_json(), "episodes": str(len(self._export.ends))}
            self._writer.add_metadata(HEADER, about)
            for _, whole in self._export.episodes():
                self._episode(whole)
            self._writer.finish()
        self._export.map_all(self._keys, "/action", "/reward", "/nudge/{}")
        if self._is_nominal:
            self._export.missing.append(
                "stamps of some steps: a bag must have times, so theirs follow one another at the control period; "
                "/nudge/stamp_ns says which are not known"
            )

    def _episode(self, whole: Whole) -> None:
        period_ns = round(self._spec.period_s * 1e9)
        self._put(EPISODE, cdr.TEXT, cdr.pack_text('{"event": "begin"}'), self._time(whole.steps["stamp_ns"][0], 1))
        for row in range(len(whole.steps)):
            step = whole.steps[row : row + 1]
            log_ns = self._time(step["stamp_ns"][0], period_ns if row else 1)
            streams = {key: int(step["stream_stamps_ns"][0][i]) for i, key in enumerate(self._spec.observation)}
            self._observation(step, log_ns, streams)
            for name, topic in self._steps.items():
                self._put(
                    topic, cdr.ARRAYS[self._data[name].array.dtype], cdr.pack_array(_bytes(step[name][0])), log_ns
                )
        if whole.final is not None:
            log_ns = self._time(whole.final["stamp_ns"][0], period_ns)
            self._observation(whole.final, log_ns, {})
        end = '{"event": "end", "episode": ' + carry.episode_json(whole) + "}"
        self._put(EPISODE, cdr.TEXT, cdr.pack_text(end), self._last_ns)

    def _time(self, stamp_ns: int, after_ns: int) -> int:
        """Return the time that a message is logged at: its stamp; where there is none, `after_ns` after the last."""
        if stamp_ns == NO_STAMP or stamp_ns < 0:
            self._is_nominal = True
            stamp_ns = self._last_ns + after_ns
        self._last_ns = int(stamp_ns)
        return self._last_ns

    def _observation(self, step: Any, log_ns: int, streams: dict[str, int]) -> None:
        for key, topic in self._keys.items():
            stamp_ns = streams.get(key, NO_STAMP)
            stamp_ns = log_ns if stamp_ns == NO_STAMP else stamp_ns
            array = self._spec.observation[key]
            if key in self._spec.image_keys and array.shape[2] == 3:
                self._put(topic, cdr.IMAGE, cdr.pack_image(step[key][0], stamp_ns, array.frame), log_ns, stamp_ns)
            else:
                self._put(topic, cdr.ARRAYS[array.dtype], cdr.pack_array(_bytes(step[key][0])), log_ns, stamp_ns)

    def _put(self, topic: str, kind: str, data: bytes, log_ns: int, publish_ns: int | None = None) -> None:
        if topic not in self._channels:
            if kind not in self._schemas:
                self._schemas[kind] = self._writer.register_schema(kind, "ros2msg", definition(kind).encode())
            self._channels[topic] = self._writer.register_channel(topic, "cdr", self._schemas[kind])
        channel = self._channels[topic]
        count = self._counts.get(channel, 0)
        self._counts[channel] = count + 1
        publish_ns = log_ns if publish_ns is None else max(0, publish_ns)
        self._writer.add_message(channel, log_ns, data, publish_ns, count & 0xFFFFFFFF)


def _writer(file: Any) -> Any:
    return Writer(file, compression=CompressionType.ZSTD)


def _bytes(values: Any) -> Any:
    return values.astype("uint8") if values.dtype == bool else values
