"""Named gain sets of the impedance law; each states the force that it can press with at rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robot.errors import ConfigError
from robot.settings import Settings, setting
from robot.types import Array

AXES = ("x", "y", "z", "rx", "ry", "rz")
GAIN_SETS = ("free", "contact", "precise")
MAX_STIFFNESS = (6000.0, 6000.0, 6000.0, 400.0, 400.0, 400.0)
"""Largest stiffness [N/m, Nm/rad] that is taken; below it the law is stable at 500 Hz on a Panda-sized arm."""
MAX_CLIP = (0.1, 0.1, 0.1, 1.0, 1.0, 1.0)
"""Longest stretch [m, rad] of the spring that is taken."""

Six = tuple[float, float, float, float, float, float]


def check_stiffness(stiffness: Array | tuple[float, ...], owner: str) -> Array:
    """Return `stiffness` as an array (6,).

    Raises:
        ConfigError: it has not six numbers, or one is out of its axis' range.
    """
    k = np.array(stiffness, dtype=np.float64)
    if k.shape != (6,):
        raise ConfigError(f"{owner} must have six numbers, {' '.join(AXES)}; found shape {k.shape}.")
    _check_range(owner, k, np.zeros(6), np.array(MAX_STIFFNESS), ("N/m", "Nm/rad"))
    return k


def _check_range(owner: str, values: Array, low: Array, high: Array, units: tuple[str, str]) -> None:
    for i, axis in enumerate(AXES):
        if not low[i] <= values[i] <= high[i]:  # also refuses NaN
            raise ConfigError(
                f"{owner} of {axis} must lie in [{low[i]:g}, {high[i]:g}] {units[i // 3]}; found {values[i]:g}."
            )


@dataclass(frozen=True)
class GainSet(Settings):
    """Springs and their limits along x y z and about x y z of the base frame."""

    stiffness: Six = setting(
        (2000.0, 2000.0, 2000.0, 150.0, 150.0, 150.0),
        "Springs between tool and target; about an axis at most 400.",
        unit="N/m, Nm/rad",
        low=0.0,
        high=6000.0,
    )
    damping_ratio: Six = setting((1.0,) * 6, "1 is critical for the apparent mass.", low=0.1, high=3.0)
    clip_low: Six = setting(
        (0.02, 0.02, 0.02, 0.15, 0.15, 0.15),
        "Longest stretch of the spring that pulls towards negative; along an axis at most 0.1.",
        unit="m, rad",
        low=0.0005,
        high=1.0,
    )
    clip_high: Six = setting(
        (0.02, 0.02, 0.02, 0.15, 0.15, 0.15),
        "Longest stretch of the spring that pulls towards positive; along an axis at most 0.1.",
        unit="m, rad",
        low=0.0005,
        high=1.0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_stiffness(self.stiffness, "GainSet.stiffness")
        for name in ("damping_ratio", "clip_low", "clip_high"):
            values = np.array(getattr(self, name))
            if values.shape != (6,):
                raise ConfigError(f"GainSet.{name} must have six numbers, {' '.join(AXES)}; found {len(values)}.")
            if name != "damping_ratio":
                _check_range(f"GainSet.{name}", values, np.zeros(6), np.array(MAX_CLIP), ("m", "rad"))

    @property
    def wrench_bound(self) -> Array:
        """Largest pull (6, 2) [N, Nm] of the springs, [axis, (negative, positive)]: stiffness times clip."""
        return np.asarray(np.array(self.stiffness)[:, None] * np.array([self.clip_low, self.clip_high]).T)

    @property
    def force_bound_n(self) -> Array:
        """Largest force (3, 2) [N] that the tool can press with at rest, [axis, (negative, positive)]."""
        return self.wrench_bound[:3]

    @property
    def moment_bound_nm(self) -> Array:
        """Largest moment (3, 2) [Nm] that the tool can twist with at rest, [axis, (negative, positive)]."""
        return self.wrench_bound[3:]


def free_gains() -> GainSet:
    """Soft springs with a long stretch: fast through free space."""
    return GainSet((800.0,) * 3 + (60.0,) * 3, (1.0,) * 6, (0.06,) * 3 + (0.25,) * 3, (0.06,) * 3 + (0.25,) * 3)


def contact_gains() -> GainSet:
    """Firm springs with a bounded force, for work in contact."""
    return GainSet()


def precise_gains() -> GainSet:
    """Stiff springs with a short stretch: exact, slow, and gentle at the end of the stretch."""
    return GainSet((4000.0,) * 3 + (250.0,) * 3, (1.0,) * 6, (0.005,) * 3 + (0.04,) * 3, (0.005,) * 3 + (0.04,) * 3)


@dataclass(frozen=True)
class Impact:
    """What the peak force is stated for: `mass_kg` and `inertia` [kg m^2] of the tool as a touched surface feels
    them, and the `stiffness` [N/m] of that surface."""

    mass_kg: float
    inertia: float
    stiffness: float

    def peak_force_n(self, wrench_bound: Array, damping: Array) -> float:
        """Return the force [N] that no contact with the surface passes at any instant, impacts included.

        Pulled by at most `wrench_bound` (6, 2) [N, Nm] against `damping` (6,) the tool gets no faster than their
        ratio. The spring k of the surface then takes up the kinetic energy E of the tool and the work of the pull
        F: k x^2 / 2 = E + F x, so that k x = F + sqrt(F^2 + 2 k E). Without the pull it is the F = v sqrt(k m) of
        ISO/TS 15066:2016, annex A.
        """
        pull = wrench_bound.max(axis=1)
        speed = np.divide(pull, damping, out=np.where(pull > 0.0, np.inf, 0.0), where=damping > 0.0)
        energy = 0.5 * (self.mass_kg * speed[:3].max() ** 2 + self.inertia * speed[3:].max() ** 2)
        force = pull[:3].max()
        return float(force + np.sqrt(force**2 + 2.0 * self.stiffness * energy))


def describe(name: str, wrench_bound: Array, peak_n: float, impact: Impact) -> str:
    """Return one sentence: the name of a gain set with its `wrench_bound` (6, 2) [N, Nm] and its peak force [N]."""
    force, moment = _bounds(wrench_bound[:3]), _bounds(wrench_bound[3:])
    between = float(np.linalg.norm(wrench_bound[:3].max(axis=1)))
    return (
        f"Gains {name!r}: at rest the tool presses with at most {force} N along each axis, {between:.0f} N between "
        f"them, and twists with at most {moment} Nm; for a moment with at most {peak_n:.0f} N along an axis, on a "
        f"surface of up to {impact.stiffness / 1000.0:g} N/mm."
    )


def _bounds(rows: Array) -> str:
    if (rows == rows[0, 0]).all():
        return f"{rows[0, 0]:g}"
    return ", ".join(
        f"{axis} {high:g}" if low == high else f"{axis} -{low:g} to +{high:g}"
        for axis, (low, high) in zip("xyz", rows, strict=True)
    )
