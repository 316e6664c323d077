"""The mux node: the only publisher of `target_pose`; policy, human or reset, through the governor."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from rclpy.context import Context
from std_msgs.msg import String
from std_srvs.srv import Trigger

from robot.actions import ActionMap
from robot.mode import MOVING, Event, Mode
from robot.mux import CommandMux, HumanInput, MuxOutput
from robot.nodes import messages
from robot.nodes.base import Graph, NudgeNode
from robot.nodes.join import StampJoin
from robot.safety import Command, Situation
from robot.topics import topic

HUMAN_MAX_AGE_S = 0.2
COMMAND_EXPIRY_S = 0.2


class MuxNode(NudgeNode):
    """Turns `policy/target_pose`, `teleop/*` and `reset/target_pose` into `target_pose` and `intervention`.

    In lockstep a decision waits for policy, person and measurement of one and the same stamp. In real time it is
    made when the policy speaks (and, while a person is in control, when the person does) on the newest of the rest.
    What begins and ends a reset or an episode are services, because their order against the topics matters.
    """

    def __init__(
        self,
        graph: Graph,
        mux: CommandMux,
        actions: ActionMap,
        context: Context | None = None,
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__("mux", graph, context=context, wall=wall)
        self._mux = mux
        self._actions = actions
        self._newest: dict[str, Any] = {}
        self._episode_join = StampJoin(("policy", "twist", "joy", "pose", "wrench"))
        self._reset_join = StampJoin(("reset", "pose", "wrench"))
        self._last_command = time.monotonic()

    def setup(self) -> None:
        self._target = self.publisher("target_pose")
        self._intervention = self.publisher("intervention")
        self._mode = self.publisher("mode")
        self._status = self.publisher("mux/status")
        self._timing = self.publisher("mux/timing")
        for name, row in (
            ("pose", "current_pose"),
            ("wrench", "external_wrench"),
            ("twist", "teleop/twist"),
            ("joy", "teleop/joy"),
            ("policy", "policy/target_pose"),
            ("reset", "reset/target_pose"),
        ):
            self.subscribe(row, partial(self._take, name))
        # twice: a stop counts from publishers that latch and from those that do not
        for is_late in (True, False):
            self.subscribe("e_stop", self._on_e_stop, is_late=is_late, is_always=True)
        for name, event in (
            ("mux/reset_begin", Event.RESET_BEGIN),
            ("mux/reset_done", Event.RESET_DONE),
            ("mux/reset_failed", Event.RESET_FAILED),
            ("mux/episode_end", Event.EPISODE_END),
            ("mux/clear_fault", Event.CLEAR_BY_PERSON),
            ("mux/enable", Event.ENABLE),
        ):
            self.serve(Trigger, name, partial(self._on_service, event))
        self.every(0.05, self._watch_silence)

    def start(self) -> None:
        self._mux.handle(Event.ENABLE)
        self._mode_text = ""
        self._publish_mode()

    def halt(self) -> None:
        self._mux.handle(Event.DISABLE)
        self._publish_mode()

    def _take(self, name: str, message: Any) -> None:
        if self.graph.is_lockstep:
            stamp_ns = messages.stamp_of(message)
            row = self._episode_join.put(name, stamp_ns, message)
            if row is not None:
                self._decide(row)
            row = self._reset_join.put(name, stamp_ns, message)
            if row is not None:
                self._forward_reset(row)
            return
        self._newest[name] = message
        if not self._newest.keys() >= {"pose", "wrench"}:
            return
        if name == "reset":
            self._forward_reset(self._newest)
        elif name == "policy" or (name == "twist" and self._mux.mode is Mode.HUMAN and "policy" in self._newest):
            self._decide(self._newest, is_tick=name == "policy")

    def _decide(self, row: dict[str, Any], is_tick: bool = True) -> None:
        situation = self._situation(row)
        if is_tick:
            self._last_command = time.monotonic()
        output = self._mux.decide(self._command(row["policy"]), self._human(row, situation.now_ns), situation)
        stamp_ns = messages.stamp_of(row["policy"]) if is_tick else situation.now_ns
        self._send(output, situation, stamp_ns)
        if is_tick:
            buttons = (int(output.source), int(output.reasons))
            self._intervention.publish(messages.from_axes(output.executed, buttons, stamp_ns))

    def _forward_reset(self, row: dict[str, Any]) -> None:
        situation = self._situation(row)
        self._last_command = time.monotonic()
        command = self._command(row["reset"])
        self._send(self._mux.forward_reset(command, situation), situation, command.stamp_ns)

    def _send(self, output: MuxOutput, situation: Situation, stamp_ns: int) -> None:
        # a refused command means: hold where you are
        target = output.target or situation.T_base_tool
        self._target.publish(messages.from_pose(target, stamp_ns, self.graph.base_frame))
        self._publish_mode()

    def _situation(self, row: dict[str, Any]) -> Situation:
        pose = row["pose"]
        now_ns = messages.stamp_of(pose) if self.graph.is_lockstep else self.now_ns()
        wrench = messages.to_wrench(row["wrench"])
        frame, period_s = self.graph.base_frame, self.graph.period_s
        return Situation(messages.to_pose(pose), wrench[:3], int(now_ns), frame, period_s, wrench[3:])

    def _command(self, message: Any) -> Command:
        return Command(messages.to_pose(message), messages.stamp_of(message), message.header.frame_id)

    def _human(self, row: dict[str, Any], now_ns: int) -> HumanInput | None:
        if "joy" not in row or "twist" not in row:
            return None
        if now_ns - messages.stamp_of(row["joy"]) > HUMAN_MAX_AGE_S * 1e9:
            return None
        axes = self._actions.axes_from_twist(messages.to_twist(row["twist"]), self.graph.period_s)
        return HumanInput(axes, bool(row["joy"].buttons[0]))

    def _on_service(self, event: Event, request: Any, response: Any) -> Any:
        before = self._mux.mode
        mode = self._mux.handle(event)
        self._last_command = time.monotonic()
        self._publish_mode()
        # what changes nothing is no success, but for an end, which there may be two of
        response.success = mode is not before or (event is Event.EPISODE_END and mode is not Mode.FAULT)
        response.message = f"{before.value} -> {mode.value}"
        if not response.success:
            response.message = f"{event.value} is not possible in mode {before.value}"
        return response

    def _on_e_stop(self, message: Any) -> None:
        if message.data:
            self._mux.handle(Event.E_STOP)
            self._publish_mode()

    def _watch_silence(self) -> None:
        # a reset may be silent while the arm homes; without its commands the arm holds anyway
        limit = self.graph.silence_s if self.graph.is_lockstep else COMMAND_EXPIRY_S
        if self._mux.mode in (Mode.POLICY, Mode.HUMAN) and time.monotonic() - self._last_command > limit:
            self._mux.handle(Event.COMMAND_EXPIRED)
            self.get_logger().warning(f"No command for {limit} s: soft stop, the arm holds.")
        if not self.graph.is_lockstep and self._mux.mode in MOVING and self._is_blind():
            self._mux.handle(Event.SENSOR_STALE)
            self.get_logger().warning("The arm's state is stale: soft stop, the arm holds.")
        self._publish_mode()

    def _is_blind(self) -> bool:
        """Whether pose or force are older than their rows in the topic table allow (real time)."""
        now_ns = self.now_ns()
        rows = {"pose": topic("current_pose"), "wrench": topic("external_wrench")}
        return any(
            name not in self._newest or now_ns - messages.stamp_of(self._newest[name]) > 1e9 * row.max_age_s
            for name, row in rows.items()
        )

    def _publish_mode(self) -> None:
        if self._mode_text != self._mux.mode.value:
            self._mode_text = self._mux.mode.value
            self._mode.publish(String(data=self._mode_text))

    _mode_text = ""

    def on_fault(self, what: str) -> None:
        self._mux.handle(Event.FAULT)
        self._publish_mode()

    def status(self) -> dict[str, str]:
        return {"mode": self._mux.mode.value, "action size": str(np.size(self._actions.scale))}
