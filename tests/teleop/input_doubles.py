"""Doubles of input devices: one at the level of our protocol, and hidapi with a SpaceMouse in it."""

from __future__ import annotations

import numpy as np

from robot.errors import RobotError
from robot.interfaces import DeviceReading


class ToyDevice:
    """An input device with the buttons of a gamepad; a test sets `axes`, `pressed` and `is_plugged`."""

    buttons = ("a", "b", "y", "right_shoulder")

    def __init__(self) -> None:
        self.axes = np.zeros(6)
        self.pressed: frozenset[str] = frozenset()
        self.is_plugged = True
        self.is_open = False

    def connect(self) -> None:
        if not self.is_plugged:
            raise RobotError("No toy is plugged in.")
        self.is_open = True

    def read(self) -> DeviceReading:
        assert self.is_open, "read before connect"
        if not self.is_plugged:
            self.is_open = False
            raise RobotError("The toy was unplugged.")
        assert self.pressed <= set(self.buttons)
        return DeviceReading(self.axes.copy(), self.pressed)

    def close(self) -> None:
        self.is_open = False


class FakeHid:
    """The module `hid` of hidapi 0.15 as far as a driver uses it, with at most one device plugged in.

    As the real one it returns lists of integers, an empty one where nothing has arrived, raises ValueError on a device
    that is not open and OSError on one that is gone, and hands out one report a call.
    """

    def __init__(self, vendor: int = 0x256F, product: int = 0xC635) -> None:
        self.plugged: tuple[int, int] | None = (vendor, product)
        self.reports: list[bytes] = []
        self.may_open = True
        self.opened = 0

    def enumerate(self, vendor_id: int = 0, product_id: int = 0) -> list[dict[str, object]]:
        keyboard = {"path": b"/dev/hidraw0", "vendor_id": 0x1234, "product_id": 1, "product_string": "Keyboard"}
        if self.plugged is None:
            return [keyboard]
        vendor, product = self.plugged
        return [keyboard, {"path": b"/dev/hidraw1", "vendor_id": vendor, "product_id": product, "product_string": "x"}]

    def device(self) -> FakeHidDevice:
        return FakeHidDevice(self)


class FakeHidDevice:
    def __init__(self, hid: FakeHid) -> None:
        self._hid, self._is_open, self._is_nonblocking = hid, False, False

    def open_path(self, path: bytes) -> None:
        if path != b"/dev/hidraw1" or self._hid.plugged is None or not self._hid.may_open:
            raise OSError("open failed")
        self._is_open = True
        self._hid.opened += 1

    def set_nonblocking(self, v: int) -> int:
        if not self._is_open:
            raise ValueError("not open")
        self._is_nonblocking = bool(v)
        return 0

    def read(self, max_length: int, timeout_ms: int = 0) -> list[int]:
        if not self._is_open:
            raise ValueError("not open")
        if self._hid.plugged is None:
            raise OSError("read error")
        assert self._is_nonblocking, "a read that waits would hold the node up"
        return list(self._hid.reports.pop(0)[:max_length]) if self._hid.reports else []

    def close(self) -> None:
        if self._is_open:
            self._hid.opened -= 1
        self._is_open = False
