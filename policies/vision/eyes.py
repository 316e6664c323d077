"""Eyes: the pictures of all cameras at one instant become the numbers that a policy, or a learner, decides by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from policies.tensorfile import read_tensors
from policies.vision.config import VisionConfig
from policies.vision.encoders import encoder_for
from policies.vision.lens import look_at, require_part
from policies.vision.pooling import Head
from policies.vision.shift import random_shift
from robot.errors import ConfigError, SpecError
from robot.specs import RobotSpec

Pictures = dict[str, Tensor]
"""By key of the observation: uint8 (B, size, size, 3), as `Eyes.lens` gives them."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the colours of ImageNet, which trained encoders expect (torchvision)."""


class Eyes(nn.Module):
    """An encoder for all cameras, or one for each, and a head for each camera.

        pictures = eyes.lens(images)                 # crop and scale: what is kept in memory
        maps = eyes.maps(eyes.shifted(pictures, generator))
        z = eyes.pooled(maps)                        # (B, size), within [-1, 1]

    Args:
        spec: of the robot; must have the cameras.
        config: see VisionConfig; must name a camera.

    Raises:
        ConfigError: the robot has no such camera.
        SpecError: a crop has no pixel of its picture.
    """

    def __init__(self, spec: RobotSpec, config: VisionConfig) -> None:
        super().__init__()
        unknown = [key for key in config.keys if key not in spec.image_keys]
        if unknown or not config.cameras:
            there = ", ".join(key.removeprefix("images/") for key in spec.image_keys)
            asked = ", ".join(config.cameras) or "no camera"
            what = f"the cameras of {spec.name} are: {there}. Name some of them."
            none = f"{spec.name} has no camera. Begin a run that has: over ROS 2, or with env.has_cameras=true."
            raise ConfigError(f"vision.cameras asks for {asked}; {what if there else none}")
        self.spec, self.config, self.keys = spec, config, config.keys
        for index, key in enumerate(self.keys):
            require_part(spec.observation[key].shape, config.crop(index))
        count = 1 if config.is_shared else len(self.keys)
        self.encoders = nn.ModuleList(encoder_for(config) for _ in range(count))
        self.shape = self._shape()
        """Channels, height and width of a map."""
        self.heads = nn.ModuleList(Head(config, self.shape) for _ in self.keys)
        self.size = len(self.keys) * config.features
        mean, deviation = torch.tensor([MEAN, DEVIATION])
        self.register_buffer("colours", torch.stack([1 / (255 * deviation), -mean / deviation]), persistent=False)
        if config.is_frozen:
            self.encoders.requires_grad_(requires_grad=False)

    def begin(self) -> Eyes:
        """Take the encoders of `config.weights`, where a file is named.

        Raises:
            ConfigError: it does not fit.
            StoreError: it cannot be read.
        """
        if self.config.weights:
            for encoder in self.encoders:
                load_encoder(encoder, Path(self.config.weights))
        return self

    def _shape(self) -> tuple[int, int, int]:
        with torch.no_grad():
            channels, height, width = self.encoders[0](torch.zeros(1, 3, self.config.size, self.config.size)).shape[1:]
        return int(channels), int(height), int(width)

    def lens(self, images: Mapping[str, NDArray[np.generic]]) -> Pictures:
        """Return what is looked at of images (T, H, W, 3) by key.

        Raises:
            SpecError: a camera is missing, or its images are none.
        """
        missing = [key for key in self.keys if key not in images]
        if missing:
            raise SpecError(f"The policy looks at {list(self.keys)}; {missing} are missing.")
        parts = (
            look_at(cast(NDArray[np.uint8], images[key]), self.config.crop(index), self.config.size)
            for index, key in enumerate(self.keys)
        )
        return {key: torch.from_numpy(part) for key, part in zip(self.keys, parts, strict=True)}

    def shifted(self, pictures: Pictures, generator: torch.Generator | None = None) -> Pictures:
        """Return the pictures, each camera's and each one's shifted at random by up to `config.shift`."""
        return {key: random_shift(picture, self.config.shift, generator) for key, picture in pictures.items()}

    def maps(self, pictures: Pictures) -> list[Tensor]:
        """Return a map (B, C, h, w) of each camera."""
        maps = []
        for index, key in enumerate(self.keys):
            maps.append(cast(Tensor, self.encoder_of(index)(self._colours_of(pictures[key]))))
        return maps

    def encoder_of(self, index: int) -> nn.Module:
        """Return the encoder of the camera `index`."""
        return self.encoders[0 if self.config.is_shared else index]

    def _colours_of(self, pictures: Tensor) -> Tensor:
        """Return (B, 3, H, W), standardised, of pictures (B, H, W, 3)."""
        batch, height, width, channels = pictures.shape
        scale, offset = cast(Tensor, self.colours).unbind()
        # a row of pixels at once: over the three colours alone this takes longer than the convolutions
        rows = pictures.reshape(batch, height, width * channels).float()
        rows = rows.mul_(scale.repeat(width)).add_(offset.repeat(width))
        return rows.view(pictures.shape).permute(0, 3, 1, 2)

    def pooled(self, maps: list[Tensor]) -> Tensor:
        """Return (B, `size`) of the cameras' maps."""
        return torch.cat([head(found) for head, found in zip(self.heads, maps, strict=True)], dim=1)

    def forward(self, pictures: Pictures) -> Tensor:
        """Return (B, `size`) of the pictures."""
        return self.pooled(self.maps(pictures))

    def digest(self, *, whole: bool = True) -> str:
        """Return 16 hex digits of all that the numbers come from, or only of what the maps come from."""
        looks = ("cameras", "crops", "size", "encoder", "width", "is_shared")
        raw: dict[str, Any] = asdict(self.config)
        found = hashlib.sha256(json.dumps({name: raw[name] for name in looks}, sort_keys=True).encode())
        module = self if whole else self.encoders
        for name, tensor in sorted(module.state_dict().items()):
            found.update(name.encode())
            found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return found.hexdigest()[:16]


def load_encoder(encoder: nn.Module, path: Path) -> None:
    """Put the tensors of a safetensors file into an encoder; what the file has besides (a classifier) is left.

    Raises:
        ConfigError: a tensor is missing, or of another shape.
        StoreError: the file cannot be read.
    """
    found, _ = read_tensors(path, needs_checksum=False)
    wanted = encoder.state_dict()
    for name, tensor in wanted.items():
        if name not in found or found[name].shape != tensor.shape:
            there = list(found[name].shape) if name in found else "none"
            raise ConfigError(
                f"{path} does not fit this encoder: {name} must be {list(tensor.shape)}; found {there}. "
                "Give the weights of the same kind of encoder (vision.encoder), or none."
            )
    encoder.load_state_dict({name: found[name] for name in wanted})
