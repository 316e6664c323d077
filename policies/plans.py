"""A chunked policy's plan in the loop: the queue of a chunk, or the average of several (temporal ensembling)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from robot.errors import SpecError

Float = NDArray[np.float32]


class Plans:
    """What a chunked policy still has to do; who plans puts a chunk in where there is none.

        if plans.is_empty:
            plans.put(chunk)                    # (H, A)
        action, phase = plans.next()
        plans.clear()                           # an episode begins, or a person moved the robot

    Args:
        chunk, actions: H, A.
        execute_steps: actions of a chunk that are executed before the next is planned.
        ensembling: decay of temporal ensembling, which plans at each step; below 0 for none.

    Raises:
        SpecError: more steps would be executed than a chunk has, or an ensemble would not plan at each step.
    """

    def __init__(self, chunk: int, actions: int, execute_steps: int, ensembling: float = -1.0) -> None:
        check_plans(chunk, execute_steps, ensembling)
        self.chunk, self.execute_steps, self._decay = chunk, execute_steps, ensembling
        self._chunks: Float = np.empty((0, chunk, actions), np.float32)
        self._phase = 0

    @property
    def is_empty(self) -> bool:
        return self._phase == 0

    @property
    def _is_ensemble(self) -> bool:
        return self._decay >= 0.0

    def clear(self) -> None:
        self._phase = 0
        self._chunks = self._chunks[:0]

    def put(self, chunk: Float) -> None:
        """Take the chunk (H, A) that was planned now."""
        kept = self._chunks[1 - self.chunk :] if self._is_ensemble and self.chunk > 1 else self._chunks[:0]
        self._chunks = np.concatenate([kept, chunk[None]])

    def next(self) -> tuple[Float, int]:
        """Return the action (A,) for this step, and its place in its chunk."""
        phase = self._phase
        action = ensemble(self._chunks, self._decay) if self._is_ensemble else self._chunks[-1, phase].copy()
        self._phase = (phase + 1) % self.execute_steps
        return action, phase

    def labels(self, chunks: Float, is_human: NDArray[np.bool_]) -> tuple[Float, NDArray[np.int64]]:
        """Return the actions (T+1, A) and phases (T+1,) that `next` would have given over a recorded episode.

        Args:
            chunks: (T+1, H, A) planned at each of its observations.
            is_human: (T,) after which steps the plans were cleared.
        """
        length = len(is_human)
        phase, since = np.zeros(length + 1, np.int64), np.zeros(length + 1, np.int64)
        for t in range(length):
            phase[t + 1] = 0 if is_human[t] else (phase[t] + 1) % self.execute_steps
            since[t + 1] = 0 if is_human[t] else since[t] + 1
        rows = np.arange(length + 1)
        if not self._is_ensemble:
            return chunks[rows - phase, phase], phase
        return np.stack([ensemble(chunks[t - since[t] : t + 1], self._decay) for t in rows]), phase


def check_plans(chunk: int, execute_steps: int, ensembling: float) -> None:
    """Raise SpecError where no chunk could be executed so."""
    if execute_steps > chunk:
        raise SpecError(f"execute_steps must be at most chunk ({chunk}); found {execute_steps}.")
    if ensembling >= 0.0 and execute_steps != 1:
        raise SpecError(f"ensembling predicts at each step: set execute_steps=1; found {execute_steps}.")


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
