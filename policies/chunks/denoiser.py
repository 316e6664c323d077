"""The network that diffusion and flow share: a residual perceptron that sees a noisy chunk, times, and the scene."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from robot.settings import Settings, setting

TIME_SIZE = 32


@dataclass(frozen=True)
class DenoiserConfig(Settings):
    """Shape of the network."""

    width: int = setting(256, "width of its layers", low=8, high=4096)
    blocks: int = setting(3, "residual blocks", low=1, high=32)


class Denoiser(nn.Module):
    """A perceptron of residual blocks with LayerNorm (IDQL's LN-ResNet, Hansen-Estruch et al. 2023).

    Args:
        noisy: N, of the noisy chunk.
        inputs: D, of what is seen.
        times: how many times it is told.
        fastest: rate of the fastest of the waves that tell a time. A network that is differentiated by its time wants
            slow ones.
    """

    def __init__(self, config: DenoiserConfig, noisy: int, inputs: int, times: int, fastest: float) -> None:
        super().__init__()
        self.fastest = fastest
        self.enter = nn.Linear(noisy + inputs + times * TIME_SIZE, config.width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(config.width),
                nn.Linear(config.width, 4 * config.width),
                nn.SiLU(),
                nn.Linear(4 * config.width, config.width),
            )
            for _ in range(config.blocks)
        )
        self.leave = nn.Linear(config.width, noisy)

    def forward(self, noisy: Tensor, vector: Tensor, *times: Tensor) -> Tensor:
        """Return (B, N) for noisy chunks (B, N), what is seen (B, D), and times (B,) within [0, 1]."""
        x = self.enter(torch.cat([noisy, vector, *(waves(time, self.fastest) for time in times)], dim=1))
        for block in self.blocks:
            x = x + block(x)
        return cast(Tensor, self.leave(F.silu(x)))


def waves(time: Tensor, fastest: float) -> Tensor:
    """Return (B, `TIME_SIZE`): sines and cosines of times (B,) within [0, 1], at rates from 1 to `fastest`."""
    rates = torch.exp(torch.linspace(0.0, math.log(fastest), TIME_SIZE // 2, device=time.device))
    angles = time[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)
