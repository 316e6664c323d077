"""What a person's device says, as far as it may be believed (real time and lockstep)."""

from __future__ import annotations

from typing import Any

from robot.actions import ActionMap
from robot.mode import Mode
from robot.mux import HumanInput
from robot.nodes import messages
from robot.nodes.base import Graph
from robot.safety import SafetyConfig

HELD_OVER = frozenset({Mode.SOFT_STOP, Mode.FAULT, Mode.DISABLED, Mode.RESETTING})
"""Modes that a person leaves by pressing the dead-man anew, not by holding on to it (real time)."""


class Person:
    """Makes a `HumanInput` of the newest `teleop/twist` and `teleop/joy`.

    A twist or button that is too old, from the future, or in another frame than the base's is none. In real time a
    dead-man that was held through a mode of `HELD_OVER`, or since before the mux was there, counts as let go until it
    has been.
    """

    def __init__(self, graph: Graph, actions: ActionMap, safety: SafetyConfig) -> None:
        self._graph, self._actions, self._safety = graph, actions, safety
        self._is_held_over = not graph.is_lockstep

    def take_joy(self, message: Any) -> None:
        if not any(message.buttons[:1]):
            self._is_held_over = False

    def take_mode(self, mode: Mode) -> None:
        if mode in HELD_OVER and not self._graph.is_lockstep:
            self._is_held_over = True

    def input(self, row: dict[str, Any], now_ns: int) -> HumanInput | None:
        """Return what the person does by `row["twist"]` and `row["joy"]`; None where nothing can be believed."""
        if "joy" not in row or "twist" not in row:
            return None
        twist, joy = row["twist"], row["joy"]
        for message in (twist, joy):
            age_s = 1e-9 * (now_ns - messages.stamp_of(message))
            if not -self._safety.max_lead_s <= age_s <= self._safety.human_max_age_s:
                return None
        if twist.header.frame_id != self._graph.base_frame:
            return None
        axes = self._actions.axes_from_twist(messages.to_twist(twist), self._graph.period_s)
        return HumanInput(axes, bool(joy.buttons[0]) and not self._is_held_over)
