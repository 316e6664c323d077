"""Action chunking with transformers (ACT, Zhao et al. 2023): a conditional variational autoencoder over chunks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from policies.chunks.model import ChunkModel, Seen, masked_mean
from robot.errors import ConfigError
from robot.settings import Settings, setting


@dataclass(frozen=True)
class ActConfig(Settings):
    """Shape of ACT. The paper's is dim 512, 8 heads, 4 and 1 layers, feedforward 3200; these fit one core."""

    dim: int = setting(128, "width of a token", low=8, high=4096)
    heads: int = setting(4, "attention heads", low=1, high=64)
    encoder_layers: int = setting(2, "layers over what is seen, and of the variational encoder", low=1, high=32)
    decoder_layers: int = setting(1, "layers of the decoder (the released ACT uses one, whatever it is told)", low=1)
    feedforward: int = setting(256, "width within a layer", low=8, high=16384)
    latent: int = setting(32, "size of the latent; 0: no variational encoder (ResFiT's base)", low=0, high=1024)
    kl_weight: float = setting(10.0, "weight of the latent's divergence", low=0.0, high=1e4)
    has_chance: bool = setting(False, "draw the latent at each plan, rather than take its mean, zero, as ACT does")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dim % self.heads or self.dim % 4:
            raise ConfigError(f"act.dim must be a multiple of 4 and of act.heads ({self.heads}); found {self.dim}.")


class ActChunk(ChunkModel):
    """A transformer from tokens (latent, state, places of each camera's map) to a chunk; loss L1 + kl_weight KL.

    Without eyes the tokens are two. With eyes what they make of the pictures as numbers is part of the state's token,
    and each place of each map is a token with sines of its place added.

    Args:
        inputs: D, of what is seen.
        maps: (C, h, w) of each camera.
    """

    def __init__(
        self, config: ActConfig, inputs: int, chunk: int, actions: int, maps: tuple[tuple[int, int, int], ...] = ()
    ) -> None:
        super().__init__(chunk, actions)
        self.config = config
        self.noise_size = config.latent if config.has_chance else 0
        c = config
        self.state = nn.Linear(inputs, c.dim)
        self.marks = nn.Parameter(0.02 * torch.randn(2 + len(maps), c.dim))
        self.places = nn.ModuleList(nn.Conv2d(shape[0], c.dim, 1) for shape in maps)
        for index, (_, height, width) in enumerate(maps):
            self.register_buffer(f"waves{index}", place_waves(height, width, c.dim), persistent=False)
        self.encoder = _encoder(c)
        layer = nn.TransformerDecoderLayer(
            c.dim, c.heads, c.feedforward, dropout=0.0, batch_first=True, norm_first=True
        )
        self.decoder = nn.TransformerDecoder(layer, c.decoder_layers, norm=nn.LayerNorm(c.dim))
        self.queries = nn.Parameter(0.02 * torch.randn(chunk, c.dim))
        self.leave = nn.Linear(c.dim, actions)
        if c.latent:
            self.latent = nn.Linear(c.latent, c.dim)
            self.style = nn.Linear(inputs, c.dim)
            self.action = nn.Linear(actions, c.dim)
            self.style_marks = nn.Parameter(0.02 * torch.randn(2 + chunk, c.dim))
            self.style_encoder = _encoder(c)
            self.moments = nn.Linear(c.dim, 2 * c.latent)

    def loss(self, seen: Seen, target: Tensor, mask: Tensor, generator: torch.Generator) -> Tensor:
        if not self.config.latent:
            return masked_mean((self._decode(seen, None) - target).abs(), mask)
        mean, log_var = self.posterior(seen, target, mask)
        drawn = torch.randn(mean.shape, generator=generator, device=mean.device)
        found = self._decode(seen, mean + (0.5 * log_var).exp() * drawn)
        divergence = -0.5 * (1.0 + log_var - mean**2 - log_var.exp()).sum(dim=1).mean()
        return masked_mean((found - target).abs(), mask) + self.config.kl_weight * divergence

    def predict(self, seen: Seen, noise: Tensor) -> Tensor:
        if not self.config.latent:
            return self._decode(seen, None)
        latent = noise if self.config.has_chance else seen.vector.new_zeros(len(seen.vector), self.config.latent)
        return self._decode(seen, latent)

    def posterior(self, seen: Seen, target: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance (B, latent) of the latent of chunks (B, chunk, A), by mask (B, chunk)."""
        batch = len(target)
        summary = self.style_marks[:1].expand(batch, -1, -1)
        state = self.style(seen.vector)[:, None] + self.style_marks[1:2]
        steps = self.action(target) + self.style_marks[2:]
        absent = torch.cat([mask.new_ones(batch, 2), mask], dim=1) <= 0.0
        out = self.style_encoder(torch.cat([summary, state, steps], dim=1), src_key_padding_mask=absent)
        mean, log_var = self.moments(out[:, 0]).chunk(2, dim=1)
        return mean, log_var

    def _decode(self, seen: Seen, latent: Tensor | None) -> Tensor:
        tokens = [self.state(seen.vector)[:, None] + self.marks[1]]
        if latent is not None:
            tokens.append(self.latent(latent)[:, None] + self.marks[0])
        for index, (places, found) in enumerate(zip(self.places, seen.maps, strict=True)):
            waves = cast(Tensor, getattr(self, f"waves{index}"))
            tokens.append(places(found).flatten(2).transpose(1, 2) + waves + self.marks[2 + index])
        memory = self.encoder(torch.cat(tokens, dim=1))
        queries = self.queries.expand(len(memory), -1, -1)
        return cast(Tensor, self.leave(self.decoder(queries, memory)))


def _encoder(c: ActConfig) -> nn.TransformerEncoder:
    layer = nn.TransformerEncoderLayer(c.dim, c.heads, c.feedforward, dropout=0.0, batch_first=True, norm_first=True)
    return nn.TransformerEncoder(layer, c.encoder_layers, norm=nn.LayerNorm(c.dim), enable_nested_tensor=False)


def place_waves(height: int, width: int, dim: int) -> Tensor:
    """Return (height * width, dim): sines and cosines of rows, then of columns (Carion et al. 2020)."""
    quarter = dim // 4
    rates = torch.exp(torch.arange(quarter) * (-math.log(10_000.0) / quarter))
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    parts = [wave(at.flatten()[:, None] * rates) for at in (y, x) for wave in (torch.sin, torch.cos)]
    return torch.cat(parts, dim=1)
