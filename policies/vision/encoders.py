"""Small encoders: each turns images (B, 3, H, W) into a map (B, C, h, w)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from policies.vision.config import VisionConfig
from policies.vision.resnet import ResNet


class SmallCnn(nn.Module):
    """Three convolutions, by 4, by 2 and by 1; `width` channels at the end, half of them at the beginning."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.channels = width
        self.body = nn.Sequential(
            nn.Conv2d(3, max(width // 2, 1), 8, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.Conv2d(max(width // 2, 1), width, 3, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(inplace=True),
        )

    def forward(self, images: Tensor) -> Tensor:
        return cast(Tensor, self.body(images))


class SmallVit(nn.Module):
    """The encoder of ResFiT: patches by two convolutions (81 at 84 x 84), positions, a transformer layer, LayerNorm.

    The published one knows squares of 84 pixels alone; here the positions have the map of `size`.
    """

    def __init__(self, size: int, channels: int = 128, heads: int = 4) -> None:
        super().__init__()
        self.channels = channels
        self.patches = nn.Sequential(
            nn.Conv2d(3, channels, 8, stride=4), nn.ReLU(), nn.Conv2d(channels, channels, 3, 2)
        )
        with torch.no_grad():
            side = int(self.patches(torch.zeros(1, 3, size, size)).shape[2])
        self.positions = nn.Parameter(0.02 * torch.randn(1, side * side, channels))
        self.layer = nn.TransformerEncoderLayer(
            channels, heads, 4 * channels, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.norm = nn.LayerNorm(channels)

    def forward(self, images: Tensor) -> Tensor:
        found = self.patches(images)
        tokens = found.flatten(2).transpose(1, 2) + self.positions
        tokens = self.norm(self.layer(tokens))
        return cast(Tensor, tokens.transpose(1, 2).reshape(found.shape))


def encoder_for(config: VisionConfig) -> SmallCnn | SmallVit | ResNet:
    """Return a fresh encoder."""
    if config.encoder == "cnn":
        return SmallCnn(config.width)
    if config.encoder == "vit":
        return SmallVit(config.size)
    return ResNet(10 if config.encoder == "resnet10" else 18)
