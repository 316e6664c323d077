"""Residual networks of 10 and 18 layers (He et al. 2016), with the names of torchvision's, so that its weights fit."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BLOCKS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2)}
WIDTHS = (64, 128, 256, 512)


class FixedNorm(nn.Module):
    """Batch normalisation with the statistics that it was trained with: at a robot a batch has one picture."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        mean, var = cast(Tensor, self.running_mean), cast(Tensor, self.running_var)
        return F.batch_norm(x, mean, var, self.weight, self.bias, training=False)


class Block(nn.Module):
    """Two 3 x 3 convolutions and a way past them."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = FixedNorm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = FixedNorm(outputs)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), FixedNorm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        past = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)) + past)


class ResNet(nn.Module):
    """Images (B, 3, H, W) to a map (B, 512, H / 32, W / 32).

    Begun at random its normalisation is the identity, and the last one of each block begins at zero, so that the blocks
    begin as their ways past them (Goyal et al. 2017).
    """

    channels = WIDTHS[-1]

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = FixedNorm(64)
        inputs = 64
        for number, (blocks, width) in enumerate(zip(BLOCKS[depth], WIDTHS, strict=True), 1):
            layer = []
            for block in range(blocks):
                layer.append(Block(inputs, width, 2 if number > 1 and block == 0 else 1))
                inputs = width
            setattr(self, f"layer{number}", nn.Sequential(*layer))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if isinstance(module, Block):
                nn.init.zeros_(module.bn2.weight)

    def forward(self, images: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(images))), 3, 2, 1)
        for number in range(1, 5):
            x = getattr(self, f"layer{number}")(x)
        return x
