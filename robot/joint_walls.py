"""Walls before the joint limits: a spring pushes a joint back that comes nearer to its limit than a margin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robot.errors import ConfigError
from robot.settings import Settings, setting
from robot.types import Array

JOINTS = 7
Seven = tuple[float, float, float, float, float, float, float]


@dataclass(frozen=True)
class JointWallConfig(Settings):
    """Joint limits and the walls before them; the limits' defaults are a Panda's."""

    low_rad: Seven = setting(
        (-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973),
        "Lower joint limits.",
        unit="rad",
        low=-6.3,
        high=6.3,
    )
    high_rad: Seven = setting(
        (2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973),
        "Upper joint limits.",
        unit="rad",
        low=-6.3,
        high=6.3,
    )
    margin_rad: float = setting(0.1, "Thickness of the wall.", unit="rad", low=0.001, high=0.5)
    stiffness: float = setting(300.0, "Spring out of the wall.", unit="Nm/rad", low=0.0, high=2000.0)
    damping: float = setting(
        20.0, "Damping of motion into the wall, at the limit itself.", unit="Nms/rad", low=0.0, high=100.0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("low_rad", "high_rad"):
            if len(getattr(self, name)) != JOINTS:
                raise ConfigError(f"JointWallConfig.{name} must have {JOINTS} numbers; found {getattr(self, name)}.")
        room = np.array(self.high_rad) - np.array(self.low_rad)
        if room.min() <= 2.0 * self.margin_rad:
            raise ConfigError(
                f"JointWallConfig.high_rad must lie above low_rad by more than twice the margin of {self.margin_rad} "
                f"rad; joint {int(room.argmin()) + 1} has {room.min():g} rad between them."
            )


class JointWalls:
    """walls = JointWalls(config)
    if walls.are_touched(q):
        torque += walls.torque(q, dq)
    """

    def __init__(self, config: JointWallConfig) -> None:
        self._config = config
        self._low = np.array(config.low_rad) + config.margin_rad
        self._high = np.array(config.high_rad) - config.margin_rad
        self._free = list(zip(self._low.tolist(), self._high.tolist(), strict=True))

    def are_touched(self, q: Array) -> bool:
        """Tell whether any joint of `q` (7,) [rad] is in a wall; in plain floats, for the control tick."""
        for value, (low, high) in zip(q.tolist(), self._free, strict=True):  # noqa: SIM110  # any() takes 1 us more
            if not low <= value <= high:
                return True
        return False

    def torque(self, q: Array, dq: Array) -> Array:
        """Return the torque (7,) [Nm] of the walls at `q` (7,) [rad], `dq` (7,) [rad/s]; zero outside of them.

        The damping acts on the way in only, so that no wall holds a joint back, and grows with the depth, so that
        nothing jumps at the wall's face.
        """
        c = self._config
        depth = np.maximum(self._low - q, 0.0) - np.maximum(q - self._high, 0.0)  # points out of the wall
        inward = np.where(depth * dq < 0.0, dq, 0.0)
        share = np.minimum(np.abs(depth) / c.margin_rad, 1.0)
        return np.asarray(c.stiffness * depth - c.damping * share * inward)

    def check(self, q: Array, owner: str) -> Array:
        """Return `q` as an array (7,) [rad].

        Raises:
            ConfigError: not seven numbers, or one in a wall; the sentence begins with `owner`.
        """
        posture = np.array(q, dtype=np.float64)
        if posture.shape != (JOINTS,):
            raise ConfigError(f"{owner} must have {JOINTS} joint positions; found shape {posture.shape}.")
        for joint, (value, low, high) in enumerate(zip(posture, self._low, self._high, strict=True), 1):
            if not low <= value <= high:  # also refuses NaN
                raise ConfigError(
                    f"{owner} must keep joint {joint} in [{low:.4f}, {high:.4f}] rad; found {float(value):g}."
                )
        return posture
