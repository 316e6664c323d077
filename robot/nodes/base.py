"""What every node shares: topics from the table only, guarded callbacks, diagnostics, and a clean end."""

from __future__ import annotations

import importlib
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParameters
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String

from robot.nodes.messages import message_class
from robot.nodes.qos import publisher_qos, subscription_qos
from robot.topics import Topic, topic

try:
    EventsExecutor: Any = importlib.import_module("rclpy.experimental").EventsExecutor
except (ImportError, AttributeError):  # a ROS 2 distribution before it had one
    EventsExecutor = None

COMING_AND_GOING = frozenset({"actor", "client", "gripper", "person", "recorder", "every node"})
"""Publishers that a graph works without, for a while."""


@dataclass(frozen=True)
class Graph:
    """How the nodes of one session find each other: the arm's namespace, its base frame, and the clock's kind.

    In lockstep the arm advances by `period_s` for every target; in real time nodes run on their own timers.
    `silence_s` is how long, by the wall's clock, a lockstep session may be silent in mid-episode.
    """

    arm: str = "panda"
    base_frame: str = "panda_base"
    is_lockstep: bool = True
    period_s: float = 0.1
    silence_s: float = 2.0


class NudgeNode(Node):
    """A node whose topics come from `robot.topics` and whose callbacks cannot kill its executor."""

    has_async_services = False
    """Whether a service of the node answers later than its callback returns."""

    def __init__(self, name: str, graph: Graph, *, camera: str = "", context: Context | None = None) -> None:
        self.graph = graph
        self.fault = ""
        self._camera = camera
        self._received: dict[str, int] = {}
        super().__init__(
            name,
            namespace=f"/{camera or graph.arm}",
            context=context,
            start_parameter_services=False,
            enable_rosout=False,
        )
        self._required: list[Any] = []
        self._ready = self.publisher("ready")
        self._ready_timer = self.every(0.05, self._tell_when_ready)
        self._diagnostics = self.publisher("/diagnostics")
        self.every(1.0, self._publish_diagnostics)

    def publisher(self, name: str) -> Any:
        """Create the publisher of a row of the topic table."""
        row = topic(name)
        return self.create_publisher(
            message_class(row.type), self._path(row), publisher_qos(row, self.graph.is_lockstep)
        )

    def subscribe(self, name: str, callback: Callable[[Any], None], camera: str = "", is_late: bool = True) -> Any:
        """Subscribe to a row of the topic table; an exception in `callback` becomes this node's fault.

        `is_late` as in `robot.nodes.qos.subscription_qos`.
        """
        row = topic(name)
        path = self._path(row, camera)

        def counted(message: Any) -> None:
            self._received[path] = self._received.get(path, 0) + 1
            callback(message)

        subscription = self.create_subscription(
            message_class(row.type),
            path,
            self.guarded(counted),
            subscription_qos(row, self.graph.is_lockstep, is_late),
        )
        if row.publisher not in COMING_AND_GOING:
            self._required.append(subscription)
        return subscription

    def every(self, period_s: float, callback: Callable[[], None]) -> Any:
        """Call `callback` on a timer, guarded."""
        guarded = self.guarded(callback)
        return self.create_timer(period_s, lambda: guarded())  # a lambda, because executors count its parameters

    def serve(self, type_: Any, name: str, callback: Any) -> Any:
        """Offer a service in a reentrant group, so that a long answer does not stop the node's other callbacks."""
        return self.create_service(type_, name, callback, callback_group=ReentrantCallbackGroup())

    def serve_integer(self, name: str, take: Callable[[int], None]) -> None:
        """Offer `<node>/set_parameters` for the one integer parameter `name`; `take` gets each new value."""

        def answer(request: Any, response: Any) -> Any:
            for parameter in request.parameters:
                if parameter.name == name:
                    take(int(parameter.value.integer_value))
                    response.results.append(SetParametersResult(successful=True))
                else:
                    reason = f"{self.get_name()} has no parameter {parameter.name!r}, only {name!r}."
                    response.results.append(SetParametersResult(successful=False, reason=reason))
            return response

        self.serve(SetParameters, f"{self.get_name()}/set_parameters", answer)

    def guarded(self, callback: Callable[..., None]) -> Callable[..., None]:
        """Wrap a callback: what it raises ends in `on_fault`, never in the executor."""

        def run(*arguments: Any) -> None:
            try:
                callback(*arguments)
            except Exception as error:  # noqa: BLE001 - an unknown error must stop the motion, not the node
                self.fault = f"{type(error).__name__}: {error}"
                self.get_logger().error(f"{self.fault}\n{traceback.format_exc()}")
                self.on_fault(self.fault)

        return run

    def on_fault(self, what: str) -> None:
        """React to an error in a callback; nodes that move something stop it here."""

    def stop(self) -> None:
        """Leave the world in a safe state; called once before the node is destroyed."""

    def status(self) -> dict[str, str]:
        """Return what `/diagnostics` should tell of this node, beside the counts of messages."""
        return {}

    def absent(self) -> list[str]:
        """Return what this node still misses of the rest of the graph: publishers of its topics, services."""
        silent = [s.topic_name for s in self._required if s.get_publisher_count() == 0]
        return silent + [c.srv_name for c in self.clients if not c.service_is_ready()]

    def _tell_when_ready(self) -> None:
        if not self.absent():
            self._ready_timer.cancel()
            self._ready.publish(String(data=self.name_in_graph))

    @property
    def name_in_graph(self) -> str:
        """Name by which the node tells that it is ready: unique within the graph of one arm."""
        return f"{self.get_name()}_{self._camera}" if self._camera else str(self.get_name())

    def _path(self, row: Topic, camera: str = "") -> str:
        if row.scope == "global":
            return row.name
        return f"/{(camera or self._camera) if row.scope == 'camera' else self.graph.arm}/{row.name}"

    def _publish_diagnostics(self) -> None:
        values = self.status() | {f"received {path}": str(n) for path, n in self._received.items()}
        status = DiagnosticStatus(
            level=DiagnosticStatus.ERROR if self.fault else DiagnosticStatus.OK,
            name=self.get_fully_qualified_name(),
            message=self.fault or "running",
            values=[KeyValue(key=k, value=v) for k, v in values.items()],
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)


def make_executor(context: Context, has_async_services: bool) -> Any:
    """Return the executor for one node on one thread, always to be used by `spin_once` in a loop.

    The events executor costs about half of the wait-set one a message, but breaks services that answer later, and
    older ROS 2 distributions do not have it (docs/decisions/0004).
    """
    if has_async_services or EventsExecutor is None:
        return SingleThreadedExecutor(context=context)
    return EventsExecutor(context=context)


def spin(node: NudgeNode, should_stop: Callable[[], bool]) -> None:
    """Spin `node` on an executor of its own until `should_stop()`; then stop and destroy it."""
    executor = make_executor(node.context, node.has_async_services)
    executor.add_node(node)
    try:
        while not should_stop():
            executor.spin_once(timeout_sec=0.1)
        node.stop()
    finally:
        executor.shutdown()
        node.destroy_node()


@contextmanager
def ros() -> Iterator[None]:
    """Be a ROS 2 process for as long as the with-block lasts, with signals left to the caller."""
    # rclpy's own handlers end in an RCLError in some of the SIGTERMs
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        yield
    finally:
        rclpy.try_shutdown()


def run_node(build: Callable[[], NudgeNode]) -> int:
    """Be a node's process: build it, spin until SIGINT or SIGTERM, leave cleanly. Returns the exit code."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with ros():
        spin(build(), stop.is_set)
    return 0
