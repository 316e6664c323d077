"""Who fills a mini-batch: pools of rows, each with a share, in exact counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robot.errors import ConfigError, StoreError


def quotas(size: int, shares: Mapping[str, float], filled: Sequence[str]) -> dict[str, int]:
    """Return how many of `size` rows each of the `filled` pools gives; they add up to `size` exactly.

    Shares of pools that are empty go to the others in proportion. What is left by rounding down goes to the largest
    remainders, in the order of `shares` where these are equal (Hamilton's method): the same counts in every batch.

    Raises:
        ConfigError: a share is negative or not finite, or `size` is not positive.
        StoreError: no pool with a share has a row.
    """
    if size < 1:
        raise ConfigError(f"A mini-batch has at least 1 row; found {size}.")
    for name, share in shares.items():
        if not np.isfinite(share) or share < 0.0:
            raise ConfigError(f"The share of {name!r} must be at least 0; found {share}.")
    live = {name: share for name, share in shares.items() if share > 0.0 and name in filled}
    total = sum(live.values())
    if not live:
        raise StoreError(f"There is nothing to draw from: none of {', '.join(shares)} has a step.")
    exact = {name: size * share / total for name, share in live.items()}
    counts = {name: int(value + 1e-9) for name, value in exact.items()}
    order = sorted(live, key=lambda name: counts[name] - exact[name])
    for name in order[: size - sum(counts.values())]:
        counts[name] += 1
    return counts


class Draws:
    """Random numbers that repeat from a seed, and go on from a state."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def integers(self, below: int, size: int) -> NDArray[np.int64]:
        """Return `size` integers in [0, below), with replacement."""
        return self._rng.integers(below, size=size)

    def uniform(self, size: int) -> NDArray[np.float64]:
        """Return numbers in [0, 1), from the same stream."""
        return self._rng.random(size)

    @property
    def state(self) -> dict[str, Any]:
        """The random state, ready for JSON; set it to go on from there."""
        return dict(self._rng.bit_generator.state)

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        self._rng.bit_generator.state = state
