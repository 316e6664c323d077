"""A session with the recorder and a gripper: what the store holds is in the raw log too, under the same stamps."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL, Nudge
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory

from robot.store import StoreReader

# a parser that rclpy loads with its first message takes a module that Python is about to drop
pytestmark = [pytest.mark.ros, pytest.mark.slow, pytest.mark.timeout(900)]
DEVICES = ("recorder.is_on=true", "recorder.limits.reserve_mb=0", "gripper.kind=sim")


def test_every_step_of_the_store_is_in_the_raw_log_under_its_stamp(nudge: Nudge, tmp_path: Path) -> None:
    run = tmp_path / "run"
    status, output = nudge.run("record", "--run", str(run), "--episodes", "2", *SMALL, *DEVICES)
    assert status == 0, output
    (path,) = (run / "raw").glob("*.mcap")
    values = defaultdict(dict)
    sequences = defaultdict(list)
    with path.open("rb") as file:
        reader = make_reader(file, decoder_factories=[DecoderFactory()])
        for _, channel, message, ros in reader.iter_decoded_messages():
            values[channel.topic][message.publish_time] = ros
            sequences[channel.topic].append(message.sequence)
        (config,) = reader.iter_attachments()
    assert config.data.decode() == (run / "robot.yaml").read_text()
    for topic, numbers in sequences.items():
        assert numbers == list(range(len(numbers))), topic  # in lockstep nothing is lost on the way
    poses, joints = values["/panda/current_pose"], values["/panda/joint_states"]
    assert not {topic for topic in values if topic.endswith(("image_raw", "sim/state"))}
    assert "/panda/gripper/joint_states" in values
    store = StoreReader.open(run / "demos.zarr")
    assert len(store) == 2
    for index in range(2):
        episode = store.episode(index)
        stamps = [int(stamp) for stamp in episode.stamp_ns]
        assert set(stamps) <= poses.keys()
        assert set(stamps) <= values["/front/policy/image"].keys()
        written = np.array([joints[stamp].position for stamp in stamps], np.float32)
        np.testing.assert_array_equal(written, episode.observation["joint_positions"])
        picture = values["/wrist/policy/image"][stamps[3]]
        seen = episode.images("images/wrist")[3]
        np.testing.assert_array_equal(np.frombuffer(picture.data, np.uint8).reshape(seen.shape), seen)
