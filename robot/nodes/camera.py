"""The camera node: images under their capture time, small ones for the policy, large ones for who asks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.context import Context

from robot import priority
from robot.nodes import messages
from robot.nodes.base import Graph, NudgeNode

Render = Callable[[Mapping[str, float], int], NDArray[np.uint8]]
"""(truth, size) -> uint8 (size, size, 3)."""


class SimCameraNode(NudgeNode):
    """Renders `sim/state`: every sample in lockstep, the newest at `rate_hz` in real time.

    `color/image_raw` and `color/camera_info` are rendered only while somebody subscribes to them.
    """

    nice = priority.NICE_RENDERER

    def __init__(
        self,
        graph: Graph,
        camera: str,
        render: Render,
        fovy_rad: float,
        image_size: int,
        raw_size: int = 480,
        rate_hz: float = 30.0,
        context: Context | None = None,
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__("camera", graph, camera=camera, context=context, wall=wall)
        self._render = render
        self._fovy_rad = fovy_rad
        self._image_size, self._raw_size = image_size, raw_size
        self._period_s = 1.0 / rate_hz
        self._frame = f"{camera}_optical_frame"
        self._newest: Any = None

    def setup(self) -> None:
        self._policy_image = self.publisher("policy/image")
        self._pulse_of_pictures = self.publisher("policy/pulse")
        self._raw = self.publisher("color/image_raw")
        self._info = self.publisher("color/camera_info")
        self.subscribe("sim/state", self._on_state)
        if not self.graph.is_lockstep:
            self.every(self._period_s, self._publish_newest)

    def _on_state(self, message: Any) -> None:
        self._newest = message
        if self.graph.is_lockstep:
            self._publish_newest()

    def _publish_newest(self) -> None:
        if self._newest is None:
            return
        message, self._newest = self._newest, None
        stamp_ns, truth = messages.stamp_of(message), messages.to_named(message)
        image = self._render(truth, self._image_size)
        self._policy_image.publish(messages.from_image(image, stamp_ns, self._frame))
        if self._raw.get_subscription_count() + self._info.get_subscription_count() > 0:
            size = self._raw_size
            self._raw.publish(messages.from_image(self._render(truth, size), stamp_ns, self._frame))
            self._info.publish(messages.camera_info(size, size, self._fovy_rad, stamp_ns, self._frame))
