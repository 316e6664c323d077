"""What an arm is sent: poses, and to the law stiffness, posture and a wrench, and the mux' word; by one sender each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from robot.errors import ConfigError
from robot.impedance import CartesianImpedance
from robot.nodes import messages
from robot.nodes.base import NudgeNode
from robot.nodes.control import Control
from robot.nodes.publishers import Publishers, complaint
from robot.safety import Command, Governor, Reason, Situation
from robot.se3 import Pose
from robot.types import Array


class Targets:
    """Subscribes to the arm's target topics; refuses, with the reason, and counts.

    Posture and wrench move the arm without passing a mux: they are taken in direct mode only.

    Args:
        follow: gets a target pose that came from one sender, in the right frame, and its stamp by the node's clock.
        on_mux: gets what one mux says of itself; None where there is none.
        governor: in direct mode, where no mux stands before the arm.
        expiry_s: a wrench acts for so long.
    """

    def __init__(
        self,
        node: NudgeNode,
        control: Control,
        own_publisher: Any,
        follow: Callable[[Pose, int], None],
        on_mux: Callable[[Any], None] | None,
        governor: Governor | None,
        expiry_s: float,
    ) -> None:
        self.refused = 0
        self.why = ""
        """Why the last one was refused."""
        self._node, self._control, self._follow, self._governor = node, control, follow, governor
        self._publishers = Publishers(node, own_publisher)
        self._expiry_ns = round(1e9 * expiry_s)
        self._wrench_until_ns = 0
        self._last_ns: int | None = None
        self._subscriptions: dict[str, Any] = {}
        if on_mux is not None:
            self._take("mux/status", on_mux)
        self._take("target_pose", self._on_pose)
        if isinstance(control.server.law, CartesianImpedance):
            self._law = control.server.law
            self._take("target_joint", self._on_joint)
            self._take("target_stiffness", self._on_stiffness)
            self._take("target_wrench", self._on_wrench)

    def refuse(self, why: str) -> None:
        self.refused += 1
        self.why = why

    def watch(self) -> None:
        """Take away a wrench whose sender has fallen silent; to be called all the time."""
        if self._wrench_until_ns and self._node.now_ns() > self._wrench_until_ns:
            self._wrench_until_ns = 0
            self._control.post(lambda: self._law.set_wrench(np.zeros(6)))

    def _take(self, name: str, take: Callable[[Any], None]) -> None:
        def alone(message: Any) -> None:
            names = self._publishers.doubled(self._subscriptions[name])
            if not names:
                take(message)
                return
            self.refuse(complaint(name, names))
            if name in ("target_pose", "mux/status"):
                self._hold(self.why)

        self._subscriptions[name] = self._node.subscribe(name, alone)

    def _hold(self, why: str) -> None:
        server = self._control.server
        self._control.post(lambda: None if server.cause == why else server.hold(why))

    def _on_pose(self, message: Any) -> None:
        target, stamp_ns = messages.to_pose(message), messages.stamp_of(message)
        if message.header.frame_id != self._node.graph.base_frame:
            self.refuse(f"{Reason.WRONG_FRAME.sentence()}: {message.header.frame_id!r}")
            return
        if self._governor is None:
            self._follow(target, stamp_ns)
            return
        verdict = self._governor.check(Command(target, stamp_ns, message.header.frame_id), self._situation())
        if verdict.target is None:
            self.refuse(verdict.reasons.sentence())
            return
        self._last_ns = stamp_ns
        self._follow(verdict.target, stamp_ns)

    def _situation(self) -> Situation:
        look, graph = self._control.look(), self._node.graph
        wrench = look.arm.wrench
        return Situation(
            look.arm.T_base_tool,
            wrench[:3],
            self._node.now_ns(),
            graph.base_frame,
            graph.period_s,
            wrench[3:],
            self._last_ns,
        )

    def _is_past_the_mux(self, name: str) -> bool:
        if self._governor is None:
            self.refuse(f"{name} would move the arm past the mux: it is taken in direct mode only")
        return self._governor is None

    def _on_joint(self, message: Any) -> None:
        if self._is_past_the_mux("target_joint"):
            return
        if self._control.server.mode not in ("follow", "hold"):
            self.refuse(f"no posture is taken in mode {self._control.server.mode}")
            return
        names = dict(zip(message.name, message.position, strict=False))
        values = [names.get(n, np.nan) for n in self._node.graph.joint_names] if names else list(message.position)
        self._tell_law(self._law.set_posture, np.array(values, np.float64))

    def _on_stiffness(self, message: Any) -> None:
        self._tell_law(self._law.set_stiffness, np.array(message.data, np.float64))

    def _on_wrench(self, message: Any) -> None:
        if self._is_past_the_mux("target_wrench"):
            return
        if message.header.frame_id not in ("", self._node.graph.base_frame):
            self.refuse(f"{Reason.WRONG_FRAME.sentence()}: {message.header.frame_id!r}")
            return
        until_ns = messages.stamp_of(message) + self._expiry_ns
        if until_ns < self._node.now_ns() or self._control.server.mode != "follow":
            self.refuse("a wrench acts only while it is fresh and the arm follows a target")
            return
        self._wrench_until_ns = min(until_ns, self._node.now_ns() + self._expiry_ns)
        self._tell_law(self._law.set_wrench, messages.to_wrench(message))

    def _tell_law(self, tell: Callable[[Array], None], values: Array) -> None:
        def tell_it() -> None:
            try:
                tell(values)
            except ConfigError as error:
                self.refuse(str(error))

        self._control.post(tell_it)
