"""The driver of the gamepad, over the real SDL: a virtual controller of SDL's own is plugged in and moved."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from drivers.gamepad import BUTTONS, Gamepad, _modules
from robot.errors import RobotError
from robot.interfaces import InputDevice

CONTROLLER = 1
AXES = {"LEFTX": 0, "LEFTY": 1, "RIGHTX": 2, "RIGHTY": 3, "TRIGGERLEFT": 4, "TRIGGERRIGHT": 5}


class VirtualPad:
    """SDL's virtual joystick, by the very library that pygame has loaded."""

    def __init__(self) -> None:
        self._pygame, _ = _modules()
        self._pygame.display.init()
        self._pygame.joystick.init()
        path = next(line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "libSDL2-" in line)
        self._sdl = ctypes.CDLL(path)
        self._sdl.SDL_JoystickOpen.restype = ctypes.c_void_p
        self._sdl.SDL_JoystickSetVirtualAxis.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int16]
        self._sdl.SDL_JoystickSetVirtualButton.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint8]
        self._index = self._sdl.SDL_JoystickAttachVirtual(CONTROLLER, len(AXES), len(BUTTONS), 0)
        assert self._index >= 0
        self._pad = self._sdl.SDL_JoystickOpen(self._index)

    def move(self, **axes: int) -> None:
        for name, value in axes.items():
            assert self._sdl.SDL_JoystickSetVirtualAxis(self._pad, AXES[name], value) == 0

    def press(self, name: str, is_down: bool) -> None:
        assert self._sdl.SDL_JoystickSetVirtualButton(self._pad, list(BUTTONS).index(name), is_down) == 0

    def unplug(self) -> None:
        if self._index >= 0:
            assert self._sdl.SDL_JoystickDetachVirtual(self._index) == 0
            self._index = -1


@pytest.fixture(name="pad")
def _pad() -> Iterator[VirtualPad]:
    pad = VirtualPad()
    yield pad
    with contextlib.suppress(AssertionError):
        pad.unplug()


@pytest.fixture(name="gamepad")
def _gamepad(pad: VirtualPad) -> Iterator[Gamepad]:
    gamepad = Gamepad()
    gamepad.connect()
    yield gamepad
    gamepad.close()


def test_it_is_an_input_device() -> None:
    assert isinstance(Gamepad(), InputDevice)


def test_at_rest_nothing_is_deflected_and_nothing_pressed(gamepad: Gamepad) -> None:
    reading = gamepad.read()
    assert not reading.axes.any()
    assert reading.buttons == frozenset()


@pytest.mark.parametrize(
    ("stick", "axis", "sign"),
    [
        ({"LEFTY": -32768}, 0, 1),  # away from the user
        ({"LEFTX": -32768}, 1, 1),  # to the left
        ({"RIGHTY": -32768}, 2, 1),  # up
        ({"RIGHTX": -32768}, 5, 1),  # a turn to the left
        ({"LEFTY": 32767}, 0, -1),
    ],
)
def test_a_stick_moves_its_axis_all_the_way(pad: VirtualPad, gamepad: Gamepad, stick, axis: int, sign: int) -> None:
    pad.move(**stick)
    expected = np.zeros(6)
    expected[axis] = sign
    np.testing.assert_allclose(gamepad.read().axes, expected, atol=1e-12)


@pytest.mark.parametrize("name", BUTTONS)
def test_every_button_is_read_under_its_name(pad: VirtualPad, gamepad: Gamepad, name: str) -> None:
    pad.press(name, True)
    assert gamepad.read().buttons == {name}
    pad.press(name, False)
    assert gamepad.read().buttons == frozenset()


def test_a_trigger_counts_as_a_button_from_half_way_on(pad: VirtualPad, gamepad: Gamepad) -> None:
    pad.move(TRIGGERLEFT=-32768, TRIGGERRIGHT=32767)  # SDL's virtual triggers rest at the lower end
    assert gamepad.read().buttons == {"right_trigger"}


def test_unplugged_it_says_so_and_plugged_in_again_it_is_found(pad: VirtualPad, gamepad: Gamepad) -> None:
    pad.move(LEFTY=-32768)
    gamepad.read()
    pad.unplug()
    with pytest.raises(RobotError, match="The gamepad was unplugged; plug it in again"):
        gamepad.read()
    with pytest.raises(RobotError, match="not connected"):
        gamepad.read()
    with pytest.raises(RobotError, match="No gamepad is plugged in"):
        gamepad.connect()
    again = VirtualPad()
    gamepad.connect()
    assert not gamepad.read().axes.any()
    gamepad.close()
    again.unplug()
