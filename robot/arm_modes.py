"""The mode that an arm's server is in, since when, and why."""

from __future__ import annotations

from robot.arm_config import ArmMode


class ArmModes:
    """Keeps a mode; what an arm's server tells everybody about it."""

    def __init__(self) -> None:
        self._mode = ArmMode.HOLD
        self._cause = "not connected"
        self._mode_since_ns = 0

    def _be_in(self, mode: ArmMode, cause: str, stamp_ns: int) -> None:
        """Be in `mode` from the arm's stamp on [ns], if it is another one; `cause` says why."""
        if mode is not self._mode:
            self._mode_since_ns = stamp_ns
        self._mode, self._cause = mode, cause

    @property
    def mode(self) -> str:
        """One of the values of `ArmMode`."""
        return self._mode.value

    @property
    def mode_since_ns(self) -> int:
        """Stamp of the arm [ns] at which the mode last changed."""
        return self._mode_since_ns

    @property
    def cause(self) -> str:
        """Why the arm is not following a command, for a person; empty when it is."""
        return self._cause

    @property
    def fault(self) -> str:
        """Why the arm is faulted; empty when it is not."""
        return self._cause if self._mode is ArmMode.FAULT else ""

    @property
    def has_fault(self) -> bool:
        return self._mode is ArmMode.FAULT

    @property
    def is_latched(self) -> bool:
        """Whether a fault or a stop waits for a person."""
        return self._mode in (ArmMode.FAULT, ArmMode.STOP)

    @property
    def is_homing(self) -> bool:
        return self._mode is ArmMode.HOMING

    @property
    def is_holding(self) -> bool:
        return self._mode is ArmMode.HOLD
