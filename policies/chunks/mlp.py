"""The plain one: a perceptron with LayerNorm that gives a whole chunk."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from policies.chunks.model import ChunkModel, Seen, masked_mean
from policies.networks import EnsembleMlp


class MlpChunk(ChunkModel):
    """A perceptron; its loss is the mean absolute error, since demonstrators differ more than a square forgives (ACT).

    Args:
        inputs: D, of what is seen.
        hidden: width of each hidden layer.
        generator: of the initial weights.
    """

    def __init__(
        self, inputs: int, hidden: Sequence[int], chunk: int, actions: int, generator: torch.Generator
    ) -> None:
        super().__init__(chunk, actions)
        self.network = EnsembleMlp(1, inputs, hidden, chunk * actions)
        self.flat = nn.Parameter(self.network.initial(generator))

    def forward(self, vector: Tensor) -> Tensor:
        out = self.network.forward(self.network.views(self.flat), vector)[0]
        return out.view(len(out), self.chunk, self.actions)

    def loss(self, seen: Seen, target: Tensor, mask: Tensor, generator: torch.Generator) -> Tensor:
        return masked_mean((self(seen.vector) - target).abs(), mask)

    def predict(self, seen: Seen, noise: Tensor) -> Tensor:
        found: Tensor = self(seen.vector)
        return found
