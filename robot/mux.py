"""The command multiplexer: policy, human or reset, one of them, through the governor, to one target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from robot.actions import ActionMap
from robot.handover import HandOver
from robot.mode import BEGINNINGS, MOVING, Event, Mode, after
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


_CAUSES = {
    Event.COMMAND_EXPIRED: "the commands stopped coming",
    Event.SENSOR_STALE: "a measurement is too old",
    Event.SENSOR_FROZEN: "a measurement repeats itself",
    Event.NODE_SILENT: "a node is silent",
    Event.CLOCK_STEPPED: "the clock was set",
    Event.TWO_SOURCES: "more than one publisher of the same commands",
    Event.RESET_FAILED: "the reset failed",
    Event.E_STOP: "e_stop",
    Event.FAULT: "an error in the mux",
    Event.DISABLE: "disabled by a person",
}


class CommandMux:
    """Decides at each tick who commands; keeps the mode, what forbids motion, and the stamps of what has passed.

    mux.handle(Event.RESET_DONE)
    mux.watch({"front": (Event.SENSOR_FROZEN, "front has repeated itself for 0.15 s")})   # real time, every 20 ms
    output = mux.decide(policy_command, human, situation)     # within an episode
    output = mux.forward_reset(command, situation)            # while resetting

    Args:
        handover_step: see `HandOver`; 0 where a tick is as fine as time gets (lockstep).

    Attributes:
        mode: who may move the arm.
        blockers: what forbids motion now, by name, with a sentence about each.
        cause, cause_event: why the last motion was stopped; until the next one begins ("" and None).
    """

    def __init__(self, actions: ActionMap, governor: Governor, handover_step: float = 0.0) -> None:
        self.mode = Mode.READY
        self.blockers: dict[str, str] = {}
        self.cause = ""
        self.cause_event: Event | None = None
        self._actions = actions
        self._governor = governor
        self._handover = HandOver(handover_step, actions.size)
        self._last_ns: dict[Source, int] = {}

    def handle(self, event: Event, cause: str = "") -> Mode:
        """Apply an event to the mode machine and return the new mode. While there are blockers no motion begins.

        `cause` is the sentence kept when the event stops a motion or latches a fault; without it, one of its own.
        """
        if self.blockers and event in BEGINNINGS:
            return self.mode
        before, self.mode = self.mode, after(self.mode, event)
        if self.mode in MOVING and before not in MOVING:
            self.cause, self.cause_event = "", None
            # each motion begins afresh: after a clock was set back, the old stamps would refuse everything
            self._last_ns.clear()
        elif self.mode is not before and event in _CAUSES:
            self.cause, self.cause_event = cause or _CAUSES[event], event
        if self.mode not in MOVING and event is not Event.RELEASE:
            self._handover.rest()
        return self.mode

    def watch(self, blockers: Mapping[str, tuple[Event, str]]) -> Mode:
        """Take all that forbids motion now, by name, each with its event and a sentence; return the new mode.

        While there is any, no mode is `ready` or moving: the arm holds. When all are gone the mode stays
        `soft_stop`, which a person or a reset can leave.
        """
        self.blockers = {what: sentence for what, (_, sentence) in blockers.items()}
        for event, sentence in blockers.values():
            self.handle(event, sentence)
            if self.mode in MOVING or self.mode is Mode.READY:  # an event that stops nothing by itself
                self.handle(Event.NODE_SILENT, sentence)
        return self.mode

    def refusal(self, event: Event) -> str:
        """Return why `event` changes nothing now, as a sentence; "" where it does change the mode."""
        if self.blockers and event in BEGINNINGS:
            return f"{event.value} is not possible now: {'; '.join(self.blockers.values())}"
        if after(self.mode, event) is not self.mode:
            return ""
        why = f" ({self.cause})" if self.cause else ""
        return f"{event.value} is not possible in mode {self.mode.value}{why}"

    def decide(self, policy: Command | None, human: HumanInput | None, situation: Situation) -> MuxOutput:
        """Return this tick's command. A person who holds the dead-man always wins over the policy.

        `policy` is None where the policy has said nothing new: what it said before is not done any more.
        """
        if human is not None and human.is_engaged:
            self.handle(Event.ENGAGE)
        elif human is not None and self.mode is Mode.HUMAN and self._handover.let_go():
            human = replace(human, axes=np.zeros(6))  # let go in mid-motion: to rest first, in bounded steps
        else:
            self.handle(Event.RELEASE)
            if policy is not None:
                self.handle(Event.POLICY_COMMAND)
        if self.mode is Mode.HUMAN and human is not None:
            # an axis that is not finite is a broken one: it does not move
            axes = np.clip(np.nan_to_num(human.axes, nan=0.0, posinf=0.0, neginf=0.0), -1.0, 1.0)
            action = self._actions.from_axes(axes)
            target = self._actions.target(situation.T_base_tool, action)
            return self._through_governor(Command(target, situation.now_ns, situation.frame), situation, Source.HUMAN)
        if self.mode is Mode.POLICY and policy is not None:
            return self._through_governor(policy, situation, Source.POLICY)
        return self._hold(self._standstill())

    def forward_reset(self, command: Command, situation: Situation) -> MuxOutput:
        """Return the reset's command, or hold where no reset is under way."""
        if self.mode is not Mode.RESETTING:
            return self._hold(self._standstill())
        return self._through_governor(command, situation, Source.RESET)

    def _through_governor(self, command: Command, situation: Situation, source: Source) -> MuxOutput:
        # a person's command is made here and now: no sender decides how often
        last_ns = None if source is Source.HUMAN else self._last_ns.get(source)
        situation = replace(situation, last_ns=last_ns)
        verdict = self._governor.check(command, situation)
        if verdict.target is None:
            return self._hold(verdict.reasons)
        target, reasons = verdict.target, verdict.reasons
        executed = self._actions.action(situation.T_base_tool, target)
        limited = executed if source is Source.RESET else self._handover.limited(source, executed)
        if limited is not executed:
            near = replace(command, target=self._actions.target(situation.T_base_tool, limited))
            verdict = self._governor.check(near, situation)
            if verdict.target is None:
                return self._hold(verdict.reasons)
            target, reasons = verdict.target, reasons | verdict.reasons | Reason.HANDOVER
            executed = self._actions.action(situation.T_base_tool, target)
        self._handover.commanded(executed)
        self._last_ns[source] = command.stamp_ns
        return MuxOutput(target, executed, source, reasons, self.mode)

    def _standstill(self) -> Reason:
        """Why a command is refused for the mode that the mux is in."""
        is_doubled = self.cause_event is Event.TWO_SOURCES
        return Reason.MODE | Reason.TWO_SOURCES if is_doubled else Reason.MODE

    def _hold(self, reasons: Reason) -> MuxOutput:
        self._handover.rest()
        nothing = np.zeros(self._actions.size, np.float32)
        return MuxOutput(None, nothing, Source.HOLD, reasons, self.mode)
