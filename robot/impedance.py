"""Cartesian impedance: the tool is pulled to a target pose by a spring whose stretch, and so force, is bounded.

    tau = J^T (K e - D J dq) + N (k_n (q_home - q) - d_n dq) + bias

Khatib, "A unified approach for motion and force control of robot manipulators", IEEE J. RA 3(1), 1987; the
limit on the spring's stretch e follows Luo et al., "SERL", 2024 (reference limiting).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from robot.errors import ConfigError
from robot.gains import GAIN_SETS, GainSet, Impact, contact_gains, describe, free_gains, precise_gains
from robot.interfaces import ArmDynamics, ArmState
from robot.joint_walls import JOINTS, JointWallConfig, JointWalls, Seven
from robot.live_gains import LiveGains
from robot.se3 import Pose
from robot.settings import Settings, setting
from robot.types import Array

REGULARISATION = 1e-6
"""Added to J J^T so that the null space stays defined in a singular posture."""


@dataclass(frozen=True)
class ImpedanceConfig(Settings):
    """Stiffness, damping and limits of the control law; defaults suit a Panda-sized arm."""

    gains: str = setting("contact", "Gain set that the law starts with.", choices=GAIN_SETS)
    free: GainSet = setting(free_gains, "Gain set for fast motion through free space.")
    contact: GainSet = setting(contact_gains, "Gain set for work in contact.")
    precise: GainSet = setting(precise_gains, "Gain set for exact motion with little force.")
    gain_time_constant_s: float = setting(
        0.1, "Changes of gains, posture and wrench are blended in with this; 0: at once.", unit="s", low=0.0, high=5.0
    )
    apparent_mass_kg: float = setting(
        3.0, "Mass at the tool that the damping is made for.", unit="kg", low=0.1, high=20.0
    )
    apparent_inertia: float = setting(
        0.15, "Inertia about the tool that the damping is made for.", unit="kg m^2", low=0.001, high=2.0
    )
    heaviest_mass_kg: float = setting(
        10.0, "Peak force: largest mass that a surface feels along a base axis.", unit="kg", low=0.1, high=100.0
    )
    surface_stiffness: float = setting(
        75_000.0,
        "Peak force: hardest surface that it is stated for; 75000 is a hand's (ISO/TS 15066).",
        unit="N/m",
        low=1000.0,
        high=1e7,
    )
    target_time_constant_s: float = setting(
        0.02, "Low-pass on the target, so that 10 Hz steps do not jerk; 0 is off.", unit="s", low=0.0, high=1.0
    )
    nullspace_stiffness: float = setting(
        10.0, "Pull of the elbow towards the home posture.", unit="Nm/rad", low=0.0, high=100.0
    )
    nullspace_clip_rad: float = setting(
        0.15, "Longest stretch of that spring, at any joint.", unit="rad", low=0.01, high=3.0
    )
    hold_brake: float = setting(
        10.0, "Rate at which an arm that holds loses speed, beside its damping.", unit="1/s", low=0.0, high=50.0
    )
    nullspace_damping: float = setting(
        3.0, "Damping of motion that the tool does not feel.", unit="Nms/rad", low=0.0, high=50.0
    )
    home: Seven = setting(
        (0.0, 0.08606, 0.0, -2.38745, 0.0, 2.47352, 0.785398),
        "Posture that the null space is drawn to.",
        unit="rad",
        low=-6.3,
        high=6.3,
    )
    walls: JointWallConfig = setting(JointWallConfig, "Joint limits.")
    torque_limit_nm: Seven = setting(
        (87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0), "The arm's torque limits.", unit="Nm", low=0.0, high=500.0
    )
    torque_margin: float = setting(0.95, "Share of the torque limits that is used.", low=0.1, high=1.0)
    torque_rate_nm_per_ms: float = setting(
        1.0, "Largest change of a joint's torque in a millisecond.", unit="Nm/ms", low=0.01, high=100.0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        JointWalls(self.walls).check(np.array(self.home), "ImpedanceConfig.home")
        if len(self.torque_limit_nm) != JOINTS:
            raise ConfigError(
                f"ImpedanceConfig.torque_limit_nm must have {JOINTS} numbers; found {self.torque_limit_nm}."
            )


class CartesianImpedance:
    """The law with its two filters: the target's low-pass and the torque's rate limit.

    law.reset()                                          # the next call starts afresh
    while running:
        arm.write(law.torque(arm.read(), arm.dynamics(), T_base_target, dt_s))
    """

    def __init__(self, config: ImpedanceConfig) -> None:
        self.config = config
        c = config
        self._gains = LiveGains(
            {name: getattr(c, name) for name in GAIN_SETS},
            c.gains,
            np.repeat([c.apparent_mass_kg, c.apparent_inertia], 3),
            np.array(c.home),
            c.gain_time_constant_s,
        )
        self._impact = Impact(c.heaviest_mass_kg, c.apparent_inertia, c.surface_stiffness)
        self._limit = c.torque_margin * np.array(c.torque_limit_nm)
        self._walls = JointWalls(c.walls)
        self._ridge = REGULARISATION * np.eye(6)
        self._goal_pose: Pose | None = None
        self._goal = np.zeros(7)
        self._filtered = np.zeros(7)
        self._is_fresh = True
        self._torque: Array | None = None

    @property
    def gains_in_use(self) -> str:
        """Name of the gain set in use, or on the way to being so."""
        return self._gains.name

    @property
    def wrench_bound(self) -> Array:
        """Largest wrench (6, 2) [N, Nm] that the tool can press with at rest, [base axis, (negative, positive)]."""
        return self._gains.wrench_bound

    @property
    def steady_force_bound_n(self) -> float:
        """Largest force [N] along any base axis that the tool can press with at rest."""
        return float(self._gains.wrench_bound[:3].max())

    @property
    def steady_moment_bound_nm(self) -> float:
        """Largest moment [Nm] about any base axis that the tool can twist with at rest."""
        return float(self._gains.wrench_bound[3:].max())

    @property
    def peak_force_bound_n(self) -> float:
        """Largest force [N] along a base axis at any instant, impacts included, on a surface no harder than the
        config's `surface_stiffness`; by `robot.gains.Impact`."""
        return self._gains.peak_force_n(self._impact)

    def describe(self) -> str:
        """Return one sentence: the gain set in use and its bounds in newtons and newton metres."""
        return describe(self.gains_in_use, self.wrench_bound, self.peak_force_bound_n, self._impact)

    def use_gains(self, name: str) -> None:
        """Change to the gain set `name`, blended in over `gain_time_constant_s`.

        Raises:
            ConfigError: there is no such set.
        """
        self._gains.use(name)

    def set_stiffness(self, stiffness: Array) -> None:
        """Change to `stiffness` (6,) [N/m, Nm/rad], blended in; damping follows, and the force bound of the gain set
        in use keeps holding: where a spring gets stiffer its clip shrinks.

        Raises:
            ConfigError: not six numbers, or one out of range.
        """
        self._gains.set_stiffness(stiffness)

    def set_wrench(self, wrench: Array) -> None:
        """Add the feed-forward `wrench` (6,) [N, Nm], in the base frame, to the springs, blended in; their sum
        stays within the bound of the gain set. `reset` takes it away.

        Raises:
            ConfigError: not six finite numbers.
        """
        self._gains.set_wrench(wrench)

    def set_posture(self, q: Array) -> None:
        """Draw the null space to the joint positions `q` (7,) [rad], blended in.

        Raises:
            ConfigError: not seven numbers, or one nearer to its joint limit than the wall's margin.
        """
        self._gains.set_posture(self._walls.check(q, "The posture"))

    def reset(self, torque: Array | None = None) -> None:
        """Forget both filters, finish what is blended, and take the feed-forward wrench away. `torque` (7,) [Nm],
        if given, is what the arm applies now: the rate limit starts from it instead of from the first torque."""
        self._torque = None if torque is None else np.array(torque, dtype=np.float64)
        self._goal_pose = None
        self._is_fresh = True
        self._gains.reset()

    def stretch(self, dynamics: ArmDynamics, T_base_target: Pose) -> float:
        """Return how far a target stretches the springs, as a share of the clip of the axis with the largest one."""
        error = _error(T_base_target.position, T_base_target.quaternion, dynamics.T_base_tool)
        return float(np.max(error / np.where(error < 0.0, self._gains.low, self._gains.high)))

    def torque(
        self,
        state: ArmState,
        dynamics: ArmDynamics,
        T_base_target: Pose,
        dt_s: float,
        posture: Array | None = None,
        is_held: bool = False,
    ) -> Array:
        """Return the joint torques (7,) [Nm] for one control tick of `dt_s`.

        `posture` (7,) [rad], if given, is what the null space is drawn to at this tick instead of the one set. An arm
        that `is_held` is damped at least as the gain set in use says, however soft its springs were made, and braked.
        NaN in any input comes out as NaN; the caller must check (`robot.arm_server` does).
        """
        gains = self._gains
        if gains.is_blending:
            gains.blend(dt_s)
        J = dynamics.jacobian
        self._follow(T_base_target, dt_s)
        error = _error(self._filtered[:3], self._filtered[3:], dynamics.T_base_tool)
        np.minimum(np.maximum(error, gains.low, out=error), gains.high, out=error)

        pull = gains.stiffness * error
        if gains.has_wrench:
            pull = np.minimum(np.maximum(pull + gains.wrench, -gains.pull_low), gains.pull_high)
        damping = np.maximum(gains.damping, gains.brakes) if is_held else gains.damping
        wrench = pull - damping * (J @ state.dq)
        rest = self._nullspace(state, J, gains.posture if posture is None else posture) + dynamics.bias
        if is_held:  # in proportion to the mass: the same rate in every direction and posture, and never too much
            rest -= self.config.hold_brake * (dynamics.mass @ state.dq)
        if self._walls.are_touched(state.q):
            rest += self._walls.torque(state.q, state.dq)
        return self._limited(J.T @ wrench, rest, dt_s)

    def _follow(self, target: Pose, dt_s: float) -> None:
        """Move the filtered target towards `target`, first order.

        Quaternions are blended without normalising: `rotation_error` does not depend on their length.
        """
        if target is not self._goal_pose:
            self._goal_pose = target
            self._goal[:3], self._goal[3:] = target.position, target.quaternion
            if self._goal[3:] @ self._filtered[3:] < 0.0:
                self._goal[3:] *= -1.0
            if self._is_fresh:
                self._filtered[:] = self._goal
                self._is_fresh = False
        self._filtered += dt_s / (self.config.target_time_constant_s + dt_s) * (self._goal - self._filtered)

    def _nullspace(self, state: ArmState, J: Array, goal: Array) -> Array:
        """Return the posture torque (7,) less the part that the tool would feel: (I - J^T (J J^T)^-1 J) tau."""
        c = self.config
        error = goal - state.q
        error *= min(1.0, c.nullspace_clip_rad / (float(np.abs(error).max()) + 1e-9))
        posture = c.nullspace_stiffness * error - c.nullspace_damping * state.dq
        felt: Array = J.T @ np.linalg.solve(J @ J.T + self._ridge, J @ posture)
        return posture - felt

    def _limited(self, pull: Array, rest: Array, dt_s: float) -> Array:
        """Return `pull + rest` (7,) within the torque limits and within reach of the last torque.

        Where a joint would saturate, the whole pull is scaled down: cutting single joints would turn the
        force at the tool and could raise it above its bound.
        """
        torque = pull + rest
        if (np.abs(torque) > self._limit).any():
            room = np.maximum(self._limit - np.sign(pull) * rest, 0.0)
            torque = min(1.0, float(np.min(room / (np.abs(pull) + 1e-9)))) * pull + rest
            np.minimum(np.maximum(torque, -self._limit, out=torque), self._limit, out=torque)
        if self._torque is not None:
            reach = 1e3 * dt_s * self.config.torque_rate_nm_per_ms
            np.minimum(np.maximum(torque, self._torque - reach, out=torque), self._torque + reach, out=torque)
        self._torque = torque
        return torque


def _error(position: Array, quaternion: Array, tool: Pose) -> Array:
    """Return the way and the rotation (6,) [m, rad] from `tool` to a target, in the base frame."""
    error = np.empty(6)
    error[:3] = position - tool.position
    error[3:] = rotation_error(quaternion, tool.quaternion)
    return error


def rotation_error(q_target: Array, q: Array) -> tuple[float, float, float]:
    """As `robot.se3.rotation_error`, in plain floats: ten times faster, for the control
    tick; the quaternions need not have unit length. Products that cancel between equal ones are paired: exactly 0."""
    ax, ay, az, aw = q_target.tolist()
    bx, by, bz, bw = q.tolist()
    x = (ax * bw - aw * bx) + (az * by - ay * bz)
    y = (ay * bw - aw * by) + (ax * bz - az * bx)
    z = (az * bw - aw * bz) + (ay * bx - ax * by)
    w = aw * bw + ax * bx + ay * by + az * bz
    if w < 0.0:
        x, y, z, w = -x, -y, -z, -w
    sine = math.sqrt(x * x + y * y + z * z)
    scale = 2.0 if sine < 1e-9 else 2.0 * math.atan2(sine, w) / sine
    return scale * x, scale * y, scale * z
