"""Sums over a row of weights that change: draws in proportion to them in logarithmic time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from robot.errors import ConfigError


class SumTree:
    """A binary tree whose leaves are weights and whose nodes are their sums (Schaul et al. 2016, appendix B.2.1).

    The leaves are in double precision and every node is the sum of its two children, never a running difference: no
    error adds up however often weights change.
    """

    def __init__(self) -> None:
        self._leaves = 1
        self._nodes = np.zeros(2, np.float64)

    @property
    def total(self) -> float:
        return float(self._nodes[1])

    def weights(self, index: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the weights of leaves `index`; 0 of those never set."""
        inside = index < self._leaves
        return np.where(inside, self._nodes[np.where(inside, index + self._leaves, 0)], 0.0)

    def set(self, index: NDArray[np.int64], weights: NDArray[np.float64]) -> None:
        """Set the weights of leaves `index`; of a leaf that is there twice the last weight counts.

        Raises:
            ConfigError: a weight is negative or not finite.
        """
        if len(index) == 0:
            return
        if not np.all(np.isfinite(weights)) or np.any(weights < 0.0):
            raise ConfigError("Priorities must be finite and at least 0.")
        self._reserve(int(index.max()) + 1)
        nodes = index + self._leaves
        self._nodes[nodes] = weights
        nodes = np.unique(nodes // 2)
        while nodes[0] >= 1:
            self._nodes[nodes] = self._nodes[2 * nodes] + self._nodes[2 * nodes + 1]
            nodes = np.unique(nodes // 2)

    def find(self, sums: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the leaves within whose weight the running sum passes `sums` (B,), each in [0, total)."""
        nodes, rest = np.ones(len(sums), np.int64), sums.copy()
        while nodes[0] < self._leaves:
            left = self._nodes[2 * nodes]
            # rounding may leave a rest on the edge of an empty side
            is_right = (rest >= left) & (self._nodes[2 * nodes + 1] > 0.0)
            rest = np.where(is_right, rest - left, rest)
            nodes = 2 * nodes + is_right
        return nodes - self._leaves

    def _reserve(self, needed: int) -> None:
        if needed <= self._leaves:
            return
        leaves = 1 << (needed - 1).bit_length()
        nodes = np.zeros(2 * leaves, np.float64)
        nodes[leaves : leaves + self._leaves] = self._nodes[self._leaves :]
        low = leaves // 2
        while low >= 1:
            nodes[low : 2 * low] = nodes[2 * low : 4 * low : 2] + nodes[2 * low + 1 : 4 * low : 2]
            low //= 2
        self._leaves, self._nodes = leaves, nodes
