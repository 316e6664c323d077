"""Pictures and resets that can be spoilt from outside, in the processes that make them."""

from __future__ import annotations

import array
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.faults.controls import FRAME_FAULTS, Controls

DELAY_S = 0.3


class SpoiltPublisher:
    """Stands before a camera's publisher of pictures, or of their pulses, and does to them what the controls say."""

    def __init__(self, publisher: Any, controls: Controls, slot: str) -> None:
        self._publisher, self._controls, self._slot = publisher, controls, slot
        self._last: Any = None
        self._rng = np.random.default_rng(0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._publisher, name)

    def publish(self, message: Any) -> None:
        fault = FRAME_FAULTS[self._controls[self._slot]]
        if fault == "dropped":
            return
        if fault == "delayed":
            threading.Timer(DELAY_S, self._publisher.publish, (message,)).start()
            return
        if fault == "repeated":
            message = self._repeated(message)
        elif fault in ("cut", "noise", "garbled") and hasattr(message, "data"):
            self._corrupt(message, fault)
        else:
            self._last = message
        self._publisher.publish(message)

    def _repeated(self, message: Any) -> Any:
        """Return the last good picture, or its pulse, under the new stamp: what a frozen sensor gives."""
        if self._last is None:
            self._last = message
        again = self._last
        header = again.header if hasattr(again, "header") else again
        header.stamp = (message.header if hasattr(message, "header") else message).stamp
        return again

    def _corrupt(self, message: Any, fault: str) -> None:
        if fault == "cut":
            message.data = message.data[: len(message.data) // 3]
        elif fault == "noise":
            data = array.array("B")
            data.frombytes(self._rng.bytes(int(self._rng.integers(1, 60_000))))
            message.data = data
            message.height, message.width, message.step = (int(v) for v in self._rng.integers(0, 4096, 3))
        else:
            message.encoding = "\ufffd\x01yuv?"


def spoil_pictures(controls: Controls, slot: str) -> None:
    """Let this process' camera do to its pictures what `slot` of the controls says (see `FRAME_FAULTS`)."""
    from robot.nodes.base import NudgeNode
    from sessions.build import SceneRenderer

    publisher, render = NudgeNode.publisher, SceneRenderer.__call__

    def spoilt(self: NudgeNode, name: str) -> Any:
        made = publisher(self, name)
        return SpoiltPublisher(made, controls, slot) if name in ("policy/image", "policy/pulse") else made

    def rendered(self: SceneRenderer, truth: Mapping[str, float], size: int) -> NDArray[np.uint8]:
        picture = render(self, truth, size)
        return np.zeros_like(picture) if FRAME_FAULTS[controls[slot]] == "black" else picture

    NudgeNode.publisher = spoilt  # type: ignore[method-assign]
    SceneRenderer.__call__ = rendered  # type: ignore[method-assign]


def block_reset(controls: Controls) -> None:
    """Let this process' reset never find its start pose reached, for as long as `blocked` is set."""
    from robot.nodes import reset
    from robot.reset import is_reached

    reset.is_reached = lambda *arguments: not controls["blocked"] and is_reached(*arguments)  # type: ignore[attr-defined]
