"""Between ROS 2 messages and the hub's types; every conversion in one place."""

from __future__ import annotations

import array
import importlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped, TwistStamped, WrenchStamped
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image, JointState, Joy

from robot.clock import NANOSECONDS
from robot.labels import Heard
from robot.se3 import Pose
from robot.types import ROLES, Array, Decision, Label, Source

LABELS = (Label.SUCCESS, Label.FAILURE, Label.DISCARD)
"""Buttons of `teleop/joy`, behind the dead-man."""


def message_class(type_name: str) -> Any:
    """Return the Python class of a message type such as "geometry_msgs/msg/PoseStamped"."""
    package, kind, name = type_name.split("/")
    return getattr(importlib.import_module(f"{package}.{kind}"), name)


def to_time(stamp_ns: int) -> Time:
    return Time(sec=stamp_ns // NANOSECONDS, nanosec=stamp_ns % NANOSECONDS)


def to_stamp_ns(time: Time) -> int:
    return int(time.sec) * NANOSECONDS + int(time.nanosec)


def stamp_of(message: Any) -> int:
    """Return the header stamp of a message [ns]."""
    return to_stamp_ns(message.header.stamp)


def _stamped(message: Any, stamp_ns: int, frame: str) -> Any:
    message.header.stamp = to_time(stamp_ns)
    message.header.frame_id = frame
    return message


def from_pose(pose: Pose, stamp_ns: int, frame: str) -> PoseStamped:
    message = _stamped(PoseStamped(), stamp_ns, frame)
    p, q = message.pose.position, message.pose.orientation
    p.x, p.y, p.z = (float(v) for v in pose.position)
    q.x, q.y, q.z, q.w = (float(v) for v in pose.quaternion)
    return message


def to_pose(message: PoseStamped) -> Pose:
    p, q = message.pose.position, message.pose.orientation
    return Pose(np.array([p.x, p.y, p.z]), np.array([q.x, q.y, q.z, q.w]))


def from_twist(twist: Array, stamp_ns: int, frame: str) -> TwistStamped:
    """`twist` is (6,): m/s, rad/s."""
    message = _stamped(TwistStamped(), stamp_ns, frame)
    _set_six(message.twist.linear, message.twist.angular, twist)
    return message


def to_twist(message: TwistStamped) -> Array:
    return _six(message.twist.linear, message.twist.angular)


def from_wrench(wrench: Array, stamp_ns: int, frame: str) -> WrenchStamped:
    """`wrench` is (6,): N, Nm."""
    message = _stamped(WrenchStamped(), stamp_ns, frame)
    _set_six(message.wrench.force, message.wrench.torque, wrench)
    return message


def to_wrench(message: WrenchStamped) -> Array:
    return _six(message.wrench.force, message.wrench.torque)


def _set_six(first: Any, second: Any, values: Array) -> None:
    first.x, first.y, first.z = (float(v) for v in values[:3])
    second.x, second.y, second.z = (float(v) for v in values[3:])


def _six(first: Any, second: Any) -> Array:
    return np.array([first.x, first.y, first.z, second.x, second.y, second.z])


def from_joints(q: Array, dq: Array, tau: Array, stamp_ns: int, frame: str, names: Sequence[str] = ()) -> JointState:
    message = _stamped(JointState(), stamp_ns, frame)
    message.name = list(names)
    message.position, message.velocity, message.effort = q.tolist(), dq.tolist(), tau.tolist()
    return message


def from_named(values: Mapping[str, float], stamp_ns: int, frame: str = "") -> JointState:
    """A stamped vector with names; JointState is the one standard message that carries such."""
    message = _stamped(JointState(), stamp_ns, frame)
    message.name = list(values)
    message.position = [float(v) for v in values.values()]
    return message


def to_named(message: JointState) -> dict[str, float]:
    return dict(zip(message.name, message.position, strict=True))


def from_axes(axes: NDArray[np.floating], buttons: tuple[int, ...], stamp_ns: int) -> Joy:
    message = _stamped(Joy(), stamp_ns, "")
    message.axes = [float(v) for v in axes]
    message.buttons = [int(b) for b in buttons]
    return message


def to_executed(message: Joy | None, size: int) -> tuple[NDArray[np.float32], Source, int]:
    """Return what an `intervention` says: the executed action (size,), its source, and the safety reasons.

    With no message, because the mux has not answered, nothing was executed.
    """
    if message is None:
        return np.zeros(size, np.float32), Source.HOLD, 0
    return np.array(message.axes, np.float32), Source(message.buttons[0]), int(message.buttons[1])


def from_hand(axes: Array, is_engaged: bool, label: Label, stamp_ns: int) -> Joy:
    """Return what a person's hand does: `axes` (6,), and as buttons the dead-man and `LABELS`."""
    return from_axes(axes, (int(is_engaged), *(int(one in label) for one in LABELS)), stamp_ns)


def to_label(message: Joy) -> Label:
    """Return the labels whose buttons are down."""
    found = Label.NONE
    for one, is_down in zip(LABELS, message.buttons[1:], strict=False):
        found |= one if is_down else Label.NONE
    return found


def from_image(image: NDArray[np.uint8], stamp_ns: int, frame: str) -> Image:
    """`image` is uint8 (H, W, 3) RGB."""
    message = _stamped(Image(), stamp_ns, frame)
    message.height, message.width = image.shape[:2]
    message.encoding, message.step = "rgb8", 3 * image.shape[1]
    # the only assignment that is fast on every ROS 2 distribution
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(image).data.cast("B"))
    message.data = data
    return message


