"""The owner of the control tick: follows fresh commands, holds when they stop, homes, and latches faults."""

from __future__ import annotations

import math

import numpy as np

from robot.arm_config import ArmMode, ArmServerConfig
from robot.arm_modes import ArmModes
from robot.arm_readings import ArmReadings, ArmSnapshot
from robot.clock import to_ns
from robot.errors import FaultError, RobotError
from robot.homing import HomingMotion
from robot.interfaces import Arm, ArmDynamics, ArmState, Law
from robot.safety import Governor, Reason, SafetyConfig, refuse_form
from robot.se3 import Pose
from robot.types import Array

__all__ = ["ArmMode", "ArmServer", "ArmServerConfig", "ArmSnapshot"]

HOMED = "homed"
"""The cause of a hold that a homing ended in at its goal."""
AHEAD_S = 0.1
"""A homing ends where the tool's velocity would bring it into a keep-out box within this: twice what a hold needs."""


class ArmServer(ArmModes):
    """Runs one arm, one tick at a time. It has no thread and no clock but the arm's stamps.

    server = ArmServer(arm, CartesianImpedance(ImpedanceConfig()), ArmServerConfig(), SafetyConfig())
    server.connect()
    while running:
        refused = server.accept(T_base_target, stamp_ns)
        server.advance(0.1)
        snapshot = server.snapshot()

    Modes: `hold` (compliant, where the arm is), `follow` (a command that has not expired), `homing`, `stop` (a
    latched hold) and `fault` (latched, without a spring: gravity is balanced, motion damped). `stop` and `fault`
    end by `reset_fault`, a person's decision, and by nothing else.

    Attributes:
        law: the control law, for what a node wants to tell it in mid-motion.
    """

    def __init__(self, arm: Arm, law: Law, config: ArmServerConfig, safety: SafetyConfig) -> None:
        super().__init__()
        self.config = config
        self.law = law
        self._arm = arm
        self._safety = safety
        self._governor = Governor(safety)
        frozen_after_s = safety.arm_frozen_after_s
        self._readings = ArmReadings(arm, config.wrench_time_constant_s, config.control_step_s, frozen_after_s)
        self._expiry_ns = to_ns(safety.command_expiry_s)
        self._tau = np.zeros(7)
        self._fading_dq: Array = np.zeros(7)
        self._target: Pose | None = None
        self._q_held: Array = np.zeros(7)
        self._stamp_ns = self._expires_ns = 0
        self._oldest_ns = -(2**63)
        self._executed = (0, 0)
        self._homing: HomingMotion | None = None
        self._ticks = self._accepted = self._refused = self._expired = self._faults = self._stops = 0

    def connect(self) -> None:
        """Connect the arm and hold it where it is."""
        self._arm.connect()
        self.settle()

    def close(self) -> None:
        self._arm.close()

    def accept(self, T_base_target: Pose, stamp_ns: int) -> Reason:
        """Take a new target pose, decided on at `stamp_ns`; returns why it is refused, Reason.NONE where it is not.

        Whatever was checked before it came here is checked again: numbers, quaternion, age (by the arm's own clock),
        order, distance to the tool, contact force and moment. One refused for the contact ends the following as well.
        """
        reasons = self._refusals(T_base_target, stamp_ns)
        if reasons:
            self._refused += 1
            if self._mode is ArmMode.FOLLOW and reasons & (Reason.FORCE | Reason.MOMENT):
                self._begin_hold(self._readings.newest()[1], reasons.sentence())
            return reasons
        now_ns = self._readings.newest()[0].stamp_ns
        self._target, self._stamp_ns, self._oldest_ns = T_base_target, stamp_ns, stamp_ns
        # a stamp a little ahead makes no command live longer
        self._expires_ns = min(stamp_ns, now_ns) + self._expiry_ns
        self._enter(ArmMode.FOLLOW, "")
        self._accepted += 1
        return Reason.NONE

    def tick(self) -> None:
        """One control step: read, law, write. Never raises for a bad reading or torque: it latches a fault."""
        self._ticks += 1
        try:
            state, dynamics = self._readings.read()
        except RobotError as error:
            self._latch(f"reading the arm failed: {error}")
            self._write_still(is_blind=True)
            return
        if self._readings.is_frozen:
            self._latch(f"the arm's readings have repeated themselves for {self._safety.arm_frozen_after_s} s")
            self._write_still(is_blind=True)
            return
        self._fading_dq = state.dq
        if self._mode is ArmMode.FOLLOW and state.stamp_ns >= self._expires_ns:
            self._expired += 1
            self._begin_hold(dynamics, f"no command for {self._safety.command_expiry_s} s")
        if self._mode is ArmMode.FAULT:
            self._write_still()
            return
        if self._mode is ArmMode.FOLLOW and self._executed[0] != self._stamp_ns:
            self._executed = (self._stamp_ns, state.stamp_ns)
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
        """Begin to lift the tool and go to the home posture of `seed`; the ticks do it, `hold` ends it early.

        It ends in a hold, with cause `HOMED`; or where something or a keep-out box is in the way, or the contact
        passes the limits.

        All filters are forgotten, so that what follows depends on the arm's state and the seed alone.

        Raises:
            FaultError: while a fault or a stop is latched.
        """
        if self.is_latched:
            raise FaultError(f"The arm cannot home because {self._cause}; clear it with reset_fault first.")
        state, dynamics = self._readings.read()
        self._readings.forget()
        self._homing = HomingMotion(self.config.homing, state, dynamics, self.config.home.draw(seed))
        self.law.reset()
        self._enter(ArmMode.HOMING, "homing")

    def hold(self, cause: str = "asked to") -> None:
        """Hold the arm, compliantly, where it is; ends following and homing. What is latched stays latched.

        Commands decided on before are refused from now on.
        """
        if not self.is_latched:
            state, dynamics = self._readings.newest()
            self._oldest_ns = max(self._oldest_ns, state.stamp_ns)
            self._begin_hold(dynamics, cause)

    def stop(self, cause: str) -> None:
        """Hold the arm, compliantly, where it is, and refuse everything until `reset_fault`. A fault stays a fault."""
        if self.is_latched:
            return
        self._stops += 1
        self._begin_hold(self._readings.newest()[1], cause, ArmMode.STOP)

    def fail(self, cause: str) -> None:
        """Latch a fault: for who runs the ticks, when one of them raises."""
        self._latch(cause)

    def settle(self) -> None:
        """Read the arm anew and hold it there, with all filters forgotten: after the world was laid out anew,
        so that an episode depends on nothing that came before it."""
        _, dynamics = self._readings.read()
        self._readings.forget()
        if self._mode is ArmMode.FAULT:
            return
        is_stopped = self._mode is ArmMode.STOP
        self._begin_hold(dynamics, self._cause if is_stopped else "settled", self._mode if is_stopped else ArmMode.HOLD)
        self.law.reset()

    def reset_fault(self) -> None:
        """Clear a latched fault or stop (a person's decision) and hold where the arm is.

        Raises:
            RobotError: when the arm still cannot be read; the fault then stays.
        """
        state, dynamics = self._readings.read()
        self._readings.forget()
        self._oldest_ns = max(self._oldest_ns, state.stamp_ns)
        self._begin_hold(dynamics, "cleared by a person")

    def snapshot(self) -> ArmSnapshot:
        """Return what the arm measures now."""
        if self._mode is not ArmMode.FAULT:
            self._readings.read(is_sampling=False)
        return self._readings.snapshot(self._tau)

    @property
    def executed(self) -> tuple[int, int]:
        """Stamp of the newest command that a control tick followed, and the arm's stamp of the first such tick [ns]."""
        return self._executed

    @property
    def counters(self) -> dict[str, int]:
        """Ticks, commands accepted and refused, expiries of a followed command, faults and stops since the start."""
        return {
            "ticks": self._ticks,
            "accepted": self._accepted,
            "refused": self._refused,
            "expired": self._expired,
            "faults": self._faults,
            "stops": self._stops,
        }

    def _refusals(self, target: Pose, stamp_ns: int) -> Reason:
        state, dynamics = self._readings.newest()
        reasons = Reason.MODE if self.is_homing or self.is_latched else Reason.NONE
        age_ns = state.stamp_ns - stamp_ns
        if age_ns >= self._expiry_ns:
            reasons |= Reason.STALE
        if -age_ns > to_ns(self._safety.max_lead_s):
            reasons |= Reason.FROM_FUTURE
        if stamp_ns < self._oldest_ns:
            reasons |= Reason.REPLAYED
        tool = dynamics.T_base_tool
        # a hostile number may overflow to infinity on the way to being refused
        with np.errstate(over="ignore", invalid="ignore"):
            if form := refuse_form(target):
                return reasons | form
            if np.array_equal(target.position, tool.position) and np.array_equal(target.quaternion, tool.quaternion):
                return reasons  # to stay is allowed whatever the contact
            wrench = self._readings.wrench()
            return reasons | self._governor.refuse_measured(target, tool, wrench[:3], wrench[3:])

    def _torque(self, state: ArmState, dynamics: ArmDynamics) -> Array:
        if self._homing is not None:
            torque = self._homing.torque(self.law, state, dynamics, self.config.control_step_s)
            if self._homing.is_done:
                self._begin_hold(dynamics, HOMED)
            elif self._homing.is_stuck:
                self._begin_hold(dynamics, "something is in the way home")
            elif contact := self._governor.refuse_contact(*np.split(self._readings.wrench(), 2)):
                self._begin_hold(dynamics, contact.sentence())
            elif self._is_kept_out(state, dynamics):
                self._begin_hold(dynamics, "a keep-out box is in the way home")
            return torque
        if self._target is None:
            raise RobotError("The arm has no target; call connect first.")
        step_s = self.config.control_step_s
        if self._mode is ArmMode.FOLLOW:
            return self.law.torque(state, dynamics, self._target, step_s)
        # neither a posture that somebody sets nor a stiffness of zero moves an arm that holds
        return self.law.torque(state, dynamics, self._target, step_s, posture=self._q_held, is_held=True)

    def _is_kept_out(self, state: ArmState, dynamics: ArmDynamics) -> bool:
        tool = dynamics.T_base_tool.position
        return self._governor.is_kept_out(tool, tool + AHEAD_S * (dynamics.jacobian[:3] @ state.dq))

    def _begin_hold(self, dynamics: ArmDynamics, cause: str, mode: ArmMode = ArmMode.HOLD) -> None:
        self._homing = None
        self._target, self._q_held = dynamics.T_base_tool, self._readings.newest()[0].q
        self.law.reset(self._tau)
        self._enter(mode, cause)

    def _enter(self, mode: ArmMode, cause: str) -> None:
        self._be_in(mode, cause, self._readings.newest()[0].stamp_ns)

    def _latch(self, cause: str) -> None:
        self._homing = None
        if self._mode is not ArmMode.FAULT:
            self._faults += 1
            self._enter(ArmMode.FAULT, cause)

    def _write_still(self, is_blind: bool = False) -> None:
        """Balance gravity and damp the joints, from the last good reading. Blind, its velocity is taken to fade as that
        of damped joints does: held on to, it would push the arm back the way it came."""
        dynamics, damping, step_s = self._readings.newest()[1], self.config.fault_damping, self.config.control_step_s
        self._write(dynamics.bias - damping * self._fading_dq)
        if is_blind:
            damped = dynamics.mass + step_s * damping * np.eye(len(self._fading_dq))
            self._fading_dq = np.asarray(np.linalg.solve(damped, dynamics.mass @ self._fading_dq), dtype=np.float64)

    def _write(self, torque: Array) -> None:
        self._tau = torque
        self._arm.write(torque)
