"""A person beside the robot: sees what the arm and the mux say and do, calls services, and has the stop button."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from benchmarks.faults.judge import MOVING, Recording
from robot import priority
from robot.errors import RobotError
from robot.nodes import messages
from robot.nodes.qos import publisher_qos, subscription_qos
from robot.topics import topic

KEPT = 1000
"""Samples kept of a topic; ten seconds of poses."""


class Watcher:
    """Plain rclpy in a thread of its own; no node of the graph waits for it or counts its heartbeats.

    It has the actor's priority: an ordinary process once got no core for half a second, and so saw no pose, while
    those it watched went on.

    Args:
        domain_id: of the graph. The environment must keep discovery on this host.
        arm: the arm's namespace.
        arm_clock: the wall clock of the arm's process [ns].
    """

    def __init__(self, domain_id: int, arm: str, arm_clock: Callable[[], int] = time.time_ns) -> None:
        self._arm_clock = arm_clock
        self._context = Context()
        self._context.init(domain_id=domain_id)
        self._node = Node("person", namespace=f"/{arm}", context=self._context, enable_rosout=False)
        self._arm: deque[tuple[int, str, int, str]] = deque(maxlen=KEPT)
        self._mux: deque[tuple[int, str, str]] = deque(maxlen=KEPT)
        self._poses: deque[tuple[int, Any]] = deque(maxlen=KEPT)
        self._targets: deque[tuple[int, Any]] = deque(maxlen=KEPT)
        self._resets: deque[tuple[int, str]] = deque(maxlen=KEPT)
        self._reset_targets: deque[int] = deque(maxlen=KEPT)
        self.blockers = ""
        """What forbids motion now, in the mux' words."""
        for name, take in (
            ("arm/status", self._on_arm),
            ("mux/status", self._on_mux),
            ("mode", self._on_mode),
            ("current_pose", lambda m: self._poses.append((time.monotonic_ns(), messages.to_pose(m).position))),
            ("target_pose", lambda m: self._targets.append((time.monotonic_ns(), messages.to_pose(m).position))),
            ("reset/state", lambda m: self._resets.append((time.monotonic_ns(), m.data))),
            ("reset/target_pose", lambda _: self._reset_targets.append(time.monotonic_ns())),
        ):
            row = topic(name)
            self._node.create_subscription(messages.message_class(row.type), name, take, subscription_qos(row, False))
        row = topic("e_stop")
        self._e_stop = self._node.create_publisher(Bool, "e_stop", publisher_qos(row, False))
        self._clients: dict[str, Any] = {}
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._spin, name="watcher", daemon=True)
        self._thread.start()

    @property
    def arm_mode(self) -> str:
        return self._arm[-1][1] if self._arm else ""

    @property
    def arm_cause(self) -> str:
        return self._arm[-1][3] if self._arm else ""

    @property
    def mux_mode(self) -> str:
        return self._mux[-1][1] if self._mux else ""

    @property
    def mux_cause(self) -> str:
        return next((cause for _, _, cause in reversed(list(self._mux)) if cause), "")

    @property
    def speed(self) -> float:
        """Speed [m/s] of the tool over the last 0.1 s; 0 where no pose is that new."""
        now_ns = time.monotonic_ns()
        recent = [(at, position) for at, position in list(self._poses)[-15:] if now_ns - at < 150_000_000]
        if len(recent) < 5:
            return 0.0
        return float(np.linalg.norm(recent[-1][1] - recent[0][1])) / ((recent[-1][0] - recent[0][0]) / 1e9)

    def is_moving(self) -> bool:
        """Whether the arm's server moves it, by its own word."""
        return self.arm_mode in MOVING

    def recording(self, since_ns: int) -> Recording:
        """Return what was seen since then, with the last modes before it."""
        arm = [(at, mode, begun) for at, mode, begun, _ in list(self._arm)]
        mux = [(at, mode) for at, mode, _ in list(self._mux)]
        return Recording(
            arm=[row for row in arm if row[0] < since_ns][-1:] + [row for row in arm if row[0] >= since_ns],
            mux=[pair for pair in mux if pair[0] < since_ns][-1:] + [pair for pair in mux if pair[0] >= since_ns],
            poses=[sample for sample in list(self._poses) if sample[0] >= since_ns],
            targets=[sample for sample in list(self._targets) if sample[0] >= since_ns],
        )

    def causes(self, since_ns: int) -> dict[str, list[str]]:
        """Return the different causes that the arm and the mux have told since then."""
        arm = [cause for at, _, _, cause in list(self._arm) if at >= since_ns and cause]
        mux = [cause for at, _, cause in list(self._mux) if at >= since_ns and cause]
        return {"arm": list(dict.fromkeys(arm)), "mux": list(dict.fromkeys(mux))}

    def first_reset_target(self, since_ns: int) -> int | None:
        """Return when the reset node first sent a target after `since_ns`."""
        return next((at for at in list(self._reset_targets) if at >= since_ns), None)

    def call(self, name: str, timeout_s: float = 5.0) -> str:
        """Call a Trigger service; returns its message, or in brackets why there is none."""
        if name not in self._clients:
            self._clients[name] = self._node.create_client(Trigger, name)
        client = self._clients[name]
        deadline = time.monotonic() + timeout_s
        while not client.service_is_ready():
            if time.monotonic() > deadline:
                return f"[{name} is not offered]"
            time.sleep(0.02)
        done = threading.Event()
        future = client.call_async(Trigger.Request())
        future.add_done_callback(lambda _: done.set())
        if not done.wait(max(0.0, deadline - time.monotonic())):
            client.remove_pending_request(future)
            return f"[{name} did not answer]"
        return str(future.result().message)

    def press(self, is_pressed: bool) -> None:
        """Press the stop button, or let go of it."""
        self._e_stop.publish(Bool(data=is_pressed))

    def wait_for(self, mode: str, timeout_s: float) -> None:
        """Wait until the mux says `mode`; raises RobotError."""
        deadline = time.monotonic() + timeout_s
        while self.mux_mode != mode:
            if time.monotonic() > deadline:
                raise RobotError(f"Waited {timeout_s:.0f} s for mode {mode}; it is {self.mux_mode!r}.")
            time.sleep(0.01)

    def forget_mux(self) -> None:
        """The mux is a new process: what the old one said last is not true any more."""
        self._mux.append((time.monotonic_ns(), "", ""))

    def close(self) -> None:
        self._is_closing.set()
        self._thread.join(2.0)
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()

    def _spin(self) -> None:
        priority.raise_thread(priority.LEVEL_ACTOR)
        priority.raise_others(priority.LEVEL_ACTOR)
        while not self._is_closing.is_set():
            self._executor.spin_once(timeout_sec=0.05)

    def _on_arm(self, message: Any) -> None:
        now_ns = time.monotonic_ns()
        values = {pair.key: pair.value for pair in message.values}
        begun_wall_ns = int(values.get("mode since", "0") or 0)
        begun_ns = begun_wall_ns - self._arm_clock() + now_ns if begun_wall_ns else 0
        self._arm.append((now_ns, message.message, begun_ns, values.get("cause", "")))

    def _on_mux(self, message: Any) -> None:
        values = {pair.key: pair.value for pair in message.values}
        self.blockers = values.get("blockers", "")
        self._mux.append((time.monotonic_ns(), message.message, values.get("cause", "")))

    def _on_mode(self, message: Any) -> None:
        if message.data != self.mux_mode:
            self._mux.append((time.monotonic_ns(), message.data, ""))
