"""Gripper and recorder nodes in this process, over real topics and services, from a plain node beside them."""

from __future__ import annotations

import importlib
import math
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rclpy.context import Context
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_system_default
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Float64MultiArray, String
from std_srvs.srv import Trigger

from drivers.sim_gripper import SimGripper, SimGripperConfig
from robot.nodes.base import Graph, NudgeNode
from robot.nodes.gripper import GripperNode
from robot.nodes.recorder import RecorderNode
from robot.nodes.spin import turn
from robot.raw_log import RawLogLimits
from robot.topics import TOPICS
from sessions.domain import Domain

pytestmark = pytest.mark.ros

REALTIME = Graph(is_lockstep=False)
VOLATILE = QoSProfile(depth=1)
LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
TIMEOUT_S = 20.0


class Bench:
    """One node under test and a client beside it, in a domain of their own, both on this thread."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.client: Node = rclpy.create_node("client", namespace="panda", context=context)
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.client)
        self.node: Any = None
        self.heard: dict[str, Any] = {}

    def bring_up(self, node: NudgeNode) -> None:
        self.node = node
        node.bring_up()
        self.executor.add_node(node)

    def listen(self, kind: Any, name: str, qos: QoSProfile = qos_profile_system_default) -> None:
        self.client.create_subscription(kind, name, lambda m: self.heard.__setitem__(name, m), qos)

    def until(self, is_done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while not is_done():
            assert time.monotonic() < deadline
            turn(self.executor, self.node, 0.02)

    def call(self, name: str) -> Any:
        client = self.client.create_client(Trigger, name)
        self.until(client.service_is_ready)
        future = client.call_async(Trigger.Request())
        self.until(future.done)
        return future.result()

    def publish_until(
        self, kind: Any, name: str, message: Any, is_done: Callable[[], bool], qos: QoSProfile = VOLATILE
    ) -> None:
        # a profile that does not suit every subscription of a row is no news here, and its warning would be an error
        quiet = PublisherEventCallbacks(use_default_callbacks=False)
        publisher = self.client.create_publisher(kind, name, qos, event_callbacks=quiet)
        self.until(lambda: publisher.get_subscription_count() > 0)

        def is_done_now() -> bool:
            publisher.publish(message)
            return is_done()

        self.until(is_done_now)
        self.client.destroy_publisher(publisher)

    def told(self, key: str) -> str:
        """Return a value of the node's own diagnostics."""
        array = self.heard.get("/diagnostics")
        return "" if array is None else {v.key: v.value for v in array.status[0].values}.get(key, "")

    def close(self) -> None:
        self.executor.shutdown()
        if self.node is not None:
            self.node.destroy_node()
        self.client.destroy_node()


@pytest.fixture
def bench() -> Iterator[Bench]:
    with warnings.catch_warnings():
        # a parser that rclpy loads with its first message takes a module that Python is about to drop
        warnings.filterwarnings("ignore", "module 'sre_.*' is deprecated", DeprecationWarning)
        importlib.import_module("rosidl_generator_py")
    with pytest.MonkeyPatch.context() as patch, Domain() as domain:
        for name, value in domain.environment.items():
            patch.setenv(name, value)
        context = Context()
        context.init(domain_id=domain.id)
        made = Bench(context)
        made.listen(DiagnosticArray, "/diagnostics")
        try:
            yield made
        finally:
            made.close()
            context.try_shutdown()


def _gripper(bench: Bench, **settings: float) -> None:
    config = SimGripperConfig(speed_m_s=0.4, **settings)
    bench.listen(JointState, "gripper/joint_states")
    bench.bring_up(GripperNode(REALTIME, lambda clock: SimGripper(config, clock), 30.0, context=bench.context))


@pytest.mark.parametrize("name", ["gripper/command", "gripper/gripper_position_controller/commands"])
def test_the_gripper_goes_to_the_opening_that_its_client_asks_for(bench: Bench, name: str) -> None:
    _gripper(bench)

    def opening() -> float:
        return bench.heard["gripper/joint_states"].position[0] if "gripper/joint_states" in bench.heard else 1.0

    bench.publish_until(Float64MultiArray, name, Float64MultiArray(data=[0.25]), lambda: opening() < 0.2500001)
    state = bench.heard["gripper/joint_states"]
    assert list(state.name) == ["gripper_opening", "gripper_width"]
    assert list(state.position) == pytest.approx([0.25, 0.02])
    assert bench.call("gripper/home").success
    bench.until(lambda: opening() == 1.0)


