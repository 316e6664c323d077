"""The same images as a LeRobotDataset keeps them by default: mp4 files, in which frames are found by seeking.

What is measured is the least that such a dataset must do for a window: find and decode two frames of each camera, in
files that stay open. The package itself adds work of its own.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.store import scenes
from sessions.formats.lerobot_video import encode

RATE_HZ = 10.0


class Videos:
    """Random windows out of `episodes` videos of each camera; all of one camera are the same, in files of their own."""

    def __init__(self, folder: Path, episodes: int, noise: float, window: int) -> None:
        self._window = window
        self._rng = np.random.default_rng(scenes.SEED)
        av: Any = importlib.import_module("av")
        self._files: list[list[Any]] = []
        self.bytes_per_step = 0.0
        for number, frames in enumerate(scenes.images(noise).values()):
            first = folder / f"camera-{number}.mp4"
            encode(first, frames[: scenes.STEPS], RATE_HZ)
            self.bytes_per_step += first.stat().st_size / scenes.STEPS
            self._files.append([])
            for episode in range(episodes):
                copy = folder / f"camera-{number}-{episode}.mp4"
                copy.write_bytes(first.read_bytes())
                self._files[-1].append(av.open(str(copy)))

    def draw(self, batch: int) -> list[NDArray[np.uint8]]:
        """Return for each camera the first and last image of each window, uint8 (2 * batch, H, W, 3)."""
        episodes = self._rng.integers(0, len(self._files[0]), batch)
        firsts = self._rng.integers(0, scenes.STEPS - self._window, batch)
        return [
            np.stack(
                [
                    image
                    for episode, first in zip(episodes, firsts, strict=True)
                    for image in self._ends(files[episode], int(first))
                ]
            )
            for files in self._files
        ]

    def _ends(self, container: Any, first: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        stream = container.streams.video[0]
        container.seek(int((first - 0.5) / RATE_HZ / stream.time_base) if first else 0, stream=stream)
        found: dict[int, NDArray[np.uint8]] = {}
        for frame in container.decode(stream):
            number = round(float(frame.pts * stream.time_base) * RATE_HZ)
            if number in (first, first + self._window):
                found[number] = frame.to_ndarray(format="rgb24")
            if number >= first + self._window:
                break
        return found[first], found[first + self._window]

    def close(self) -> None:
        for files in self._files:
            for container in files:
                container.close()
