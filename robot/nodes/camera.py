"""The camera node: images under their capture time, small ones for the policy, large ones for who asks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from rclpy.context import Context
from std_msgs.msg import Header

from robot import pictures
from robot.nodes import messages
from robot.nodes.base import Graph, NudgeNode
from robot.timing import Pace
from robot.topics import topic

NOISE_PICTURES = 16


class Renderer(Protocol):
    """What a simulated camera looks through."""

    def __call__(self, truth: Mapping[str, float], size: int) -> NDArray[np.uint8]:
        """Return a picture (size, size, 3) uint8."""
        ...

    def close(self) -> None: ...


class SimCameraNode(NudgeNode):
    """Renders `sim/state`: every sample in lockstep, at about `rate_hz` in real time.

    `color/image_raw` and `color/camera_info` are rendered only while somebody subscribes to them. In real time each
    picture gets the noise of a sensor, one grey level up or down, because a real one never gives the same picture
    twice: so that a picture under a new stamp can be told from a new picture, by the digest in `policy/pulse`. What
    is no picture (wrong size or type, nothing on it) is not published.
    """

    def __init__(
        self,
        graph: Graph,
        camera: str,
        render: Renderer,
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
        self._pace = Pace(1.0 / rate_hz, 1.0 / topic("sim/state").rate_hz)
        self._frame = f"{camera}_optical_frame"
        self._shown = self._bad = 0
        rng = np.random.default_rng(0)
        shape = (NOISE_PICTURES, image_size, image_size, 3)
        self._noise = None if graph.is_lockstep else rng.integers(-1, 2, shape, dtype=np.int8)

    def setup(self) -> None:
        self._policy_image = self.publisher("policy/image")
        self._pulses = self.publisher("policy/pulse")
        self._raw = self.publisher("color/image_raw")
        self._info = self.publisher("color/camera_info")
        self.subscribe("sim/state", self._on_state)

    def teardown(self) -> None:
        self._render.close()

    def absent(self) -> list[str]:
        # in real time a camera is ready when it has given a picture; in lockstep it gives none before it is asked
        has_begun = self.graph.is_lockstep or self._shown > 0
        return super().absent() + ([] if has_begun else [f"the first picture of {self._camera}"])

    def status(self) -> dict[str, str]:
        return {"pictures": str(self._shown), "not published because they showed nothing": str(self._bad)}

    def _on_state(self, message: Any) -> None:
        # at a state, not at a timer: a picture of a state that has waited is older by that
        if self.graph.is_lockstep or self._pace.is_due(messages.stamp_of(message)):
            self._publish(message)

    def _publish(self, message: Any) -> None:
        stamp_ns, truth = messages.stamp_of(message), messages.to_named(message)
        image = self._render(truth, self._image_size)
        if self._noise is not None:
            if not _is_picture(image, self._image_size):
                self._bad += 1
                return
            image = with_noise(image, self._noise[self._shown % NOISE_PICTURES])
            self._pulses.publish(Header(stamp=messages.to_time(stamp_ns), frame_id=pictures.digest(image)))
        self._shown += 1
        self._policy_image.publish(messages.from_image(image, stamp_ns, self._frame))
        if self._raw.get_subscription_count() + self._info.get_subscription_count() > 0:
            size = self._raw_size
            self._raw.publish(messages.from_image(self._render(truth, size), stamp_ns, self._frame))
            self._info.publish(messages.camera_info(size, size, self._fovy_rad, stamp_ns, self._frame))


def with_noise(image: NDArray[np.uint8], noise: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Return `image` (H, W, 3) with `noise` (H, W, 3) added, within 0 and 255."""
    noisy = image.astype(np.int16) + noise
    return np.clip(noisy, 0, 255, out=noisy).astype(np.uint8)


def _is_picture(image: NDArray[np.uint8], size: int) -> bool:
    if image.shape != (size, size, 3) or image.dtype != np.uint8:
        return False
    return not pictures.is_blank(image)
