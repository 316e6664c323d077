"""A policy whose commands are all refused is stopped and says why; one that is refused now and then is not."""

from __future__ import annotations

import dataclasses
import math
import time

import numpy as np
import pytest
from geometry_msgs.msg import PoseStamped
from nodes_rig import ACTIONS, PATIENT, REALTIME, Rig, rigged, target, wait_for
from rclpy.lifecycle import TransitionCallbackReturn

from robot.nodes import messages

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]
BRISK = dataclasses.replace(PATIENT, command_expiry_s=0.5)


@pytest.fixture(name="rig")
def _rig():
    yield from rigged()


def _send(rig: Rig, is_good: bool) -> None:
    message = target(rig.person.pose)
    if not is_good:
        message.pose.position.x = math.nan
    rig.person.send("policy/target_pose", message)


def test_a_policy_of_nothing_but_nan_is_stopped_and_the_cause_says_so(rig: Rig):
    rig.up(rig.arm())
    rig.up(rig.mux(BRISK))
    rig.bring_to("policy")

    def is_stopped() -> bool:
        _send(rig, is_good=False)
        return rig.person.said("mux/status") == "soft_stop"

    wait_for(is_stopped, "the soft stop")
    assert "refused" in rig.person.said("mux/status", "cause")
    assert "NaN" in rig.person.said("mux/status", "cause")
    assert rig.person.said("mux/status", "event") == "command_expired"
    wait_for(lambda: rig.person.said("arm/status") == "hold", "the arm to hold")


def test_a_nan_now_and_then_stops_nothing(rig: Rig):
    rig.up(rig.arm())
    rig.up(rig.mux(BRISK))
    rig.bring_to("policy")
    until = time.monotonic() + 3.0 * BRISK.command_expiry_s
    tick = 0
    while time.monotonic() < until:
        tick += 1
        _send(rig, is_good=tick % 3 == 0)
        time.sleep(0.02)
    assert rig.person.said("mux/status") == "policy"


def test_what_the_arm_refuses_for_its_senders_stops_the_mux_as_well(rig: Rig):
    rig.up(rig.arm())
    mux = rig.up(rig.mux())
    rig.bring_to("policy")
    cause = "target_pose has 2 publishers, mux and stranger: all are refused"
    status = rig.person.heard["arm/status"]
    for pair in status.values:
        if pair.key == "cause":
            pair.value = cause
    mux._watch.take_arm_status(status)  # as the arm would say it before the middleware tells the mux

    def is_stopped() -> bool:
        _send(rig, is_good=True)
        return rig.person.said("mux/status", "event") == "two_sources"

    wait_for(is_stopped, "the soft stop")
    assert rig.person.said("mux/status", "cause") == cause
    wait_for(lambda: rig.person.said("mux/status", "blockers") == "", "the blocker to go by itself")


def test_calls_that_change_nothing_do_not_keep_a_silent_policy_in_control(rig: Rig):
    rig.up(rig.arm())
    rig.up(rig.mux(BRISK))
    rig.bring_to("policy")

    def is_stopped() -> bool:
        assert not rig.person.call("mux/clear_fault").success
        return rig.person.said("mux/status") == "soft_stop"

    wait_for(is_stopped, "the soft stop", 5.0 * BRISK.command_expiry_s)


def test_a_policy_alone_does_not_go_on_after_the_mux_was_deactivated_and_activated(rig: Rig):
    rig.up(rig.arm())
    mux = rig.up(rig.mux())
    rig.bring_to("policy")
    assert mux.trigger_deactivate() is TransitionCallbackReturn.SUCCESS
    assert mux.trigger_activate() is TransitionCallbackReturn.SUCCESS
    for _ in range(20):
        _send(rig, is_good=True)
        time.sleep(0.02)
        assert rig.person.said("mux/status") in ("disabled", "ready", "soft_stop")
    assert rig.person.said("mux/status") == "soft_stop"


@pytest.mark.parametrize("step_s", [-5.0, 5.0])
def test_a_clock_that_was_set_while_a_person_moves_is_the_cause_not_the_persons_device(rig: Rig, step_s: float):
    rig.up(rig.arm())
    offset_ns = 0
    rig.up(rig.mux(wall=lambda: time.time_ns() + offset_ns))
    rig.bring_to("policy")

    def move(is_pressed: bool) -> None:
        now_ns = time.time_ns()
        rig.person.send("teleop/joy", messages.from_axes(np.zeros(6), (int(is_pressed), 0, 0, 0), now_ns))
        twist = ACTIONS.twist_from_axes(np.full(6, 0.1), REALTIME.period_s)
        rig.person.send("teleop/twist", messages.from_twist(twist, now_ns, "panda_base"))
        _send(rig, is_good=True)
        time.sleep(0.002)

    for _ in range(50):  # only the newest is kept for the mux
        move(is_pressed=False)
    wait_for(lambda: move(True) or rig.person.said("mux/status") == "human", "the person's turn")
    offset_ns = round(1e9 * step_s)
    wait_for(lambda: move(True) or rig.person.said("mux/status") != "human", "the stop")
    assert rig.person.said("mux/status", "cause") == f"the clock was set by {step_s:+.3f} s"
    assert rig.person.said("mux/status", "event") == "clock_stepped"


def test_a_second_arm_of_the_same_name_stops_the_motion(rig: Rig):
    rig.up(rig.arm())
    rig.up(rig.mux())
    rig.bring_to("policy")
    liar = rig.person.create_publisher(PoseStamped, "current_pose", 1)

    def is_stopped() -> bool:
        _send(rig, is_good=True)
        return rig.person.said("mux/status", "event") == "two_sources"

    wait_for(is_stopped, "the soft stop")
    assert "current_pose has 2 publishers, arm and person" in rig.person.said("mux/status", "cause")
    rig.person.destroy_publisher(liar)
