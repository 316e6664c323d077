"""What a policy sees of the cameras, and with which eyes."""

from __future__ import annotations

from dataclasses import dataclass

from robot.errors import ConfigError
from robot.settings import Settings, setting

ENCODERS = ("cnn", "vit", "resnet10", "resnet18")
POOLS = ("embeddings", "softmax", "flat")

WHOLE = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class VisionConfig(Settings):
    """Eyes: which cameras, how much of their pictures, and how these become numbers."""

    cameras: tuple[str, ...] = setting((), "cameras that the policy sees; none: it acts by the state alone")
    crops: tuple[tuple[float, float, float, float], ...] = setting(
        (), "one for each camera, top, left, bottom, right as shares of its picture; none: all of it", low=0.0, high=1.0
    )
    size: int = setting(64, "side to which a picture, or its part, is scaled", unit="pixels", low=32, high=512)
    encoder: str = setting(
        "cnn",
        "cnn: three convolutions; vit: ResFiT's one-layer transformer on 81 patches; resnet10, resnet18",
        choices=ENCODERS,
    )
    width: int = setting(32, "channels of the cnn's map", low=4, high=1024)
    pool: str = setting(
        "embeddings",
        "how a map becomes numbers: embeddings: learned spatial ones (SERL); softmax: where each channel is largest; "
        "flat: all of it",
        choices=POOLS,
    )
    embeddings: int = setting(8, "learned spatial embeddings a channel (SERL)", low=1, high=256)
    features: int = setting(32, "numbers that a camera becomes", low=1, high=4096)
    is_shared: bool = setting(False, "one encoder looks through all cameras; else each has its own")
    shift: int = setting(
        4, "while training, pictures are shifted at random by up to this (DrQ)", unit="pixels", low=0, high=32
    )
    weights: str = setting("", "safetensors file of a trained encoder to begin with; empty: begin at random")
    is_frozen: bool = setting(False, "the encoder stays as it begins; what a base's gives is kept beside the store")

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(self.cameras)) != len(self.cameras):
            raise ConfigError(f"vision.cameras must name each camera once; found {', '.join(self.cameras)}.")
        if self.crops and len(self.crops) != len(self.cameras):
            raise ConfigError(
                f"vision.crops needs one crop for each of the {len(self.cameras)} cameras, or none; "
                f"found {len(self.crops)}."
            )
        for top, left, bottom, right in self.crops:
            if not (0.0 <= top < bottom <= 1.0 and 0.0 <= left < right <= 1.0):
                raise ConfigError(
                    "A crop is top, left, bottom, right as shares from 0 to 1, with top < bottom and left < right; "
                    f"found {[top, left, bottom, right]}."
                )

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the observation that are looked at."""
        return tuple(f"images/{camera}" for camera in self.cameras)

    def crop(self, index: int) -> tuple[float, float, float, float]:
        """Return the crop of the camera `index`."""
        return self.crops[index] if self.crops else WHOLE
