"""A mini-batch of windows, as everything that learns takes it."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from policies.vision.eyes import Pictures


class Batch(NamedTuple):
    """A mini-batch of n-step windows as tensors, column by column, (B, ...).

    Attributes:
        state, base, action: at the window's first step; base is what the base policy would have done. Where a decision
            lasts several steps, action is that of each, one after the other.
        ret: n-step sum of rewards; discount: what the value of `next_state` counts.
        next_state, next_base: after the window.
        is_human: whether a person commanded the first step.
        weight: importance of the sample in the critics' loss.
        to_go: discounted rewards from the first step to the episode's end, as they came (a lower bound where an
            episode was truncated and rewards are not negative).
        pictures, next_pictures: by key uint8 (B, side, side, 3), where the learner has eyes of its own.
        truth, next_truth: (B, P) what only simulation knows, where the critics are told.
    """

    state: Tensor
    base: Tensor
    action: Tensor
    ret: Tensor
    discount: Tensor
    next_state: Tensor
    next_base: Tensor
    is_human: Tensor
    weight: Tensor
    to_go: Tensor
    pictures: Pictures | None = None
    next_pictures: Pictures | None = None
    truth: Tensor | None = None
    next_truth: Tensor | None = None

    @property
    def judged(self) -> Tensor:
        """What critics see of the state: (B, S), or (B, S + P) with the truth."""
        return self.state if self.truth is None else torch.cat([self.state, self.truth], dim=1)

    @property
    def next_judged(self) -> Tensor:
        """The same after the window."""
        return self.next_state if self.next_truth is None else torch.cat([self.next_state, self.next_truth], dim=1)

    def on(self, device: torch.device) -> Batch:
        """Return the batch on a device; from the processor's memory without waiting for it."""
        if device.type == "cpu":
            return self

        def moved(tensor: Tensor) -> Tensor:
            return tensor.pin_memory().to(device, non_blocking=True)

        whole: dict[str, Any] = {}
        for name, value in self._asdict().items():
            if isinstance(value, Tensor):
                whole[name] = moved(value)
            elif value is not None:
                whole[name] = {key: moved(pictures) for key, pictures in value.items()}
        return self._replace(**whole)
