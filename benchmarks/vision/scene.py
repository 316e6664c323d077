"""What the sides of the comparison on pictures share: a robot with two cameras, shapes, and random mini-batches."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import torch

from policies.vision.config import VisionConfig
from policies.vision.eyes import Pictures
from robot.specs import ArraySpec, RobotSpec

CAMERAS = ("front", "wrist")


@dataclass(frozen=True)
class Scene:
    """Sizes of the comparison: those of the default learner, with two cameras.

    Attributes:
        state: numbers beside the pictures; batch, members, hidden: as in LearnerConfig.
    """

    size: int = 64
    batch: int = 128
    state: int = 26
    action: int = 4
    members: int = 5
    subset: int = 2
    hidden: int = 128
    actor_every: int = 2

    @property
    def vision(self) -> VisionConfig:
        return VisionConfig(cameras=CAMERAS, size=self.size)

    @property
    def spec(self) -> RobotSpec:
        keys = {"state": ArraySpec((self.state,), "float32")}
        keys |= {f"images/{name}": ArraySpec((self.size, self.size, 3), "uint8") for name in CAMERAS}
        axes = tuple(f"a{index}" for index in range(self.action))
        return RobotSpec("bench/scene", keys, axes, (0.01,) * self.action, 0.1)

    def pictures(self, generator: torch.Generator, count: int) -> Pictures:
        """Return random pictures uint8 (count, size, size, 3) of each camera."""
        shape = (count, self.size, self.size, 3)
        return {key: torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator) for key in self.vision.keys}


def scene_of(given: argparse.Namespace) -> Scene:
    """Return the scene that a side's command line asks for."""
    return Scene(size=int(given.pixels))


PIXELS = ("--pixels", ["64", "84", "128"])
