"""A chunked policy's plan in the loop: the queue of a chunk, or the average of several (temporal ensembling)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]


def ensemble(chunks: Float, decay: float) -> Float:
    """Return the action (A,) that the last chunks agree on for now (ACT's temporal ensembling).

    Args:
        chunks: (N, H, A), oldest first; the newest was predicted now, each other one a step before the next.
        decay: m of the weights exp(-m i), i = 0 for the oldest chunk that reaches as far as now.
    """
    reach = chunks[-chunks.shape[1] :]
    ages = np.arange(len(reach) - 1, -1, -1)
    weight = np.exp(-decay * np.arange(len(reach)))
    weighed = weight[:, None] * reach[np.arange(len(reach)), ages]
    averaged: Float = (weighed.sum(axis=0) / weight.sum()).astype(np.float32)
    return averaged
