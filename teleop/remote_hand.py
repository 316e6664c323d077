"""A person's hand on the console's page, as an input device: believed only while its word is fresh."""

from __future__ import annotations

import threading

import numpy as np

from robot.clock import Clock, to_ns
from robot.interfaces import DeviceReading
from robot.labels import HAND_BUTTONS
from robot.types import Array

FRESH_S = 0.15
"""A hand that has said nothing for so long has let go: the page may be closed, frozen or cut off."""


class RemoteHand:
    """`robot.interfaces.InputDevice` that is told over the network.

        hand.take(axes, {"engage"})      # whenever the page says so
        reading = hand.read()            # at rest, with nothing pressed, once that is older than `FRESH_S`

    After such a silence `engage` counts only when it was let go once: who comes back does not find the arm moving.

    Args:
        clock: steady; of the age of a word.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._axes, self._down = np.zeros(6), frozenset[str]()
        self._told_ns: int | None = None
        self._is_spent = False

    @property
    def buttons(self) -> tuple[str, ...]:
        return HAND_BUTTONS

    def connect(self) -> None:
        """Nobody is there yet; it is no error that nobody drives."""
        self.close()

    def take(self, axes: Array, buttons: frozenset[str]) -> None:
        """Note what the hand does now: six `axes` in [-1, 1], and the buttons that are down."""
        with self._lock:
            self._is_spent = (self._is_spent or not self._is_fresh) and "engage" in buttons
            self._axes, self._down = np.array(axes, np.float64), buttons
            self._told_ns = self._clock.now_ns()

    def read(self) -> DeviceReading:
        """Return what the hand does, as far as it may be believed."""
        with self._lock:
            if not self._is_fresh:
                return DeviceReading(np.zeros(6), frozenset())
            down = self._down - {"engage"} if self._is_spent else self._down
            return DeviceReading(self._axes.copy(), down)

    def close(self) -> None:
        """Let go; may be called twice."""
        with self._lock:
            self._told_ns, self._is_spent = None, False

    @property
    def _is_fresh(self) -> bool:
        return self._told_ns is not None and self._clock.now_ns() - self._told_ns <= to_ns(FRESH_S)
