"""Pictures that foreign formats keep in other ways than a store's uint8 (H, W, 3)."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from robot.errors import StoreError
from sessions.formats.guard import MAX_SIDE
from sessions.formats.keys import is_picture

PNG_LEVEL = 3
"""Compression of PNG: larger takes longer and saves little."""


def to_png(image: NDArray[np.uint8]) -> bytes:
    """Return the image (H, W, 3) as a PNG file, without loss."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", compress_level=PNG_LEVEL)
    return file.getvalue()


def from_file(data: bytes, shape: tuple[int, ...], where: str) -> NDArray[np.uint8]:
    """Return the picture in a PNG or JPEG file.

    Args:
        shape: (H, W, 3) that it must have; checked before the pixels are unpacked.

    Raises:
        StoreError: another format or size, or damaged.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            if image.size != (shape[1], shape[0]) or max(image.size) > MAX_SIDE:
                raise StoreError(f"{where} must be {shape[1]}x{shape[0]}; found {image.size[0]}x{image.size[1]}.")
            return np.asarray(image.convert("RGB"), np.uint8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise StoreError(f"{where} is no whole PNG or JPEG picture ({error}); copy the file again.") from error


class Layout:
    """How a foreign array becomes a store's: as it is, or a picture from channels first or from whole floats.

    Attributes:
        shape, dtype: of a row in the store.
        remark: for the report.
    """

    def __init__(self, shape: tuple[int, ...], dtype: str, sample: NDArray[Any] | None = None) -> None:
        self._has_channels_first = len(shape) == 3 and shape[0] == 3 and shape[2] != 3
        turned = (shape[1], shape[2], 3) if self._has_channels_first else shape
        self._has_floats = dtype in ("float32", "float64") and is_picture(turned, "uint8") and _is_whole(sample)
        is_image = is_picture(turned, "uint8" if self._has_floats else dtype)
        self._has_channels_first &= is_image
        self.is_image = is_image
        self.shape = turned if is_image else shape
        self.dtype = "uint8" if is_image else dtype
        remarks = ["channels first turned to channels last"] * self._has_channels_first
        self.remark = ", ".join(remarks + ["whole numbers in 0..255 kept as bytes"] * self._has_floats)

    def rows(self, values: NDArray[Any], where: str) -> NDArray[Any]:
        """Return foreign rows (T, ...) as the store's.

        Raises:
            StoreError: floats that are no whole numbers in 0..255 where the first ones were.
        """
        if self._has_channels_first:
            values = np.moveaxis(values, 1, -1)
        if self._has_floats:
            if not _is_whole(values):
                raise StoreError(f"{where} must be whole numbers in 0..255, as in the first episode; found others.")
            values = values.astype(np.uint8)
        return values


def _is_whole(values: NDArray[Any] | None) -> bool:
    return values is not None and bool(
        np.all(np.isfinite(values))
        and np.all((values >= 0) & (values <= 255))
        and np.all(values == np.floor(values))
        and np.any(values > 1)
    )
