"""The gripper's server: newest wins, nothing queues up, faults latch; on a clock that the test moves."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import pytest

from drivers.sim_gripper import SimGripper, SimGripperConfig
from robot.clock import to_ns
from robot.errors import RobotError
from robot.gripper import FollowingClock, GripperServer


class Rig:
    """A server on a simulated gripper whose clock only `wait` moves."""

    def __init__(self, **settings: float) -> None:
        self.clock = FollowingClock()
        self.device = SimGripper(SimGripperConfig(**settings), self.clock)
        self.device.connect()
        self.server = GripperServer(self.device, force_n=30.0)
        self.server.start()

    @property
    def width_m(self) -> float:
        return self.server.state().width_m

    def settle(self, is_done: Callable[[], bool]) -> None:
        """Let the clock run until `is_done()`."""
        deadline = time.monotonic() + 20.0
        while not is_done():
            assert time.monotonic() < deadline
            self.clock.advance(self.clock.now_ns() + to_ns(0.01))
            time.sleep(0.001)

    def count(self, what: str) -> int:
        return self.server.counters.get(what, 0)


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.server.stop()


def test_it_goes_where_the_newest_command_says_and_forgets_the_others(rig: Rig) -> None:
    assert rig.server.accept([0.0]) == ""
    rig.settle(lambda: rig.width_m < 0.06)
    for opening in (0.9, 0.1, 0.7, 0.5):
        assert rig.server.accept([opening]) == ""
    rig.settle(lambda: rig.count("reached") == 1)
    assert rig.width_m == pytest.approx(0.04)
    lowest = rig.width_m
    rig.settle(lambda: rig.clock.now_ns() > to_ns(5.0))
    assert rig.width_m == lowest  # nothing was left to do
    assert rig.count("commands") == 5
    assert rig.count("superseded") >= 2


def test_a_repeated_command_does_not_stop_the_fingers(rig: Rig) -> None:
    rig.server.accept([0.25])
    rig.settle(lambda: rig.width_m < 0.07)
    for _ in range(50):
        rig.server.accept([0.25])
    rig.settle(lambda: rig.count("reached") == 1)
    assert rig.width_m == pytest.approx(0.02)
    assert rig.count("gave way") == 0


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([], "not one value"),
        ([0.1, 0.2], "not one value"),
        ([math.nan], "not finite"),
        ([math.inf], "not finite"),
        ([1.1], "out of [0, 1]"),
        ([-0.01], "out of [0, 1]"),
    ],
)
def test_what_is_no_command_is_refused_and_counted(rig: Rig, values: list[float], reason: str) -> None:
    assert rig.server.accept(values) == reason
    assert rig.server.counters == {f"refused: {reason}": 1}
    assert rig.width_m == 0.08
    assert rig.server.accept([1.0 + 1e-9]) == ""


def test_a_tripped_gripper_stands_and_refuses_until_reset(rig: Rig) -> None:
    rig.server.accept([0.0])
    rig.settle(lambda: rig.width_m < 0.06)
    rig.server.trip("emergency stop")
    rig.settle(lambda: rig.count("gave way") == 1)
    stood = rig.width_m
    assert rig.server.accept([1.0]) == "fault"
    rig.settle(lambda: rig.clock.now_ns() > to_ns(3.0))
    assert rig.width_m == stood
    rig.server.reset_fault()
    assert rig.server.accept([1.0]) == ""
    rig.settle(lambda: rig.width_m == 0.08)


def test_homing_tells_when_it_is_over_and_nothing_comes_between(rig: Rig) -> None:
    told: list[tuple[bool, str]] = []
    rig.server.home(lambda *parts: told.append(parts))
    rig.settle(lambda: rig.width_m < 0.07)
    assert rig.server.accept([0.5]) == "homing"
    rig.settle(lambda: bool(told))
    assert told == [(True, "")]
    assert rig.width_m == 0.08


def test_a_homing_that_meets_something_fails_with_the_reason() -> None:
    rig = Rig(object_width_m=0.02)
    told: list[tuple[bool, str]] = []
    rig.server.home(lambda *parts: told.append(parts))
    rig.settle(lambda: bool(told))
    assert not told[0][0]
    assert "between the fingers" in rig.server.fault
    rig.server.stop()


def test_stopping_in_mid_motion_leaves_the_fingers_where_they_are(rig: Rig) -> None:
    told: list[tuple[bool, str]] = []
    rig.server.home(lambda *parts: told.append(parts))
    rig.settle(lambda: rig.width_m < 0.05)
    rig.server.stop()
    stood = rig.width_m
    rig.clock.advance(rig.clock.now_ns() + to_ns(5.0))
    assert rig.width_m == stood > 0.0
    assert told == [(False, "The gripper was stopped on its way.")]
    rig.server.stop()


class Broken(SimGripper):
    """A device whose connection is lost with its first command."""

    def command(self, width_m: float, force_n: float, gives_way: Callable[[], bool]) -> bool:
        self.close()
        raise ConnectionResetError("cable out")


def test_a_driver_that_fails_latches_a_fault_with_its_words() -> None:
    device = Broken(SimGripperConfig())
    device.connect()
    server = GripperServer(device, force_n=30.0)
    server.start()
    server.accept([0.0])
    deadline = time.monotonic() + 10.0
    while not server.fault and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.fault == "ConnectionResetError: cable out"
    assert server.accept([0.0]) == "fault"
    server.stop()
    with pytest.raises(RobotError, match="not connected"):
        server.state()
