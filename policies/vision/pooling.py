"""How an encoder's map (B, C, h, w) becomes numbers (B, N)."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from policies.vision.config import VisionConfig


class SpatialEmbeddings(nn.Module):
    """Learned spatial embeddings (SERL): each channel is weighed by `count` learnt maps, and summed over places."""

    def __init__(self, channels: int, height: int, width: int, count: int) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(count, channels, height, width) / math.sqrt(height * width))
        self.size = channels * count

    def forward(self, maps: Tensor) -> Tensor:
        return torch.einsum("bchw,kchw->bck", maps, self.kernel).flatten(1)


class SpatialSoftmax(nn.Module):
    """The mean place of each channel, by the softmax of its map (Levine et al. 2016): x and y within [-1, 1]."""

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(()))
        y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
        self.register_buffer("places", torch.stack([x.flatten(), y.flatten()], dim=1), persistent=False)
        self.size = channels * 2

    def forward(self, maps: Tensor) -> Tensor:
        share = torch.softmax(maps.flatten(2) * self.temperature, dim=2)
        return (share @ cast(Tensor, self.places)).flatten(1)


class Flat(nn.Module):
    """All of the map."""

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.size = channels * height * width

    def forward(self, maps: Tensor) -> Tensor:
        return maps.flatten(1)


def _pool(config: VisionConfig, shape: tuple[int, int, int]) -> SpatialEmbeddings | SpatialSoftmax | Flat:
    if config.pool == "embeddings":
        return SpatialEmbeddings(*shape, config.embeddings)
    return SpatialSoftmax(*shape) if config.pool == "softmax" else Flat(*shape)


class Head(nn.Module):
    """A pool and a bottleneck: numbers (B, `features`) within [-1, 1], by a linear layer, LayerNorm and tanh (SERL)."""

    def __init__(self, config: VisionConfig, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.pool = _pool(config, shape)
        self.bottleneck = nn.Linear(self.pool.size, config.features)
        self.norm = nn.LayerNorm(config.features)

    def forward(self, maps: Tensor) -> Tensor:
        found: Tensor = torch.tanh(self.norm(self.bottleneck(self.pool(maps))))
        return found

    def settled(self) -> nn.Module:
        """Return what computes the same by fewer steps once it does not learn any more: two linear maps become one."""
        if not isinstance(self.pool, SpatialEmbeddings):
            return self
        count, channels, height, width = self.pool.kernel.shape
        both = nn.Linear(channels * height * width, self.bottleneck.out_features)
        weight = self.bottleneck.weight.view(-1, channels, count)
        both.weight = nn.Parameter(torch.einsum("fck,kchw->fchw", weight, self.pool.kernel).flatten(1))
        both.bias = self.bottleneck.bias
        return nn.Sequential(nn.Flatten(), both, self.norm, nn.Tanh()).requires_grad_(requires_grad=False)
