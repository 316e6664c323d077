"""Statistics of a LeRobot dataset: least, largest, mean, deviation and count of every feature, exact."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Statistics:
    """Sums up episodes: `add` each, then `all`."""

    def __init__(self) -> None:
        self._parts: dict[str, list[NDArray[np.float64]]] = {}
        self._is_image: dict[str, bool] = {}

    def add(self, name: str, values: NDArray[Any], is_image: bool) -> dict[str, Any]:
        """Add an episode's values (T, ...) and return their own statistics.

        Pictures (T, H, W, 3) are summed up by channel, in [0, 1].
        """
        part = _picture_part(values) if is_image else _part(values)
        self._is_image[name] = is_image
        total = self._parts.get(name)
        self._parts[name] = part if total is None else _joined(total, part)
        return _stated(part, is_image)

    def all(self) -> dict[str, dict[str, Any]]:
        """Return the statistics of everything that was added."""
        return {name: _stated(part, self._is_image[name]) for name, part in self._parts.items()}


def _part(values: NDArray[Any]) -> list[NDArray[np.float64]]:
    """Return least, largest, mean, sum of squared deviations, and two counts: of values and of steps."""
    rows = values.reshape(len(values), -1).astype(np.float64)
    mean = rows.mean(0)
    count = np.array([float(len(rows))])
    shape = values.shape[1:] or (1,)
    squares = ((rows - mean) ** 2).sum(0)
    return [*(part.reshape(shape) for part in (rows.min(0), rows.max(0), mean, squares)), count, count]


def _picture_part(images: NDArray[np.uint8]) -> list[NDArray[np.float64]]:
    levels = np.arange(256) / 255.0
    channels = []
    for channel in range(3):
        counts = np.bincount(images[..., channel].reshape(-1), minlength=256).astype(np.float64)
        seen, total = np.flatnonzero(counts), counts.sum()
        mean = float(counts @ levels) / total
        channels.append((levels[seen[0]], levels[seen[-1]], mean, float(counts @ (levels - mean) ** 2)))
    parts = [np.array(part).reshape(3, 1, 1) for part in zip(*channels, strict=True)]
    return [*parts, np.array([float(images[..., 0].size)]), np.array([float(len(images))])]


def _joined(a: list[NDArray[np.float64]], b: list[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Return the statistics of both (Chan, Golub and LeVeque 1983)."""
    count = a[4] + b[4]
    apart = b[2] - a[2]
    mean = a[2] + apart * (b[4] / count)
    squares = a[3] + b[3] + apart**2 * (a[4] * b[4] / count)
    return [np.minimum(a[0], b[0]), np.maximum(a[1], b[1]), mean, squares, count, a[5] + b[5]]


def _stated(part: list[NDArray[np.float64]], is_image: bool) -> dict[str, Any]:
    least, largest, mean, squares, count, steps = part
    stated = {"min": least, "max": largest, "mean": mean, "std": np.sqrt(squares / count)}
    return {name: value.tolist() for name, value in stated.items()} | {"count": [int(steps[0])]}
