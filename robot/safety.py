"""The governor: a requested target in, an allowed target and the reasons for every change out. Pure and total."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np

from robot import se3
from robot.clock import to_ns
from robot.errors import ConfigError
from robot.se3 import Pose
from robot.settings import Settings, setting
from robot.types import Array


class Reason(enum.IntFlag):
    """Why a command was changed or refused; NONE is healthy."""

    NONE = 0
    NOT_FINITE = 1
    BAD_QUATERNION = 2
    WRONG_FRAME = 4
    STALE = 8
    FROM_FUTURE = 16
    JUMP = 32
    FORCE = 64
    LINEAR_SPEED = 128
    ANGULAR_SPEED = 256
    WORKSPACE = 512
    BAD_MEASUREMENT = 1024

    def sentence(self) -> str:
        """Return the set bits as words, for a person."""
        return ", ".join(_WORDS[r] for r in Reason if r in self and r) or "nothing"


_WORDS = {
    Reason.NOT_FINITE: "NaN or infinity in the command",
    Reason.BAD_QUATERNION: "quaternion not of unit length",
    Reason.WRONG_FRAME: "command in another frame than the arm's base",
    Reason.STALE: "command too old",
    Reason.FROM_FUTURE: "command stamped in the future",
    Reason.JUMP: "target too far from the tool",
    Reason.FORCE: "contact force over the limit",
    Reason.LINEAR_SPEED: "translation slowed down",
    Reason.ANGULAR_SPEED: "rotation slowed down",
    Reason.WORKSPACE: "target moved back into the workspace",
    Reason.BAD_MEASUREMENT: "measured tool pose not finite or not a rotation",
}

REFUSALS = (
    Reason.NOT_FINITE
    | Reason.BAD_QUATERNION
    | Reason.WRONG_FRAME
    | Reason.STALE
    | Reason.FROM_FUTURE
    | Reason.JUMP
    | Reason.FORCE
    | Reason.BAD_MEASUREMENT
)
"""Reasons that refuse a command altogether; the others change it."""


@dataclass(frozen=True)
class SafetyConfig(Settings):
    """Limits between any command and the arm. Kept in a file of its own, its digest in every episode."""

    workspace_low_m: tuple[float, float, float] = setting(
        (0.25, -0.35, -0.02), "lower corner of the box that targets stay in (base frame)", unit="m"
    )
    workspace_high_m: tuple[float, float, float] = setting(
        (0.75, 0.35, 0.70), "upper corner of the box that targets stay in (base frame)", unit="m"
    )
    max_linear_speed: float = setting(0.30, "speed limit of the target", unit="m/s", low=0.001, high=2.0)
    max_angular_speed: float = setting(1.5, "turning limit of the target", unit="rad/s", low=0.001, high=5.0)
    max_jump_m: float = setting(0.15, "a target farther from the tool is refused", unit="m", low=0.001, high=1.0)
    max_jump_rad: float = setting(0.8, "a target turned more is refused", unit="rad", low=0.001, high=3.2)
    max_force_n: float = setting(80.0, "above this contact force commands are refused", unit="N", low=1.0, high=500.0)
    max_age_s: float = setting(0.2, "an older command is refused", unit="s", low=0.01, high=2.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        corners = zip(self.workspace_low_m, self.workspace_high_m, strict=True)
        if not all(-np.inf < low < high < np.inf for low, high in corners):
            raise ConfigError(
                "SafetyConfig.workspace_low_m must be finite and below workspace_high_m on every axis; found "
                f"{self.workspace_low_m} and {self.workspace_high_m}."
            )


@dataclass(frozen=True)
class Command:
    """A requested tool pose in frame `frame`, decided on at `stamp_ns`."""

    target: Pose
    stamp_ns: int
    frame: str


@dataclass(frozen=True)
class Situation:
    """What the governor must know of the present: measured pose, force (3,) [N], time, frame and period."""

    T_base_tool: Pose
    force: Array
    now_ns: int
    frame: str
    period_s: float


@dataclass(frozen=True)
class Verdict:
    """The allowed target, or None where the command is refused, and why."""

    target: Pose | None
    reasons: Reason


class Governor:
    """Applies `SafetyConfig` to commands; keeps no state, never raises on any command.

    Every allowed target is finite, and never farther from the measured tool than the speed limits let it go in one
    period. It lies in the workspace, or, where the tool itself has been pushed so far out that the workspace is not
    in reach within one period, on the straight way back to it: the speed limit holds even there.
    A command that is allowed without a reason is passed on bit by bit, but for its quaternion's length.
    """

    def __init__(self, config: SafetyConfig) -> None:
        self.config = config
        self._low = np.array(config.workspace_low_m)
        self._high = np.array(config.workspace_high_m)

    def check(self, command: Command, situation: Situation) -> Verdict:
        """Return the verdict on `command`. Refusals come first; what is left is boxed in, then slowed down."""
        # a hostile number may overflow to infinity on the way to being refused
        with np.errstate(over="ignore", invalid="ignore"):
            refusals = self._refusals(command, situation)
        if refusals:
            return Verdict(None, refusals)
        reasons = Reason.NONE
        tool = situation.T_base_tool
        position = np.clip(command.target.position, self._low, self._high)
        if np.any(position != command.target.position):
            reasons |= Reason.WORKSPACE
        # slowed last: the workspace is convex, so what lies between the tool and a point inside is inside as well
        step = position - tool.position
        allowed = self.config.max_linear_speed * situation.period_s
        distance = float(np.linalg.norm(step))
        if distance > allowed:
            position = tool.position + step * (allowed / distance)
            reasons |= Reason.LINEAR_SPEED
        turn = se3.rotation_error(command.target.quaternion, tool.quaternion)
        allowed = self.config.max_angular_speed * situation.period_s
        angle = float(np.linalg.norm(turn))
        quaternion = command.target.quaternion
        if angle > allowed:
            quaternion = se3.quaternion_multiply(se3.exp_rotation(turn * (allowed / angle)), tool.quaternion)
            reasons |= Reason.ANGULAR_SPEED
        return Verdict(Pose(position, quaternion / np.linalg.norm(quaternion)), reasons)

    def _refusals(self, command: Command, situation: Situation) -> Reason:
        target, config = command.target, self.config
        reasons = Reason.NONE
        if not (np.all(np.isfinite(target.position)) and np.all(np.isfinite(target.quaternion))):
            return Reason.NOT_FINITE
        if not se3.is_unit(target.quaternion):
            return Reason.BAD_QUATERNION
        if command.frame != situation.frame:
            reasons |= Reason.WRONG_FRAME
        age_ns = situation.now_ns - command.stamp_ns
        if age_ns > to_ns(config.max_age_s):
            reasons |= Reason.STALE
        if age_ns < -to_ns(config.max_age_s):
            reasons |= Reason.FROM_FUTURE
        tool = situation.T_base_tool
        if not (np.all(np.isfinite(tool.position)) and se3.is_unit(tool.quaternion)):
            return reasons | Reason.BAD_MEASUREMENT
        distance = float(np.linalg.norm(target.position - tool.position))
        angle = float(np.linalg.norm(se3.rotation_error(target.quaternion, tool.quaternion)))
        if distance > config.max_jump_m or angle > config.max_jump_rad:
            reasons |= Reason.JUMP
        force = float(np.linalg.norm(situation.force))
        if not force <= config.max_force_n:  # a NaN force is refused as well
            reasons |= Reason.FORCE
        return reasons
