"""Whether to act by what was learnt, or by the base policy: a choice by the critics' values of both."""

from __future__ import annotations

import torch
from torch import Tensor

GATES = ("none", "greedy", "lower_bound")
MOST, TINY = 99.0, 1e-9


def is_taken(kind: str, proposed: Tensor, base: Tensor, confidence: float, margin: float) -> Tensor:
    """Return (B,) whether the proposed action is taken, from both actions' values (K, B) by every critic.

    - `none`: always.
    - `greedy`: where its smallest value is at least the base action's smallest (IBRL, equation 3).
    - `lower_bound`: where all critics together are sure that it is no worse: the mean over the critics of their own
      differences, less `confidence` standard deviations of these, is at least -`margin`. The differences are taken
      critic by critic, so that what a critic gets wrong about the state as a whole cancels.
    """
    if kind == "none":
        return torch.ones(proposed.shape[1], dtype=torch.bool, device=proposed.device)
    if kind == "greedy":
        return proposed.amin(dim=0) >= base.amin(dim=0)
    difference = proposed - base
    spread = difference.std(dim=0, unbiased=False)
    return difference.mean(dim=0) - confidence * spread >= -margin


def certainty(proposed: Tensor, base: Tensor) -> Tensor:
    """Return (B,): by how many standard deviations of their differences the critics rate an action above the base's.

    `lower_bound` with no margin takes what is above its confidence. Critics that agree to the last bit are bounded:
    what they are sure of is worth `MOST`.
    """
    difference = proposed - base
    mean, spread = difference.mean(dim=0), difference.std(dim=0, unbiased=False)
    return (mean / spread.clamp_min(TINY)).clamp(-MOST, MOST)
