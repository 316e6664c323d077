"""Success rates with their 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

Z_95 = 1.959963984540054
"""Two-sided 95 % quantile of the standard normal distribution."""


class Rate(NamedTuple):
    """A success rate: `successes` of `episodes`, with the 95 % interval [`low`, `high`]."""

    successes: int
    episodes: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Successes per episode; NaN where there was no episode."""
        return self.successes / self.episodes if self.episodes else math.nan

    def __str__(self) -> str:
        if not self.episodes:
            return "no episodes"
        interval = f"95% interval {self.low:.0%} to {self.high:.0%}"
        return f"{self.successes} of {self.episodes} = {self.share:.0%} ({interval})"


def wilson(successes: int, episodes: int) -> Rate:
    """Return the rate with Wilson's score interval, without continuity correction.

    E. B. Wilson, JASA 22 (1927) 209; method 3 of R. G. Newcombe, Statistics in Medicine 17 (1998) 857.
    Without episodes nothing is known: [0, 1].

    Raises:
        ValueError: unless 0 <= successes <= episodes.
    """
    if not 0 <= successes <= episodes:
        raise ValueError(f"Successes must lie in [0, episodes={episodes}]; found {successes}.")
    if episodes == 0:
        return Rate(0, 0, 0.0, 1.0)
    share, z2 = successes / episodes, Z_95**2
    centre = (share + z2 / (2 * episodes)) / (1 + z2 / episodes)
    half = Z_95 / (1 + z2 / episodes) * math.sqrt(share * (1 - share) / episodes + z2 / (4 * episodes**2))
    low = 0.0 if successes == 0 else max(0.0, centre - half)  # exact at the ends, where rounding is not
    high = 1.0 if successes == episodes else min(1.0, centre + half)
    return Rate(successes, episodes, low, high)


def moving_rates(successes: Sequence[bool], window: int) -> list[Rate]:
    """Return the rate over the last `window` episodes (fewer at the start) at each episode."""
    flags = [int(flag) for flag in successes]
    ends = range(1, len(flags) + 1)
    return [wilson(sum(flags[max(0, end - window) : end]), min(end, window)) for end in ends]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of `values` do not exceed (nearest rank); NaN for none."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
