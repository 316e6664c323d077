"""The governor: a requested target in, an allowed target and the reasons for every change out. Pure and total."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from robot import se3
from robot.clock import NANOSECONDS, to_ns
from robot.errors import ConfigError
from robot.keep_out import REACH_M, KeepOut, check_boxes
from robot.reasons import REFUSALS, Reason
from robot.se3 import Pose
from robot.settings import Settings, setting
from robot.types import Array

__all__ = ["REFUSALS", "Command", "Governor", "Reason", "SafetyConfig", "Situation", "Verdict", "refuse_form"]


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
    keep_out_m: tuple[tuple[float, ...], ...] = setting(
        (), "boxes that no target lies in, each [low x, low y, low z, high x, high y, high z] (base frame)", unit="m"
    )
    max_jump_m: float = setting(0.15, "a target farther from the tool is refused", unit="m", low=0.001, high=1.0)
    max_jump_rad: float = setting(0.8, "a target turned more is refused", unit="rad", low=0.001, high=3.2)
    max_force_n: float = setting(80.0, "above this contact force commands are refused", unit="N", low=1.0, high=500.0)
    max_moment_nm: float = setting(
        40.0, "above this contact moment commands are refused", unit="Nm", low=0.1, high=200.0
    )
    max_rate_hz: float = setting(
        200.0, "commands of one sender that follow each other faster are refused", unit="Hz", low=1.0, high=2000.0
    )
    max_age_s: float = setting(0.2, "an older command is refused", unit="s", low=0.01, high=2.0)
    max_lead_s: float = setting(0.1, "a command stamped farther ahead is refused", unit="s", low=0.001, high=2.0)
    command_expiry_s: float = setting(
        0.2, "a command is obeyed this long, then the arm holds and the mode is soft_stop", unit="s", low=0.01, high=5.0
    )
    human_max_age_s: float = setting(
        0.2, "a person's input that is older counts as let go", unit="s", low=0.01, high=2.0
    )
    state_max_age_s: float = setting(
        0.1, "real time: without a younger pose and force of the arm nothing moves", unit="s", low=0.01, high=2.0
    )
    camera_max_age_s: float = setting(
        0.15, "real time: without a younger picture of every camera nothing moves", unit="s", low=0.01, high=2.0
    )
    frozen_after_s: float = setting(
        0.15, "real time: streams that repeat themselves for so long count as frozen", unit="s", low=0.01, high=2.0
    )
    arm_frozen_after_s: float = setting(
        0.02, "joint readings that repeat themselves for so long are a fault of the arm", unit="s", low=0.005, high=2.0
    )
    heartbeat_timeout_s: float = setting(
        0.15, "real time: a node that is silent for so long counts as gone", unit="s", low=0.02, high=2.0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        corners = zip(self.workspace_low_m, self.workspace_high_m, strict=True)
        if not all(-np.inf < low < high < np.inf for low, high in corners):
            raise ConfigError(
                "SafetyConfig.workspace_low_m must be finite and below workspace_high_m on every axis; found "
                f"{self.workspace_low_m} and {self.workspace_high_m}."
            )
        check_boxes("SafetyConfig.keep_out_m", self.keep_out_m)


@dataclass(frozen=True)
class Command:
    """A requested tool pose in frame `frame`, decided on at `stamp_ns`."""

    target: Pose
    stamp_ns: int
    frame: str


@dataclass(frozen=True)
class Situation:
    """What the governor must know of the present.

    Attributes:
        T_base_tool: measured pose of the tool.
        force, moment: of the contact (3,) [N] and (3,) [Nm], at the tool.
        now_ns, frame, period_s: the time, the arm's base frame, the control period.
        last_ns: stamp of the sender's last command that passed; None where there is none, or where the rate of
            commands is nothing that a sender decides.
    """

    T_base_tool: Pose
    force: Array
    now_ns: int
    frame: str
    period_s: float
    moment: Array = field(default_factory=lambda: np.zeros(3))
    last_ns: int | None = None


@dataclass(frozen=True)
class Verdict:
    """The allowed target, or None where the command is refused; why; and how far it is from the one requested."""

    target: Pose | None
    reasons: Reason
    moved_m: float = 0.0
    turned_rad: float = 0.0

    def sentence(self) -> str:
        """Return what was done to the command, and why, for a person."""
        if not self.reasons:
            return "The command passed as it is."
        if self.target is None:
            return f"The command was refused: {self.reasons.sentence()}."
        changes = []
        if self.moved_m > 0.0:
            changes.append(f"moved by {1e3 * self.moved_m:.1f} mm")
        if self.turned_rad > 0.0:
            changes.append(f"turned by {np.degrees(self.turned_rad):.1f} deg")
        return f"The target was {' and '.join(changes) or 'changed'}: {self.reasons.sentence()}."


class Governor:
    """Applies `SafetyConfig` to commands; keeps no state, never raises on any command.

    Of every allowed target it promises, all at once:

    1. It is finite, its quaternion of unit length.
    2. It is no farther from the measured tool, in way and in angle, than the speed limits let it go in one period.
    3. It lies in the workspace; or, where the tool itself has been pushed so far out that the workspace is not in
       reach within one period, on the straight way back to it.
    4. Neither it nor the straight way to it from the measured tool touches a keep-out box. Where the tool itself has
       been pushed into one, the target lies on the shortest way out and nowhere else, whatever was asked.
    5. It is the requested one, bit by bit but for the quaternion's length, or there is a reason.

    The order makes them hold together. What is asked is brought into the workspace first, then slowed down: the
    workspace is convex, so that between a tool inside and a point inside all is inside. Keep-out comes last and only
    shortens the way that is left, so that it cannot undo the others. In 3 and 4 a box in the way may end the way
    back early; 4 stands above 3, and the speed limit above both.
    """

    def __init__(self, config: SafetyConfig) -> None:
        self.config = config
        self._low = np.array(config.workspace_low_m)
        self._high = np.array(config.workspace_high_m)
        self._keep_out = KeepOut(config.keep_out_m, self._low, self._high)

    def check(self, command: Command, situation: Situation) -> Verdict:
        """Return the verdict on `command`. Refusals come first; what is left is boxed in, slowed down, kept out."""
        # a hostile number may overflow to infinity on the way to being refused
        with np.errstate(over="ignore", invalid="ignore"):
            refusals = self._refusals(command, situation)
        if refusals:
            return Verdict(None, refusals)
        asked, tool = command.target, situation.T_base_tool
        position, reasons = self._position(asked.position, tool.position, situation.period_s)
        turn = se3.rotation_error(asked.quaternion, tool.quaternion)
        allowed = self.config.max_angular_speed * situation.period_s
        angle = float(np.linalg.norm(turn))
        quaternion = asked.quaternion
        turned = 0.0
        if angle > allowed:
            quaternion = se3.quaternion_multiply(se3.exp_rotation(turn * (allowed / angle)), tool.quaternion)
            reasons |= Reason.ANGULAR_SPEED
            turned = angle - allowed
        moved = float(np.linalg.norm(position - asked.position)) if reasons & _MOVING_REASONS else 0.0
        return Verdict(Pose(position, se3.normalised(quaternion)), reasons, moved, turned)

    def _position(self, asked: Array, tool: Array, period_s: float) -> tuple[Array, Reason]:
        """Return the allowed position (3,) [m] and why it is another than the one asked for."""
        reasons = Reason.NONE
        is_inside = bool(self._keep_out) and self._keep_out.contains(tool)
        position = self._keep_out.way_out(tool) if is_inside else np.clip(asked, self._low, self._high)
        if np.any(position != asked):
            reasons |= Reason.KEEP_OUT if is_inside else Reason.WORKSPACE
        step = position - tool
        allowed = self.config.max_linear_speed * period_s
        distance = float(np.linalg.norm(step))
        if distance > allowed:
            position = tool + step * (allowed / distance)
            reasons |= Reason.LINEAR_SPEED
        if self._keep_out and not is_inside:
            clipped = self._keep_out.clip(tool, position)
            if clipped is not position:
                position = clipped
                reasons |= Reason.KEEP_OUT
        return position, reasons

    def _refusals(self, command: Command, situation: Situation) -> Reason:
        target, config = command.target, self.config
        reasons = refuse_form(target)
        if reasons:
            return reasons
        if command.frame != situation.frame:
            reasons |= Reason.WRONG_FRAME
        age_ns = situation.now_ns - command.stamp_ns
        if age_ns > to_ns(config.max_age_s):
            reasons |= Reason.STALE
        if age_ns < -to_ns(config.max_lead_s):
            reasons |= Reason.FROM_FUTURE
        if situation.last_ns is not None:
            since_ns = command.stamp_ns - situation.last_ns
            if since_ns <= 0:
                reasons |= Reason.REPLAYED
            elif since_ns * config.max_rate_hz < NANOSECONDS:
                reasons |= Reason.RATE
        return reasons | self.refuse_measured(target, situation.T_base_tool, situation.force, situation.moment)

    def refuse_measured(self, target: Pose, T_base_tool: Pose, force: Array, moment: Array) -> Reason:
        """Return why a well-formed `target` is refused for what is measured: jump, force (3,) [N], moment (3,) [Nm]."""
        config, reasons = self.config, Reason.NONE
        if not (np.all(np.abs(T_base_tool.position) <= REACH_M) and se3.is_unit(T_base_tool.quaternion)):
            return Reason.BAD_MEASUREMENT
        distance = float(np.linalg.norm(target.position - T_base_tool.position))
        angle = float(np.linalg.norm(se3.rotation_error(target.quaternion, T_base_tool.quaternion)))
        if distance > config.max_jump_m or angle > config.max_jump_rad:
            reasons |= Reason.JUMP
        return reasons | self.refuse_contact(force, moment)

    def refuse_contact(self, force: Array, moment: Array) -> Reason:
        """Return whether the force (3,) [N] or the moment (3,) [Nm] of the contact passes its limit."""
        config, reasons = self.config, Reason.NONE
        if not float(np.linalg.norm(force)) <= config.max_force_n:  # a NaN is refused as well
            reasons |= Reason.FORCE
        if not float(np.linalg.norm(moment)) <= config.max_moment_nm:
            reasons |= Reason.MOMENT
        return reasons

    def is_kept_out(self, start: Array, end: Array) -> bool:
        """Return whether a keep-out box holds `start` or lies on the straight way from it to `end`, (3,) [m] each."""
        return bool(self._keep_out) and (self._keep_out.contains(start) or self._keep_out.clip(start, end) is not end)


_MOVING_REASONS = Reason.WORKSPACE | Reason.LINEAR_SPEED | Reason.KEEP_OUT


def refuse_form(target: Pose) -> Reason:
    """Return why `target` is no pose at all: a number that is not finite, or a quaternion not of unit length."""
    if not (np.all(np.isfinite(target.position)) and np.all(np.isfinite(target.quaternion))):
        return Reason.NOT_FINITE
    return Reason.NONE if se3.is_unit(target.quaternion) else Reason.BAD_QUATERNION
