"""The gains that the impedance law uses at this tick; every change is blended in, first order."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from robot.errors import ConfigError, did_you_mean
from robot.gains import GainSet, Impact, check_stiffness
from robot.types import Array

SETTLED = 1e-4
"""A blend ends when this share of the change is left."""


class LiveGains:
    """Springs, limits, feed-forward and posture in force, with the goals that they are on the way to.

    While stiffness and clip both change, their product, the force bound, is what is blended: the pull never
    passes the larger one of the old and the new bound.

    Attributes:
        name: the gain set in use.
        stiffness, damping: (6,) [N/m, Nm/rad] and [Ns/m, Nms/rad].
        low, high: (6,) [m, rad]; the stretch of the springs is cut to this.
        pull_low, pull_high: (6,) [N, Nm]; springs and feed-forward together are cut to minus and plus this.
        wrench: (6,) [N, Nm] feed-forward; has_wrench: whether there may be any.
        posture: (7,) [rad]; what the null space is drawn to.
        brakes: (6,) [Ns/m, Nms/rad]; damping of the set in use, whatever `set_stiffness` did.
        is_blending: whether `blend` has anything to do.
    """

    def __init__(self, sets: Mapping[str, GainSet], name: str, inertia: Array, posture: Array, tau_s: float) -> None:
        self._sets = dict(sets)
        self._inertia = inertia
        self._tau_s = tau_s
        self._now = np.zeros(49)
        rows = self._now[:42].reshape(7, 6)
        self.stiffness, self.damping, self._spring_low, self._spring_high = rows[:4]
        self.pull_low, self.pull_high, self.wrench = rows[4:]
        self.posture = self._now[42:]
        self._goal_posture = posture
        self._in_force: list[GainSet] = []
        self.is_blending = False
        self._choose(name)
        self.reset()

    def reset(self) -> None:
        """Take on all goals at once, with no feed-forward. The arm does not lose its speed with that: the bounds of
        the sets before stay in force for as long as the change would have taken."""
        self._goal_wrench = np.zeros(6)
        is_blending, in_force = self.is_blending, self._in_force
        self._settle()
        if is_blending:
            self._in_force, self.is_blending, self._is_there = in_force, True, True

    def use(self, name: str) -> None:
        """Change to the gain set `name`; what `set_stiffness` did is forgotten.

        Raises:
            ConfigError: there is no such set.
        """
        self._choose(name)
        self._begin()

    def set_stiffness(self, stiffness: Array) -> None:
        """Change to `stiffness` (6,) [N/m, Nm/rad]; the force bound of the set in use keeps holding: where a
        spring gets stiffer than in the set its clip shrinks, where it gets softer the clip stays.

        Raises:
            ConfigError: not six numbers, or one out of range.
        """
        self._goal_stiffness = check_stiffness(stiffness, "The stiffness")
        self._begin()

    def set_wrench(self, wrench: Array) -> None:
        """Change to the feed-forward `wrench` (6,) [N, Nm], cut to the bound of the set in use. Along its axes the
        damping stays at least that of the set, so that nothing pushed gets faster than what is pulled.

        Raises:
            ConfigError: not six finite numbers.
        """
        w = np.array(wrench, dtype=np.float64)
        if w.shape != (6,) or not np.isfinite(w).all():
            raise ConfigError(f"A feed-forward wrench must be six finite numbers; found {np.array(wrench).tolist()}.")
        self._goal_wrench = w
        self._begin()

    def set_posture(self, posture: Array) -> None:
        """Change to `posture` (7,) [rad]; the caller has checked it."""
        self._goal_posture = np.array(posture, dtype=np.float64)
        self._begin()

    @property
    def wrench_bound(self) -> Array:
        """Largest pull (6, 2) [N, Nm], [axis, (negative, positive)]: that of the set in use, and while a change is
        blended in the larger one of it and those before."""
        return np.asarray(np.max([gains.wrench_bound for gains in self._in_force], axis=0))

    def peak_force_n(self, impact: Impact) -> float:
        """Return the force [N] that no contact passes at any instant; see `robot.gains.Impact`."""
        return max(impact.peak_force_n(g.wrench_bound, self._damping(g, g.stiffness)) for g in self._in_force)

    def blend(self, dt_s: float) -> None:
        """Go `dt_s` further towards the goals."""
        self._left *= math.exp(-dt_s / self._tau_s) if self._tau_s > 0.0 else 0.0
        if self._left < SETTLED:
            self._settle()
        if self._is_there:
            return
        np.subtract(self._start, self._goal, out=self._now)
        self._now *= self._left
        self._now += self._goal
        k = np.maximum(self.stiffness, 1e-9)
        self.low, self.high = -self._spring_low / k, self._spring_high / k

    def _choose(self, name: str) -> None:
        if name not in self._sets:
            raise ConfigError(f"There is no gain set {name!r}.{did_you_mean(name, self._sets)}")
        self.name = name
        self._set = self._sets[name]
        self._goal_stiffness = np.array(self._set.stiffness)
        self.brakes = self._damping(self._set, self._set.stiffness)

    def _begin(self) -> None:
        self._start, self._goal = self._now.copy(), self._goals()
        self._left = 1.0
        if self._set not in self._in_force:
            self._in_force = [*self._in_force, self._set]
        self.is_blending = self.has_wrench = True
        self._is_there = False

    def _settle(self) -> None:
        self._now[:] = self._goals()
        self.low, self.high = self._clips()
        self._in_force = [self._set]
        self.is_blending, self._is_there = False, True
        self.has_wrench = bool(self.wrench.any())

    def _goals(self) -> Array:
        k, bound = self._goal_stiffness, self._set.wrench_bound
        wrench = np.minimum(np.maximum(self._goal_wrench, -bound[:, 0]), bound[:, 1])
        damping = self._damping(self._set, k)
        damping = np.where(wrench != 0.0, np.maximum(damping, self.brakes), damping)
        low, high = self._clips()
        return np.concatenate([k, damping, -k * low, k * high, bound[:, 0], bound[:, 1], wrench, self._goal_posture])

    def _damping(self, gains: GainSet, stiffness: Array | tuple[float, ...]) -> Array:
        return np.asarray(2.0 * np.array(gains.damping_ratio) * np.sqrt(np.array(stiffness) * self._inertia))

    def _clips(self) -> tuple[Array, Array]:
        """Return the goal's low and high (6,): those of the set, shorter where its stiffness is passed."""
        own = np.array(self._set.stiffness)
        shrink = np.where(self._goal_stiffness > own, own / np.maximum(self._goal_stiffness, 1e-9), 1.0)
        return -np.array(self._set.clip_low) * shrink, np.array(self._set.clip_high) * shrink
