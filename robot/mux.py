"""The command multiplexer: policy, human or reset, one of them, through the governor, to one target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robot.actions import ActionMap
from robot.mode import Event, Mode, after
from robot.safety import Command, Governor, Reason, Situation
from robot.se3 import Pose
from robot.types import Array, Source


@dataclass(frozen=True)
class HumanInput:
    """A person's command: `axes` (6,) in [-1, 1] of the action scale, base frame; dead-man `is_engaged`."""

    axes: Array
    is_engaged: bool


@dataclass(frozen=True)
class MuxOutput:
    """What goes to the arm: `target` None means hold. `executed` is the action (A,) that the target amounts to."""

    target: Pose | None
    executed: NDArray[np.float32]
    source: Source
    reasons: Reason
    mode: Mode


class CommandMux:
    """Decides at each tick who commands; keeps only the mode.

    mux.handle(Event.RESET_DONE)
    output = mux.decide(policy_command, human, situation)     # within an episode
    output = mux.forward_reset(command, situation)            # while resetting
    """

    def __init__(self, actions: ActionMap, governor: Governor) -> None:
        self.mode = Mode.READY
        self._actions = actions
        self._governor = governor

    def handle(self, event: Event) -> Mode:
        """Apply an event to the mode machine and return the new mode."""
        self.mode = after(self.mode, event)
        return self.mode

    def decide(self, policy: Command, human: HumanInput | None, situation: Situation) -> MuxOutput:
        """Return this tick's command. A person who holds the dead-man always wins over the policy."""
        if human is not None and human.is_engaged:
            self.handle(Event.ENGAGE)
        else:
            self.handle(Event.RELEASE)
            self.handle(Event.POLICY_COMMAND)
        if self.mode is Mode.HUMAN and human is not None:
            # an axis that is not finite is a broken one: it does not move
            axes = np.clip(np.nan_to_num(human.axes, nan=0.0, posinf=0.0, neginf=0.0), -1.0, 1.0)
            action = self._actions.from_axes(axes)
            target = self._actions.target(situation.T_base_tool, action)
            return self._through_governor(Command(target, situation.now_ns, situation.frame), situation, Source.HUMAN)
        if self.mode is Mode.POLICY:
            return self._through_governor(policy, situation, Source.POLICY)
        return self._hold(Reason.NONE)

    def forward_reset(self, command: Command, situation: Situation) -> MuxOutput:
        """Return the reset's command, or hold where no reset is under way."""
        if self.mode is not Mode.RESETTING:
            return self._hold(Reason.NONE)
        return self._through_governor(command, situation, Source.RESET)

    def _through_governor(self, command: Command, situation: Situation, source: Source) -> MuxOutput:
        verdict = self._governor.check(command, situation)
        if verdict.target is None:
            return self._hold(verdict.reasons)
        executed = self._actions.action(situation.T_base_tool, verdict.target)
        return MuxOutput(verdict.target, executed, source, verdict.reasons, self.mode)

    def _hold(self, reasons: Reason) -> MuxOutput:
        nothing = np.zeros(self._actions.size, np.float32)
        return MuxOutput(None, nothing, Source.HOLD, reasons, self.mode)