def to_image(message: Image) -> NDArray[np.uint8]:
    """Return uint8 (H, W, 3) RGB without a copy; raises ValueError when the message's sizes disagree."""
    return np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3)


def camera_info(height: int, width: int, fovy_rad: float, stamp_ns: int, frame: str) -> CameraInfo:
    """Return the intrinsics of an ideal pinhole camera with square pixels and vertical field of view `fovy_rad`."""
    message = _stamped(CameraInfo(), stamp_ns, frame)
    focal = 0.5 * height / np.tan(0.5 * fovy_rad)
    message.height, message.width, message.distortion_model = height, width, "plumb_bob"
    message.d = [0.0] * 5
    message.k = [focal, 0.0, width / 2, 0.0, focal, height / 2, 0.0, 0.0, 1.0]
    message.r = np.eye(3).ravel().tolist()
    message.p = [focal, 0.0, width / 2, 0.0, 0.0, focal, height / 2, 0.0, 0.0, 0.0, 1.0, 0.0]
    return message


def from_decision(decision: Decision, step: int, role: str, stamp_ns: int) -> JointState:
    """Return what `policy/info` tells of a decision at step `step` of an episode."""
    info = {
        "step": float(step),
        "role": float(ROLES.index(role)),
        "chunk_phase": float(decision.chunk_phase),
        "weights_version": float(decision.weights_version),
        "certainty": float(decision.certainty),
        "is_refused": float(decision.is_refused),
    }
    info |= {f"base{i}": float(v) for i, v in enumerate(decision.base_action)}
    info |= {f"residual{i}": float(v) for i, v in enumerate(decision.residual)}
    return from_named(info, stamp_ns)


def to_heard(text: str, step: int, stamp_ns: int) -> Heard:
    """Return what a `console/say` text says, at `step` of the running episode, -1 between two."""
    said = to_event(text)
    return Heard(str(said.get("say", "")), str(said.get("text", "")), step if step >= 0 else None, stamp_ns)


def to_event(text: str) -> dict[str, Any]:
    """Return the parts of an `episode/event` text: {"event": name, ...}; {} where it is not one."""
    try:
        parts = json.loads(text)
    except json.JSONDecodeError:
        return {}
    return parts if isinstance(parts, dict) else {}
