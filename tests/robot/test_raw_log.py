"""The raw log: read back by the format's own reader, after an orderly end, a kill, a full queue and a full disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from geometry_msgs.msg import PoseStamped
from mcap.exceptions import EndOfFile, McapError
from mcap.reader import NonSeekingReader, make_reader
from mcap.records import Message
from mcap.stream_reader import StreamReader
from mcap_ros2.decoder import DecoderFactory
from rclpy.serialization import serialize_message
from std_msgs.msg import String

from robot.errors import RobotError
from robot.nodes.messages import message_class
from robot.nodes.schemas import definition
from robot.raw_log import Channel, LogState, RawLog, RawLogLimits
from robot.topics import TOPICS

# a parser that rclpy loads with its first message takes a module that Python is about to drop
pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")

TYPES = sorted({row.type for row in TOPICS.values()})
CHANNELS = [Channel(f"/x/{i}", type_name, definition(type_name)) for i, type_name in enumerate(TYPES)]
POSES, STRINGS = TYPES.index("geometry_msgs/msg/PoseStamped"), TYPES.index("std_msgs/msg/String")
ROOMY = RawLogLimits(reserve_mb=0)


def _decoded(path: Path) -> list[tuple]:
    with path.open("rb") as file:
        return list(make_reader(file, decoder_factories=[DecoderFactory()]).iter_decoded_messages())


def _complete(path: Path) -> list[Message]:
    """Return the messages of the complete chunks of a file that may lack its end."""
    found = []
    with path.open("rb") as file:
        try:
            for _, _, message in NonSeekingReader(file).iter_messages(log_time_order=False):
                found.append(message)
        except (EndOfFile, McapError):
            pass
    return found


def test_every_type_of_the_table_reads_back_by_its_own_definition(tmp_path: Path) -> None:
    log = RawLog(CHANNELS, ROOMY)
    log.start(tmp_path / "raw" / "a.mcap", {"robot.yaml": "arm: x\n"})
    for number, type_name in enumerate(TYPES):
        assert log.put(number, serialize_message(message_class(type_name)()), 10 + number, 5)
    log.stop()
    log.wait()
    assert log.state is LogState.IDLE
    assert (log.written, log.dropped) == (len(TYPES), 0)
    read = _decoded(tmp_path / "raw" / "a.mcap")
    assert [schema.name for schema, *_ in read] == TYPES
    with (tmp_path / "raw" / "a.mcap").open("rb") as file:
        reader = make_reader(file)
        assert reader.get_header().profile == "ros2"
        assert [a.data for a in reader.iter_attachments()] == [b"arm: x\n"]


def test_values_stamps_and_order_come_back(tmp_path: Path) -> None:
    log = RawLog(CHANNELS, ROOMY)
    log.start(tmp_path / "a.mcap")
    for number in range(300):
        pose = PoseStamped()
        pose.header.stamp.sec, pose.header.frame_id, pose.pose.position.x = number, "panda_base", 0.5 * number
        log.put(POSES, serialize_message(pose), 1000 + number, number)
        log.put(STRINGS, serialize_message(String(data=f"é{number}")), 1000 + number, -7)
    log.stop()
    log.wait()
    read = _decoded(tmp_path / "a.mcap")
    poses = [(m, ros) for _, c, m, ros in read if c.topic == CHANNELS[POSES].topic]
    assert [m.sequence for m, _ in poses] == list(range(300))
    assert [m.log_time for m, _ in poses] == [1000 + n for n in range(300)]
    assert [ros.header.stamp.sec for _, ros in poses] == [m.publish_time for m, _ in poses] == list(range(300))
    assert poses[7][1].pose.position.x == 3.5
    strings = [(m, ros) for _, c, m, ros in read if c.topic == CHANNELS[STRINGS].topic]
    assert [ros.data for _, ros in strings] == [f"é{n}" for n in range(300)]
    assert {m.publish_time for m, _ in strings} == {0}


def test_a_full_queue_drops_and_counts_and_the_gap_shows_in_the_file(tmp_path: Path) -> None:
    log = RawLog(CHANNELS, RawLogLimits(queue_mb=1, reserve_mb=0))
    log.start(tmp_path / "a.mcap")
    data = serialize_message(String(data="x" * 400_000))
    taken = [log.put(STRINGS, data, n, 0) for n in range(20)]
    assert not all(taken)
    assert log.dropped == taken.count(False)
    deadline = time.monotonic() + 10.0
    while not log.put(STRINGS, data, 99, 0) and time.monotonic() < deadline:
        time.sleep(0.02)
    log.stop()
    log.wait()
    sequences = [m.sequence for _, _, m, _ in _decoded(tmp_path / "a.mcap")]
    assert len(sequences) == log.written == taken.count(True) + 1
    assert sequences[-1] > len(sequences)


def test_a_discarded_log_leaves_no_file_and_the_next_one_may_begin(tmp_path: Path) -> None:
    log = RawLog(CHANNELS, ROOMY)
    log.start(tmp_path / "a.mcap")
    with pytest.raises(RobotError, match="being written already"):
        log.start(tmp_path / "b.mcap")
    log.stop(is_discarded=True)
    log.wait()
    assert list(tmp_path.iterdir()) == []
    assert not log.put(STRINGS, b"", 0, 0)
    log.start(tmp_path / "a.mcap")
    log.stop()
    log.wait()
    assert _decoded(tmp_path / "a.mcap") == []


def test_where_it_cannot_be_written_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "raw").write_text("")
    with pytest.raises(RobotError, match=r"a\.mcap cannot be written"):
        RawLog(CHANNELS, ROOMY).start(tmp_path / "raw" / "a.mcap")


def test_a_disk_that_is_nearly_full_ends_the_log_in_order(tmp_path: Path) -> None:
    log = RawLog(CHANNELS, RawLogLimits(flush_s=0.05, reserve_mb=10**6))
    log.start(tmp_path / "a.mcap")
    log.put(STRINGS, serialize_message(String(data="first")), 1, 0)
    log.wait()
    assert log.state is LogState.FAILED
    assert "free some space" in log.problem
    assert [ros.data for *_, ros in _decoded(tmp_path / "a.mcap")] == ["first"]


CHILD = """
import resource, sys, time
from pathlib import Path
from robot.raw_log import Channel, RawLog, RawLogLimits
limit = int(sys.argv[2])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
log = RawLog([Channel("/a", "std_msgs/msg/String", "string data")], RawLogLimits(flush_s=0.1, reserve_mb=0))
log.start(Path(sys.argv[1]))
number = 0
while log.is_busy:
    log.put(0, number.to_bytes(4, "little") * 250, time.time_ns(), 0)
    number += 1
    time.sleep(0.001)
    if number % 100 == 0:
        print(number, flush=True)
print(log.state.value, log.problem)
"""


def test_a_killed_process_leaves_all_but_its_last_moments(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    command = [sys.executable, "-c", CHILD, str(path), "0"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert child.stdout is not None
    reached = 0
    while reached < 1000:
        reached = int(child.stdout.readline())
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    numbers = [int.from_bytes(m.data[:4], "little") for m in _complete(path)]
    assert numbers == list(range(len(numbers)))
    assert numbers[-1] > 500  # of at least 1000; a chunk is complete every tenth of a second
    with path.open("rb") as file, pytest.raises(EndOfFile):
        list(StreamReader(file).records)


def test_a_disk_that_is_full_breaks_the_log_off_and_keeps_what_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    command = [sys.executable, "-c", CHILD, str(path), "6000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2])
    assert "failed the raw log" in done.stdout
    assert "broke off (File too large)" in done.stdout
    assert path.stat().st_size <= 6000
    numbers = [int.from_bytes(m.data[:4], "little") for m in _complete(path)]
    assert numbers
    assert numbers == list(range(len(numbers)))
