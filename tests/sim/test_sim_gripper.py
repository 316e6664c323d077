"""The simulated gripper: speed, stroke and what it meets, on a clock that the test moves."""

from __future__ import annotations

import threading

import pytest

from drivers.sim_gripper import SimGripper, SimGripperConfig
from robot.clock import ManualClock, to_ns
from robot.errors import RobotError
from robot.interfaces import Gripper


def _never() -> bool:
    return False


def _gripper(**settings: float) -> tuple[SimGripper, ManualClock]:
    clock = ManualClock(start_ns=5)
    gripper = SimGripper(SimGripperConfig(**settings), clock)
    gripper.connect()
    return gripper, clock


def test_it_has_the_published_numbers_and_is_a_gripper() -> None:
    gripper, clock = _gripper()
    assert isinstance(gripper, Gripper)
    state = gripper.read()
    assert (state.width_m, state.stroke_m, state.force_n, state.is_holding) == (0.08, 0.08, 0.0, False)
    assert gripper.command(0.0, 70.0, _never)
    assert clock.now_ns() - 5 == to_ns(0.8)  # 0.08 m at 0.1 m/s
    assert gripper.read().width_m == 0.0
    assert gripper.command(0.05, 0.0, _never)
    assert gripper.read().width_m == pytest.approx(0.05)


def test_it_stops_at_the_object_and_presses_until_it_opens() -> None:
    gripper, clock = _gripper(object_width_m=0.03)
    assert not gripper.command(0.01, 40.0, _never)
    assert clock.now_ns() - 5 == to_ns(0.5)
    held = gripper.read()
    assert held.is_holding
    assert (held.width_m, held.force_n) == (0.03, 40.0)
    assert gripper.command(0.06, 40.0, _never)
    free = gripper.read()
    assert not free.is_holding
    assert (free.width_m, free.force_n) == (pytest.approx(0.06), 0.0)
    assert gripper.command(0.03, 40.0, _never)  # just touches it
    assert gripper.read().force_n == 0.0


def test_it_stands_where_it_was_when_it_gives_way() -> None:
    gripper, clock = _gripper()
    end_ns = clock.now_ns() + to_ns(0.3)
    assert not gripper.command(0.0, 10.0, lambda: clock.now_ns() >= end_ns)
    width_m = gripper.read().width_m
    assert width_m == pytest.approx(0.05, abs=0.002)
    clock.sleep_until(clock.now_ns() + to_ns(5.0))
    assert gripper.read().width_m == width_m


def test_it_can_be_read_while_a_command_blocks() -> None:
    gripper = SimGripper(SimGripperConfig(speed_m_s=0.2))
    gripper.connect()
    ended = threading.Event()
    thread = threading.Thread(target=lambda: (gripper.command(0.0, 10.0, _never), ended.set()))
    thread.start()
    widths = []
    while not ended.is_set():
        widths.append(gripper.read().width_m)
        ended.wait(0.01)
    thread.join()
    assert len(widths) > 5
    assert sorted(widths, reverse=True) == widths
    assert 0.0 < min(widths[1:-1]) < 0.08


def test_homing_opens_and_needs_empty_fingers() -> None:
    gripper, _ = _gripper()
    gripper.command(0.02, 10.0, _never)
    assert gripper.home(_never)
    assert gripper.read().width_m == 0.08
    gripper, _ = _gripper(object_width_m=0.03)
    with pytest.raises(RobotError, match=r"something 0\.030 m wide is between the fingers"):
        gripper.home(_never)
    assert gripper.read().width_m == 0.08


@pytest.mark.parametrize(("width_m", "force_n"), [(0.081, 10.0), (-0.001, 10.0), (float("nan"), 1.0), (0.01, 71.0)])
def test_what_it_cannot_do_is_refused(width_m: float, force_n: float) -> None:
    gripper, _ = _gripper()
    with pytest.raises(RobotError, match="The gripper"):
        gripper.command(width_m, force_n, _never)
    assert gripper.read().width_m == 0.08


def test_unconnected_it_says_so() -> None:
    gripper, _ = _gripper()
    gripper.close()
    gripper.close()
    with pytest.raises(RobotError, match=r"call connect\(\) first"):
        gripper.read()
