"""Draws from several pools of windows in exact shares: uniformly, or by priority."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from robot.errors import ConfigError
from robot.store.quota import Draws, quotas
from robot.store.sumtree import SumTree


class Places(NamedTuple):
    """What of one pool is in a mini-batch: (C,) places in the pool, and their weights, at most 1."""

    place: NDArray[np.int64]
    weight: NDArray[np.float32]


class Pools:
    """Who fills a mini-batch, and with which of their windows.

        places = pools.draw(256, {"demo": 800, "online": 1500})     # by name, in the order of the shares
        pools.prioritise("demo", places["demo"].place, errors)

    Args:
        shares: of each pool; empty ones give way to the others, in proportion.
        priority: exponent of the priorities, alpha; 0 draws uniformly.
        correction: exponent of the weights that undo them, beta.
        seed: of the draws.
        heirs: for pools that give way to one other alone while they are empty, that other.
    """

    def __init__(
        self,
        shares: Mapping[str, float],
        priority: float,
        correction: float,
        seed: int,
        heirs: Mapping[str, str] | None = None,
    ) -> None:
        self.shares, self.heirs = dict(shares), dict(heirs or {})
        self.priority, self.correction = priority, correction
        self.draws = Draws(seed)
        self._trees = {name: SumTree() for name in shares}
        self._ranked = dict.fromkeys(shares, 0)
        self._highest = 1.0

    def counts(self, size: int, filled: Mapping[str, int]) -> dict[str, int]:
        """Return how many windows of each pool a batch of `size` has, where pools hold `filled` windows."""
        shares = dict(self.shares)
        for name, heir in self.heirs.items():
            if not filled[name]:
                shares[heir] += shares.pop(name)
        return quotas(size, shares, [name for name in shares if filled[name]])

    def draw(self, size: int, filled: Mapping[str, int]) -> dict[str, Places]:
        """Return the places of a batch of `size`, by pool.

        Raises:
            StoreError: no pool has a window.
        """
        counts = self.counts(size, filled)
        return {name: self._places(name, filled[name], count) for name, count in counts.items() if count}

    def _places(self, name: str, size: int, count: int) -> Places:
        """Return places in a pool of `size` to draw, and their weights: uniform, or by priority.

        A window that was never drawn has the highest priority that there was. The weights are (N p)^-beta over their
        largest in the pool's part (Schaul et al. 2016, section 3.4).
        """
        if not self.priority:
            return Places(self.draws.integers(size, count), np.ones(count, np.float32))
        if self._ranked[name] > size:  # of windows that are gone: who is left is ranked anew
            self.forget(name)
        tree = self._trees[name]
        new = np.arange(self._ranked[name], size)
        tree.set(new, np.full(len(new), self._highest))
        self._ranked[name] = size
        places = tree.find(self.draws.uniform(count) * tree.total)
        weights = (size * tree.weights(places) / tree.total) ** -self.correction
        return Places(places, (weights / weights.max()).astype(np.float32))

    def forget(self, name: str) -> None:
        """Rank a pool anew of which windows are gone: all of it as if it had never been drawn."""
        if name in self._trees:
            self._trees[name], self._ranked[name] = SumTree(), 0

    def prioritise(self, name: str, place: NDArray[np.int64], errors: NDArray[np.floating[Any]]) -> None:
        """Set the priorities of a pool's windows to (|error| + 1e-6)^alpha (Schaul et al. 2016, equation 1).

        Raises:
            ConfigError: nothing is prioritised, or an error is not finite.
        """
        if not self.priority:
            raise ConfigError("The priority is 0: there are no priorities to set.")
        values = (np.abs(np.asarray(errors, np.float64)) + 1e-6) ** self.priority
        self._trees[name].set(place, values)
        self._highest = max(self._highest, float(values.max(initial=0.0)))

    def state(self) -> dict[str, Any]:
        """Return what the next draws follow from, but for `priorities`, ready for JSON."""
        return {"draws": self.draws.state, "highest": self._highest}

    def priorities(self) -> dict[str, NDArray[np.float64]]:
        """Return the priorities of each pool's windows; none where nothing is prioritised."""
        ranked = {name: size for name, size in self._ranked.items() if size}
        return {name: self._trees[name].weights(np.arange(size)) for name, size in ranked.items()}

    def restore(self, state: Mapping[str, Any], priorities: Mapping[str, NDArray[np.float64]]) -> None:
        """Go on from what `state` and `priorities` returned."""
        self.draws.state = state["draws"]
        self._highest = float(state["highest"])
        for name, weights in priorities.items():
            self._trees[name] = SumTree()
            self._trees[name].set(np.arange(len(weights)), weights)
            self._ranked[name] = len(weights)
