"""Eyes that do not learn any more, as fast as one core gives: the looks of an actor, one instant at a time."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from policies.vision.eyes import Eyes, Pictures
from policies.vision.pooling import Head

WARM = 3
"""Calls after which TorchScript has specialised what it runs."""


class Glance:
    """What eyes see, as maps (B, C, h, w) of each camera and numbers (B, `eyes.size`); they must not learn any more.

    maps, numbers = Glance(eyes)(eyes.lens(images))

    The heads' linear maps are folded into one, and a single instant goes through a traced graph: with two cameras and
    small encoders most of the time is not arithmetic but the calling of it.

    Args:
        eyes: copied where they are folded or traced; they may not change afterwards.
    """

    def __init__(self, eyes: Eyes) -> None:
        self.eyes = eyes
        self._whole = _Settled(eyes).eval()
        blank = [torch.zeros(1, eyes.config.size, eyes.config.size, 3, dtype=torch.uint8) for _ in eyes.keys]
        with torch.no_grad():
            traced = torch.jit.trace(self._whole, blank, check_trace=False)  # type: ignore[no-untyped-call]
            self._one = torch.jit.freeze(traced)
            for _ in range(WARM):
                self._one(*blank)

    def __call__(self, pictures: Pictures) -> tuple[tuple[Tensor, ...], Tensor]:
        parts = [pictures[key] for key in self.eyes.keys]
        look = self._one if len(parts[0]) == 1 else self._whole
        with torch.no_grad():
            *maps, numbers = cast(tuple[Tensor, ...], look(*parts))
        return tuple(maps), numbers


class _Settled(nn.Module):
    def __init__(self, eyes: Eyes) -> None:
        super().__init__()
        self.eyes = eyes
        self.heads = nn.ModuleList(cast(Head, head).settled() for head in eyes.heads)

    def forward(self, *pictures: Tensor) -> tuple[Tensor, ...]:
        maps = self.eyes.maps(dict(zip(self.eyes.keys, pictures, strict=True)))
        numbers = torch.cat([head(found) for head, found in zip(self.heads, maps, strict=True)], dim=1)
        return (*maps, numbers)
