"""A keyboard, through a small SDL window by pygame (extra `[teleop]`): a terminal tells no key's release."""

from __future__ import annotations

import importlib
import os
from typing import Any

import numpy as np

from robot.errors import RobotError
from robot.interfaces import DeviceReading

MOVES = {
    "w": (0, 1.0),
    "s": (0, -1.0),
    "a": (1, 1.0),
    "d": (1, -1.0),
    "r": (2, 1.0),
    "f": (2, -1.0),
    "q": (5, 1.0),
    "e": (5, -1.0),
}
"""Axis and direction by key."""
SLOWLY = 0.3
"""Share of the speed while a shift key is down."""
BUTTONS = ("space", "return", "backspace", "delete", "tab", "y", "n", "1", "2", "3")
SIZE, GROUND, HELD = (520, 90), (32, 36, 44), (224, 122, 38)
TITLE = "nudge: hold Space to drive; W S A D, R F, Q E move; this window must be in front"


class Keyboard:
    """`robot.interfaces.InputDevice`: keys count while its window is in front, and only until it is not.

    One thread calls it: SDL asks for that.
    """

    def __init__(self) -> None:
        self._pygame: Any = None
        self._window: Any = None
        self._down: set[str] = set()

    @property
    def buttons(self) -> tuple[str, ...]:
        return BUTTONS

    def connect(self) -> None:
        """Open the window.

        Raises:
            RobotError: pygame is not installed, or there is no display.
        """
        self.close()
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        try:
            pygame = importlib.import_module("pygame")
        except ImportError as error:
            raise RobotError("teleop.device=keyboard needs pygame: pip install 'nudge-robot[teleop]'.") from error
        try:
            pygame.display.init()
            self._window = pygame.display.set_mode(SIZE)
        except pygame.error as error:
            raise RobotError(
                f"The keyboard needs a window, and there is no display for one ({error}); use teleop.device=browser, "
                "or set DISPLAY."
            ) from error
        pygame.display.set_caption(TITLE)
        self._pygame = pygame
        self._show()

    def read(self) -> DeviceReading:
        """Return which keys are down.

        Raises:
            RobotError: it is not connected, or its window was closed.
        """
        if self._window is None:
            raise RobotError("The keyboard is not connected; call connect first.")
        before = set(self._down)
        for event in self._pygame.event.get():
            if event.type == self._pygame.KEYDOWN:
                self._down.add(self._pygame.key.name(event.key))
            elif event.type == self._pygame.KEYUP:
                self._down.discard(self._pygame.key.name(event.key))
            elif event.type == self._pygame.WINDOWFOCUSLOST:
                self._down.clear()
            elif event.type in (self._pygame.QUIT, self._pygame.WINDOWCLOSE):
                self.close()
                raise RobotError("The keyboard's window was closed; it opens again.")
        if self._down != before:
            self._show()
        axes = np.zeros(6)
        for key in self._down & MOVES.keys():
            axis, direction = MOVES[key]
            axes[axis] += direction
        share = SLOWLY if self._down & {"left shift", "right shift"} else 1.0
        return DeviceReading(share * axes, frozenset(self._down & set(BUTTONS)))

    def close(self) -> None:
        """Close the window; may be called twice."""
        self._down.clear()
        if self._window is not None:
            self._window = None
            self._pygame.display.quit()

    def _show(self) -> None:
        self._window.fill(HELD if "space" in self._down else GROUND)
        self._pygame.display.flip()
