"""Diffusion policy (Chi et al. 2023): trained to tell the noise in a chunk, sampled in a few steps by DDIM."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from policies.chunks.denoiser import Denoiser, DenoiserConfig
from policies.chunks.model import ChunkModel, Seen, masked_mean
from robot.errors import ConfigError
from robot.settings import Settings, setting

LARGEST_BETA = 0.999
FASTEST = 100.0
"""A hundred levels of noise are told apart."""


@dataclass(frozen=True)
class DiffusionConfig(Settings):
    """Diffusion: how noise is added, and in how many steps it is taken away."""

    train_steps: int = setting(100, "levels of noise", low=2, high=1000)
    steps: int = setting(10, "steps of DDIM of a prediction", low=1, high=1000)
    network: DenoiserConfig = setting(DenoiserConfig, "the network")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps > self.train_steps:
            raise ConfigError(
                f"diffusion.steps must be at most diffusion.train_steps ({self.train_steps}); found {self.steps}."
            )


class DiffusionChunk(ChunkModel):
    """Chunks x_0 by denoising.

        x_k = sqrt(abar_k) x_0 + sqrt(1 - abar_k) e        with the squared-cosine abar (Nichol and Dhariwal 2021)
        loss = mean |e - e_theta(x_k, seen, k)|^2          (Ho et al. 2020, equation 14)
        x_j = sqrt(abar_j) x0(x_k) + sqrt(1 - abar_j) e(x_k)     (DDIM, Song et al. 2021, equation 12, sigma = 0)

    where x0(x_k) is clipped to [-1, 1], and e(x_k) is the noise that goes with the clipped one.
    """

    def __init__(self, config: DiffusionConfig, inputs: int, chunk: int, actions: int) -> None:
        super().__init__(chunk, actions)
        self.config, self.noise_size = config, chunk * actions
        self.network = Denoiser(config.network, self.noise_size, inputs, times=1, fastest=FASTEST)
        self.register_buffer("kept", squared_cosine(config.train_steps), persistent=False)

    def loss(self, seen: Seen, target: Tensor, mask: Tensor, generator: torch.Generator) -> Tensor:
        kept = cast(Tensor, self.kept)
        level = torch.randint(len(kept), (len(target),), generator=generator, device=target.device)
        noise = torch.randn(target.shape, generator=generator, device=target.device)
        share = kept[level][:, None, None]
        noisy = share.sqrt() * target + (1.0 - share).sqrt() * noise
        found = self._noise(noisy.flatten(1), seen, level).view(target.shape)
        return masked_mean((found - noise) ** 2, mask)

    def predict(self, seen: Seen, noise: Tensor) -> Tensor:
        kept, x = cast(Tensor, self.kept), noise
        levels = self._levels()
        for level, after in zip(levels, [*levels[1:], -1], strict=True):
            at = torch.full((len(x),), level, device=x.device)
            share = kept[level]
            clean = (x - (1.0 - share).sqrt() * self._noise(x, seen, at)) / share.sqrt()
            clean = clean.clamp(-1.0, 1.0)
            if after < 0:
                x = clean
                break
            error = (x - share.sqrt() * clean) / (1.0 - share).sqrt()
            x = kept[after].sqrt() * clean + (1.0 - kept[after]).sqrt() * error
        return x.view(len(x), self.chunk, self.actions)

    def _levels(self) -> list[int]:
        """Return the levels of noise at which it is asked, from the largest on."""
        last = self.config.train_steps - 1
        spaced = torch.linspace(last, 0, self.config.steps).round().long() if self.config.steps > 1 else [last]
        return [int(level) for level in spaced]

    def _noise(self, noisy: Tensor, seen: Seen, level: Tensor) -> Tensor:
        found: Tensor = self.network(noisy, seen.vector, level.float() / self.config.train_steps)
        return found


def squared_cosine(steps: int) -> Tensor:
    """Return abar (`steps`,): how much of the signal is left at each level of noise (Nichol and Dhariwal 2021)."""

    def share(at: float) -> float:
        return math.cos((at + 0.008) / 1.008 * math.pi / 2) ** 2

    betas = [min(1.0 - share((k + 1) / steps) / share(k / steps), LARGEST_BETA) for k in range(steps)]
    return torch.cumprod(1.0 - torch.tensor(betas, dtype=torch.float64), dim=0).float()
