"""The teleop node: what a person's hand does, as a twist, a dead-man and labels."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import numpy as np
from rclpy.context import Context
from std_msgs.msg import Bool

from robot import se3
from robot.actions import ActionMap
from robot.interfaces import DeviceSample, TeleopDevice
from robot.labels import HAND_BUTTONS
from robot.local import Watcher
from robot.nodes import messages
from robot.nodes.base import Graph, NudgeNode
from robot.nodes.join import StampJoin
from robot.nodes.person import HELD_OVER
from robot.se3 import Pose
from robot.topics import topic
from robot.types import ROLES, Array, Label

LABEL_S = 0.15
"""A label on the console counts for so long after it was told."""
_LET_GO = frozenset(mode.value for mode in HELD_OVER)


class TeleopNode(NudgeNode):
    """Asks `watcher` (a device, or a simulated person) once a tick in lockstep, at the table's rate in real time.

    In lockstep the tick is the policy's: a person reacts to what the robot is about to do, so the answer to the
    stamp of `policy/info` carries that same stamp.
    """

    def __init__(
        self,
        graph: Graph,
        watcher: Watcher,
        actions: ActionMap,
        context: Context | None = None,
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__("teleop", graph, context=context, wall=wall)
        self._watcher = watcher
        self._actions = actions
        self._join = StampJoin(("info", "pose", "truth"))
        self._newest: dict[str, Any] = {}

    def setup(self) -> None:
        self._hand = _Hand(self, self._actions)
        self.subscribe("sim/state", lambda m: self._take("truth", m))
        self.subscribe("current_pose", lambda m: self._take("pose", m))
        self.subscribe("policy/info", lambda m: self._take("info", m))
        if not self.graph.is_lockstep:
            self.subscribe("mode", lambda m: self._newest.update(mode=m.data))
            self.every(1.0 / topic("teleop/twist").rate_hz, self._tick)

    def _take(self, name: str, message: Any) -> None:
        if not self.graph.is_lockstep:
            self._newest[name] = message
            return
        row = self._join.put(name, messages.stamp_of(message), message)
        if row is not None:
            self._answer(row)

    def _tick(self) -> None:
        if self._newest.keys() >= {"pose", "truth"}:
            try:
                self._answer(self._newest)
            except Exception:
                self._newest.clear()  # one of them is malformed: it fails once, not at every tick
                raise

    def _answer(self, row: dict[str, Any]) -> None:
        info = messages.to_named(row["info"]) if "info" in row else {"step": 0.0}
        stamp_ns = messages.stamp_of(row["pose"])
        # who simulates a person lets go of the dead-man wherever that would have to be pressed anew, and where no
        # policy has told yet what the person's role is: the first press has to be a press
        is_waiting = "info" not in row or row.get("mode") in _LET_GO
        role = "watch" if is_waiting else ROLES[int(info["role"])]
        sample = self._watcher.sample(
            messages.to_named(row["truth"]), messages.to_pose(row["pose"]), stamp_ns, int(info["step"]), role
        )
        self._hand.publish(sample, stamp_ns)


class DeviceNode(NudgeNode):
    """Tells what a person does with a real device, at the table's rate; real time only.

    Args:
        person: who is asked; told to connect when the node is configured.
        remote: the person's device where that is on the console's page: told what comes from there.
        leader: the person where they hold a leader arm: told where its tool is, and the robot's.
    """

    def __init__(
        self,
        graph: Graph,
        person: Person,
        actions: ActionMap,
        context: Context | None = None,
        wall: Callable[[], int] = time.time_ns,
        remote: RemoteDevice | None = None,
        leader: LeaderWatcher | None = None,
    ) -> None:
        super().__init__("teleop", graph, context=context, wall=wall)
        self._person, self._actions, self._remote, self._leader = person, actions, remote, leader
        self._complaint = ""
        self._labels, self._labels_s = Label.NONE, -math.inf

    def setup(self) -> None:
        self._hand = _Hand(self, self._actions)
        self._person.connect()
        self._complain()
        if self._remote is not None:
            self.subscribe("console/hand", self._on_hand)
        else:
            self.subscribe("console/hand", self._on_labels)
        if self._leader is not None:
            self.subscribe("leader/pose", partial(self._on_pose, "leader/pose", self._leader.see_leader))
            self.subscribe("current_pose", partial(self._on_pose, "current_pose", self._leader.see_follower))
        self.every(1.0 / topic("teleop/twist").rate_hz, self._tick)

    def teardown(self) -> None:
        self._person.close()

    def status(self) -> dict[str, str]:
        return {"device": self._person.complaint or "there"}

    def _tick(self) -> None:
        sample = self._person.read()
        if time.monotonic() - self._labels_s < LABEL_S:
            sample = replace(sample, label=sample.label | self._labels)
        self._complain()
        self._hand.publish(sample, self.now_ns())

    def _on_hand(self, message: Any) -> None:
        """Hand on what the page says, at once: a tick more would be felt."""
        age_s = 1e-9 * (self.now_ns() - messages.stamp_of(message))
        if self._remote is None or not abs(age_s) <= topic("console/hand").max_age_s:
            return
        down = frozenset(name for name, is_down in zip(HAND_BUTTONS, message.buttons, strict=True) if is_down)
        self._remote.take(np.clip(np.array(message.axes, np.float64), -1.0, 1.0), down)
        self._tick()

    def _on_pose(self, row: str, see: Callable[[Pose], None], message: Any) -> None:
        """Hand on a pose that is one and is not old; of any other nothing is heard."""
        age_s = 1e-9 * (self.now_ns() - messages.stamp_of(message))
        pose = messages.to_pose(message)
        if abs(age_s) <= topic(row).max_age_s and np.all(np.isfinite(pose.position)) and se3.is_unit(pose.quaternion):
            see(pose)

    def _on_labels(self, message: Any) -> None:
        """Take the labels of a console beside another device: they count as long as they are told."""
        self._labels = messages.to_label(message)
        self._labels_s = time.monotonic()

    def _complain(self) -> None:
        """Say when the device goes, and when it comes back."""
        complaint = self._person.complaint
        if complaint != self._complaint:
            self.get_logger().warning(complaint or "The device is there again.")
            self._complaint = complaint


class RemoteDevice(Protocol):
    """A device that is told what the hand on it does."""

    def take(self, axes: Array, buttons: frozenset[str]) -> None: ...


class LeaderWatcher(Protocol):
    """Who is told where the tools of a leader arm and of the robot are."""

    def see_leader(self, T_leader_tool: Pose) -> None: ...
    def see_follower(self, T_base_tool: Pose) -> None: ...


class Person(TeleopDevice, Protocol):
    """A device that says why nobody teleoperates; "" where nothing is the matter."""

    complaint: str


class _Hand:
    """The topics that say what a hand does."""

    def __init__(self, node: NudgeNode, actions: ActionMap) -> None:
        self._graph, self._actions = node.graph, actions
        self._twist, self._joy = node.publisher("teleop/twist"), node.publisher("teleop/joy")
        self._engaged = node.publisher("teleop/engaged")

    def publish(self, sample: DeviceSample, stamp_ns: int) -> None:
        twist = self._actions.twist_from_axes(sample.axes, self._graph.period_s)
        self._twist.publish(messages.from_twist(twist, stamp_ns, self._graph.base_frame))
        self._joy.publish(messages.from_hand(sample.axes, sample.is_engaged, sample.label, stamp_ns))
        self._engaged.publish(Bool(data=sample.is_engaged))
