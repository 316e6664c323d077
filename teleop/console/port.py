"""What the console asks of a robot; its node implements it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from robot.types import Array


class ConsoleRobot(Protocol):
    """What the console shows and moves; called from the server's thread."""

    def view(self) -> dict[str, Any]:
        """Return what there is to show, as JSON values; "news_of_episodes" grows when `episodes` change."""
        ...

    def episodes(self) -> list[dict[str, Any]]:
        """Return what is known of the episodes so far, one mapping each."""
        ...

    def picture(self, camera: str) -> tuple[int, NDArray[np.uint8]] | None:
        """Return the newest picture (H, W, 3) uint8 RGB under its stamp; None where there is none."""
        ...

    def hand(self, axes: Array, buttons: frozenset[str]) -> None:
        """Tell the robot what the driver's hand does now."""
        ...

    def say(self, kind: str, text: str) -> None:
        """Tell the session what the operator says beside labels: a note, a mark."""
        ...

    def press_e_stop(self) -> None:
        """Press the emergency stop."""
        ...

    def clear_faults(self, on_answer: Callable[[str], None]) -> None:
        """Release the emergency stop and clear the fault; `on_answer` is told how that ended, in a sentence."""
        ...
