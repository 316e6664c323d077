"""The owner of the control tick: follows fresh commands, holds when they stop, homes, and latches faults."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from robot.clock import to_ns
from robot.errors import FaultError, RobotError
from robot.homing import HomePosture, HomingConfig, HomingMotion
from robot.interfaces import Arm, ArmDynamics, ArmState
from robot.se3 import Pose
from robot.settings import Settings, setting
from robot.types import Array


class ArmMode(enum.Enum):
    """What the arm does at this tick."""

    HOLD = "hold"
    FOLLOW = "follow"
    HOMING = "homing"
    FAULT = "fault"


class Law(Protocol):
    """A control law; `robot.impedance.CartesianImpedance` is one."""

    def torque(self, state: ArmState, dynamics: ArmDynamics, T_base_target: Pose, dt_s: float) -> Array: ...
    def reset(self, torque: Array | None = None) -> None: ...


@dataclass(frozen=True)
class ArmServerConfig(Settings):
    """Timing and safety of the control tick."""

    control_step_s: float = setting(0.002, "Length of one control tick.", unit="s", low=2e-4, high=0.02)
    command_expiry_s: float = setting(
        0.2, "A command is obeyed this long after its stamp, then the arm holds.", unit="s", low=0.01, high=5.0
    )
    wrench_time_constant_s: float = setting(
        0.02, "Low-pass on the external wrench that is reported; 0 is off.", unit="s", low=0.0, high=1.0
    )
    fault_damping: float = setting(
        4.0, "Joint damping under a fault, where gravity alone is balanced.", unit="Nms/rad", low=0.0, high=50.0
    )
    home: HomePosture = setting(HomePosture, "Where homing ends.")
    homing: HomingConfig = setting(HomingConfig, "How homing gets there.")


@dataclass(frozen=True)
class ArmSnapshot:
    """What the arm reports, in the base frame.

    Attributes:
        q, dq: joint positions (7,) [rad] and velocities (7,) [rad/s].
        twist: of the tool centre point (6,) [m/s, rad/s].
        wrench: external, at the tool centre point (6,) [N, Nm], low-passed.
        tau: joint torques (7,) [Nm] that were written last.
    """

    stamp_ns: int
    q: Array
    dq: Array
    T_base_tool: Pose
    twist: Array
    wrench: Array
    tau: Array


class ArmServer:
    """Runs one arm, one tick at a time. It has no thread and no clock but the arm's stamps.

    server = ArmServer(arm, CartesianImpedance(ImpedanceConfig()), ArmServerConfig())
    server.connect()
    while running:
        server.accept(T_base_target, stamp_ns)
        server.advance(0.1)
        snapshot = server.snapshot()
    """

    def __init__(self, arm: Arm, law: Law, config: ArmServerConfig) -> None:
        self.config = config
        self._arm = arm
        self._law = law
        self._expiry_ns = to_ns(config.command_expiry_s)
        self._state: ArmState | None = None
        self._dynamics: ArmDynamics | None = None
        self._tau_external = np.zeros(7)
        self._tau = np.zeros(7)
        self._target: Pose | None = None
        self._target_stamp_ns = 0
        self._homing: HomingMotion | None = None
        self._mode = ArmMode.HOLD
        self._fault = ""
        self._ticks = self._accepted = self._refused = self._expired = self._faults = 0

    def connect(self) -> None:
        """Connect the arm and hold it where it is."""
        self._arm.connect()
        self.settle()

    def close(self) -> None:
        self._arm.close()

    def accept(self, T_base_target: Pose, stamp_ns: int) -> bool:
        """Take a new target pose; returns False, and counts, when it is refused: it is stale by its stamp,
        older than the one obeyed, not finite, or the arm is homing or faulted."""
        state, _ = self._measured()
        age_ns = state.stamp_ns - stamp_ns
        is_following = self._mode is ArmMode.FOLLOW
        if (
            self._mode in (ArmMode.HOMING, ArmMode.FAULT)
            or age_ns >= self._expiry_ns
            or (is_following and stamp_ns < self._target_stamp_ns)
            or not math.isfinite(sum(T_base_target.as_vector()))
        ):
            self._refused += 1
            return False
        self._target, self._target_stamp_ns = T_base_target, stamp_ns
        self._mode = ArmMode.FOLLOW
        self._accepted += 1
        return True

    def tick(self) -> None:
        """One control step: read, law, write. Never raises for a bad reading or torque: it latches a fault."""
        self._ticks += 1
        try:
            state, dynamics = self._read()
        except RobotError as error:
            self._latch(f"reading the arm failed: {error}")
            self._write_still()
            return
        if self._mode is ArmMode.FOLLOW and state.stamp_ns - self._target_stamp_ns >= self._expiry_ns:
            self._expired += 1
            self._begin_hold(state, dynamics)
        if self._mode is ArmMode.FAULT:
            self._write_still()
            return
        torque = self._torque(state, dynamics)
        if not math.isfinite(torque.sum()):
            self._latch("the control law returned a torque that is not finite")
            self._write_still()
            return
        self._write(torque)

    def advance(self, duration_s: float) -> None:
        """Run the ticks of `duration_s`."""
        for _ in range(round(duration_s / self.config.control_step_s)):
            self.tick()

    def start_home(self, seed: int) -> None:
        """Begin to lift the tool and go to the home posture of `seed`; the ticks do it.

        All filters are forgotten, so that what follows depends on the arm's state and the seed alone.

        Raises:
            FaultError: while a fault is latched.
        """
        if self._mode is ArmMode.FAULT:
            raise FaultError(f"The arm cannot home because {self._fault}; clear it with reset_fault first.")
        state, dynamics = self._read()
        self._tau_external = np.zeros(7)
        self._homing = HomingMotion(self.config.homing, state, dynamics, self.config.home.draw(seed))
        self._law.reset()
        self._mode = ArmMode.HOMING

    def hold(self) -> None:
        """Hold the arm, compliantly, where it is; ends following and homing. A fault stays a fault."""
        if self._mode is not ArmMode.FAULT:
            self._begin_hold(*self._measured())

    def settle(self) -> None:
        """Read the arm anew and hold it there, with all filters forgotten: after the world was laid out anew,
        so that an episode depends on nothing that came before it."""
        state, dynamics = self._read()
        self._tau_external = np.zeros(7)
        if self._mode is not ArmMode.FAULT:
            self._begin_hold(state, dynamics)
            self._law.reset()

    def reset_fault(self) -> None:
        """Clear a latched fault (a person's decision) and hold where the arm is.

        Raises:
            RobotError: when the arm still cannot be read; the fault then stays.
        """
        state, dynamics = self._read()
        self._fault = ""
        self._begin_hold(state, dynamics)

    def snapshot(self) -> ArmSnapshot:
        """Return what the arm measures now."""
        if self._mode is not ArmMode.FAULT:
            self._read(is_sampling=False)
        state, dynamics = self._measured()
        J = dynamics.jacobian
        # tau = J^T w has one solution w of least squares, exact where the arm is not singular
        wrench = np.asarray(np.linalg.solve(J @ J.T + 1e-9 * np.eye(6), J @ self._tau_external), dtype=np.float64)
        return ArmSnapshot(state.stamp_ns, state.q, state.dq, dynamics.T_base_tool, J @ state.dq, wrench, self._tau)

    @property
    def mode(self) -> str:
        """One of the values of `ArmMode`."""
        return self._mode.value

    @property
    def fault(self) -> str:
        """Why the arm is faulted; empty when it is not."""
        return self._fault

    @property
    def has_fault(self) -> bool:
        return self._mode is ArmMode.FAULT

    @property
    def is_homing(self) -> bool:
        return self._mode is ArmMode.HOMING

    @property
    def is_holding(self) -> bool:
        return self._mode is ArmMode.HOLD

    @property
    def counters(self) -> dict[str, int]:
        """Ticks, commands accepted and refused, expiries of a followed command, and faults since the start."""
        return {
            "ticks": self._ticks,
            "accepted": self._accepted,
            "refused": self._refused,
            "expired": self._expired,
            "faults": self._faults,
        }

    def _read(self, is_sampling: bool = True) -> tuple[ArmState, ArmDynamics]:
        state = self._arm.read()
        dynamics = self._arm.dynamics()
        self._state, self._dynamics = state, dynamics
        if is_sampling:
            tau, step = self.config.wrench_time_constant_s, self.config.control_step_s
            self._tau_external = self._tau_external + step / (tau + step) * (state.tau_external - self._tau_external)
        return state, dynamics

    def _measured(self) -> tuple[ArmState, ArmDynamics]:
        if self._state is None or self._dynamics is None:
            raise RobotError("The arm has not been read yet; call connect first.")
        return self._state, self._dynamics

    def _torque(self, state: ArmState, dynamics: ArmDynamics) -> Array:
        if self._homing is not None:
            torque = self._homing.torque(self._law, state, dynamics, self.config.control_step_s)
            if self._homing.is_done:
                self._begin_hold(state, dynamics)
            return torque
        if self._target is None:
            raise RobotError("The arm has no target; call connect first.")
        return self._law.torque(state, dynamics, self._target, self.config.control_step_s)

    def _begin_hold(self, state: ArmState, dynamics: ArmDynamics) -> None:
        self._homing = None
        self._target, self._target_stamp_ns = dynamics.T_base_tool, state.stamp_ns
        self._law.reset(self._tau)
        self._mode = ArmMode.HOLD

    def _latch(self, reason: str) -> None:
        self._homing = None
        if self._mode is not ArmMode.FAULT:
            self._faults += 1
            self._fault = reason
        self._mode = ArmMode.FAULT

    def _write_still(self) -> None:
        """Balance gravity and damp the joints, from the last good reading."""
        state, dynamics = self._measured()
        self._write(dynamics.bias - self.config.fault_damping * state.dq)

    def _write(self, torque: Array) -> None:
        self._tau = torque
        self._arm.write(torque)
