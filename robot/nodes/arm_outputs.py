"""What the arm node publishes: the state, how it was followed, and its status whenever it changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from rosgraph_msgs.msg import Clock

from robot.nodes import messages
from robot.nodes.base import NudgeNode
from robot.nodes.control import Look

_STATES = ("joint_states", "current_pose", "current_twist", "external_wrench", "arm/status", "arm/executed")
_OF_WORLD = ("tracker/socket_pose", "sim/state", "/clock")


class ArmOutputs:
    """Publishes a `Look`; `more` returns what `arm/status` tells beside mode, time and cause."""

    def __init__(self, node: NudgeNode, has_world: bool, more: Callable[[], dict[str, str]]) -> None:
        self._graph, self._more = node.graph, more
        self._outputs = {name: node.publisher(name) for name in (*_STATES, *(_OF_WORLD if has_world else ()))}
        self._said = ("", "")
        self.any: Any = self._outputs["arm/status"]

    def publish(self, look: Look) -> None:
        now, stamp_ns, frame = look.arm, look.stamp_ns, self._graph.base_frame
        publish = self._publish
        if look.truth is not None and look.socket is not None:
            publish("sim/state", messages.from_named(look.truth, stamp_ns))
            publish("tracker/socket_pose", messages.from_pose(look.socket, stamp_ns, frame))
            publish("/clock", Clock(clock=messages.to_time(stamp_ns)))
        publish("current_pose", messages.from_pose(now.T_base_tool, stamp_ns, frame))
        publish("external_wrench", messages.from_wrench(now.wrench, stamp_ns, frame))
        publish("joint_states", messages.from_joints(now.q, now.dq, now.tau, stamp_ns, frame, self._graph.joint_names))
        publish("current_twist", messages.from_twist(now.twist, stamp_ns, frame))
        for followed_ns, at_ns in look.executed:
            publish("arm/executed", messages.from_named({"taken_s": 1e-9 * (at_ns - followed_ns)}, followed_ns))
        if self._said != (look.mode, look.cause):
            self.tell_status(look)

    def tell_status(self, look: Look) -> None:
        """Publish `arm/status`: the mode, since when [ns] and why, and what else there is to tell."""
        self._said = look.mode, look.cause
        level = {"fault": DiagnosticStatus.ERROR, "stop": DiagnosticStatus.WARN}.get(look.mode, DiagnosticStatus.OK)
        values = {"mode since": str(look.since_ns), "cause": look.cause} | self._more()
        status = DiagnosticStatus(level=level, name="arm", message=look.mode, hardware_id=self._graph.arm)
        status.values = [KeyValue(key=k, value=v) for k, v in values.items()]
        self._publish("arm/status", status)

    def _publish(self, name: str, message: Any) -> None:
        self._outputs[name].publish(message)
