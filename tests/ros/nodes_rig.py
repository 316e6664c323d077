"""Real nodes in threads of one process, each with an executor of its own, and a plain rclpy program beside them."""

from __future__ import annotations

import contextlib
import importlib
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from drivers.mujoco_arm import MujocoArm
from drivers.mujoco_model import SimConfig
from robot.actions import ActionMap
from robot.arm_server import ArmServer, ArmServerConfig
from robot.impedance import CartesianImpedance, ImpedanceConfig
from robot.mux import CommandMux
from robot.nodes import messages
from robot.nodes.arm import ArmNode
from robot.nodes.base import Graph, NudgeNode
from robot.nodes.mux import MuxNode
from robot.nodes.qos import publisher_qos, subscription_qos
from robot.nodes.spin import make_executor, turn
from robot.safety import Governor, SafetyConfig
from robot.se3 import Pose
from robot.topics import topic
from sessions.domain import Domain

ACTIONS = ActionMap(("x", "y", "z", "rz"), (0.02, 0.02, 0.02, 0.1), (1.0, 0.0, 0.0, 0.0))
PATIENT = SafetyConfig(
    max_age_s=2.0,
    command_expiry_s=1.0,
    human_max_age_s=2.0,
    state_max_age_s=1.5,
    camera_max_age_s=1.5,
    frozen_after_s=1.5,
    heartbeat_timeout_s=1.5,
)
"""Limits that a busy machine does not reach by itself."""
DEADLINE_S = 20.0
REALTIME = Graph(is_lockstep=False)
DIRECT = Graph(is_lockstep=False, is_direct=True)


def wait_for(is_done: Callable[[], Any], what: str, timeout_s: float = DEADLINE_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_done():
        if time.monotonic() > deadline:
            pytest.fail(f"Waited {timeout_s} s in vain for {what}.")
        time.sleep(0.01)


class Person(Node):
    """A program that knows names and types only; keeps the last message of what it listens to."""

    def __init__(self, context: Context, name: str = "person") -> None:
        super().__init__(name, namespace="/panda", context=context, enable_rosout=False)
        self.heard: dict[str, Any] = {}
        self.count: dict[str, int] = {}
        self.diagnostics: dict[str, Any] = {}
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 50)
        for name_ in ("arm/status", "mux/status", "current_pose", "target_pose"):
            self.listen(name_)
        self._ours: dict[str, Any] = {}

    def listen(self, name: str, camera: str = "") -> None:
        row = topic(name)
        self.heard[name], self.count[name] = None, 0

        def take(message: Any) -> None:
            self.heard[name] = message
            self.count[name] += 1

        path = f"/{camera or 'panda'}/{name}"
        self.create_subscription(messages.message_class(row.type), path, take, subscription_qos(row, False))

    def send(self, name: str, message: Any, path: str = "") -> None:
        row = topic(name)
        if name not in self._ours:
            kind = messages.message_class(row.type)
            self._ours[name] = self.create_publisher(kind, path or name, publisher_qos(row, False))
            wait_for(lambda: self._ours[name].get_subscription_count() > 0, f"somebody who takes {name}")
        self._ours[name].publish(message)

    def call(self, name: str, type_: Any = Trigger, request: Any = None) -> Any:
        client = self.create_client(type_, name)
        try:
            assert client.wait_for_service(DEADLINE_S), f"{name} is not offered"
            future = client.call_async(request or type_.Request())
            wait_for(future.done, f"the answer of {name}")
            return future.result()
        finally:
            self.destroy_client(client)

    def ask(self, name: str) -> Any:
        """Call a Trigger service without waiting; returns the future of its answer."""
        client = self.create_client(Trigger, name)
        assert client.wait_for_service(DEADLINE_S), f"{name} is not offered"
        return client.call_async(Trigger.Request())

    def call_until(self, name: str) -> Any:
        """Call a Trigger service until it succeeds."""
        answers: list[Any] = []

        def is_success() -> bool:
            answers.append(self.call(name))
            return bool(answers[-1].success)

        wait_for(is_success, f"{name} to succeed")
        return answers[-1]

    def e_stop_latched(self) -> None:
        """Press the button before anybody listens."""
        row = topic("e_stop")
        self._ours["e_stop"] = self.create_publisher(Bool, "e_stop", publisher_qos(row, False))
        self._ours["e_stop"].publish(Bool(data=True))

    def said(self, name: str, key: str = "") -> str:
        """Return what a status says: its message, or the value of `key`."""
        status = self.heard[name]
        if status is None:
            return ""
        return {pair.key: pair.value for pair in status.values}.get(key, "") if key else status.message

    @property
    def pose(self) -> Pose:
        return messages.to_pose(self.heard["current_pose"])

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.diagnostics[status.name] = status


