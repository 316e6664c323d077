"""The arm node: owns the control tick, takes `target_pose`, tells what the arm measures."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from rclpy.context import Context
from rclpy.task import Future
from rosgraph_msgs.msg import Clock
from std_srvs.srv import Trigger

from robot import priority
from robot.arm_server import ArmServer, ArmSnapshot
from robot.interfaces import World
from robot.nodes import messages
from robot.nodes.base import Graph, NudgeNode
from robot.se3 import Pose
from robot.topics import topic

Seen = tuple[ArmSnapshot, Pose | None, dict[str, float] | None]
"""The arm, the tracked socket, the truth."""
HOMING_LIMIT_S = 30.0
"""Simulated time after which homing in lockstep counts as failed."""


class ArmNode(NudgeNode):
    """Runs an `ArmServer`.

    In lockstep each accepted target advances the arm by one period, after which the state is published. When the
    session falls silent in mid-episode the arm goes on in real time: the command expires and the arm holds.
    In real time a thread of its own ticks the server on absolute deadlines.

    Parameter `scene_seed` (simulation only): setting it lays out the scene anew. `arm/home` and `arm/hold` answer
    with the stamp [ns] of the state they reached.
    """

    has_async_services = True
    level = priority.LEVEL_EXECUTOR

    def __init__(
        self,
        graph: Graph,
        server: ArmServer,
        world: World | None,
        context: Context | None = None,
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__("arm", graph, context=context, wall=wall)
        self._server = server
        self._world = world
        self._tick_s = server.config.control_step_s
        self._lock = threading.RLock()
        self._is_commanded = False
        self._refused = 0
        self._last_advance = time.monotonic()
        self._scene_seed = 0
        self._homing: Future[bool] | None = None
        self._stop_thread = threading.Event()
        self._thread: threading.Thread | None = None
        self._offset_ns = 0

    def setup(self) -> None:
        self._server.connect()
        if not self.graph.is_lockstep:
            # simulated time starts at zero; in real time its stamps are shifted onto the host's clock
            self._offset_ns = self.now_ns() - self._server.snapshot().stamp_ns
        self._outputs = {
            name: self.publisher(name)
            for name in (
                "joint_states",
                "current_pose",
                "current_twist",
                "external_wrench",
                "arm/status",
                "arm/executed",
            )
        }
        if self._world is not None:
            self._outputs |= {n: self.publisher(n) for n in ("tracker/socket_pose", "sim/state", "/clock")}
            self.parameters.declare_integer("scene_seed", 0, "setting it lays out the scene anew", self._on_scene_seed)
        self.subscribe("target_pose", self._on_target)
        self.serve(Trigger, "arm/home", self._on_home)
        self.serve(Trigger, "arm/hold", self._on_hold)
        self.serve(Trigger, "arm/reset_fault", self._on_reset_fault)
        self.every(1.0 / topic("arm/status").rate_hz, self._publish_status)
        if self.graph.is_lockstep:
            self.every(0.1, self._watch_silence)
        else:
            # the control thread looks and this wakes the executor to publish: neither waits for the other's lock
            self._has_looked = self.create_guard_condition(self.guarded(self._publish_seen))
            self._stop_thread.clear()
            self._thread = threading.Thread(target=self.guarded(self._control), name="control", daemon=True)
            self._thread.start()

    def start(self) -> None:
        self._publish_state()

    def _on_target(self, message: Any) -> None:
        stamp_ns = messages.stamp_of(message) - self._offset_ns
        with self._lock:
            now_ns = self._server.snapshot().stamp_ns
            is_foreign = message.header.frame_id != self.graph.base_frame
            is_other_tick = self.graph.is_lockstep and stamp_ns != now_ns
            if is_foreign or is_other_tick or self._homing is not None:
                self._refused += 1
                return
            self._server.accept(messages.to_pose(message), stamp_ns)
            self._is_commanded = True
            if self.graph.is_lockstep:
                self._advance(self.graph.period_s)

    def _advance(self, duration_s: float) -> None:
        self._server.advance(duration_s)
        self._last_advance = time.monotonic()
        self._publish_state()

    def _watch_silence(self) -> None:
        if self._is_commanded and time.monotonic() - self._last_advance > self.graph.silence_s:
            while self._is_commanded and not self._server.is_holding:
                self._server.advance(self._tick_s)
            self._is_commanded = False
            self._publish_state()

    def _control(self) -> None:
        self.scheduling = priority.raise_thread()
        ticks_a_look = max(1, round(1.0 / (topic("joint_states").rate_hz * self._tick_s)))
        ticks = 0
        deadline = time.monotonic()
        while not self._stop_thread.is_set():
            with self._lock:
                self._server.tick()
                ticks += 1
                if ticks % ticks_a_look == 0:
                    self._seen = self._look()
                    self._has_looked.trigger()
                if self._homing is not None and not self._server.is_homing:
                    self._homing.set_result(True)
                    self._homing = None
            deadline += self._tick_s
            pause = deadline - time.monotonic()
            if pause > 0:
                time.sleep(pause)
            elif pause < -0.1:
                deadline = time.monotonic()  # far behind: drop the debt rather than run a burst

    async def _on_home(self, request: Any, response: Any) -> Any:
        with self._lock:
            self._is_commanded = False
            self._server.start_home(self._scene_seed)
            if self.graph.is_lockstep:
                for _ in range(round(HOMING_LIMIT_S / self._tick_s)):
                    if not self._server.is_homing:
                        break
                    self._server.tick()
                self._publish_state()
            else:
                self._homing = Future(executor=self.executor)
        if self._homing is not None:
            await self._homing
        return self._answer(response)

    def _on_hold(self, request: Any, response: Any) -> Any:
        with self._lock:
            self._server.hold()
            self._is_commanded = False
        return self._answer(response)

    def _on_reset_fault(self, request: Any, response: Any) -> Any:
        with self._lock:
            self._server.reset_fault()
        return self._answer(response)

    def _answer(self, response: Any) -> Any:
        """Success with the stamp [ns] of the present state, or the fault."""
        response.success = not self._server.has_fault and not self._server.is_homing
        stamp_ns = self._server.snapshot().stamp_ns + self._offset_ns
        response.message = (
            str(stamp_ns)
            if response.success
            else (
                f"the arm is at fault ({self._server.fault}): clear it with arm/reset_fault"
                if self._server.has_fault
                else "the arm did not reach its home"
            )
        )
        return response

    def _on_scene_seed(self, seed: int) -> None:
        if self._world is None:
            return
        with self._lock:
            self._scene_seed = seed
            self._world.randomise(seed)
            self._server.settle()
            if self.graph.is_lockstep:
                # a new stamp, so that nobody takes the old scene for the new one
                self._advance(self.graph.period_s)

    def _look(self) -> Seen:
        """Return what is published of the arm, and in simulation of its world; under the lock."""
        now = self._server.snapshot()
        return (now, None, None) if self._world is None else (now, self._world.tracked_pose(), self._world.truth())

    def _publish_seen(self) -> None:
        if self.is_active:
            self._publish(*self._seen)

    def _publish_state(self) -> None:
        with self._lock:
            self._seen = self._look()
        self._publish(*self._seen)

    def _publish(self, now: ArmSnapshot, socket: Pose | None, truth: dict[str, float] | None) -> None:
        stamp_ns, frame = now.stamp_ns + self._offset_ns, self.graph.base_frame
        publish = self._send
        if truth is not None and socket is not None:
            publish("sim/state", messages.from_named(truth, stamp_ns))
            publish("tracker/socket_pose", messages.from_pose(socket, stamp_ns, frame))
            publish("/clock", Clock(clock=messages.to_time(stamp_ns)))
        publish("current_pose", messages.from_pose(now.T_base_tool, stamp_ns, frame))
        publish("external_wrench", messages.from_wrench(now.wrench, stamp_ns, frame))
        publish("joint_states", messages.from_joints(now.q, now.dq, now.tau, stamp_ns, frame))
        publish("current_twist", messages.from_twist(now.twist, stamp_ns, frame))

    def _send(self, name: str, message: Any) -> None:
        self._outputs[name].publish(message)

    def _publish_status(self) -> None:
        values = self.status()
        level = DiagnosticStatus.ERROR if self._server.has_fault else DiagnosticStatus.OK
        status = DiagnosticStatus(level=level, name="arm", message=self._server.mode, hardware_id=self.graph.arm)
        status.values = [KeyValue(key=k, value=v) for k, v in values.items()]
        self._send("arm/status", status)

    def status(self) -> dict[str, str]:
        counters = {k: str(v) for k, v in self._server.counters.items()}
        own = {"targets refused": str(self._refused), "mode": self._server.mode, "scheduling": self.scheduling}
        return counters | own

    def on_fault(self, what: str) -> None:
        self._server.hold()

    def halt(self) -> None:
        with self._lock:
            self._server.hold()
        self._publish_status()

    def teardown(self) -> None:
        self._stop_thread.set()
        if self._thread is not None:
            self._thread.join(timeout=1.0)
            self._thread = None
        self._server.close()
