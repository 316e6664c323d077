"""What the robot lets a policy see: the keys of an observation, their specs, and how one is put together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from robot.se3 import Pose
from robot.specs import TRUTH, ArraySpec
from robot.types import Array, Observation

TRUTH_SOCKET = f"{TRUTH}socket_pose"


def observation_spec(
    cameras: tuple[str, ...], image_size: int, *, has_tracker: bool = True, tells_truth: bool = False
) -> dict[str, ArraySpec]:
    """Return the specs by key, for an arm with square uint8 RGB cameras and, with a tracker, a tracked socket.

    A simulation may tell the truth about the socket besides (`robot.specs.TRUTH`).
    """
    spec = {
        "joint_positions": ArraySpec((7,), "float32", "rad"),
        "joint_velocities": ArraySpec((7,), "float32", "rad/s"),
        "tool_pose": ArraySpec((7,), "float32", "m, quaternion xyzw", "base"),
        "tool_twist": ArraySpec((6,), "float32", "m/s, rad/s", "base"),
        "wrench": ArraySpec((6,), "float32", "N, Nm", "base axes at the tool"),
    }
    if has_tracker:
        spec["socket_pose"] = ArraySpec((7,), "float32", "m, quaternion xyzw", "base")
    if tells_truth:
        spec[TRUTH_SOCKET] = ArraySpec((7,), "float32", "m, quaternion xyzw", "base")
    for camera in cameras:
        spec[f"images/{camera}"] = ArraySpec((image_size, image_size, 3), "uint8", "RGB", f"{camera}_optical_frame")
    return spec


def true_socket(truth: Mapping[str, float]) -> Pose:
    """Return `T_base_socket` as a simulation's truth has it."""
    half = 0.5 * truth["socket_yaw"]
    position = np.array([truth[f"socket_{axis}"] for axis in "xyz"])
    return Pose(position, np.array([0.0, 0.0, np.sin(half), np.cos(half)]))


def assemble(
    q: Array,
    dq: Array,
    T_base_tool: Pose,
    twist: Array,
    wrench: Array,
    T_base_socket: Pose | None,
    images: Mapping[str, NDArray[np.uint8]],
    T_truth_socket: Pose | None = None,
) -> Observation:
    """Return the observation of these measurements, shapes as in `observation_spec`.

    Args:
        T_base_socket: None without a tracker.
        images: by camera name.
        T_truth_socket: in the base frame, where a simulation tells it.
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
    if T_truth_socket is not None:
        observation[TRUTH_SOCKET] = T_truth_socket.as_vector().astype(np.float32)
    for camera, image in images.items():
        observation[f"images/{camera}"] = image
    return observation
