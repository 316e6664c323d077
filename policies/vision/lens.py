"""From a camera's picture to the part of it that is looked at, at the size at which it is."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from robot.errors import SpecError

Images = NDArray[np.uint8]


def look_at(images: Images, crop: tuple[float, float, float, float], size: int) -> Images:
    """Return the part `crop` of images (T, H, W, 3), scaled to (T, size, size, 3) by the mean of what a pixel covers.

    Args:
        crop: top, left, bottom, right as shares of height and width.

    Raises:
        SpecError: the images are no uint8 (T, H, W, 3), or the part has no pixel.
    """
    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
        raise SpecError(f"Images must be uint8 (T, H, W, 3); found {images.dtype}{list(images.shape)}.")
    rows, columns = require_part(images.shape[1:], crop)
    part = images[:, rows, columns]
    if part.shape[1:3] == (size, size):
        return np.ascontiguousarray(part)
    scaled = np.empty((len(part), size, size, 3), np.uint8)
    for image, out in zip(part, scaled, strict=True):
        cv2.resize(image, (size, size), dst=out, interpolation=cv2.INTER_AREA)
    return scaled


def require_part(shape: tuple[int, ...], crop: tuple[float, float, float, float]) -> tuple[slice, slice]:
    """Return the rows and columns of a part of pictures of `shape` (H, W, 3); SpecError where it has no pixel."""
    height, width = shape[:2]
    top, left, bottom, right = crop
    rows = slice(round(top * height), round(bottom * height))
    columns = slice(round(left * width), round(right * width))
    if rows.start == rows.stop or columns.start == columns.stop:
        raise SpecError(f"The crop {list(crop)} of a picture of {width} x {height} pixels has no pixel; widen it.")
    return rows, columns
