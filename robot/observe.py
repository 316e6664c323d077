"""What the robot lets a policy see: the keys of an observation, their specs, and how one is put together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from robot.se3 import Pose
from robot.specs import ArraySpec
from robot.types import Array, Observation


def observation_spec(cameras: tuple[str, ...], image_size: int, *, has_tracker: bool = True) -> dict[str, ArraySpec]:
    """Return the specs by key, for an arm with square uint8 RGB cameras and, with a tracker, a tracked socket."""
    spec = {
        "joint_positions": ArraySpec((7,), "float32", "rad"),
        "joint_velocities": ArraySpec((7,), "float32", "rad/s"),
        "tool_pose": ArraySpec((7,), "float32", "m, quaternion xyzw", "base"),
        "tool_twist": ArraySpec((6,), "float32", "m/s, rad/s", "base"),
        "wrench": ArraySpec((6,), "float32", "N, Nm", "base axes at the tool"),
    }
    if has_tracker:
        spec["socket_pose"] = ArraySpec((7,), "float32", "m, quaternion xyzw", "base")
    for camera in cameras:
        spec[f"images/{camera}"] = ArraySpec((image_size, image_size, 3), "uint8", "RGB", f"{camera}_optical_frame")
    return spec


def assemble(
    q: Array,
    dq: Array,
    T_base_tool: Pose,
    twist: Array,
    wrench: Array,
    T_base_socket: Pose | None,
    images: Mapping[str, NDArray[np.uint8]],
) -> Observation:
    """Return the observation of these measurements, shapes as in `observation_spec`.

    Args:
        T_base_socket: None without a tracker.
        images: by camera name.
    """
    observation: Observation = {
        "joint_positions": q.astype(np.float32),
        "joint_velocities": dq.astype(np.float32),
        "tool_pose": T_base_tool.as_vector().astype(np.float32),
        "tool_twist": twist.astype(np.float32),
        "wrench": wrench.astype(np.float32),
    }
    if T_base_socket is not None:
        observation["socket_pose"] = T_base_socket.as_vector().astype(np.float32)
    for camera, image in images.items():
        observation[f"images/{camera}"] = image
    return observation
