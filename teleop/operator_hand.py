"""The simulated operator's hand: approach, align, descend, search on the rim, push in."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from robot.types import Array
from teleop.operator_config import SKILLS, OperatorConfig

TREMOR_S = 0.25
"""Correlation time of the hand's unsteadiness."""
SEARCH_TURN_S = 1.2
"""Duration of one turn of the search."""
IN_HOLE_M = 0.003
"""Deeper than this the hole itself guides the peg."""
EASE_M = 0.005
"""It stops to push when the peg is this much deeper than it has to be."""
STALLED_S = 0.5
"""A peg that has sunk no further for this long, while pushed, sits on the rim."""
CARELESS_FACTOR = 3.0
LOOK_AGAIN_S = 0.8
"""On the rim it looks closer: what it misjudged shrinks with this time constant."""
LIGHTER = 0.5
"""Share of its push on the rim, so that friction lets the peg slide."""
FIRMER = 1.5
"""Its lateral wish on the rim, against friction."""


@dataclass(frozen=True)
class Sight:
    """The way to the hole: `x_m`, `y_m` from the tip to its axis (base frame), `depth_m` of the tip below the
    mouth (negative above it), `yaw_rad` the turn that aligns the peg."""

    x_m: float
    y_m: float
    depth_m: float
    yaw_rad: float

    @property
    def lateral_m(self) -> float:
        return math.hypot(self.x_m, self.y_m)


class Hand:
    """Turns what is seen into deflections of the input device, for one episode."""

    def __init__(self, config: OperatorConfig, rng: np.random.Generator, is_careless: bool) -> None:
        self._config = config
        self._rng = rng
        self._skill = SKILLS[config.skill]
        worse = self._skill.aim * (CARELESS_FACTOR if is_careless else 1.0)
        self._aim_m = worse * config.aim_error_m * rng.standard_normal(2)
        self._aim_rad = worse * config.aim_error_rad * float(rng.standard_normal())
        self._speed = config.speed * float(rng.uniform(0.8, 1.2))
        self._tremor = np.zeros(6)
        self.grasp()

    def grasp(self) -> None:
        """Take the device in hand: whatever was going on before, begin with a look."""
        self._is_descending = False
        self._deepest_m = -math.inf
        self._stalled_s = 0.0
        self._search_s = 0.0

    def axes(self, sight: Sight, dt_s: float) -> Array:
        """Return six deflections in [-1, 1] (x, y, z, rx, ry, rz in the base frame)."""
        c = self._config
        x, y = sight.x_m + self._aim_m[0], sight.y_m + self._aim_m[1]
        yaw = sight.yaw_rad + self._aim_rad
        limit = self._speed
        if sight.depth_m > IN_HOLE_M:
            push = c.push if sight.depth_m < c.success_depth_m + EASE_M else 0.0
            wish = [0.3 * x / c.action_scale_m, 0.3 * y / c.action_scale_m, -push, 0.3 * yaw / c.action_scale_rad]
        else:
            z = self._descent(sight, math.hypot(x, y), yaw, dt_s)
            x, y = self._searching(x, y, dt_s)
            wish = [x / c.action_scale_m, y / c.action_scale_m, z, yaw / c.action_scale_rad]
        axes = np.zeros(6)
        axes[[0, 1, 2, 5]] = np.clip(wish, -limit, limit)
        axes[[0, 1, 2, 5]] += self._shake(dt_s)[[0, 1, 2, 5]] * self._steadiness(sight)
        return np.clip(axes, -1.0, 1.0)

    def _descent(self, sight: Sight, lateral_m: float, yaw: float, dt_s: float) -> float:
        """Return the deflection along z: to the approach height until aligned, then down."""
        c = self._config
        slack = 2.5 if self._is_descending else 1.0
        slack_m = slack * c.aligned_m + (c.search_m if self._search_s > 0.0 else 0.0)
        self._is_descending = lateral_m < slack_m and abs(yaw) < slack * c.aligned_rad
        if not self._is_descending:
            self._stalled_s = self._search_s = 0.0
            self._deepest_m = -math.inf
            return (-sight.depth_m - c.approach_height_m) / -c.action_scale_m
        if sight.depth_m > self._deepest_m + 3e-4:
            self._deepest_m, self._stalled_s = sight.depth_m, 0.0
        else:
            self._stalled_s += dt_s
        return -c.push if self._stalled_s < STALLED_S else -LIGHTER * c.push

    def _searching(self, x: float, y: float, dt_s: float) -> tuple[float, float]:
        """Return the lateral wish; on the rim it looks again and circles, wider and wider, about its aim."""
        if self._stalled_s < STALLED_S:
            return x, y
        self._search_s += dt_s
        still = math.exp(-self._skill.insight * dt_s / LOOK_AGAIN_S)
        self._aim_m *= still
        self._aim_rad *= still
        angle = 2.0 * math.pi * self._search_s / SEARCH_TURN_S
        radius = self._skill.search * self._config.search_m * min(self._search_s / (2.0 * SEARCH_TURN_S), 1.0)
        return FIRMER * x + radius * math.cos(angle), FIRMER * y + radius * math.sin(angle)

    def _shake(self, dt_s: float) -> Array:
        """Return the hand's unsteadiness, a first-order process that stays alike at any view rate."""
        keep = math.exp(-dt_s / TREMOR_S)
        fresh = math.sqrt(1.0 - keep * keep) * self._skill.tremor * self._config.motion_noise
        self._tremor = keep * self._tremor + fresh * self._rng.standard_normal(6)
        return self._tremor

    def _steadiness(self, sight: Sight) -> float:
        """People are steadier the nearer they are: full unsteadiness from 5 cm on, a quarter at the mouth."""
        way = math.hypot(sight.lateral_m, sight.depth_m)
        return 0.25 + 0.75 * min(way / 0.05, 1.0)
