"""Numbers out of ROS 2 messages of the common types."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from mcap_ros2.decoder import DecoderFactory
from numpy.typing import NDArray
from PIL import Image

from robot.errors import StoreError
from sessions.formats import cdr
from sessions.formats.guard import MAX_SIDE, require
from sessions.formats.mcap_messages import Sample
from sessions.formats.pictures import from_file


def _fields(*names: str) -> Callable[[Any], list[float]]:
    def read(message: Any) -> list[float]:
        found = []
        for name in names:
            value = message
            for part in name.split("."):
                value = getattr(value, part)
            found.append(float(value))
        return found

    return read


_XYZ = tuple("xyz")
_POSE = (*(f"position.{a}" for a in _XYZ), *(f"orientation.{a}" for a in "xyzw"))
_TWIST = (*(f"linear.{a}" for a in _XYZ), *(f"angular.{a}" for a in _XYZ))
_WRENCH = (*(f"force.{a}" for a in _XYZ), *(f"torque.{a}" for a in _XYZ))
_VECTORS: dict[str, tuple[str, ...]] = {
    "geometry_msgs/msg/Pose": _POSE,
    "geometry_msgs/msg/PoseStamped": tuple(f"pose.{n}" for n in _POSE),
    "geometry_msgs/msg/Twist": _TWIST,
    "geometry_msgs/msg/TwistStamped": tuple(f"twist.{n}" for n in _TWIST),
    "geometry_msgs/msg/Wrench": _WRENCH,
    "geometry_msgs/msg/WrenchStamped": tuple(f"wrench.{n}" for n in _WRENCH),
    "geometry_msgs/msg/Point": _XYZ,
    "geometry_msgs/msg/PointStamped": tuple(f"point.{a}" for a in _XYZ),
    "geometry_msgs/msg/Vector3": _XYZ,
    "geometry_msgs/msg/Vector3Stamped": tuple(f"vector.{a}" for a in _XYZ),
    "geometry_msgs/msg/Quaternion": tuple("xyzw"),
}
"""Fields in order; quaternions as xyzw."""

_PARTS = {"sensor_msgs/msg/JointState": ("position", "velocity", "effort"), "sensor_msgs/msg/Joy": ("axes", "buttons")}
_DTYPES = {"position": "float64", "velocity": "float64", "effort": "float64", "axes": "float32", "buttons": "int64"}
_SCALARS = {
    f"std_msgs/msg/{title}": dtype
    for title, dtype in [
        (kind.split("/")[2].removesuffix("MultiArray"), name) for name, kind in cdr.ARRAYS.items() if name != "bool"
    ]
    + [("Bool", "bool")]
}
_ARRAYS = {kind: dtype for dtype, kind in cdr.ARRAYS.items() if dtype != "bool"}
_PICTURES = (cdr.IMAGE, "sensor_msgs/msg/CompressedImage")
TYPES = (*_PICTURES, *_PARTS, *_VECTORS, *_ARRAYS, *_SCALARS)
"""Types that have numbers for a store."""

STAMPED = {name for name in TYPES if name.endswith("Stamped") or name.startswith("sensor_msgs/")}
"""Types that begin with a std_msgs/Header."""


class Decoder:
    """Decodes messages by the definitions that the file carries."""

    def __init__(self) -> None:
        self._factory = DecoderFactory()
        self._decoders: dict[tuple[str, bytes], Any] = {}

    def value(self, sample: Sample, part: str, where: str) -> NDArray[Any]:
        """Return the numbers of a message.

        Args:
            part: of a JointState or Joy: position, velocity, effort, axes or buttons; "" for the first of them.

        Raises:
            StoreError: a part or type that has none, or damaged.
        """
        if sample.type == cdr.IMAGE:
            return cdr.unpack_image(sample.data)
        message = self._message(sample, where)
        if sample.type in _PICTURES:
            return _compressed(bytes(message.data), where)
        parts = _PARTS.get(sample.type, ())
        if part and part not in parts:
            raise StoreError(f"{where} has no part {part!r}; it has {', '.join(parts) or 'none'}.")
        if parts:
            name = part or parts[0]
            values = np.array(list(getattr(message, name)), _DTYPES[name])
            require(values.size > 0, f"{where} has no {name}; map another part with TOPIC#PART.")
            return values
        if sample.type in _VECTORS:
            return np.array(_fields(*_VECTORS[sample.type])(message))
        if sample.type in _ARRAYS:
            values = np.array(list(message.data), _ARRAYS[sample.type])
            shape = tuple(int(d.size) for d in message.layout.dim)
            require(values.size > 0, f"{where} is empty.")
            return values.reshape(shape) if shape and int(np.prod(shape)) == values.size else values
        return np.array(message.data, _SCALARS[sample.type])

    def _message(self, sample: Sample, where: str) -> Any:
        if sample.schema is None or sample.schema.encoding != "ros2msg":
            raise StoreError(f"{where} has no definition of its messages (ros2msg); record the bag with definitions.")
        key = (sample.type, sample.schema.data)
        if key not in self._decoders:
            self._decoders[key] = self._factory.decoder_for("cdr", sample.schema)
        return self._decoders[key](sample.data)


def _compressed(data: bytes, where: str) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
        width, height = image.size
    require(max(width, height) <= MAX_SIDE, f"{where} is a picture of {width}x{height}; too large.")
    return from_file(data, (height, width, 3), where)
