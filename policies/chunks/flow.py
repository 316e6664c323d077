"""Flow matching (Lipman et al. 2023) from noise to chunks, and its one-step variant, MeanFlow (Geng et al. 2025)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from policies.chunks.denoiser import Denoiser, DenoiserConfig
from policies.chunks.model import ChunkModel, Seen, masked_mean
from robot.settings import Settings, setting

FASTEST = 3.0
LEAST = 1e-3
"""Keeps the weight of a sample without error finite (MeanFlow, equation 22)."""

Field = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(z (B, N), r (B,), t (B,)) -> the mean velocity (B, N) between the times r and t on the way that is at z at t."""


@dataclass(frozen=True)
class FlowConfig(Settings):
    """Flow: in how many steps noise becomes a chunk."""

    kind: str = setting(
        "mean",
        "mean: the network learns the mean velocity over any stretch, one step is enough (MeanFlow); plain: the "
        "velocity at each time (rectified flow)",
        choices=("mean", "plain"),
    )
    steps: int = setting(1, "steps of a prediction; 5 to 10 for a plain flow", low=1, high=1000)
    mean_share: float = setting(
        0.75, "share of the samples that learn a stretch; others learn the velocity (MeanFlow: 0.25)", low=0.0, high=1.0
    )
    time_mean: float = setting(0.0, "mean of the times' logits while training (MeanFlow: -0.4)", low=-5.0, high=5.0)
    time_deviation: float = setting(1.5, "their standard deviation (MeanFlow: 1)", low=0.01, high=10.0)
    tempering: float = setting(
        0.5, "power of its own error by which a sample of a mean flow weighs less (MeanFlow: 1)", low=0.0, high=1.0
    )
    network: DenoiserConfig = setting(DenoiserConfig, "the network")


class FlowChunk(ChunkModel):
    """Chunks x by a flow from noise e, along z_t = (1 - t) x + t e, whose velocity is v = e - x.

    plain:  loss = mean |u(z_t, t, t) - v|^2
    mean:   loss = mean w |u(z_t, r, t) - stopgrad(v - (t - r) du/dt)|^2,  du/dt = (v d_z + d_t) u   (MeanFlow, 10)
            with w = 1 / (|error|^2 + 0.001)^p, without a gradient                                    (MeanFlow, 22)
    x = e - u(e, 0, 1), or the same in several steps
    """

    def __init__(self, config: FlowConfig, inputs: int, chunk: int, actions: int) -> None:
        super().__init__(chunk, actions)
        self.config, self.noise_size = config, chunk * actions
        self.network = Denoiser(config.network, self.noise_size, inputs, times=2, fastest=FASTEST)

    def loss(self, seen: Seen, target: Tensor, mask: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.randn(target.shape, generator=generator, device=target.device).flatten(1)
        begin, end = self._times(len(target), generator, target.device)
        clean = target.flatten(1)
        noisy = torch.lerp(clean, noise, end[:, None])
        velocity = noise - clean
        field = self._field(seen)
        if self.config.kind == "plain":
            found, wanted = field(noisy, end, end), velocity
        else:
            found, wanted = field(noisy, begin, end), mean_velocity(field, noisy, velocity, begin, end)
        error = (found - wanted).view(target.shape) ** 2
        if self.config.kind == "mean":
            of_sample = (error * mask[..., None]).flatten(1).sum(dim=1).detach()
            error = error / (of_sample + LEAST).pow(self.config.tempering)[:, None, None]
        return masked_mean(error, mask)

    def predict(self, seen: Seen, noise: Tensor) -> Tensor:
        is_mean = self.config.kind == "mean"
        found = integrate(self._field(seen), noise, self.config.steps, is_mean=is_mean)
        return found.view(len(noise), self.chunk, self.actions)

    def _field(self, seen: Seen) -> Field:
        def field(z: Tensor, begin: Tensor, end: Tensor) -> Tensor:
            return cast(Tensor, self.network(z, seen.vector, end, end - begin))

        return field

    def _times(self, count: int, generator: torch.Generator, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return r and t (B,), r <= t; equal but for `mean_share` of them."""
        logits = torch.randn((2, count), generator=generator, device=device)
        drawn = torch.sigmoid(self.config.time_mean + self.config.time_deviation * logits)
        begin, end = drawn.amin(dim=0), drawn.amax(dim=0)
        is_stretch = torch.rand(count, generator=generator, device=device) < self.config.mean_share
        return torch.where(is_stretch, begin, drawn[0]), torch.where(is_stretch, end, drawn[0])


@torch.no_grad()
def mean_velocity(field: Field, z: Tensor, velocity: Tensor, begin: Tensor, end: Tensor) -> Tensor:
    """Return what the mean velocity (B, N) has to be, by the MeanFlow identity u = v - (t - r) du/dt."""
    still, moving = torch.zeros_like(begin), torch.ones_like(end)
    change: Tensor = torch.func.jvp(field, (z, begin, end), (velocity, still, moving))[1]
    return velocity - (end - begin)[:, None] * change


def integrate(field: Field, noise: Tensor, steps: int, *, is_mean: bool) -> Tensor:
    """Return where noise (B, N) at time 1 comes to at time 0, in `steps` equal steps.

    A mean velocity is asked for each whole step, a plain one for its beginning (Euler).
    """
    z, stride = noise, 1.0 / steps
    for step in range(steps):
        end = torch.full((len(z),), 1.0 - step * stride, device=z.device)
        z = z - stride * field(z, end - stride if is_mean else end, end)
    return z
