"""From one hand to the other without a jump: what is commanded goes over in bounded steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from robot.types import Source

Action = NDArray[np.float32]


class HandOver:
    """Limits the change from one command to the next while control goes to a person, or comes back from one.

    Between the last command of one hand and the first wish of the other that is reached, no axis changes by more than
    `step` a command; from there on the hand that has control is free. A person begins, and ends, at rest.

        action = handover.limited(Source.HUMAN, wish)    # what may be commanded
        handover.commanded(action)                       # or handover.rest(), where the arm is told to hold

    Args:
        step: share of the action's scale, an axis and command; 0 leaves everything as it is.
        size: A.
    """

    def __init__(self, step: float, size: int) -> None:
        self._step = step
        self._last: Action = np.zeros(size, np.float32)
        self._owner = Source.HOLD
        self._is_going_over = False

    def let_go(self) -> bool:
        """A person lets go: return whether they move too fast to be at rest with the next command."""
        is_moving = self._step > 0.0 and bool(np.any(np.abs(self._last) > self._step))
        self._is_going_over = self._is_going_over or is_moving
        return is_moving

    def limited(self, owner: Source, wish: Action) -> Action:
        """Return the action (A,) for what `owner` asks for; `wish` itself where nothing is limited."""
        if owner is not self._owner:
            self._is_going_over = Source.HUMAN in (owner, self._owner) and self._step > 0.0
            self._owner = owner
        if not self._is_going_over:
            return wish
        near = self._last + np.clip(wish - self._last, -self._step, self._step)
        self._is_going_over = not np.allclose(near, wish, rtol=0.0, atol=1e-6)
        return near.astype(np.float32) if self._is_going_over else wish

    def commanded(self, action: Action) -> None:
        """Note what was commanded."""
        self._last = action

    def rest(self) -> None:
        """Note that the arm was told to hold."""
        self._last = np.zeros_like(self._last)
        # a policy that begins at rest is free, but not where a person has just let go
        if self._owner is not Source.HUMAN:
            self._owner = Source.HOLD
