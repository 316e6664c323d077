"""The few ROS 2 messages that a store becomes, as bytes (CDR, little-endian; OMG DDSI-RTPS 10.2) and back."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sessions.formats.guard import require

_HEADER = b"\x00\x01\x00\x00"
NANOSECONDS = 1_000_000_000
TEXT, IMAGE = "std_msgs/msg/String", "sensor_msgs/msg/Image"
ARRAYS = {
    name: f"std_msgs/msg/{title}MultiArray"
    for name, title in [
        ("bool", "UInt8"),
        *(
            (f"{kind}{bits}", f"{title}{bits}")
            for kind, title in (("int", "Int"), ("uint", "UInt"))
            for bits in (8, 16, 32, 64)
        ),
        ("float32", "Float32"),
        ("float64", "Float64"),
    ]
}
"""Message type by numpy dtype."""


class _Out:
    """Bytes that are aligned from the end of the encapsulation header on."""

    def __init__(self) -> None:
        self._parts = bytearray(_HEADER)

    def number(self, kind: str, value: int) -> None:
        self.align(struct.calcsize(kind))
        self._parts += struct.pack(f"<{kind}", value)

    def text(self, value: str) -> None:
        data = value.encode() + b"\0"
        self.number("I", len(data))
        self._parts += data

    def align(self, size: int) -> None:
        self._parts += b"\0" * (-(len(self._parts) - 4) % size)

    def data(self, data: bytes) -> None:
        self._parts += data

    def done(self) -> bytes:
        return bytes(self._parts)


class _In:
    """Reads what `_Out` writes; never past the end."""

    def __init__(self, data: bytes) -> None:
        require(data[:2] == _HEADER[:2], "a message is not in little-endian CDR")
        self._data, self._at = data, 4

    def number(self, kind: str) -> int:
        size = struct.calcsize(kind)
        self.align(size)
        (value,) = struct.unpack(f"<{kind}", self.take(size))
        return int(value)

    def text(self) -> str:
        return self.take(self.number("I")).rstrip(b"\0").decode()

    def align(self, size: int) -> None:
        self._at += -(self._at - 4) % size

    def take(self, count: int) -> bytes:
        require(self._at + count <= len(self._data), "a message ends too early")
        self._at += count
        return self._data[self._at - count : self._at]


def pack_text(text: str) -> bytes:
    """Return a std_msgs/String."""
    out = _Out()
    out.text(text)
    return out.done()


def unpack_text(data: bytes) -> str:
    return _In(data).text()


def pack_array(values: NDArray[Any]) -> bytes:
    """Return the MultiArray of `ARRAYS` with the values' shape as its layout."""
    out = _Out()
    out.number("I", values.ndim)
    for axis, size in enumerate(values.shape):
        out.text("")
        out.number("I", size)
        out.number("I", math.prod(values.shape[axis:]))
    out.number("I", 0)
    out.number("I", values.size)
    out.align(values.dtype.itemsize)
    out.data(np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"), copy=False).tobytes())
    return out.done()


def unpack_array(data: bytes, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the values of a MultiArray.

    Raises:
        StoreError: of another shape, or cut.
    """
    reader = _In(data)
    dimensions = reader.number("I")
    require(dimensions == len(shape), f"a message must have the shape {shape}; found {dimensions} dimensions")
    for size in shape:
        reader.text()
        found = reader.number("I")
        require(found == size, f"a message must have the shape {shape}; found {found} for {size}")
        reader.number("I")
    reader.number("I")
    count, item = reader.number("I"), np.dtype(dtype).newbyteorder("<")
    require(count == math.prod(shape), f"a message must have {math.prod(shape)} values; found {count}")
    reader.align(item.itemsize)
    return np.frombuffer(reader.take(count * item.itemsize), item).reshape(shape).astype(dtype, copy=False)


def pack_image(image: NDArray[np.uint8], stamp_ns: int, frame: str) -> bytes:
    """Return a sensor_msgs/Image, rgb8, of an image (H, W, 3); a stamp below 0 becomes 0."""
    out = _Out()
    seconds, rest = divmod(max(0, stamp_ns), NANOSECONDS)
    out.number("i", min(seconds, 2**31 - 1))
    out.number("I", rest)
    out.text(frame)
    out.number("I", image.shape[0])
    out.number("I", image.shape[1])
    out.text("rgb8")
    out.number("B", 0)
    out.number("I", image.shape[1] * 3)
    out.number("I", image.size)
    out.data(np.ascontiguousarray(image).tobytes())
    return out.done()


def unpack_image(data: bytes) -> NDArray[np.uint8]:
    """Return the image (H, W, 3) in a sensor_msgs/Image.

    Raises:
        StoreError: of an encoding other than rgb8 and bgr8, or its sizes disagree.
    """
    reader = _In(data)
    reader.number("i")
    reader.number("I")
    reader.text()
    height, width = reader.number("I"), reader.number("I")
    encoding = reader.text()
    reader.number("B")
    step, count = reader.number("I"), reader.number("I")
    require(encoding in ("rgb8", "bgr8"), f"a picture must be rgb8 or bgr8; found {encoding[:40]!r}")
    require(step >= 3 * width and count == step * height, "the sizes of a picture disagree")
    rows = np.frombuffer(reader.take(count), np.uint8).reshape(height, step)[:, : 3 * width]
    image = rows.reshape(height, width, 3)
    return image if encoding == "rgb8" else image[..., ::-1]


def header_stamp_ns(data: bytes) -> int:
    """Return the stamp of a message that begins with a std_msgs/Header."""
    reader = _In(data)
    return reader.number("i") * NANOSECONDS + reader.number("I")