class Rig:
    """Builds nodes in a domain of its own and spins each in a thread; ends them in order."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self.context = Context()
        self.context.init(domain_id=self._domain.id)
        self._stops: list[tuple[Any, threading.Event, threading.Thread]] = []
        self.person = Person(self.context)
        self.spin(self.person)

    def spin(self, node: Any) -> Any:
        """Spin `node` in a thread of its own until `freeze` or the end."""
        stop = threading.Event()
        is_ours = isinstance(node, NudgeNode)
        executor = (
            make_executor(self.context, node.has_async_services)
            if is_ours
            else SingleThreadedExecutor(context=self.context)
        )
        executor.add_node(node)

        def run() -> None:
            while not stop.is_set():
                if is_ours:
                    turn(executor, node, 0.05)
                else:
                    executor.spin_once(timeout_sec=0.05)
            executor.shutdown()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self._stops.append((node, stop, thread))
        return node

    def freeze(self, node: Any) -> None:
        """Let nothing of `node` run any more, as SIGSTOP would."""
        for known, stop, thread in self._stops:
            if known is node:
                stop.set()
                thread.join(DEADLINE_S)
                assert not thread.is_alive(), f"{node.get_name()} does not come back from its executor"

    def arm(
        self,
        graph: Graph = REALTIME,
        safety: SafetyConfig = PATIENT,
        device: Any = None,
        config: ArmServerConfig | None = None,
        **more: Any,
    ) -> ArmNode:
        """Return an arm node, not yet configured, and not spun."""
        arm = device if device is not None else MujocoArm(SimConfig())
        server = ArmServer(arm, CartesianImpedance(ImpedanceConfig()), config or ArmServerConfig(), safety)
        world = arm if isinstance(arm, MujocoArm) else None
        return ArmNode(graph, server, world, safety, context=self.context, **more)

    def mux(self, safety: SafetyConfig = PATIENT, **more: Any) -> MuxNode:
        mux = CommandMux(ACTIONS, Governor(safety))
        return MuxNode(REALTIME, mux, ACTIONS, safety, context=self.context, **more)

    def bring_to(self, mode: str, also: Callable[[], None] = lambda: None) -> None:
        """Do what a reset and a policy do until the mux is in `mode`: "resetting" or "policy"; `also` all the while."""
        person = self.person
        wait_for(lambda: person.count["current_pose"] > 0, "poses")
        names = ("mux/reset_begin", "mux/reset_done")[: 1 if mode == "resetting" else 2]
        # a stream that a busy machine was late with may stop the reset in between
        wait_for(lambda: also() or all(person.call(name).success for name in names), "a reset to begin and end")
        if mode == "resetting":
            return

        def is_there() -> bool:
            also()
            person.send("policy/target_pose", target(person.pose))
            time.sleep(0.03)
            return person.said("mux/status") == mode and person.said("arm/status") == "follow"

        wait_for(is_there, f"mode {mode}")

    @property
    def domain_id(self) -> int:
        return self._domain.id

    def up(self, node: NudgeNode) -> Any:
        """Bring `node` up and spin it."""
        node.bring_up()
        return self.spin(node)

    def close(self) -> None:
        for node, _, _ in self._stops:
            self.freeze(node)
        for node, _, _ in self._stops:
            with contextlib.suppress(Exception):  # a test may have destroyed it
                node.destroy_node()
        self.context.try_shutdown()


def rigged() -> Iterator[Rig]:
    with warnings.catch_warnings():
        # a parser that rclpy loads with its first message takes a module that Python is about to drop
        warnings.filterwarnings("ignore", "module 'sre_.*' is deprecated", DeprecationWarning)
        importlib.import_module("rosidl_generator_py")
    with pytest.MonkeyPatch.context() as patch, Domain() as domain:
        for name, value in domain.environment.items():
            patch.setenv(name, value)
        rig = Rig(domain)
        try:
            yield rig
        finally:
            rig.close()


def target(pose: Pose, dz: float = 0.0, stamp_ns: int | None = None) -> PoseStamped:
    """Return a target `dz` [m] above `pose`, stamped now."""
    moved = Pose(pose.position + np.array([0.0, 0.0, dz]), pose.quaternion)
    return messages.from_pose(moved, time.time_ns() if stamp_ns is None else stamp_ns, "panda_base")


def is_error(status: DiagnosticStatus) -> bool:
    return bool(status.level == DiagnosticStatus.ERROR)
