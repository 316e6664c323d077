"""Turns observations into the numbers of order one that every network here sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robot.errors import SpecError
from robot.settings import Settings, setting
from robot.specs import RobotSpec

Batch = NDArray[np.float32]

KNOWN = ("tool_pose", "socket_pose", "tool_twist", "wrench", "joint_positions", "joint_velocities")
"""Keys with a rule of their own; any other state key passes as it is, and is standardised by who learns from it."""


@dataclass(frozen=True)
class FeatureConfig(Settings):
    """Scales at which each quantity becomes of order one.

    Two scales of the same error let one small network reach across the table and still resolve the clearance
    of the hole.
    """

    coarse_m: float = setting(0.05, "distance to the socket of coarse value 1", unit="m", low=1e-4, high=10.0)
    fine_m: float = setting(0.004, "distance at which the fine channels saturate", unit="m", low=1e-5, high=1.0)
    fine_rad: float = setting(0.08, "yaw error at which the fine channel saturates", unit="rad", low=1e-3, high=3.2)
    speed_m_s: float = setting(0.1, "tool speed of value tanh(1)", unit="m/s", low=1e-3, high=10.0)
    rate_rad_s: float = setting(0.5, "tool turning rate of value tanh(1)", unit="rad/s", low=1e-3, high=50.0)
    force_n: float = setting(10.0, "contact force of value tanh(1)", unit="N", low=1e-2, high=1e3)
    torque_nm: float = setting(1.0, "contact torque of value tanh(1)", unit="Nm", low=1e-3, high=1e3)


class Features:
    """Features of one robot: call it with state arrays (B, ...) by key; returns float32 (B, `size`).

    Components, in this order, for a robot with a tracked socket (p is the tool's position relative to the
    socket, in the socket's yaw frame; psi is the tool's yaw relative to the socket):

    ========================  =====================================================================
    `p_coarse` (3)            p / coarse_m, clipped to [-4, 4]
    `p_fine` (3)              tanh(p / fine_m)
    `yaw` (3)                 sin psi, cos psi, tanh(sin psi / fine_rad)
    `socket_yaw` (2)          sin, cos of the socket's yaw: it turns p back into the frame of the actions
    `tool_height` (1)         tool z in the base frame / coarse_m, clipped: free of the tracker's noise
    `twist` (6)               tanh(v / speed_m_s), tanh(omega / rate_rad_s), base frame
    `wrench` (6)              tanh(f / force_n), tanh(tau / torque_nm), base frame
    ========================  =====================================================================

    Without a tracked socket the tool's place has no rule: x, y, z over coarse_m, and the first two columns of its
    rotation (Zhou et al. 2019), in the base frame, stand among the last features, which are standardised.

    What only a simulation knows (`RobotSpec.truth_keys`) is no feature.

    Joint positions and velocities say nothing that tool pose and twist do not, and are left out.

    Raises:
        SpecError: when the robot has none of the keys above, or `observation` lacks one.
    """

    def __init__(self, spec: RobotSpec, config: FeatureConfig | None = None) -> None:
        self.config = config or FeatureConfig()
        self._keys = spec.seen_keys
        self._raw = tuple(k for k in self._keys if k not in KNOWN)
        zeros = {k: np.zeros((1, *spec.observation[k].shape), np.float32) for k in self._keys}
        for key in ("tool_pose", "socket_pose"):
            if key in zeros:
                zeros[key][:, 6] = 1.0
        self.size: int = self(zeros).shape[1]
        self.raw = slice(self.size - sum(part.size for part in self._without_rule(zeros)), self.size)
        """Features without a rule of their own, the last ones."""

    def __call__(self, observation: Mapping[str, NDArray[np.generic]]) -> Batch:
        missing = [k for k in self._keys if k not in observation]
        if missing:
            raise SpecError(f"Features need the keys {list(self._keys)}; {missing} are missing.")
        o = {k: np.asarray(observation[k], dtype=np.float32) for k in self._keys}
        parts = [*self._geometry(o), *self._motion(o), *self._without_rule(o)]
        if not parts:
            raise SpecError(f"Features need at least one of {KNOWN[:4]}; the robot has {list(self._keys)}.")
        return np.ascontiguousarray(np.concatenate(parts, axis=1), dtype=np.float32)

    def one(self, observation: Mapping[str, NDArray[np.generic]]) -> Batch:
        """Return the features (`size`,) of a single observation; image keys are ignored."""
        batch: Batch = self({k: np.asarray(observation[k])[None] for k in self._keys})[0]
        return batch

    def _geometry(self, o: dict[str, Batch]) -> list[Batch]:
        if "tool_pose" not in o or "socket_pose" not in o:
            return []
        c, tool, socket = self.config, o["tool_pose"], o["socket_pose"]
        height = np.clip(tool[:, 2:3] / c.coarse_m, -4.0, 4.0)
        socket_yaw = yaw(socket[:, 3:7])
        psi = yaw(tool[:, 3:7]) - socket_yaw
        p = turn(tool[:, :3] - socket[:, :3], -socket_yaw)
        return [
            np.clip(p / c.coarse_m, -4.0, 4.0),
            np.tanh(p / c.fine_m),
            np.stack([np.sin(psi), np.cos(psi), np.tanh(np.sin(psi) / c.fine_rad)], axis=1),
            np.stack([np.sin(socket_yaw), np.cos(socket_yaw)], axis=1),
            height,
        ]

    def _motion(self, o: dict[str, Batch]) -> list[Batch]:
        c, parts = self.config, []
        if "tool_twist" in o:
            twist = o["tool_twist"]
            parts += [np.tanh(twist[:, :3] / c.speed_m_s), np.tanh(twist[:, 3:] / c.rate_rad_s)]
        if "wrench" in o:
            wrench = o["wrench"]
            parts += [np.tanh(wrench[:, :3] / c.force_n), np.tanh(wrench[:, 3:] / c.torque_nm)]
        return parts

    def _without_rule(self, o: dict[str, Batch]) -> list[Batch]:
        parts = [o[k].reshape(len(o[k]), -1) for k in self._raw]
        if "tool_pose" in o and "socket_pose" not in o:
            tool = o["tool_pose"]
            parts += [tool[:, :3] / self.config.coarse_m, columns(tool[:, 3:7])]
        return parts


@dataclass(frozen=True)
class Standardiser:
    """Shifts and scales the features that have no rule of their own (`Features.raw`) to order one.

    Attributes:
        mean, scale: (S,) of the states; 0 and 1 where a feature has its own rule.
    """

    mean: Batch
    scale: Batch

    LEAST = 0.1
    """Smallest standard deviation that is divided by (ResFiT's StateStandardizer)."""

    @staticmethod
    def nothing(size: int) -> Standardiser:
        return Standardiser(np.zeros(size, np.float32), np.ones(size, np.float32))

    @staticmethod
    def fit(state: Batch, raw: slice) -> Standardiser:
        """Fit to states (N, S).

        Raises:
            SpecError: they are so large that their mean or spread is not finite.
        """
        found = Standardiser.nothing(state.shape[1])
        if len(state):
            with np.errstate(over="ignore"):
                found.mean[raw] = state[:, raw].mean(axis=0)
                found.scale[raw] = np.maximum(state[:, raw].std(axis=0), Standardiser.LEAST)
        if not np.all(np.isfinite([found.mean, found.scale])):
            raise SpecError(
                f"States must be of a size that can be standardised; the largest number found is "
                f"{np.abs(state).max():.2g}. Give observations in units that make them about one."
            )
        return found

    def and_nothing(self, size: int) -> Standardiser:
        """Return this one for states that are followed by `size` numbers of order one."""
        more = Standardiser.nothing(size)
        return Standardiser(np.append(self.mean, more.mean), np.append(self.scale, more.scale))

    def __call__(self, state: Batch) -> Batch:
        """Return standardised states (B, S); what lies more than 10 scales away is cut off there."""
        standard: Batch = np.clip((state - self.mean) / self.scale, -10.0, 10.0)
        return standard


def yaw(q: Batch) -> Batch:
    """Return the yaw (B,) [rad] of quaternions (B, 4) xyzw; `robot.se3.yaw` for batches."""
    x, y, z, w = q.T
    angle: Batch = np.arctan2(2 * (x * y + z * w), 1 - 2 * (y * y + z * z))
    return angle


def columns(q: Batch) -> Batch:
    """Return (B, 6): the first two columns of the rotations that quaternions (B, 4) xyzw stand for."""
    x, y, z, w = q.T
    first = [1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w)]
    second = [2 * (x * y - z * w), 1 - 2 * (x * x + z * z), 2 * (y * z + x * w)]
    found: Batch = np.stack([*first, *second], axis=1)
    return found


def turn(v: Batch, angle: Batch) -> Batch:
    """Return vectors (B, 3) turned about z by `angle` (B,) [rad]."""
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([c * v[:, 0] - s * v[:, 1], s * v[:, 0] + c * v[:, 1], v[:, 2]], axis=1)
