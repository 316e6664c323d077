"""What the actor sees at a tick: joined stamps in lockstep; in real time nothing later than the tick, and old ages."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("rclpy")

from robot.errors import RobotError
from robot.nodes import messages, ticks
from robot.nodes.streams import Alignment, age_limits_s, states
from robot.nodes.ticks import LockstepTicks, RealTimeTicks
from robot.safety import SafetyConfig

MS = 1_000_000
NOTHING = np.zeros(7)


def sample(stamp_ns: int):
    """A message under a stamp."""
    return messages.from_joints(NOTHING, NOTHING, NOTHING, stamp_ns, "base")


def answer(stamp_ns: int, source: int = 0):
    return messages.from_axes(np.zeros(4, np.float32), (source, 0), stamp_ns)


def test_a_tick_takes_of_each_stream_the_newest_that_is_not_later():
    streams = Alignment(("pose", "front"))
    for stamp in (10, 20, 30, 40):
        streams.put("pose", stamp, f"pose {stamp}")
    streams.put("front", 25, "front 25")
    streams.put("front", 5, "front 5, late on its way")
    assert streams.at(35) == {"pose": "pose 30", "front": "front 25"}
    assert streams.at(30) == {"pose": "pose 30", "front": "front 25"}
    assert streams.at(12) == {"pose": "pose 10", "front": "front 5, late on its way"}


def test_a_stream_that_has_only_later_samples_gives_its_earliest_and_is_named():
    streams = Alignment(("pose",))
    streams.put("pose", 9_000 * MS, "later")
    streams.put("pose", 8_000 * MS, "late")
    assert streams.at(5_000 * MS) == {"pose": "late"}
    assert streams.older(5_000 * MS, {"pose": 0.2}) == ["pose has only samples from the future, by 3.00 s"]


def test_old_streams_are_named_with_their_age_and_what_is_allowed():
    streams = Alignment(("pose", "front"))
    streams.put("pose", 1_000 * MS, "")
    streams.put("front", 1_100 * MS, "")
    assert streams.older(1_200 * MS, {"pose": 0.2, "front": 0.2}) == []
    assert streams.older(1_250 * MS, {"pose": 0.2, "front": 0.2}) == ["pose by 0.25 s (allowed 0.2 s)"]


def test_streams_that_have_not_told_of_a_moment_are_behind_it():
    streams = Alignment(("pose", "front"))
    streams.put("pose", 100, "")
    assert streams.behind(100) == ["front"]
    streams.put("front", 99, "")
    assert streams.behind(100) == ["front"]
    streams.put("front", 100, "")
    assert streams.behind(100) == []


class Line:
    """What arrives, one message a turn; a turn with nothing waits."""

    def __init__(self) -> None:
        self.waiting: deque[Callable[[], None]] = deque()

    def turn(self, timeout_s: float) -> None:
        if self.waiting:
            self.waiting.popleft()()
        else:
            time.sleep(min(timeout_s, 0.001))


def real_time(line: Line, period_s: float = 0.02) -> RealTimeTicks:
    return RealTimeTicks(("pose", "front"), period_s, line.turn, time.time_ns)


def send(line: Line, to: RealTimeTicks | LockstepTicks, stamps: dict[str, int]) -> None:
    for name, stamp_ns in stamps.items():
        take = to.take_answer if name in ("intervention", "joy") else to.take
        message = answer(stamp_ns) if name in ("intervention", "joy") else sample(stamp_ns)
        line.waiting.append(lambda take=take, name=name, message=message: take(name, message))


def test_in_real_time_the_first_tick_waits_for_samples_from_after_the_reset():
    line = Line()
    robot = real_time(line)
    now_ns = time.time_ns()
    send(line, robot, {"pose": now_ns - 50 * MS, "front": now_ns - 50 * MS})
    send(line, robot, {"front": now_ns})
    send(line, robot, {"pose": now_ns + 1})
    tick = robot.first(now_ns)
    assert messages.stamp_of(tick.row["pose"]) == now_ns + 1
    assert messages.stamp_of(tick.row["front"]) == now_ns
    assert tick.stamp_ns > now_ns
    assert tick.late_ns == 0


def test_in_real_time_ticks_come_at_their_deadlines_and_carry_the_answer_to_their_decision():
    line = Line()
    robot = real_time(line)
    send(line, robot, dict.fromkeys(("pose", "front"), time.time_ns()))
    first = robot.first(0)
    decided_ns = robot.decide()
    send(line, robot, {"intervention": decided_ns - 1})
    send(line, robot, {"intervention": decided_ns, "joy": decided_ns})
    tick = robot.next()
    assert first.stamp_ns <= decided_ns
    assert tick.stamp_ns - first.stamp_ns == 20 * MS + tick.late_ns
    assert messages.stamp_of(tick.answer) == decided_ns
    robot.decide()
    assert robot.next().answer is None


def test_what_came_while_the_policy_thought_is_seen_even_when_the_deadline_has_passed():
    line = Line()
    robot = real_time(line, period_s=0.001)
    send(line, robot, dict.fromkeys(("pose", "front"), time.time_ns()))
    robot.first(0)
    robot.decide()
    time.sleep(0.005)
    fresh_ns = time.time_ns()
    send(line, robot, {"pose": fresh_ns, "front": fresh_ns})
    tick = robot.next()
    assert tick.late_ns > 0
    assert {messages.stamp_of(message) for message in tick.row.values()} == {fresh_ns}
    assert robot.problems({"pose": 10.0, "front": 10.0}) == {}


@pytest.mark.parametrize("is_late", [False, True])
def test_what_is_too_old_is_the_actors_own_doing_where_its_tick_came_late(is_late: bool):
    line = Line()
    robot = real_time(line, period_s=0.001 if is_late else 60.0)
    send(line, robot, dict.fromkeys(("pose", "front"), time.time_ns()))
    if is_late:
        robot.first(0)
        robot.decide()
        time.sleep(0.005)
        robot.next()
    else:
        time.sleep(0.005)
        robot.first(0)
    ((event, sentence),) = robot.problems({"pose": 0.0}).items()
    assert event == ("node_silent" if is_late else "sensor_stale")
    assert sentence.startswith("The actor's tick came 0." if is_late else "Too old for a decision: pose by 0.")
    assert "Too old for a decision: pose by 0." in sentence


def test_in_real_time_a_stream_that_never_comes_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ticks, "ANSWER_TIMEOUT_S", 0.01)
    line = Line()
    robot = real_time(line)
    send(line, robot, {"pose": 10})
    with pytest.raises(RobotError, match="nothing newer than the reset: front"):
        robot.first(5)


def test_in_lockstep_a_tick_is_there_when_all_streams_and_the_answer_are_of_its_stamp():
    line = Line()
    robot = LockstepTicks(("pose", "front"), 0.1, line.turn)
    send(line, robot, {"front": 100 * MS, "pose": 100 * MS})
    assert robot.first(100 * MS).stamp_ns == 100 * MS
    assert robot.decide() == 100 * MS
    send(line, robot, {"pose": 200 * MS, "front": 200 * MS})
    send(line, robot, {"intervention": 100 * MS})
    send(line, robot, {"joy": 100 * MS})
    tick = robot.next()
    assert (tick.stamp_ns, tick.late_ns) == (200 * MS, 0)
    assert messages.stamp_of(tick.answer) == 100 * MS
    assert robot.decide() == 200 * MS


def test_in_lockstep_an_arm_that_went_on_by_itself_is_noticed():
    line = Line()
    robot = LockstepTicks(("pose",), 0.1, line.turn)
    send(line, robot, {"pose": 100 * MS})
    robot.first(0)
    robot.decide()
    send(line, robot, {"pose": 200 * MS, "intervention": 100 * MS, "joy": 100 * MS})
    robot.next()
    assert robot.problems({}) == {}
    robot.decide()
    send(line, robot, {"pose": 350 * MS, "intervention": 200 * MS, "joy": 200 * MS})
    robot.next()
    assert robot.problems({})["node_silent"].endswith("the arm went on by 0.050 s and held.")
    send(line, robot, {"pose": 900 * MS})
    robot.first(0)
    assert robot.problems({}) == {}


def test_in_lockstep_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ticks, "ANSWER_TIMEOUT_S", 0.01)
    line = Line()
    robot = LockstepTicks(("pose", "front"), 0.1, line.turn)
    send(line, robot, {"pose": 100 * MS})
    with pytest.raises(RobotError, match="missing at this tick: front"):
        robot.first(100 * MS)


def test_without_a_tracker_nobody_waits_for_one() -> None:
    assert states(has_tracker=True).keys() - states(has_tracker=False).keys() == {"socket"}
    assert "socket" not in age_limits_s(("front",), SafetyConfig(), has_tracker=False)


def test_what_safety_lets_be_older_may_be_decided_on() -> None:
    usual = age_limits_s(("front",), SafetyConfig())
    wide = age_limits_s(("front",), SafetyConfig(camera_max_age_s=1.5, state_max_age_s=0.7))
    assert set(usual.values()) == {0.2}
    assert wide.pop("front") == 1.5
    assert set(wide.values()) == {0.7}
