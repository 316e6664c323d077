"""A SpaceMouse of 3Dconnexion's, through hidapi (extra `[teleop]`)."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from robot.clock import Clock, SystemClock, to_ns
from robot.errors import RobotError
from robot.interfaces import DeviceReading
from robot.types import Array

PRODUCTS = {
    (0x046D, 0xC625): "SpacePilot",
    (0x046D, 0xC626): "SpaceNavigator",
    (0x046D, 0xC627): "SpaceExplorer",
    (0x046D, 0xC629): "SpacePilot Pro",
    (0x046D, 0xC62B): "SpaceMouse Pro",
    (0x256F, 0xC62E): "SpaceMouse Wireless",
    (0x256F, 0xC632): "SpaceMouse Pro Wireless",
    (0x256F, 0xC633): "SpaceMouse Enterprise",
    (0x256F, 0xC635): "SpaceMouse Compact",
    (0x256F, 0xC638): "SpaceMouse Pro Wireless (Bluetooth)",
    (0x256F, 0xC63A): "SpaceMouse Wireless",
    (0x256F, 0xC641): "SpaceMouse",
    (0x256F, 0xC652): "Universal Receiver",
}
"""By vendor and product (as pyspacemouse 2.1 lists them)."""

COUNTS = 350.0
"""Reading of a cap that is pushed or turned all the way."""
SILENCE_S = 0.25
"""A cap that is held away from its rest reports all the time; one that is silent for so long has lost its link."""
MOTION, TURN, BUTTONS = 1, 2, 3
"""Numbers of the reports."""
LONGEST = 64
AT_ONCE = 256
"""So many reports are read in one go at most: more than arrive in a second."""

_TO_USER = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
"""The device's axes are to the right, towards the user, down; ours are away from the user, to the left, up."""


class SpaceMouse:
    """`robot.interfaces.InputDevice`.

    Args:
        hid: the module hidapi installs; None imports it.
        clock: what the age of a report is told by.
    """

    def __init__(self, hid: Any = None, clock: Clock | None = None) -> None:
        self._hid, self._clock = hid, clock or SystemClock()
        self._device: Any = None
        self._name = ""
        self._forget()

    @property
    def buttons(self) -> tuple[str, ...]:
        return ("left", "right", *(f"b{bit}" for bit in range(2, 32)))

    def connect(self) -> None:
        """Open the first one that is plugged in.

        Raises:
            RobotError: hidapi is not installed, there is none, or it may not be opened.
        """
        self.close()
        hid = self._hid = self._hid or _module()
        found = next((one for one in hid.enumerate() if (one["vendor_id"], one["product_id"]) in PRODUCTS), None)
        if found is None:
            raise RobotError("No SpaceMouse is plugged in; plug one in, or choose another teleop.device.")
        name = PRODUCTS[found["vendor_id"], found["product_id"]]
        device = hid.device()
        try:
            device.open_path(found["path"])
            device.set_nonblocking(1)
        except OSError as error:
            raise RobotError(
                f"The {name} may not be opened ({error}); give your user the right to read its /dev/hidraw (a udev "
                "rule for its vendor), and close other programs that hold it."
            ) from error
        self._device, self._name = device, name

    def read(self) -> DeviceReading:
        """Return the newest reading, of all reports that have arrived.

        Raises:
            RobotError: it is not connected, or was unplugged.
        """
        if self._device is None:
            raise RobotError("The SpaceMouse is not connected; call connect first.")
        now_ns = self._clock.now_ns()
        try:
            for _ in range(AT_ONCE):
                report = self._device.read(LONGEST)
                if not report:
                    break
                self._take(bytes(report), now_ns)
        except (OSError, ValueError) as error:
            name = self._name
            self.close()
            raise RobotError(f"The {name} was unplugged ({error}); plug it in again.") from error
        is_silent = now_ns - self._heard_ns > to_ns(SILENCE_S)
        axes = np.zeros(6) if is_silent else np.concatenate([_TO_USER @ self._motion, _TO_USER @ self._turn])
        return DeviceReading(axes, frozenset(n for bit, n in enumerate(self.buttons) if self._pressed >> bit & 1))

    def close(self) -> None:
        """Let go of it; may be called twice."""
        if self._device is not None:
            self._device.close()
            self._device = None
        self._forget()

    def _forget(self) -> None:
        self._motion, self._turn = np.zeros(3), np.zeros(3)
        self._pressed = 0
        self._heard_ns = 0

    def _take(self, report: bytes, now_ns: int) -> None:
        """Note what a report says: its number, then little-endian int16 (motion, turn) or bits (buttons)."""
        number, body = report[0], report[1:]
        if number == BUTTONS:
            self._pressed = int.from_bytes(body[:4], "little")
            return
        if number == MOTION and len(body) >= 6:
            self._motion, self._heard_ns = _three(body), now_ns
            if len(body) >= 12:  # later models put both into one report
                self._turn = _three(body[6:])
        elif number == TURN and len(body) >= 6:
            self._turn, self._heard_ns = _three(body), now_ns


def _three(body: bytes) -> Array:
    return np.frombuffer(body[:6], "<i2") / COUNTS


def _module() -> Any:
    try:
        return importlib.import_module("hid")
    except ImportError as error:
        raise RobotError("teleop.device=spacemouse needs hidapi: pip install 'nudge-robot[teleop]'.") from error
