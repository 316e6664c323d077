"""The driver of the SpaceMouse, over the bytes that hidapi hands out."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from input_doubles import FakeHid

from drivers.spacemouse import COUNTS, PRODUCTS, SILENCE_S, SpaceMouse
from robot.clock import ManualClock
from robot.errors import RobotError
from robot.interfaces import InputDevice


def opened(hid: FakeHid) -> tuple[ManualClock, SpaceMouse]:
    clock = ManualClock(1_000_000_000)
    mouse = SpaceMouse(hid, clock)
    mouse.connect()
    return clock, mouse


def motion(number: int, *counts: int) -> bytes:
    return bytes([number]) + struct.pack(f"<{len(counts)}h", *counts)


def test_it_is_an_input_device() -> None:
    assert isinstance(SpaceMouse(FakeHid()), InputDevice)


def test_the_double_has_the_methods_of_the_real_library() -> None:
    import hid

    for name in ("open_path", "set_nonblocking", "read", "close"):
        assert hasattr(hid.device, name)
    with pytest.raises(OSError, match="open failed"):
        hid.device().open_path(b"/dev/hidraw1-is-not-there")
    with pytest.raises(ValueError, match="not open"):
        hid.device().read(64)
    assert all({"path", "vendor_id", "product_id"} <= one.keys() for one in hid.enumerate())


def test_each_axis_moves_the_way_that_the_cap_was_pushed() -> None:
    hid = FakeHid()
    _, mouse = opened(hid)
    full = round(COUNTS)
    # the device's axes are to the right, towards the user and down, and turns go by the right hand about them
    for place, count, axis, sign in ((1, -full, 0, 1), (0, -full, 1, 1), (2, -full, 2, 1), (0, full, 1, -1)):
        counts = [0, 0, 0]
        counts[place] = count
        for number, first in ((1, 0), (2, 3)):
            hid.reports = [motion(1, 0, 0, 0), motion(2, 0, 0, 0), motion(number, *counts)]
            expected = np.zeros(6)
            expected[first + axis] = sign
            np.testing.assert_allclose(mouse.read().axes, expected, atol=1e-12)


def test_later_models_put_moving_and_turning_into_one_report() -> None:
    hid = FakeHid(0x256F, 0xC633)
    _, mouse = opened(hid)
    hid.reports = [motion(1, 0, -175, 0, 0, 0, -350)]
    np.testing.assert_allclose(mouse.read().axes, [0.5, 0, 0, 0, 0, 1.0])


def test_the_newest_of_all_reports_that_have_arrived_counts() -> None:
    hid = FakeHid()
    _, mouse = opened(hid)
    hid.reports = [motion(1, 0, -10 * n, 0) for n in range(20)]
    np.testing.assert_allclose(mouse.read().axes[0], 190 / COUNTS)
    assert hid.reports == []


def test_buttons_are_bits() -> None:
    hid = FakeHid()
    _, mouse = opened(hid)
    hid.reports = [bytes([3, 0b101, 0, 0b1])]
    assert mouse.read().buttons == {"left", "b2", "b16"}
    hid.reports = [bytes([3, 0])]
    assert mouse.read().buttons == frozenset()


def test_a_cap_whose_link_is_lost_does_not_push_for_ever() -> None:
    hid = FakeHid()
    clock, mouse = opened(hid)
    hid.reports = [motion(1, 0, -350, 0)]
    assert mouse.read().axes[0] == 1.0
    clock.sleep_until(clock.now_ns() + round(0.5e9 * SILENCE_S))
    assert mouse.read().axes[0] == 1.0
    clock.sleep_until(clock.now_ns() + round(1e9 * SILENCE_S))
    assert not mouse.read().axes.any()


@pytest.mark.parametrize("report", [b"\x01", b"\x01\x02\x03", b"\x02\x00", b"\x17\x01\x02", b"\x03"])
def test_a_report_that_is_cut_off_or_unknown_changes_nothing(report: bytes) -> None:
    hid = FakeHid()
    _, mouse = opened(hid)
    hid.reports = [motion(1, 0, -350, 0), report]
    assert mouse.read().axes[0] == 1.0


def test_unplugged_it_says_so_and_can_be_connected_again() -> None:
    hid = FakeHid()
    _, mouse = opened(hid)
    plugged, hid.plugged = hid.plugged, None
    with pytest.raises(RobotError, match=r"SpaceMouse Compact was unplugged \(read error\)"):
        mouse.read()
    with pytest.raises(RobotError, match="not connected"):
        mouse.read()
    with pytest.raises(RobotError, match="No SpaceMouse is plugged in"):
        mouse.connect()
    hid.plugged = plugged
    mouse.connect()
    assert not mouse.read().axes.any()
    mouse.close()
    mouse.close()
    assert hid.opened == 0


def test_one_that_may_not_be_opened_says_what_to_do() -> None:
    hid = FakeHid()
    hid.may_open = False
    with pytest.raises(RobotError, match=r"may not be opened \(open failed\); give your user the right"):
        SpaceMouse(hid).connect()


def test_every_model_of_the_list_is_found() -> None:
    for vendor, product in PRODUCTS:
        opened(FakeHid(vendor, product))
