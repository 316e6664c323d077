"""A gamepad, through SDL by pygame (extra `[teleop]`); SDL knows the layout of most of them."""

from __future__ import annotations

import contextlib
import importlib
import os
from typing import Any

import numpy as np

from robot.errors import RobotError
from robot.interfaces import DeviceReading

FULL = 32767.0
PRESSED = 0.5
"""A trigger that is pulled farther than this counts as a button."""
BUTTONS = {
    "a": "A",
    "b": "B",
    "x": "X",
    "y": "Y",
    "back": "BACK",
    "guide": "GUIDE",
    "start": "START",
    "left_stick": "LEFTSTICK",
    "right_stick": "RIGHTSTICK",
    "left_shoulder": "LEFTSHOULDER",
    "right_shoulder": "RIGHTSHOULDER",
    "up": "DPAD_UP",
    "down": "DPAD_DOWN",
    "left": "DPAD_LEFT",
    "right": "DPAD_RIGHT",
}
"""Our names, and the ends of pygame's constants."""
TRIGGERS = {"left_trigger": "TRIGGERLEFT", "right_trigger": "TRIGGERRIGHT"}


class Gamepad:
    """`robot.interfaces.InputDevice`: the left stick moves over the table, the right one up and down and turns.

    The sticks are x and y, and z and rz; rx and ry stay zero. One thread calls it: SDL asks for that.
    """

    def __init__(self) -> None:
        self._pygame: Any = None
        self._controller: Any = None

    @property
    def buttons(self) -> tuple[str, ...]:
        return (*BUTTONS, *TRIGGERS)

    def connect(self) -> None:
        """Open the first one that SDL knows.

        Raises:
            RobotError: pygame is not installed, or there is none.
        """
        self.close()
        pygame, control = _modules()
        pygame.display.init()  # SDL's events come with its video, here a dummy
        control.init()
        pygame.event.pump()
        there = [index for index in range(control.get_count()) if control.is_controller(index)]
        if not there:
            raise RobotError("No gamepad is plugged in that SDL knows; plug one in, or choose another teleop.device.")
        self._pygame, self._controller = pygame, control.Controller(there[0])

    def read(self) -> DeviceReading:
        """Return where sticks and buttons are.

        Raises:
            RobotError: it is not connected, or was unplugged.
        """
        if self._controller is None:
            raise RobotError("The gamepad is not connected; call connect first.")
        self._pygame.event.pump()
        if not self._controller.attached():
            self.close()
            raise RobotError("The gamepad was unplugged; plug it in again.")
        left_x, left_y, right_x, right_y = (
            self._axis(name) for name in ("LEFTX", "LEFTY", "RIGHTX", "RIGHTY")
        )  # to the right and towards the user
        axes = np.array([-left_y, -left_x, -right_y, 0.0, 0.0, -right_x])
        pressed = {name for name, end in BUTTONS.items() if self._controller.get_button(self._constant("BUTTON", end))}
        pressed |= {name for name, end in TRIGGERS.items() if self._axis(end) > PRESSED}
        return DeviceReading(axes, frozenset(pressed))

    def close(self) -> None:
        """Let go of it; may be called twice."""
        if self._controller is not None:
            with contextlib.suppress(self._pygame.error):  # it is gone already
                self._controller.quit()
            self._controller = None

    def _axis(self, end: str) -> float:
        return max(-1.0, float(self._controller.get_axis(self._constant("AXIS", end))) / FULL)

    def _constant(self, kind: str, end: str) -> int:
        return int(getattr(self._pygame, f"CONTROLLER_{kind}_{end}"))


def _modules() -> tuple[Any, Any]:
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    os.environ.setdefault("SDL_JOYSTICK_ALLOW_BACKGROUND_EVENTS", "1")  # nudge has no window that could be in front
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        return importlib.import_module("pygame"), importlib.import_module("pygame._sdl2.controller")
    except ImportError as error:
        raise RobotError("teleop.device=gamepad needs pygame: pip install 'nudge-robot[teleop]'.") from error
