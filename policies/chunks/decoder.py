"""From what is seen, and noise, to actions: a model of chunks with the scale of its actions."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from policies.chunks.model import ChunkModel, Seen


class Decoder(nn.Module):
    """Chunks (B, H, A) of actions within `limit`: what the model gives, clipped to [-1, 1], scaled back.

    Args:
        model: gives scaled chunks.
        middle, half: (A,) centre and half range of the actions.
        limit: largest |action|.
    """

    def __init__(self, model: ChunkModel, middle: NDArray[np.float32], half: NDArray[np.float32], limit: float) -> None:
        super().__init__()
        self.model, self.limit = model, limit
        self.register_buffer("middle", torch.from_numpy(middle))
        self.register_buffer("half_range", torch.from_numpy(half))

    def forward(self, seen: Seen, noise: Tensor) -> Tensor:
        """Return chunks for noise (B, `model.noise_size`)."""
        scaled = self.model.predict(seen, noise).clamp(-1.0, 1.0)
        action = cast(Tensor, self.middle) + scaled * cast(Tensor, self.half_range)
        return action.clamp(-self.limit, self.limit) + 0.0  # -0 becomes +0, so that b + 0 has b's very bits
