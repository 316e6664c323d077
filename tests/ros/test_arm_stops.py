"""What stops a moving arm in real time: the button, silence, frozen and old data, a clock that was set."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import WrenchStamped
from nodes_rig import DIRECT, Person, Rig, rigged, target, wait_for
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Header

from robot.arm_server import ArmServerConfig
from robot.homing import HomingConfig
from robot.nodes import messages
from robot.nodes.messages import to_time

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]


@pytest.fixture(name="rig")
def _rig():
    yield from rigged()


class SteppableClock:
    """A wall clock that somebody may set."""

    def __init__(self) -> None:
        self.offset_ns = 0

    def __call__(self) -> int:
        return time.time_ns() + self.offset_ns


def _is_stopped(rig: Rig, event: str, words: str) -> None:
    wait_for(lambda: rig.person.said("mux/status") == "soft_stop", "the soft stop")
    assert rig.person.said("mux/status", "event") == event
    assert words in rig.person.said("mux/status", "cause")
    wait_for(lambda: rig.person.said("arm/status") == "hold", "the arm to hold")


def test_the_button_latches_arm_and_mux_and_only_a_person_clears_them(rig: Rig):
    rig.up(rig.arm())
    rig.up(rig.mux())
    rig.bring_to("policy")
    rig.person.send("e_stop", Bool(data=True))
    wait_for(lambda: rig.person.said("arm/status") == "stop", "the arm to stop")
    wait_for(lambda: rig.person.said("mux/status") == "fault", "the mux to be at fault")
    assert rig.person.said("arm/status", "cause") == rig.person.said("mux/status", "cause") == "e_stop"
    for name in ("arm/reset_fault", "mux/clear_fault"):
        answer = rig.person.call(name)
        assert not answer.success
        assert "still pressed" in answer.message
    for name in ("arm/home", "mux/reset_begin", "mux/enable"):
        assert not rig.person.call(name).success
    rig.person.send("e_stop", Bool(data=False))
    time.sleep(0.2)
    assert rig.person.said("arm/status") == "stop"
    for name in ("mux/clear_fault", "arm/reset_fault", "mux/enable"):
        answer = rig.person.call(name)
        assert answer.success, answer.message
    rig.bring_to("policy")


def test_one_button_does_not_release_another(rig: Rig):
    rig.up(rig.arm())
    rig.up(rig.mux())
    profile = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    console = Person(rig.context, "console")
    quiet = PublisherEventCallbacks(use_default_callbacks=False)
    desk = rig.person.create_publisher(Bool, "e_stop", 1, event_callbacks=quiet)
    wall = console.create_publisher(Bool, "e_stop", profile, event_callbacks=quiet)

    def says(button: Any, is_pressed: bool, mode: str) -> None:
        def is_there() -> bool:
            button.publish(Bool(data=is_pressed))
            return rig.person.said("mux/status") == mode

        wait_for(is_there, f"the mux to be in {mode}")

    says(wall, True, "fault")
    says(desk, False, "fault")
    time.sleep(0.2)
    for name in ("mux/clear_fault", "arm/reset_fault"):
        assert rig.person.call(name).message == "e_stop is still pressed by console: release it first"
    console.destroy_publisher(wall)
    desk.publish(Bool(data=False))  # whose program has ended cannot release itself
    rig.person.call_until("arm/reset_fault")
    rig.person.call_until("mux/clear_fault")
    console.destroy_node()


def test_a_button_that_was_pressed_before_the_arm_came_counts(rig: Rig):
    rig.person.e_stop_latched()
    rig.up(rig.arm(DIRECT))
    wait_for(lambda: rig.person.said("arm/status") == "stop", "the arm to stop")


def test_a_command_expires_when_its_sender_falls_silent(rig: Rig):
    rig.up(rig.arm(DIRECT))
    wait_for(lambda: rig.person.count["current_pose"] > 0, "poses")
    rig.person.send("target_pose", target(rig.person.pose, -0.01))
    wait_for(lambda: rig.person.said("arm/status") == "follow", "the arm to follow")
    wait_for(lambda: rig.person.said("arm/status") == "hold", "the command to expire")
    assert rig.person.said("arm/status", "cause") == "no command for 1.0 s"


def test_the_policys_silence_is_a_soft_stop(rig: Rig):
    rig.up(rig.arm())
    rig.up(rig.mux())
    rig.bring_to("policy")
    _is_stopped(rig, "command_expired", "policy")


def test_the_arm_holds_when_the_mux_dies_while_it_homes(rig: Rig):
    arm = rig.up(rig.arm(config=ArmServerConfig(homing=HomingConfig(lift_s=9.0))))
    mux = rig.up(rig.mux())
    rig.bring_to("resetting")
    homing = rig.person.ask("arm/home")
    wait_for(lambda: rig.person.said("arm/status") == "homing", "the arm to home")
    rig.freeze(mux)
    wait_for(homing.done, "homing to end")
    assert not homing.result().success
    assert "the mux has been silent for 1.5 s" in homing.result().message
    assert arm._server.mode == "hold"


def test_the_arm_does_not_home_unless_the_mux_resets(rig: Rig):
    rig.up(rig.arm())
    assert "the mux has not been heard" in rig.person.call("arm/home").message
    rig.up(rig.mux())
    wait_for(lambda: rig.person.said("mux/status") in ("ready", "soft_stop"), "the mux")
    time.sleep(0.3)
    answer = rig.person.call("arm/home")
    assert not answer.success
    assert "the mux is in mode" in answer.message


def test_no_call_to_home_moves_an_arm_whose_mux_is_at_fault(rig: Rig):
    rig.up(rig.arm())
    rig.up(rig.mux())
    rig.bring_to("resetting")
    rig.person.call("mux/reset_failed")
    wait_for(lambda: rig.person.said("mux/status") == "fault", "the mux to be at fault")
    time.sleep(0.3)
    before = rig.person.pose.position
    for _ in range(4):
        assert not rig.person.call("arm/home").success
    assert np.abs(rig.person.pose.position - before).max() < 1e-3


def test_a_camera_that_repeats_itself_stops_the_policy_and_so_does_one_that_stops(rig: Rig):
    rig.up(rig.arm())
    rig.up(rig.mux(cameras=("front",)))
    count = 0

    def pulse(digest: str) -> None:
        nonlocal count
        count += 1
        header = Header(stamp=to_time(time.time_ns()), frame_id=digest or str(count))
        rig.person.send("policy/pulse", header, "/front/policy/pulse")

    rig.bring_to("policy", lambda: pulse(""))
    _until_stopped(rig, lambda: pulse("the same"))
    _is_stopped(rig, "sensor_frozen", "camera front has repeated itself")
    rig.bring_to("policy", lambda: pulse(""))
    _until_stopped(rig, lambda: None)
    _is_stopped(rig, "sensor_stale", "camera front has sent nothing")


def _until_stopped(rig: Rig, also: Callable[[], None]) -> None:
    """Let the policy go on until it is stopped."""

    def is_stopped() -> bool:
        also()
        rig.person.send("policy/target_pose", target(rig.person.pose))
        time.sleep(0.03)
        return rig.person.said("mux/status") == "soft_stop"

    wait_for(is_stopped, "the soft stop")


def test_an_arm_that_falls_silent_stops_the_policy(rig: Rig):
    arm = rig.up(rig.arm())
    rig.up(rig.mux())
    rig.bring_to("policy")
    rig.freeze(arm)
    _until_stopped(rig, lambda: None)
    assert rig.person.said("mux/status", "event") in ("node_silent", "sensor_stale")


def test_a_clock_that_is_set_stops_the_policy(rig: Rig):
    clock = SteppableClock()
    rig.up(rig.arm(wall=clock))
    rig.up(rig.mux(wall=clock))
    rig.bring_to("policy")
    clock.offset_ns = 500_000_000
    wait_for(lambda: rig.person.said("mux/status") == "soft_stop", "the soft stop")
    assert rig.person.said("mux/status", "event") == "clock_stepped"
    assert "+0.500 s" in rig.person.said("mux/status", "cause")
    wait_for(lambda: rig.person.said("arm/status") == "hold", "the arm to hold")
    assert rig.person.call_until("mux/reset_begin").success  # and goes on with the new time


def test_a_wrench_lasts_no_longer_than_a_command(rig: Rig):
    arm = rig.up(rig.arm(DIRECT))
    law = arm._server.law
    wait_for(lambda: rig.person.count["current_pose"] > 0, "poses")
    push = WrenchStamped()
    push.wrench.force.z = 5.0

    def follow(has_wrench: bool) -> None:
        rig.person.send("target_pose", target(rig.person.pose))
        push.header.stamp = to_time(time.time_ns())
        if has_wrench:
            rig.person.send("target_wrench", push)
        time.sleep(0.03)

    wait_for(lambda: follow(True) or law._gains.has_wrench, "the wrench to act")
    wait_for(lambda: follow(False) or not law._gains.has_wrench, "the wrench to end")


@pytest.mark.parametrize("name", ["target_wrench", "target_joint"])
def test_where_there_is_a_mux_nothing_moves_the_arm_past_it(rig: Rig, name: str):
    arm = rig.up(rig.arm())
    message = WrenchStamped() if name == "target_wrench" else JointState(position=[0.0] * 7)
    message.header.stamp = to_time(time.time_ns())
    wait_for(lambda: rig.person.send(name, message) or "past the mux" in arm._targets.why, "a refusal")


def test_stiffness_is_taken_live_and_refused_with_a_reason(rig: Rig):
    arm = rig.up(rig.arm(DIRECT))
    kind = messages.message_class("std_msgs/msg/Float64MultiArray")
    rig.person.send("target_stiffness", kind(data=[500.0, 500.0, 500.0, 30.0, 30.0, 30.0]))
    wait_for(lambda: np.isclose(arm._server.law._gains.stiffness[0], 500.0, atol=1.0), "the stiffness to arrive")
    rig.person.send("target_stiffness", kind(data=[1e9] * 6))
    wait_for(lambda: "must lie in" in rig.person.said("arm/status", "last refused because"), "the refusal")
