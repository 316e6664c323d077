"""The keyboard over the real SDL: its events in, axes and buttons out; a window that is not in front has let go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from drivers.keyboard import MOVES, SLOWLY, Keyboard
from robot.clock import ManualClock
from robot.errors import RobotError
from robot.interfaces import InputDevice
from teleop.device_config import DeviceConfig
from teleop.person import PersonAtDevice

pygame: Any = pytest.importorskip("pygame")


@pytest.fixture(name="keyboard")
def _keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Keyboard]:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")  # SDL's own, for machines without a display
    keyboard = Keyboard()
    keyboard.connect()
    pygame.event.clear()
    yield keyboard
    keyboard.close()


def press(*names: str) -> None:
    for name in names:
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.key.key_code(name)))


def release(*names: str) -> None:
    for name in names:
        pygame.event.post(pygame.event.Event(pygame.KEYUP, key=pygame.key.key_code(name)))


def test_it_is_an_input_device(keyboard: Keyboard) -> None:
    assert isinstance(keyboard, InputDevice)


@pytest.mark.parametrize("key", MOVES)
def test_a_key_moves_its_axis_for_as_long_as_it_is_down(keyboard: Keyboard, key: str) -> None:
    axis, direction = MOVES[key]
    press(key)
    for _ in range(2):
        axes = keyboard.read().axes
        assert axes[axis] == direction
        assert abs(axes).sum() == 1.0
    release(key)
    assert not keyboard.read().axes.any()


def test_opposite_keys_cancel_and_shift_is_slow(keyboard: Keyboard) -> None:
    press("w", "s", "a", "left shift")
    assert keyboard.read().axes.tolist() == [0.0, SLOWLY, 0.0, 0.0, 0.0, 0.0]


def test_buttons_are_read_under_their_names(keyboard: Keyboard) -> None:
    press("space", "y", "w")
    assert keyboard.read().buttons == {"space", "y"}


def test_a_window_that_is_not_in_front_any_more_has_let_go(keyboard: Keyboard) -> None:
    press("space", "w")
    assert keyboard.read().buttons == {"space"}
    pygame.event.post(pygame.event.Event(pygame.WINDOWFOCUSLOST))
    reading = keyboard.read()
    assert (reading.buttons, reading.axes.any()) == (frozenset(), False)


def test_a_window_that_is_closed_is_said_and_opens_again(keyboard: Keyboard) -> None:
    press("space", "w")
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    with pytest.raises(RobotError, match="window was closed"):
        keyboard.read()
    with pytest.raises(RobotError, match="not connected"):
        keyboard.read()
    keyboard.connect()
    assert keyboard.read().buttons == frozenset()


def test_without_a_display_it_says_what_to_use_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "x11")
    monkeypatch.setenv("DISPLAY", ":4711")
    pygame.display.quit()
    with pytest.raises(RobotError, match=r"no display for one .*use teleop.device=browser"):
        Keyboard().connect()


def test_a_person_drives_with_it(keyboard: Keyboard) -> None:
    person = PersonAtDevice(keyboard, DeviceConfig(device="keyboard"), ManualClock(1))
    person.connect()
    assert not person.read().is_engaged
    press("space", "r")
    sample = person.read()
    assert sample.is_engaged
    assert sample.axes.tolist() == [0, 0, 1, 0, 0, 0]
    person.close()
