"""From raw deflections to commands: centre, reach, dead zone, curve, and which way the person looks."""

from __future__ import annotations

import math

import numpy as np

from robot.types import Array
from teleop.device_config import DeviceConfig


class Shaper:
    """Maps a device's axes (6,), as its user sees them, to deflections (6,) within [-1, 1] in the base frame.

    Dead zone and curve are of the length of the three numbers that move, and of the three that turn, so that the
    direction stays what it was: with d the dead zone and m the length, at most 1, the length becomes
    gain ((m - d) / (1 - d))^curve, and 0 up to d. It is continuous, grows with m, and reaches `gain` at full
    deflection.
    """

    def __init__(self, config: DeviceConfig) -> None:
        self._config = config
        self._centre, self._reach = np.array(config.centre), np.array(config.reach)
        angle = math.radians(config.facing_deg)
        cosine, sine = math.cos(angle), math.sin(angle)
        self._turn = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])

    def centred(self, axes: Array) -> Array:
        """Return deflections (6,) from rest within [-1, 1]; an axis that is no number is at rest."""
        raw = np.nan_to_num(np.asarray(axes, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
        found: Array = np.clip((raw - self._centre) / self._reach, -1.0, 1.0)
        return found

    def deflection(self, axes: Array) -> float:
        """Return how far the device is from rest: the larger of moving and turning."""
        found = self.centred(axes)
        return float(max(np.linalg.norm(found[:3]), np.linalg.norm(found[3:])))

    def __call__(self, axes: Array) -> Array:
        found = self.centred(axes)
        return np.concatenate([self._turn @ self._shaped(found[:3]), self._turn @ self._shaped(found[3:])])

    def _shaped(self, part: Array) -> Array:
        c = self._config
        length = float(np.linalg.norm(part))
        if length <= c.dead_zone:
            return np.zeros(3)
        share = (min(length, 1.0) - c.dead_zone) / (1.0 - c.dead_zone)
        shaped: Array = part * (c.gain * share**c.curve / length)
        return shaped
