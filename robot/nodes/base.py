"""What every node shares: topics from the table only, guarded callbacks, diagnostics, a heartbeat."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.context import Context
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.qos import QoSProfile
from std_msgs.msg import String

from robot.clock import ClockWatch, read_clocks
from robot.errors import NudgeError
from robot.nodes.graph import Graph
from robot.nodes.lifecycle import ManagedNode
from robot.nodes.messages import message_class, to_time
from robot.nodes.meters import StreamMeter, stamp_or_none
from robot.nodes.parameters import Parameters
from robot.nodes.pulse import Pulse
from robot.nodes.qos import publisher_qos, subscription_qos
from robot.timing import PeriodMeter
from robot.topics import Topic, topic

__all__ = ["Graph", "NudgeNode"]

COMING_AND_GOING = frozenset({"actor", "client", "console", "gripper", "leader", "person", "recorder", "every node"})
"""Publishers that a graph works without, for a while."""
METER_SIZE = 512


class NudgeNode(ManagedNode):
    """A lifecycle node whose topics come from `robot.topics` and whose callbacks cannot kill its executor.

    Timers run, and subscriptions and services answer, only while the node is active.

        class Echo(NudgeNode):
            def setup(self):
                self._state = self.publisher("reset/state")
                self.subscribe("mode", self._on_mode)

        node = Echo("echo", graph)
        executor = scheduled_executor(node)     # robot.nodes.spin
        node.bring_up()                         # configure and activate
        spin(node, executor, should_stop)

    Args:
        camera: namespace of the camera, for a node of one.
        wall: the host's clock [ns]; another one for tests of clock steps.
    """

    has_async_services = False
    """Whether a service of the node answers later than its callback returns."""
    beats_alone = False
    """Whether its heart beats in a thread of its own: for a node that computes long between its turns."""

    def __init__(
        self,
        name: str,
        graph: Graph,
        *,
        camera: str = "",
        context: Context | None = None,
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        self.graph = graph
        self._camera = camera
        self._wall = wall
        self._dropped = 0
        self._clock_watch = ClockWatch()
        self.forget()
        super().__init__(name, namespace=f"/{camera or graph.arm}", context=context, enable_rosout=False)
        # by the steady clock: a step of the wall's must not stop a timer
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.parameters = Parameters(self)
        self._ready = self.publisher("ready")
        self._ready_timer = self._timer(0.05, self._tell_when_ready)
        self._ready_timer.cancel()
        self._diagnostics = self.publisher("/diagnostics")
        self._timer(1.0 / topic("/diagnostics").rate_hz, self._publish_diagnostics)
        self._pulse = Pulse(self.publisher("heartbeat"), self.name_in_graph, self.now_ns)
        if not graph.is_lockstep:
            self._timer(1.0 / topic("heartbeat").rate_hz, self._beat)
        self.keep_entities()

    def publisher(self, name: str) -> Any:
        """Create the publisher of a row of the topic table."""
        row, is_lockstep = topic(name), self.graph.is_lockstep
        return self.create_publisher(message_class(row.type), self._path(row), publisher_qos(row, is_lockstep))

    def subscribe(
        self,
        name: str,
        callback: Callable[[Any], None],
        camera: str = "",
        is_always: bool = False,
        qos: QoSProfile | None = None,
    ) -> Any:
        """Subscribe to a row of the topic table; an exception in `callback` becomes this node's fault.

        While the node is not active messages are dropped, but for the last one of a latched row, which waits; with
        `is_always` they are taken in every state. `qos`: another profile than that of `robot.nodes.qos`.
        """
        row = topic(name)
        meter = StreamMeter(self._path(row, camera))

        def taken(message: Any) -> None:
            if self._is_active or is_always:
                meter.take(message)
                callback(message)
            elif row.is_latched:
                self._waiting[meter.path] = lambda: guarded(message)

        guarded = self.guarded(taken)
        kind, profile = message_class(row.type), qos or subscription_qos(row, self.graph.is_lockstep)
        # who asks for another profile knows that it does not suit every publisher
        events = SubscriptionEventCallbacks(use_default_callbacks=qos is None)
        subscription = self.create_subscription(kind, meter.path, guarded, profile, event_callbacks=events)
        self._meters.append(meter)
        if row.publisher not in COMING_AND_GOING:
            self._required.append(subscription)
        return subscription

    def every(self, period_s: float, callback: Callable[[], None], name: str = "") -> Any:
        """Call `callback` on a timer while the node is active, guarded; `name` is what diagnostics call it."""
        meter = PeriodMeter(period_s, METER_SIZE)
        self._rhythms[name or callback.__name__.strip("_")] = meter

        def timed() -> None:
            if self._is_active:
                meter.tick(time.monotonic_ns())
                callback()

        timer = self._timer(period_s, timed)
        timer.cancel()  # until the node is active
        self._timed.append((timer, meter))
        return timer

    def serve(self, type_: Any, name: str, callback: Any) -> Any:
        """Offer a service in a reentrant group, so that a long answer does not stop the node's other callbacks.

        `callback(request, response)` may be async. What it raises becomes the answer, and the node's fault as well
        unless it is an error of ours. A node that is not active refuses.
        """
        return self.create_service(type_, name, self.answering(callback), callback_group=ReentrantCallbackGroup())

    def answering(self, callback: Any) -> Any:
        """Wrap the callback of a service as `serve` says."""

        def failed(response: Any, error: Exception) -> Any:
            if not isinstance(error, NudgeError):
                self._fail(error)
            return _refusal(response, str(error))

        def answer(request: Any, response: Any) -> Any:
            if not self._is_active:
                return _refusal(response, f"{self.name_in_graph} is {self.state}, not active")
            try:
                return callback(request, response)
            except Exception as error:  # noqa: BLE001 - as in guarded
                return failed(response, error)

        async def answer_later(request: Any, response: Any) -> Any:
            try:
                answered = answer(request, response)
                return await answered if inspect.isawaitable(answered) else answered
            except Exception as error:  # noqa: BLE001 - as in guarded
                return failed(response, error)

        return answer_later if inspect.iscoroutinefunction(callback) else answer

    def guarded(self, callback: Callable[..., None]) -> Callable[..., None]:
        """Wrap a callback: what it raises ends in `on_fault`, never in the executor."""

        def run(*arguments: Any) -> None:
            try:
                callback(*arguments)
            except Exception as error:  # noqa: BLE001 - an unknown error must stop the motion, not the node
                self._fail(error)

        return run

    def on_fault(self, what: str) -> None:
        """React to an error in a callback; nodes that move something stop it here."""

    def on_clock_step(self, step_s: float) -> None:
        """React to a wall clock that was set by `step_s` (real time); nodes that move something stop it here."""

    def status(self) -> dict[str, str]:
        """Return what `/diagnostics` should tell of this node, beside its streams and timers."""
        return {}

    def absent(self) -> list[str]:
        """Return what this node still misses of the rest of the graph: publishers of its topics, services."""
        silent = [s.topic_name for s in self._required if s.get_publisher_count() == 0]
        return silent + [c.srv_name for c in self.clients if not c.service_is_ready()]

    def now_ns(self) -> int:
        """Return the time of stamps: the host's clock, or in lockstep the newest stamp that this node has seen."""
        if not self.graph.is_lockstep:
            return self._wall()
        return max((stamp_or_none(stream.newest) or 0 for stream in self._meters), default=0)

    def drop(self, error: Exception) -> None:
        """Count a message or a request that could not be read."""
        self._dropped += 1
        if self._dropped & (self._dropped - 1) == 0:  # powers of two: a flood must not flood the log
            self.get_logger().warning(f"Dropped what could not be read ({self._dropped} so far): {error!r}")

    @property
    def name_in_graph(self) -> str:
        """Name by which others know the node: unique within the graph of one arm."""
        return f"{self.get_name()}_{self._camera}" if self._camera else str(self.get_name())

    def destroy_node(self) -> None:
        self.shut_down()
        super().destroy_node()

    def activated(self) -> None:
        for timer, meter in self._timed:
            meter.pause()
            timer.reset()
        self._ready_timer.reset()
        if self.beats_alone and not self.graph.is_lockstep:
            self._pulse.beat_alone()
        for hand_on in self._waiting.values():
            hand_on()
        self._waiting.clear()

    def deactivated(self) -> None:
        self._ready_timer.cancel()
        for timer, _ in self._timed:
            timer.cancel()
        if not self.graph.is_lockstep:
            self._pulse.farewell()

    def forget(self) -> None:
        self._meters: list[StreamMeter] = []
        self._required: list[Any] = []
        self._timed: list[tuple[Any, PeriodMeter]] = []
        self._rhythms: dict[str, PeriodMeter] = {}
        self._waiting: dict[str, Callable[[], None]] = {}

    def _timer(self, period_s: float, callback: Callable[[], None]) -> Any:
        guarded = self.guarded(callback)
        # a lambda, because executors count its parameters
        return self.create_timer(period_s, lambda: guarded(), clock=self._steady)

    def _fail(self, error: Exception) -> None:
        self.tell(error)
        self.on_fault(self.fault)

    def _beat(self) -> None:
        step_s = self._clock_watch.step_s(*read_clocks(self._wall))
        if step_s:
            self.get_logger().warning(f"The clock was set by {step_s:+.3f} s.")
            self.on_clock_step(step_s)
        if self._is_active and not self.beats_alone:
            self._pulse.beat()

    def _tell_when_ready(self) -> None:
        if not self.absent():
            self._ready_timer.cancel()
            self._ready.publish(String(data=self.name_in_graph))

    def _path(self, row: Topic, camera: str = "") -> str:
        if row.scope == "global":
            return row.name
        return f"/{(camera or self._camera) if row.scope == 'camera' else self.graph.arm}/{row.name}"

    def _publish_diagnostics(self) -> None:
        now_ns = self.now_ns()
        values = {"state": self.state, "dropped": str(self._dropped)} | self.status()
        for stream in self._meters:
            values |= stream.status(now_ns)
        for name, meter in self._rhythms.items():
            values |= meter.status(name)
        working = DiagnosticStatus.OK if self._is_active else DiagnosticStatus.WARN
        status = DiagnosticStatus(
            level=DiagnosticStatus.ERROR if self.fault else working,
            name=self.get_fully_qualified_name(),
            message=self.fault or ("running" if self._is_active else self.state),
            values=[KeyValue(key=k, value=v) for k, v in values.items()],
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = to_time(now_ns)
        self._diagnostics.publish(message)


def _refusal(response: Any, sentence: str) -> Any:
    """Return `response` as a refusal, as far as its type can say so."""
    if hasattr(response, "success"):
        response.success, response.message = False, sentence
    return response
