"""Between normalised actions and tool poses: the one place where an action gets its metres and radians."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robot import se3
from robot.errors import ConfigError, did_you_mean
from robot.se3 import Pose
from robot.types import Array

AXES = ("x", "y", "z", "rx", "ry", "rz")


@dataclass(frozen=True)
class ActionMap:
    """Maps actions in [-1, 1]^A to target poses and back.

    The target is the measured tool pose moved by the action in the base frame. Rotation axes that the action
    does not have are held at `q_home`: the target's tilt comes from there, its yaw from the measurement, so
    that errors of the tilt do not accumulate. A tool that is tilted by more than `max_tilt_rad` is brought back by
    so much a command, not at once: the governor would refuse that as a jump.

    Attributes:
        axes: subset of `AXES`; rotations are either ("rz",), all three, or none.
        scale: metres or radians at |a| = 1, one per axis.
        q_home: quaternion xyzw of the tool at yaw zero, shape (4,).
        max_tilt_rad: largest correction of the tilt that one command asks for.

    Raises:
        ConfigError: an axis is unknown or doubled, the rotations are others than these, a scale is missing or not
            positive, `q_home` is not of unit length, or `max_tilt_rad` is not positive.
    """

    axes: tuple[str, ...]
    scale: tuple[float, ...]
    q_home: tuple[float, float, float, float]
    max_tilt_rad: float = 0.4

    def __post_init__(self) -> None:
        for axis in self.axes:
            if axis not in AXES:
                raise ConfigError(f"No action axis {axis!r}.{did_you_mean(axis, AXES)}")
        rotations = {axis for axis in self.axes if axis in AXES[3:]}
        if len(set(self.axes)) != len(self.axes) or rotations not in (set(), {"rz"}, {"rx", "ry", "rz"}):
            raise ConfigError(
                f"Action axes must differ, with rz, all of rx ry rz, or no rotation; found {' '.join(self.axes)}."
            )
        if len(self.scale) != len(self.axes) or not all(0.0 < scale < np.inf for scale in self.scale):
            raise ConfigError(f"Each of the action axes {' '.join(self.axes)} needs a scale > 0; found {self.scale}.")
        if len(self.q_home) != 4 or not se3.is_unit(np.array(self.q_home)):
            raise ConfigError(f"ActionMap.q_home must be four numbers of unit length; found {self.q_home}.")
        if not 0.0 < self.max_tilt_rad < np.inf:
            raise ConfigError(f"ActionMap.max_tilt_rad must be above 0; found {self.max_tilt_rad}.")

    @property
    def size(self) -> int:
        return len(self.axes)

    @property
    def reach(self) -> Array:
        """Metres and radians at full deflection of each of six device axes (6,); 0 on axes that the action lacks."""
        return self._twist(np.ones(self.size))

    def target(self, T_base_tool: Pose, action: NDArray[np.floating]) -> Pose:
        """Return the target pose `T_base_target` for `action` (A,) at the measured pose."""
        delta = self._twist(np.asarray(action, dtype=np.float64))
        reference = self._reference(T_base_tool)
        if reference is T_base_tool.quaternion and not delta[3:].any():
            return Pose(T_base_tool.position + delta[:3], reference)  # not turned, not even by a rounding error
        quaternion = se3.quaternion_multiply(se3.exp_rotation(delta[3:]), reference)
        return Pose(T_base_tool.position + delta[:3], se3.normalised(quaternion))

    def action(self, T_base_tool: Pose, T_base_target: Pose) -> NDArray[np.float32]:
        """Return the action (A,) that `target` would map to `T_base_target`; not clipped. Inverse of `target`."""
        translation = T_base_target.position - T_base_tool.position
        rotation = se3.rotation_error(T_base_target.quaternion, self._reference(T_base_tool))
        full = np.concatenate([translation, rotation])
        chosen = np.array([full[AXES.index(axis)] for axis in self.axes])
        normalised: NDArray[np.float32] = (chosen / np.array(self.scale)).astype(np.float32)
        return normalised

    def twist_from_axes(self, axes: Array, period_s: float) -> Array:
        """Return the twist (6,) [m/s, rad/s] that six device axes in [-1, 1] stand for; 0 on axes it lacks."""
        return np.asarray(self._twist(self.from_axes(axes).astype(np.float64)) / period_s)

    def axes_from_twist(self, twist: Array, period_s: float) -> Array:
        """Return the device axes (6,) of a twist; inverse of `twist_from_axes` on the axes of the action."""
        axes = np.zeros(6)
        for axis, scale in zip(self.axes, self.scale, strict=True):
            axes[AXES.index(axis)] = twist[AXES.index(axis)] * period_s / scale
        return axes

    def from_axes(self, axes: Array) -> NDArray[np.float32]:
        """Return the action (A,) for six input-device axes in [-1, 1]; axes the action lacks are dropped."""
        return np.array([axes[AXES.index(axis)] for axis in self.axes], dtype=np.float32)

    def _twist(self, action: Array) -> Array:
        delta = np.zeros(6)
        for value, axis, scale in zip(action, self.axes, self.scale, strict=True):
            delta[AXES.index(axis)] = value * scale
        return delta

    def _reference(self, T_base_tool: Pose) -> Array:
        """Return the quaternion (4,) that the rotation of an action starts from."""
        if all(axis in self.axes for axis in ("rx", "ry", "rz")):
            return T_base_tool.quaternion
        upright = self._upright(T_base_tool)
        tilt = se3.rotation_error(upright, T_base_tool.quaternion)
        angle = float(np.linalg.norm(tilt))
        if angle < se3.ROUNDING:
            return T_base_tool.quaternion
        if angle <= self.max_tilt_rad:
            return upright
        return se3.quaternion_multiply(se3.exp_rotation(tilt * (self.max_tilt_rad / angle)), T_base_tool.quaternion)

    def _upright(self, T_base_tool: Pose) -> Array:
        q_home = np.array(self.q_home)
        if "rz" not in self.axes:
            return q_home
        turned = se3.quaternion_multiply(T_base_tool.quaternion, se3.quaternion_inverse(q_home))
        return se3.quaternion_multiply(se3.about_z(se3.yaw(turned)), q_home)
