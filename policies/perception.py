"""What policies and learners see of an observation: features of the state, and what eyes make of the pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from policies.features import FeatureConfig, Features
from policies.vision.cache import SeenCache
from policies.vision.eyes import Eyes
from policies.vision.glance import Glance
from robot.specs import RobotSpec
from robot.store import Episode
from robot.types import Observation

Float = NDArray[np.float32]
Rows = TypeVar("Rows", Tensor, NDArray[np.generic])

AT_ONCE = 64
"""Pictures of a camera that are looked at together."""


class Percept(NamedTuple):
    """What is seen of B observations, or, of one, without the first axis.

    Attributes:
        vector: (B, D) features of the state, then the eyes' numbers.
        maps: of each camera (B, C, h, w); only for those who ask, and always with the first axis.
    """

    vector: Float
    maps: tuple[Tensor, ...] = ()


class Perception:
    """Features of a robot's state, and eyes where there are any.

    Args:
        spec: of the robot.
        config: scales of the features.
        eyes: None for a policy that acts by the state alone. They must not learn any more: what they make of an
            episode is kept beside its store.
        gives_maps: whether somebody asks for the cameras' maps.
    """

    def __init__(
        self,
        spec: RobotSpec,
        config: FeatureConfig | None = None,
        eyes: Eyes | None = None,
        *,
        gives_maps: bool = False,
    ) -> None:
        self.spec, self.features = spec, Features(spec, config)
        self.gives_maps = gives_maps and eyes is not None
        self.size = seen_size(spec, config, eyes)
        self.raw = self.features.raw
        self._glance = None if eyes is None else Glance(eyes)
        self._cache: SeenCache | None = None

    def one(self, observation: Observation) -> Percept:
        """Return what is seen of a single observation: (D,)."""
        feature = self.features.one(observation)
        if self._glance is None:
            return Percept(feature)
        seen, maps = self._looked({key: observation[key][None] for key in self._glance.eyes.keys}, self._glance)
        return Percept(np.concatenate([feature, seen[0]]), maps)

    def episode(self, episode: Episode) -> Percept:
        """Return what is seen before each of an episode's T transitions, and after the last: (T + 1, D)."""
        feature = self.features(with_final(episode))
        if self._glance is None:
            return Percept(feature)
        seen, maps = self._kept(episode, self._glance)
        return Percept(np.concatenate([feature, seen], axis=1), maps)

    def _kept(self, episode: Episode, glance: Glance) -> tuple[Float, tuple[Tensor, ...]]:
        """Return what eyes make of an episode's pictures: from beside the store, where they looked at them before."""
        eyes = glance.eyes
        if self._cache is None:
            self._cache = SeenCache(f"{eyes.digest()}-maps" if self.gives_maps else eyes.digest())

        def look() -> dict[str, Tensor]:
            seen, maps = self._looked({key: pictures_of(episode, key) for key in eyes.keys}, glance)
            return {"seen": torch.from_numpy(seen)} | {f"map{index}": each for index, each in enumerate(maps)}

        found = self._cache.of(episode, look)
        return found["seen"].numpy(), tuple(found[f"map{index}"] for index in range(len(found) - 1))

    def _looked(self, images: Mapping[str, NDArray[np.generic]], glance: Glance) -> tuple[Float, tuple[Tensor, ...]]:
        found: list[Float] = []
        maps: list[tuple[Tensor, ...]] = []
        for pictures in in_parts(glance.eyes.lens(images)):
            some, numbers = glance(pictures)
            found.append(numbers.numpy())
            if self.gives_maps:
                maps.append(some)
        whole = tuple(torch.cat(parts).contiguous() for parts in zip(*maps, strict=True))
        return np.concatenate(found), whole


def seen_size(spec: RobotSpec, config: FeatureConfig | None, eyes: Eyes | None) -> int:
    """Return D, the size of a percept's vector."""
    return Features(spec, config).size + (eyes.size if eyes is not None else 0)


def in_parts(columns: Mapping[str, Rows]) -> Iterator[dict[str, Rows]]:
    """Yield columns (N, ...) by key in parts of at most `AT_ONCE` rows."""
    count = len(next(iter(columns.values())))
    for start in range(0, count, AT_ONCE):
        yield {key: rows[start : start + AT_ONCE] for key, rows in columns.items()}


def with_final(episode: Episode) -> dict[str, NDArray[np.generic]]:
    """Return the state observations (N+1, ...) that surround an episode's N transitions.

    Where nobody saw what followed a terminal step, its own observation stands there, and its value does not count.
    """
    if episode.transitions < episode.length:
        return dict(episode.observation)
    last = episode.final_observation if episode.has_final else {k: v[-1] for k, v in episode.observation.items()}
    return {key: np.concatenate([value, np.asarray(last[key])[None]]) for key, value in episode.observation.items()}


def pictures_of(episode: Episode, key: str) -> NDArray[np.uint8]:
    """Return the images (N+1, H, W, 3) that go with `with_final`."""
    images = episode.images(key)
    if episode.transitions < episode.length:
        return images
    last = episode.final_image(key) if episode.has_final else images[-1]
    return np.concatenate([images, last[None]])
