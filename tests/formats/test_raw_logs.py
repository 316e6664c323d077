"""A log of nudge's own recorder becomes episodes: the executed actions, at the actor's own ticks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from mcap_ros2.writer import Writer

from robot.errors import StoreError
from robot.nodes.schemas import definition
from robot.store import StoreReader, check
from robot.types import Source
from sessions.formats import ImportOptions, import_store

S, TICK = 10**9, 100_000_000


def _log(path: Path, buttons: tuple[int, int] = (int(Source.HUMAN), 4)) -> Path:
    """Two episodes of three and two ticks, with joints at 100 Hz and pictures that were taken 20 ms before a tick."""
    messages = []

    def say(at_ns: int, topic: str, kind: str, **parts: object) -> None:
        head = {"stamp": {"sec": at_ns // S, "nanosec": at_ns % S}, "frame_id": ""}
        messages.append((at_ns, topic, kind, ({"header": head} if kind != "std_msgs/msg/String" else {}) | parts))

    def event(name: str, at_ns: int) -> None:
        text = json.dumps({"event": name, "stamp_ns": at_ns})
        say(at_ns, "/panda/episode/event", "std_msgs/msg/String", data=text)

    for n in range(100):
        values = {"position": [float(n)] * 7, "velocity": [-float(n)] * 7, "effort": []}
        say(S + n * 10_000_000, "/panda/joint_states", "sensor_msgs/msg/JointState", name=["a"] * 7, **values)
    for n in range(10):
        picture = {"height": 8, "width": 8, "encoding": "rgb8", "is_bigendian": 0, "step": 24, "data": bytes([n] * 192)}
        say(S + n * TICK - 20_000_000, "/front/policy/image", "sensor_msgs/msg/Image", **picture)
    for start, ticks in ((1, 3), (5, 2)):
        event("start", S + start * TICK)
        for n in range(start, start + ticks):
            axes = {"axes": [n / 10, 0.0, -n / 10], "buttons": list(buttons)}
            say(S + n * TICK, "/panda/intervention", "sensor_msgs/msg/Joy", **axes)
        event("end", S + (start + ticks) * TICK)
    with path.open("wb") as file:
        writer = Writer(file)
        schemas = {kind: writer.register_msgdef(kind, definition(kind)) for _, _, kind, _ in messages}
        for at_ns, topic, kind, parts in sorted(messages, key=lambda message: message[0]):
            writer.write_message(topic, schemas[kind], parts, at_ns, at_ns)
        writer.finish()
    return path


def test_a_raw_log_becomes_the_episodes_that_were_run(tmp_path: Path) -> None:
    report = import_store(_log(tmp_path / "raw.mcap"), tmp_path / "out", options=ImportOptions(period_s=0.1))
    assert check(tmp_path / "out") == []
    reader = StoreReader.open(tmp_path / "out")
    assert set(reader.spec.observation) == {"joint_positions", "joint_velocities", "images/front"}
    assert [reader.episode(i).length for i in range(len(reader))] == [3, 2]
    for number, start in ((0, 1), (1, 5)):
        episode = reader.episode(number)
        ticks = np.arange(start, start + episode.length)
        assert episode.stamp_ns.tolist() == (S + ticks * TICK).tolist()
        np.testing.assert_array_equal(episode.action[:, 0], (ticks / 10).astype(np.float32))
        np.testing.assert_array_equal(episode.observation["joint_positions"][:, 0], ticks * 10)
        np.testing.assert_array_equal(episode.observation["joint_velocities"][:, 0], -ticks * 10)
        np.testing.assert_array_equal(episode.images("images/front")[:, 0, 0, 0], ticks)
        assert episode.stream_stamps_ns["images/front"].tolist() == (S + ticks * TICK - 20_000_000).tolist()
        assert np.all(episode.source == Source.HUMAN)
        assert np.all(episode.reasons == 4)
        assert np.all(np.isnan(episode.reward))
    assert any("how each episode ended" in line for line in report.missing)


def test_a_source_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="intervention is not nudge's"):
        import_store(_log(tmp_path / "raw.mcap", (9, 0)), tmp_path / "out", options=ImportOptions(period_s=0.1))
    assert not (tmp_path / "out").exists()