@pytest.mark.parametrize("data", [[math.nan], [2.0], [], [0.0, 0.0]])
def test_the_gripper_refuses_and_counts_what_is_no_command(bench: Bench, data: list[float]) -> None:
    _gripper(bench)
    reason = {0: "not one value", 2: "not one value"}.get(
        len(data), "not finite" if math.isnan(sum(data)) else "out of [0, 1]"
    )
    message = Float64MultiArray(data=data)
    bench.publish_until(Float64MultiArray, "gripper/command", message, lambda: bench.told(f"refused: {reason}") != "")
    assert bench.heard["gripper/joint_states"].position[1] == 0.08


@pytest.mark.parametrize("qos", [VOLATILE, LATCHED], ids=["volatile", "latched"])
def test_the_gripper_tells_what_it_holds_and_an_emergency_stop_latches(bench: Bench, qos: QoSProfile) -> None:
    _gripper(bench, object_width_m=0.03)
    state = bench.heard
    shut = Float64MultiArray(data=[0.0])
    bench.publish_until(
        Float64MultiArray,
        "gripper/command",
        shut,
        lambda: "gripper/joint_states" in state and state["gripper/joint_states"].effort[0] == 30.0,
    )
    assert state["gripper/joint_states"].position[1] == 0.03
    bench.publish_until(Bool, "e_stop", Bool(data=True), lambda: bench.told("gripper") == "emergency stop", qos)
    wide = Float64MultiArray(data=[1.0])
    bench.publish_until(Float64MultiArray, "gripper/command", wide, lambda: bench.told("refused: fault") != "")
    assert state["gripper/joint_states"].position[1] == 0.03
    assert not bench.call("gripper/home").success
    assert "still pressed" in bench.call("gripper/reset_fault").message
    bench.publish_until(Bool, "e_stop", Bool(data=False), lambda: bench.call("gripper/reset_fault").success, qos)
    bench.publish_until(
        Float64MultiArray, "gripper/command", wide, lambda: state["gripper/joint_states"].position[1] == 0.08
    )


def _recorder(bench: Bench, folder: Path, limits: RawLogLimits) -> Callable[[], str]:
    skip = tuple(name for name in TOPICS if name not in ("current_pose", "mode", "policy/image"))
    bench.listen(String, "recorder/state", LATCHED)
    bench.bring_up(RecorderNode(REALTIME, ("front",), folder, skip, limits, {}, context=bench.context))
    return lambda: bench.heard["recorder/state"].data if "recorder/state" in bench.heard else ""


def _read(path: Path) -> list[tuple]:
    with path.open("rb") as file:
        return list(make_reader(file, decoder_factories=[DecoderFactory()]).iter_decoded_messages())


def test_the_recorder_writes_what_it_hears_and_starts_and_stops_when_asked(bench: Bench, tmp_path: Path) -> None:
    state = _recorder(bench, tmp_path / "raw", RawLogLimits(reserve_mb=0))
    bench.until(lambda: state().startswith("recording: "))
    first = Path(state().removeprefix("recording: "))
    pose = PoseStamped()
    pose.header.stamp.sec, pose.header.stamp.nanosec, pose.pose.position.z = 12, 34, 0.5
    bench.publish_until(PoseStamped, "current_pose", pose, lambda: int(bench.told("messages written") or 0) >= 5)
    assert not bench.call("recorder/start").success
    answer = bench.call("recorder/stop")
    assert answer.success
    assert answer.message == str(first)
    bench.until(lambda: state() == "idle")
    read = _read(first)
    assert len(read) >= 5
    assert {channel.topic for _, channel, *_ in read} == {"/panda/current_pose"}
    assert {(m.publish_time, ros.pose.position.z) for _, _, m, ros in read} == {(12_000_000_034, 0.5)}
    now_ns = time.time_ns()
    assert all(now_ns - 60e9 < m.log_time <= now_ns for _, _, m, _ in read)

    assert not bench.call("recorder/stop").success
    second = Path(bench.call("recorder/start").message)
    assert second != first
    assert second.exists()
    assert bench.call("recorder/discard").success
    bench.until(lambda: state() == "idle")
    assert list(tmp_path.glob("raw/*")) == [first]


def test_a_recorder_without_space_says_so_and_lives(bench: Bench, tmp_path: Path) -> None:
    state = _recorder(bench, tmp_path, RawLogLimits(flush_s=0.05, reserve_mb=10**6))
    bench.until(lambda: state().startswith("failed: "))
    assert "free some space" in state()
    bench.until(lambda: bench.told("log") == state())
    assert bench.heard["/diagnostics"].status[0].message in state()
    assert bench.node.state == "active"
