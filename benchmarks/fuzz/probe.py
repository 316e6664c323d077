"""A node that looks at the graph of a running robot, and says whether its nodes answer and its arm stands."""

from __future__ import annotations

import math
import time
from collections import Counter
from typing import Any

import rclpy
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.client import Client
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from benchmarks.fuzz.values import Garbage
from robot.errors import RobotError
from robot.mode import MOVING, Mode
from robot.nodes.helper import HELPERS
from robot.nodes.spin import make_executor

ANSWER_S = 20.0
MODES = {mode.value for mode in Mode}
MOVING_MODES = {mode.value for mode in MOVING}
CONFIGURE, ACTIVATE = 1, 3


class Probe:
    """Listens to arm and mux, and asks the graph what there is."""

    def __init__(self, arm: str, seed: int) -> None:
        self.garbage = Garbage(seed)
        self.node = rclpy.create_node("fuzz")
        self.executor = make_executor(self.node.context, has_async_services=False)
        self.executor.add_node(self.node)
        self.names: list[str] = []
        self.q: list[float] = []
        self.moved_rad = 0.0
        self.modes: Counter[str] = Counter()
        latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.node.create_subscription(JointState, f"/{arm}/joint_states", self._on_joints, qos_profile_sensor_data)
        self.node.create_subscription(String, f"/{arm}/mode", self._on_mode, latched)

    def _on_joints(self, message: Any) -> None:
        # nonsense on this very topic has no seven joints of these names
        is_sound = len(message.name) == len(message.position) == 7 and all(map(math.isfinite, message.position))
        if is_sound and self.names in ([], list(message.name)):
            self.names = self.names or list(message.name)
            self.q = self.q or list(message.position)
            self.moved_rad = max(self.moved_rad, *(abs(a - b) for a, b in zip(self.q, message.position, strict=True)))

    def _on_mode(self, message: Any) -> None:
        if message.data in MODES:
            self.modes[message.data] += 1

    @property
    def moving_modes(self) -> int:
        """How often the mux has told of a mode in which the robot moves."""
        return sum(count for mode, count in self.modes.items() if mode in MOVING_MODES)

    def spin(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.executor.spin_once(timeout_sec=left)

    def nodes(self) -> list[tuple[str, str]]:
        """Return name and namespace of the robot's nodes."""
        return sorted(n for n in self.node.get_node_names_and_namespaces() if n[0] not in ("fuzz", "_ros2cli"))

    def managed(self) -> list[tuple[str, str]]:
        """Return name and namespace of the nodes with a lifecycle: all but their helpers."""
        return [node for node in self.nodes() if not node[0].endswith(HELPERS)]

    def topics(self) -> dict[str, str]:
        """Return the type by name of every topic that a node of the robot subscribes to."""
        of_robot = set(self.nodes())
        found = {}
        for name, types in self.node.get_topic_names_and_types():
            readers = self.node.get_subscriptions_info_by_topic(name)
            if any((reader.node_name, reader.node_namespace) in of_robot for reader in readers):
                found[name] = types[0]
        return found

    def services(self) -> dict[str, str]:
        """Return the type by name of every service of the robot's nodes."""
        found = {}
        for name, space in self.nodes():
            for service, types in self.node.get_service_names_and_types_by_node(name, space):
                found[service] = types[0]
        return found

    def call(self, client: Any, request: Any) -> Any:
        """Return the answer, or None when there is none in time."""
        future = client.call_async(request)
        deadline = time.monotonic() + ANSWER_S
        while not future.done() and time.monotonic() < deadline:
            self.executor.spin_once(timeout_sec=0.1)
        return future.result() if future.done() else None

    def wait_for(self, names: int, timeout_s: float) -> None:
        """Wait until `names` nodes are there and active.

        Raises:
            RobotError: they are not, in time.
        """
        deadline = time.monotonic() + timeout_s
        while len(self.managed()) < names or set(self.states().values()) != {"active"} or not self.q:
            if time.monotonic() > deadline:
                raise RobotError(f"Of {names} nodes only these came up: {self.states()}")
            self.spin(0.2)

    def states(self) -> dict[str, str]:
        """Return the lifecycle state of each managed node, "silent" for who does not answer."""
        found = {}
        for name, space in self.managed():
            path = f"{space.rstrip('/')}/{name}"
            client: Client[Any, Any] = self.node.create_client(GetState, f"{path}/get_state")
            answer = self.call(client, GetState.Request()) if client.wait_for_service(ANSWER_S) else None
            found[path] = "silent" if answer is None else answer.current_state.label
            self.node.destroy_client(client)
        return found

    def restore(self) -> None:
        """Make every node active again."""
        for path, state in self.states().items():
            steps = {"unconfigured": (CONFIGURE, ACTIVATE), "inactive": (ACTIVATE,)}.get(state, ())
            client: Client[Any, Any] = self.node.create_client(ChangeState, f"{path}/change_state")
            for transition in steps:
                request = ChangeState.Request()
                request.transition.id = transition
                client.wait_for_service(ANSWER_S)
                self.call(client, request)
            self.node.destroy_client(client)

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
