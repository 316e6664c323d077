"""What an arm measures, tick by tick: read, low-passed, and watched for readings that repeat themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robot.clock import to_ns
from robot.errors import RobotError
from robot.interfaces import Arm, ArmDynamics, ArmState
from robot.se3 import Pose
from robot.types import Array


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


class ArmReadings:
    """Reads one arm.

    Args:
        time_constant_s: of the low-pass on the external torques; 0 is off.
        step_s: length of a control tick.
        frozen_after_s: readings that are equal bit by bit for so long are no longer measured: every sensor has noise.
    """

    def __init__(self, arm: Arm, time_constant_s: float, step_s: float, frozen_after_s: float) -> None:
        self._arm = arm
        self._share = step_s / (time_constant_s + step_s)
        self._step_ns = to_ns(step_s)
        self._frozen_after_ns = to_ns(frozen_after_s)
        self._state: ArmState | None = None
        self._sample: ArmState | None = None
        self._dynamics: ArmDynamics | None = None
        self._tau_external = np.zeros(7)
        self._repeats = 0

    def read(self, is_sampling: bool = True) -> tuple[ArmState, ArmDynamics]:
        """Read the arm; once a control tick with `is_sampling`, which moves the low-pass.

        Raises:
            RobotError: the arm cannot be read; what was read before stays.
        """
        state = self._arm.read()
        dynamics = self._arm.dynamics()
        if is_sampling:
            self._tau_external = self._tau_external + self._share * (state.tau_external - self._tau_external)
            self._repeats = self._repeats + 1 if self._sample is not None and _is_same(state, self._sample) else 0
            self._sample = state
        self._state, self._dynamics = state, dynamics
        return state, dynamics

    def newest(self) -> tuple[ArmState, ArmDynamics]:
        """Return what was read last."""
        if self._state is None or self._dynamics is None:
            raise RobotError("The arm has not been read yet; call connect first.")
        return self._state, self._dynamics

    def forget(self) -> None:
        """Begin anew with the low-pass and the watch on repeats."""
        self._tau_external = np.zeros(7)
        self._sample = None
        self._repeats = 0

    @property
    def is_frozen(self) -> bool:
        """Whether the readings have repeated themselves for `frozen_after_s`, by ticks: a dead clock would not tell."""
        return self._repeats * self._step_ns >= self._frozen_after_ns

    def wrench(self) -> Array:
        """Return the external wrench at the tool centre point (6,) [N, Nm], low-passed."""
        J = self.newest()[1].jacobian
        # tau = J^T w has one solution w of least squares, exact where the arm is not singular
        return np.asarray(np.linalg.solve(J @ J.T + 1e-9 * np.eye(6), J @ self._tau_external), dtype=np.float64)

    def snapshot(self, tau: Array) -> ArmSnapshot:
        """Return what was read last, with the torques `tau` (7,) [Nm] that were written."""
        state, dynamics = self.newest()
        twist = dynamics.jacobian @ state.dq
        return ArmSnapshot(state.stamp_ns, state.q, state.dq, dynamics.T_base_tool, twist, self.wrench(), tau)


def _is_same(one: ArmState, other: ArmState) -> bool:
    # velocity first: of a real arm it hardly ever repeats, so that the rest is seldom looked at
    return bool(
        np.array_equal(one.dq, other.dq)
        and np.array_equal(one.tau_external, other.tau_external)
        and np.array_equal(one.q, other.q)
    )
