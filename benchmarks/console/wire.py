"""What goes over the wire while somebody drives from the page: targets and modes, each with when it came here."""

from __future__ import annotations

import math
import threading
import time
from itertools import pairwise
from types import TracebackType
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor

from robot.nodes import messages
from robot.nodes.qos import subscription_qos
from robot.topics import topic

STILL_M = 2e-4
"""Targets that follow one another more closely than this in x do not move."""


class Wire:
    """A plain program beside the robot, that listens.

    with Wire(domain_id, "panda") as wire:
        mode, since = wire.mode
    """

    def __init__(self, domain_id: int, arm: str) -> None:
        self._context = Context()
        self._context.init(domain_id=domain_id)
        self._node = rclpy.create_node("wire", namespace=f"/{arm}", context=self._context, enable_rosout=False)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self.targets: list[tuple[float, float]] = []
        self.modes: list[tuple[float, str]] = []
        for name, take in (("target_pose", self._on_target), ("mode", self._on_mode)):
            row = topic(name)
            self._node.create_subscription(messages.message_class(row.type), name, take, subscription_qos(row, False))

    def __enter__(self) -> Wire:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._node.destroy_node()
        self._context.shutdown()

    @property
    def mode(self) -> str:
        """The newest mode; "" before the first."""
        return self.modes[-1][1] if self.modes else ""

    def first_move(self, since_s: float, until_s: float) -> float | None:
        """Return when the first target came that was another than the one before [s, wall clock]; None for none."""
        found = [t for t in self.targets if since_s - 0.5 <= t[0] <= until_s]
        for (_, before), (came_s, x) in pairwise(found):
            if came_s >= since_s and abs(x - before) > STILL_M:
                return came_s
        return None

    def has_left_human(self, since_s: float) -> bool:
        """Whether the mode has been another than "human" after `since_s`."""
        return self.left_human(since_s) < math.inf

    def left_human(self, since_s: float) -> float:
        """Return when that was first; infinity for not yet."""
        return next((came_s for came_s, mode in self.modes if came_s >= since_s and mode != "human"), math.inf)

    def _spin(self) -> None:
        executor = SingleThreadedExecutor(context=self._context)
        executor.add_node(self._node)
        while not self._ended.is_set():
            executor.spin_once(timeout_sec=0.1)
        executor.shutdown()

    def _on_target(self, message: Any) -> None:
        self.targets.append((time.time(), message.pose.position.x))

    def _on_mode(self, message: Any) -> None:
        self.modes.append((time.time(), message.data))
