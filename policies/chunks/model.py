"""What every model of a chunk of actions is."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Seen(NamedTuple):
    """What a chunk is predicted from.

    Attributes:
        vector: (B, D) standardised features, then what the eyes make of the pictures, if there are any.
        maps: of each camera (B, C, h, w), for models that look at places; empty without eyes.
    """

    vector: Tensor
    maps: tuple[Tensor, ...] = ()


class ChunkModel(nn.Module):
    """Predicts chunks (B, `chunk`, `actions`) of scaled actions, within about [-1, 1].

        loss = model.loss(seen, target, mask, generator)     # training
        chunks = model.predict(seen, noise)                  # standard normal noise

    A model is a function of what is seen and of `noise`: it draws nothing itself, so that it repeats.

    Args:
        chunk, actions: shape of a chunk.
    """

    noise_size = 0
    """Standard normal numbers that a prediction takes; 0 for a model without chance."""

    def __init__(self, chunk: int, actions: int) -> None:
        super().__init__()
        self.chunk, self.actions = chunk, actions

    @abstractmethod
    def loss(self, seen: Seen, target: Tensor, mask: Tensor, generator: torch.Generator) -> Tensor:
        """Return the training loss.

        Args:
            target: (B, chunk, A) scaled actions.
            mask: (B, chunk) which of them there are: 0 after an episode's end.
            generator: of all chance in it.
        """

    @abstractmethod
    def predict(self, seen: Seen, noise: Tensor) -> Tensor:
        """Return chunks (B, chunk, A) for `noise` (B, `noise_size`)."""


def masked_mean(error: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of errors (B, chunk, A) over the steps that are there, by mask (B, chunk)."""
    return (error * mask[..., None]).sum() / (mask.sum() * error.shape[2]).clamp(min=1.0)
