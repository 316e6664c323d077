"""mp4 files: an episode's frames out of one, and frames into one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robot.errors import StoreError
from sessions.formats.guard import library, require, require_size

CODEC, PIXELS = "libx264", "yuv420p"
QUALITY = {"crf": "18", "g": "2", "preset": "veryfast"}
"""A key frame every other frame, as LeRobot has it, so that any frame is found fast."""


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a video; whatever the library raises within names the file."""
    av = library("av")
    try:
        with av.open(str(path)) as container:
            yield container
    except (av.FFmpegError, OSError) as error:
        raise StoreError(f"{path} is no whole video ({error}); copy the dataset again.") from error


def frames(path: Path, start_s: float, count: int, fps: float, shape: tuple[int, ...], where: str) -> NDArray[np.uint8]:
    """Return `count` frames (count, H, W, 3) from `start_s` on.

    Raises:
        StoreError: damaged, of another size, or without a frame at each of the times.
    """
    require_size(where, count * int(np.prod(shape)))
    out = np.empty((count, *shape), np.uint8)
    found = 0
    with opened(path) as container:
        require(len(container.streams.video) == 1, f"{path} must have one video stream.")
        stream = container.streams.video[0]
        size = (stream.codec_context.height, stream.codec_context.width)
        require(
            size == shape[:2], f"{where} must be {shape[1]}x{shape[0]} pixels; found {size[1]}x{size[0]} in {path}."
        )
        container.seek(int(max(0.0, start_s - 0.5 / fps) / stream.time_base), stream=stream)
        for frame in container.decode(stream):
            number = round((float(frame.pts * stream.time_base) - start_s) * fps)
            if number < found:
                continue
            if number > found or found == count:
                break
            require((frame.height, frame.width) == size, f"{where}: the video changes its size.")
            out[found] = frame.to_ndarray(format="rgb24")
            found += 1
    require(found == count, f"{where} must have {count} frames from {start_s:.3f} s on; found {found} in {path}.")
    return out


def encode(path: Path, images: NDArray[np.uint8], fps: float) -> None:
    """Write images (T, H, W, 3) of even height and width as a new mp4 file.

    Raises:
        StoreError: odd sizes, or the encoder does not take them.
    """
    av = library("av")
    height, width = images.shape[1:3]
    if height % 2 or width % 2:
        raise StoreError(f"A video needs an even height and width; found {width}x{height}. Export exact images.")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with av.open(str(path), "w") as container:
            stream = container.add_stream(CODEC, rate=Fraction(fps).limit_denominator(1001), options=dict(QUALITY))
            stream.width, stream.height, stream.pix_fmt = width, height, PIXELS
            for image in images:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode(None))
    except av.FFmpegError as error:
        if isinstance(error, OSError) and error.errno and error.errno > 0:
            raise OSError(error.errno, str(error), str(path)) from error
        raise StoreError(f"{path} cannot be encoded ({error}).") from error


def decibels(images: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> float:
    """Return the peak signal-to-noise ratio of `decoded` [dB]; infinite where nothing was lost."""
    error = float(np.mean((images.astype(np.float32) - decoded.astype(np.float32)) ** 2))
    return float("inf") if error == 0 else float(10 * np.log10(255.0**2 / error))
