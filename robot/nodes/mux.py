"""The mux node: the only publisher of `target_pose`; policy, human or reset, through the governor."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.context import Context
from std_msgs.msg import String
from std_srvs.srv import Trigger

from robot import priority
from robot.actions import ActionMap
from robot.mode import MOVING, Event, Mode
from robot.mux import CommandMux, MuxOutput
from robot.nodes import messages
from robot.nodes.base import Graph, NudgeNode
from robot.nodes.buttons import Buttons
from robot.nodes.join import StampJoin
from robot.nodes.person import Person
from robot.nodes.publishers import Foreign
from robot.nodes.stops import mux_status
from robot.nodes.watch import Watch
from robot.safety import Command, Reason, SafetyConfig, Situation
from robot.topics import topic
from robot.types import Source

WATCH_S = 0.02
RESET_SILENCE_S = 1.0
"""Without a target for so long, and without a homing arm, a reset is stuck."""
_INPUTS = {
    "pose": "current_pose",
    "wrench": "external_wrench",
    "twist": "teleop/twist",
    "joy": "teleop/joy",
    "policy": "policy/target_pose",
    "reset": "reset/target_pose",
}
_SENDERS = ("twist", "joy", "policy", "reset")
_MEASURED = ("pose", "wrench")
"""Of them a second publisher would be a second arm, or a lie about where this one is."""
_SERVICES = {
    "mux/reset_begin": Event.RESET_BEGIN,
    "mux/reset_done": Event.RESET_DONE,
    "mux/reset_failed": Event.RESET_FAILED,
    "mux/episode_end": Event.EPISODE_END,
    "mux/clear_fault": Event.CLEAR_BY_PERSON,
    "mux/enable": Event.ENABLE,
}


class MuxNode(NudgeNode):
    """Turns `policy/target_pose`, `teleop/*` and `reset/target_pose` into `target_pose` and `intervention`.

    In lockstep a decision waits for policy, person and measurement of one and the same stamp. In real time it is
    made when the policy speaks (and, while a person is in control, when the person does) on the newest of the rest;
    and every 20 ms a `Watch` looks at all that could make motion unsafe.
    What begins and ends a reset or an episode are services, because their order against the topics matters.

    Args:
        cameras: camera namespaces without whose pictures nothing moves (real time).
        nodes: names in the graph of the nodes without which nothing moves (real time).
    """

    level = priority.LEVEL_MUX

    def __init__(
        self,
        graph: Graph,
        mux: CommandMux,
        actions: ActionMap,
        safety: SafetyConfig,
        cameras: tuple[str, ...] = (),
        nodes: tuple[str, ...] = (),
        context: Context | None = None,
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__("mux", graph, context=context, wall=wall)
        self._mux, self._actions, self._safety = mux, actions, safety
        self._cameras, self._nodes = cameras, nodes
        self._newest: dict[str, Any] = {}
        self._episode_join = StampJoin(("policy", "twist", "joy", "pose", "wrench"))
        self._reset_join = StampJoin(("reset", "pose", "wrench"))
        self._last_command = time.monotonic()
        self._refused = Reason.NONE
        self._source = Source.HOLD
        self._said: tuple[Mode, str, dict[str, str]] | None = None
        self._since_ns = 0
        self._person = Person(graph, actions, safety)
        self._watch: Watch | None = None

    def setup(self) -> None:
        self._buttons = Buttons(self, self._on_e_stop)
        self._target = self.publisher("target_pose")
        self._intervention = self.publisher("intervention")
        self._mode = self.publisher("mode")
        self._status = self.publisher("mux/status")
        self._timing = self.publisher("mux/timing")
        self.parameters.declare("safety", self._safety)
        taken = {row: self.subscribe(row, partial(self._take, name)) for name, row in _INPUTS.items()}
        for name, event in _SERVICES.items():
            self.serve(Trigger, name, partial(self._on_service, event))
        if self.graph.is_lockstep:
            self.every(0.05, self._watch_silence)
            return
        senders: dict[str, Any] = {_INPUTS[name]: taken[_INPUTS[name]] for name in _SENDERS + _MEASURED}
        senders["target_pose"] = Foreign(self, self._target.topic_name)
        for camera in self._cameras:
            senders[f"{camera}/policy/image"] = Foreign(self, f"/{camera}/policy/image")
        watch = self._watch = Watch(self, self._safety, self._cameras, self._nodes, senders, self._status)
        for camera in self._cameras:
            self.subscribe("policy/pulse", partial(watch.take_pulse, camera), camera=camera)
        self.subscribe("heartbeat", watch.take_heartbeat)
        senders["arm/status"] = self.subscribe("arm/status", watch.take_arm_status)
        self.every(WATCH_S, self._look)
        self.every(1.0 / topic("mux/status").rate_hz, self._publish_status)

    def start(self) -> None:
        self._said = None
        self._mux.handle(Event.ENABLE)
        if not self.graph.is_lockstep:
            self._mux.handle(Event.NODE_SILENT, "the mux has just been activated: a reset or a person begins")
        self._tell()

    def halt(self) -> None:
        self._mux.handle(Event.DISABLE, "the mux was deactivated")
        self._tell()

    def teardown(self) -> None:
        self._buttons.end()

    def _take(self, name: str, message: Any) -> None:
        if self._watch is None:
            stamp_ns = messages.stamp_of(message)
            row = self._episode_join.put(name, stamp_ns, message)
            if row is not None:
                self._decide(row)
            row = self._reset_join.put(name, stamp_ns, message)
            if row is not None:
                self._forward_reset(row)
            return
        if name in _SENDERS and self._watch.doubled(_INPUTS[name]):
            return  # the next look stops what moves
        self._newest[name] = message
        if name == "joy":
            self._person.take_joy(message)
        elif name == "pose":
            self._watch.take_pose(message)
        elif name == "wrench":
            self._watch.take_wrench(message)
        if not self._newest.keys() >= {"pose", "wrench"}:
            return
        if name == "reset":
            self._forward_reset(self._newest)
        elif name == "policy" or (name == "twist" and "policy" in self._newest and self._is_a_persons()):
            self._decide(self._newest, is_tick=name == "policy")

    def _is_a_persons(self) -> bool:
        """Whether a person is in control, or takes it from the policy, for which nobody waits until a step ends."""
        if self._mux.mode is not Mode.POLICY:
            return self._mux.mode is Mode.HUMAN
        person = self._person.input(self._newest, self.now_ns())
        return person is not None and person.is_engaged

    def _decide(self, row: dict[str, Any], is_tick: bool = True) -> None:
        situation = self._situation(row)
        self._expire_person(situation.now_ns)
        policy = self._command(row["policy"]) if is_tick else None
        output = self._mux.decide(policy, self._person.input(row, situation.now_ns), situation)
        if is_tick:
            # in real time a policy whose commands are refused is as good as silent
            is_refused = output.target is None and output.mode is Mode.POLICY and self._watch is not None
            self._refused = output.reasons if is_refused else Reason.NONE
            self._last_command = self._last_command if is_refused else time.monotonic()
        stamp_ns = messages.stamp_of(row["policy"]) if is_tick else situation.now_ns
        commanded_ns = self._send(output, situation, stamp_ns)
        is_taken_over = not is_tick and output.source is Source.HUMAN and self._source is not Source.HUMAN
        if is_tick or is_taken_over:
            self._source = output.source
            buttons = (int(output.source), int(output.reasons))
            step_ns = messages.stamp_of(row["policy"])  # who takes over within a step has it labelled as theirs
            self._intervention.publish(messages.from_axes(output.executed, buttons, step_ns))
        if is_tick and self._watch is not None:
            times = {"received_s": situation.now_ns - stamp_ns, "commanded_s": commanded_ns - stamp_ns}
            self._timing.publish(messages.from_named({k: 1e-9 * v for k, v in times.items()}, stamp_ns))

    def _forward_reset(self, row: dict[str, Any]) -> None:
        situation = self._situation(row)
        self._last_command = time.monotonic()
        command = self._command(row["reset"])
        self._send(self._mux.forward_reset(command, situation), situation, command.stamp_ns)

    def _send(self, output: MuxOutput, situation: Situation, stamp_ns: int) -> int:
        """Publish what the arm shall do; returns when, in real time [ns]."""
        self._tell()  # first, because the arm follows only who says that it moves it
        # a refused command means: hold where you are
        target = output.target or situation.T_base_tool
        message = messages.from_pose(target, stamp_ns, self.graph.base_frame)
        now_ns = 0 if self.graph.is_lockstep else self.now_ns()
        self._target.publish(message)
        return now_ns

    def _situation(self, row: dict[str, Any]) -> Situation:
        pose = row["pose"]
        now_ns = messages.stamp_of(pose) if self.graph.is_lockstep else self.now_ns()
        wrench = messages.to_wrench(row["wrench"])
        frame, period_s = self.graph.base_frame, self.graph.period_s
        return Situation(messages.to_pose(pose), wrench[:3], int(now_ns), frame, period_s, wrench[3:])

    def _command(self, message: Any) -> Command:
        return Command(messages.to_pose(message), messages.stamp_of(message), message.header.frame_id)

    def _expire_person(self, now_ns: int) -> None:
        """Stop when a person in control falls silent: nobody let go, so the policy must not take over."""
        if self._watch is None or self._mux.mode is not Mode.HUMAN:
            return
        if self._person.input(self._newest, now_ns) is None:
            self._mux.watch(self._watch.blockers())  # which may know why
            limit_s = self._safety.human_max_age_s
            why = f"the person's device (teleop) has sent no twist and no button of the last {limit_s} s"
            self._mux.handle(Event.COMMAND_EXPIRED, f"{why} in frame {self.graph.base_frame}")

    def _on_service(self, event: Event, request: Any, response: Any) -> Any:
        before, refusal = self._mux.mode, self._mux.refusal(event)
        if event is Event.CLEAR_BY_PERSON and (complaint := self._buttons.complaint()):
            response.success, response.message = False, complaint
            return response
        mode = self._mux.handle(event)
        if mode is not before:
            self._last_command = time.monotonic()
        self._tell()
        # what changes nothing is no success, but for an end, which there may be two of
        response.success = mode is not before or (event is Event.EPISODE_END and mode is not Mode.FAULT)
        response.message = f"{before.value} -> {mode.value}" if response.success else refusal
        return response

    def _on_e_stop(self) -> None:
        self._mux.handle(Event.E_STOP)
        self._tell()

    def _watch_silence(self) -> None:
        """Lockstep: when the session falls silent in mid-episode, it is over."""
        silent_s = time.monotonic() - self._last_command
        if self._mux.mode in (Mode.POLICY, Mode.HUMAN) and silent_s > self.graph.silence_s:
            self._mux.handle(Event.COMMAND_EXPIRED)
            self._tell()

    def _look(self) -> None:
        """Real time: stop what must not go on."""
        watch, mode = self._watch, self._mux.mode
        if watch is None:
            return
        self._mux.watch(watch.blockers())
        silent_s = time.monotonic() - self._last_command
        limit_s = self._safety.command_expiry_s
        if mode in (Mode.POLICY, Mode.HUMAN) and silent_s > limit_s:
            why = f"all commands of the policy (actor) were refused: {self._refused.sentence()}"
            silence = f"the policy (actor) has sent nothing for {limit_s} s"
            self._mux.handle(Event.COMMAND_EXPIRED, why if self._refused else silence)
        elif mode is Mode.RESETTING and watch.is_arm_homing:
            self._last_command = time.monotonic()
        elif mode is Mode.RESETTING and silent_s > RESET_SILENCE_S:
            self._mux.handle(Event.COMMAND_EXPIRED, f"the reset has sent nothing for {RESET_SILENCE_S} s")
        self._expire_person(self.now_ns())
        self._tell()

    def _tell(self) -> None:
        """Publish mode and status where they have changed; a motion that ended leaves a target to hold behind."""
        mux = self._mux
        now = (mux.mode, mux.cause, mux.blockers)
        if now == self._said:
            return
        before = self._said[0] if self._said is not None else None
        self._said = now
        if mux.mode is not before:
            self._person.take_mode(mux.mode)
            self._since_ns = self.now_ns()
            self._mode.publish(String(data=mux.mode.value))
        self._publish_status()
        if self._watch is None or mux.mode is before:
            return
        if before in MOVING and mux.mode not in MOVING and "pose" in self._newest:
            pose = messages.to_pose(self._newest["pose"])
            self._target.publish(messages.from_pose(pose, self.now_ns(), self.graph.base_frame))
        if mux.cause:
            self.get_logger().warning(f"{mux.mode.value}: {mux.cause}")

    def _publish_status(self) -> None:
        self._status.publish(mux_status(self._mux, self._since_ns, self.graph.arm))

    def on_fault(self, what: str) -> None:
        self._mux.handle(Event.FAULT, f"an error in the mux: {what}")
        self._tell()

    def status(self) -> dict[str, str]:
        about = {"mode": self._mux.mode.value, "cause": self._mux.cause}
        return about | (self._watch.status() if self._watch is not None and self.is_active else {})
