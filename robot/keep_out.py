"""Keep-out boxes: where a straight way enters one, and the shortest way out of them."""

from __future__ import annotations

import math

import numpy as np

from robot.errors import ConfigError
from robot.types import Array

HAIR_M = 1e-4
"""A way ends this far before the box that it would enter."""

REACH_M = 100.0
"""No arm reaches farther; where a tool is said to be beyond, the measurement is wrong."""

_Box = tuple[list[float], list[float]]
_WAYS_OUT = ((2, 1), (0, 1), (0, -1), (1, 1), (1, -1), (2, -1))
"""(axis, sign); of two that are equally short the first is taken, so up comes first."""


def check_boxes(name: str, boxes: tuple[tuple[float, ...], ...]) -> None:
    """Refuse what is no list of boxes, each (low x, low y, low z, high x, high y, high z) [m].

    Raises:
        ConfigError: naming the box.
    """
    for index, box in enumerate(boxes):
        is_box = len(box) == 6 and all(-REACH_M <= a < b <= REACH_M for a, b in zip(box, box[3:], strict=False))
        if not is_box:
            raise ConfigError(
                f"{name}[{index}] must be a box of six numbers within {REACH_M:.0f} m, low x y z below high x y z; "
                f"found {list(box)}."
            )


class KeepOut:
    """Axis-aligned boxes in the base frame that no target may lie in; their faces belong to them.

    Args:
        boxes: each (low x, low y, low z, high x, high y, high z) [m].
        low, high: corners (3,) [m] of the workspace, which the way out of a box does not leave if it can.
    """

    def __init__(self, boxes: tuple[tuple[float, ...], ...], low: Array, high: Array) -> None:
        self._boxes: list[_Box] = [(list(map(float, box[:3])), list(map(float, box[3:]))) for box in boxes]
        self._workspace: _Box = (low.tolist(), high.tolist())

    def __bool__(self) -> bool:
        return bool(self._boxes)

    def contains(self, point: Array) -> bool:
        """Tell whether `point` (3,) [m] lies in a box or on its surface."""
        return bool(self._around(point.tolist()))

    def clip(self, start: Array, end: Array) -> Array:
        """Return `end` (3,), or where it is not in reach of `start` (3,) on a straight way that touches no box: the
        point of that way a hair before the first box. `start` must lie in none."""
        share = self._entry(start.tolist(), end.tolist())
        if share > 1.0 and not self.contains(end):
            return end
        way = end - start
        length = float(np.linalg.norm(way))
        share = min(share, 1.0) - HAIR_M / max(length, HAIR_M)
        clipped = start + max(0.0, share) * way
        return start if self.contains(clipped) else clipped

    def way_out(self, point: Array) -> Array:
        """Return the nearest point (3,) a hair outside of all boxes, straight along one axis from `point` (3,).

        Points that lie farther out of the workspace than `point` are taken only where there are no others.
        """
        at = point.tolist()
        ways = [(axis, self._way_along(at, axis, sign)) for axis, sign in _WAYS_OUT]
        within = [(axis, end) for axis, end in ways if self._beyond(axis, end) <= self._beyond(axis, at[axis])]
        axis, end = min(within or ways, key=lambda way: abs(way[1] - at[way[0]]))
        at[axis] = end
        return np.array(at)

    def _around(self, at: list[float]) -> list[_Box]:
        return [box for box in self._boxes if all(a <= x <= b for a, x, b in zip(box[0], at, box[1], strict=True))]

    def _entry(self, start: list[float], end: list[float]) -> float:
        """Return the share of the way at which it first meets a box, by slabs; infinity where it meets none."""
        first = math.inf
        for low, high in self._boxes:
            enter, leave = 0.0, 1.0
            for s, e, a, b in zip(start, end, low, high, strict=True):
                way = e - s
                if way == 0.0:
                    if not a <= s <= b:
                        enter = math.inf
                    continue
                one, other = (a - s) / way, (b - s) / way
                enter, leave = max(enter, min(one, other)), min(leave, max(one, other))
            if enter <= leave:
                first = min(first, enter)
        return first

    def _way_along(self, at: list[float], axis: int, sign: int) -> float:
        """Return the coordinate on `axis` at which one who goes from `at` in the direction of `sign` is outside."""
        here = list(at)
        while around := self._around(here):
            faces = [box[1][axis] + HAIR_M if sign > 0 else box[0][axis] - HAIR_M for box in around]
            here[axis] = max(faces) if sign > 0 else min(faces)
        return here[axis]

    def _beyond(self, axis: int, x: float) -> float:
        return max(self._workspace[0][axis] - x, x - self._workspace[1][axis], 0.0)
