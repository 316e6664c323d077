"""What a base policy is cloned from: the chosen steps of episodes, as chunks, with what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from policies.base import ActionScaler
from policies.chunks.model import Seen
from policies.features import Features, Standardiser
from policies.perception import in_parts
from policies.vision.cache import SeenCache
from policies.vision.eyes import Eyes, Pictures
from robot.store import Episode

Part = tuple[Episode, NDArray[np.float32]]
"""An episode, and what each of its steps (T,) counts; those that count 0 are not cloned."""


@dataclass(frozen=True)
class Chunks:
    """The steps that are cloned.

    Attributes:
        feature: (N, D) standardised features of the state.
        target: (N, chunk, A) scaled actions; mask: (N, chunk) what the step counts, as long as those from there on
            are chosen without a gap, else 0.
        pictures: by key uint8 (N, size, size, 3); empty without eyes, and where their encoders do not learn.
        maps: of each camera (N, C, h, w), where they do not.
    """

    feature: Tensor
    target: Tensor
    mask: Tensor
    pictures: Pictures
    maps: tuple[Tensor, ...] = ()

    def __len__(self) -> int:
        return len(self.feature)

    def __getitem__(self, rows: Tensor) -> Chunks:
        pictures = {key: picture[rows] for key, picture in self.pictures.items()}
        maps = tuple(found[rows] for found in self.maps)
        return Chunks(self.feature[rows], self.target[rows], self.mask[rows], pictures, maps)


def seen_of(eyes: Eyes | None, some: Chunks, noise: Tensor | None = None, shift: torch.Generator | None = None) -> Seen:
    """Return what the model is trained on: features with `noise`, and pictures that are shifted as `shift` draws.

    What a frozen encoder sees is the same each time, and is not shifted.
    """
    feature = some.feature if noise is None else some.feature + noise
    if eyes is None:
        return Seen(feature)
    if eyes.config.is_frozen:
        maps = list(some.maps)
    else:
        maps = eyes.maps(some.pictures if shift is None else eyes.shifted(some.pictures, shift))
    return Seen(torch.cat([feature, eyes.pooled(maps)], dim=1), tuple(maps))


def chunks_of(
    parts: Sequence[Part],
    features: Features,
    standardiser: Standardiser,
    scaler: ActionScaler,
    eyes: Eyes | None,
    chunk: int,
) -> Chunks:
    """Return the chosen steps of each episode; actions that would lie after its end are masked."""
    rows: list[tuple[NDArray[np.float32], ...]] = []
    maps: list[list[Tensor]] = []
    cache = SeenCache(eyes.digest(whole=False)) if eyes is not None and eyes.config.is_frozen else None
    pictures: dict[str, list[Tensor]] = {key: [] for key in (eyes.keys if eyes is not None else ())}
    for episode, weight in parts:
        length, chosen = episode.length, weight > 0.0
        index = np.arange(length)[:, None] + np.arange(chunk)
        inside = (index < length) & chosen[np.minimum(index, length - 1)]
        inside = np.logical_and.accumulate(inside, axis=1)
        action = scaler.scale(episode.action)[np.minimum(index, length - 1)]
        feature = standardiser(features(episode.observation))
        rows.append((feature[chosen], action[chosen], (inside * weight[:, None]).astype(np.float32)[chosen]))
        if eyes is not None and cache is not None:
            maps.append([found[torch.from_numpy(chosen)] for found in frozen_maps(eyes, cache, episode)])
        elif eyes is not None:
            for key, looked in eyes.lens({key: episode.images(key)[chosen] for key in eyes.keys}).items():
                pictures[key].append(looked)
    feature, target, mask = (np.concatenate(part).astype(np.float32) for part in zip(*rows, strict=True))
    whole = {key: torch.cat(found) for key, found in pictures.items() if found}
    joined = tuple(torch.cat(found) for found in zip(*maps, strict=True))
    return Chunks(torch.from_numpy(feature), torch.from_numpy(target), torch.from_numpy(mask), whole, joined)


def frozen_maps(eyes: Eyes, cache: SeenCache, episode: Episode) -> list[Tensor]:
    """Return the maps (T, C, h, w) of each camera: from beside the store, where these encoders looked before."""

    def look() -> dict[str, Tensor]:
        with torch.no_grad():
            parts = [eyes.maps(some) for some in in_parts(eyes.lens({key: episode.images(key) for key in eyes.keys}))]
        return {f"map{index}": torch.cat(maps).contiguous() for index, maps in enumerate(zip(*parts, strict=True))}

    found = cache.of(episode, look)
    return [found[f"map{index}"] for index in range(len(eyes.keys))]
