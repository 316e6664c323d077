"""Images as differences from the pixel above: what a camera's noise leaves of them takes half the bytes.

Zarr reads it back as its codecs `transpose`, order (0, 2, 3, 1), and `numcodecs.delta`: with the rows of an image as
the last axis, neighbours in memory are a pixel and the one below it, in the same colour. Differences are modulo 256.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ORDER = (0, 2, 3, 1)
_BACK = (0, 3, 1, 2)

Images = NDArray[np.uint8]


def differences(images: Images) -> bytes:
    """Return images (N, H, W, C) as zarr's two codecs leave them."""
    columns = np.ascontiguousarray(images.transpose(ORDER)).reshape(-1)
    result = columns.copy()
    np.subtract(columns[1:], columns[:-1], out=result[1:])
    return result.tobytes()


def images(content: bytes, shape: tuple[int, ...]) -> Images:
    """Inverse of `differences`, for images of `shape` (N, H, W, C).

    Raises:
        ValueError: `content` has another size.
    """
    count, height, width, colours = shape
    columns = np.frombuffer(content, np.uint8).reshape(count, width, colours, height)
    # summed down the rows all at once, then each column moved by where the one before it ended
    result = np.array(columns.transpose(_BACK), order="C")
    np.add.accumulate(result, axis=1, out=result)
    ends = np.add.accumulate(result[:, -1].reshape(-1))
    result[:, :] += np.concatenate([[0], ends[:-1]]).astype(np.uint8).reshape(count, 1, width, colours)
    return result
