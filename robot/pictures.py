"""What can be told of a picture without knowing the scene: whether it is whole, shows anything, is new. Pure."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

ENCODING = "rgb8"
BLANK_CONTRAST = 2.0
"""Grey levels of standard deviation below which there is no scene in a picture, only a sensor's noise."""
_STRIDE = 4
"""Every fourth row and column tell enough about contrast."""


def problem(encoding: str, height: int, width: int, size: int) -> str:
    """Return why `size` bytes are no picture of these dimensions; "" where they are one, uint8 (height, width, 3)."""
    if encoding != ENCODING:
        return f"its encoding is {encoding[:8]!r}, not {ENCODING}"
    if min(height, width) < 1 or size != 3 * height * width:
        return f"it has {size} bytes for {width} x {height} pixels"
    return ""


def is_blank(picture: NDArray[np.uint8]) -> bool:
    """Whether a picture (H, W, 3) shows nothing at all: black, white, or of any one colour, but for noise."""
    sample = picture[::_STRIDE, ::_STRIDE].reshape(-1, 3)
    return bool(sample.std(axis=0).max() < BLANK_CONTRAST)


def digest(picture: NDArray[np.uint8]) -> str:
    """Return a text that is the same for equal pictures and, all but surely, different for others."""
    return f"{zlib.crc32(np.ascontiguousarray(picture).data):08x}"
