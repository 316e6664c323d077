"""A toy robot with two cameras, and episodes whose pictures are in memory."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from conftest import make_episode

from policies.vision.config import VisionConfig
from robot.specs import ArraySpec, RobotSpec
from robot.store import Episode

SIDE = 40


def seeing_spec(side: int = SIDE) -> RobotSpec:
    """The toy robot with two cameras."""
    keys = {"state": ArraySpec((2,), "float32", "m")}
    keys |= {f"images/{name}": ArraySpec((side, side, 3), "uint8", "RGB") for name in ("front", "wrist")}
    return RobotSpec("toy/seeing", keys, ("x", "y"), (0.1, 0.1), 0.1)


def config(**more) -> VisionConfig:
    return VisionConfig(**({"cameras": ("front", "wrist"), "size": 32, "width": 8, "features": 6} | more))


class SeenEpisode(Episode):
    """An episode whose pictures are in memory, as if of a store in the folder `attributes["store"]`."""

    @property
    def store(self) -> Path:
        return Path(self.attributes.get("store", "/nowhere"))

    def images(self, key: str) -> np.ndarray:
        return self.attributes[key][:-1]

    def final_image(self, key: str) -> np.ndarray:
        return self.attributes[key][-1]


def seen_episode(length: int = 6, *, seed: int = 0, places: np.ndarray | None = None, **more) -> Episode:
    """An episode in which a white square stands at `places` (T + 1, 2) within [0, 1] in both cameras' pictures."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(0.1, 0.9, (length + 1, 2)) if places is None else places
    pictures = np.full((length + 1, SIDE, SIDE, 3), 40, np.uint8)
    for picture, (y, x) in zip(pictures, places, strict=True):
        row, column = int(y * (SIDE - 8)), int(x * (SIDE - 8))
        picture[row : row + 8, column : column + 8] = 255
    plain = make_episode(length, seed=seed, **more)
    values = {field.name: getattr(plain, field.name) for field in dataclasses.fields(plain)}
    values["attributes"] = {"seed": seed, "images/front": pictures, "images/wrist": pictures[:, ::-1].copy()}
    return SeenEpisode(**values)
