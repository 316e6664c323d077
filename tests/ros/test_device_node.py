"""The teleop node with a real device: what the hand does is told, and a device that goes lets the arm hold."""

from __future__ import annotations

import time

import numpy as np
import pytest
from nodes_rig import ACTIONS, REALTIME, Rig, rigged, target, wait_for

from robot.clock import SystemClock
from robot.interfaces import DeviceSample
from robot.nodes import messages
from robot.nodes.teleop import DeviceNode
from robot.se3 import Pose
from robot.types import Label, Source
from teleop.device_config import DeviceConfig
from teleop.leader import PersonAtLeader

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]


class Hand:
    """A person as `DeviceNode` sees one."""

    def __init__(self) -> None:
        self.sample = DeviceSample(np.zeros(6), False, Label.NONE)
        self.complaint = ""
        self.is_open = False

    def connect(self) -> None:
        self.is_open = True

    def read(self) -> DeviceSample:
        assert self.is_open, "read before connect"
        return self.sample

    def close(self) -> None:
        self.is_open = False

    def push(self, x: float, label: Label = Label.NONE) -> None:
        self.sample = DeviceSample(np.array([x, 0, 0, 0, 0, 0]), True, label)

    def lose(self) -> None:
        """Be unplugged."""
        self.complaint, self.sample = "It was unplugged.", DeviceSample(np.zeros(6), False, Label.NONE)


@pytest.fixture(name="rig")
def _rig():
    yield from rigged()


def test_twist_buttons_and_dead_man_are_what_the_hand_does(rig: Rig) -> None:
    hand = Hand()
    node = rig.up(DeviceNode(REALTIME, hand, ACTIONS, context=rig.context))
    for name in ("teleop/twist", "teleop/joy", "teleop/engaged"):
        rig.person.listen(name)
    wait_for(lambda: rig.person.count["teleop/joy"] > 3, "the hand at rest")
    assert list(rig.person.heard["teleop/joy"].buttons) == [0, 0, 0, 0]
    assert not rig.person.heard["teleop/engaged"].data
    hand.push(0.5, Label.SUCCESS | Label.DISCARD)
    wait_for(lambda: list(rig.person.heard["teleop/joy"].buttons) == [1, 1, 0, 1], "the buttons")
    wait_for(lambda: rig.person.heard["teleop/engaged"].data, "the dead-man")
    twist = rig.person.heard["teleop/twist"]
    assert twist.twist.linear.x == pytest.approx(0.5 * 0.02 / REALTIME.period_s)
    assert twist.header.frame_id == REALTIME.base_frame
    rig.freeze(node)
    node.destroy_node()
    assert not hand.is_open


def test_a_label_on_the_console_counts_beside_another_device_and_drives_nothing(rig: Rig) -> None:
    hand = Hand()
    rig.up(DeviceNode(REALTIME, hand, ACTIONS, context=rig.context))
    rig.person.listen("teleop/joy")
    hand.push(0.5, Label.DISCARD)
    said = messages.from_axes(np.ones(6), (1, 0, 1, 0), time.time_ns())  # a page that claims to drive, and a failure

    def buttons(is_told: bool) -> list[int]:
        if is_told:
            rig.person.send("console/hand", said)
        return list(rig.person.heard["teleop/joy"].buttons)

    wait_for(lambda: rig.person.count["teleop/joy"] > 3, "the hand")
    wait_for(lambda: buttons(is_told=True) == [1, 0, 1, 1], "both labels")
    assert rig.person.heard["teleop/joy"].axes[0] == pytest.approx(0.5)
    wait_for(lambda: buttons(is_told=False) == [1, 0, 0, 1], "the console's label to be over")


def test_who_takes_over_within_a_step_does_not_wait_for_its_end_and_has_it_labelled(rig: Rig) -> None:
    hand = Hand()
    rig.up(rig.arm())
    rig.up(rig.mux())
    rig.up(DeviceNode(REALTIME, hand, ACTIONS, context=rig.context))
    rig.person.listen("intervention")
    rig.bring_to("policy")
    said = rig.person.heard["intervention"]
    assert Source(said.buttons[0]) is Source.POLICY
    hand.push(1.0)  # and the policy says nothing any more
    wait_for(lambda: Source(rig.person.heard["intervention"].buttons[0]) is Source.HUMAN, "the label")
    taken = rig.person.heard["intervention"]
    assert messages.stamp_of(taken) == messages.stamp_of(said), "the label is that of the step under way"
    assert 0.0 < taken.axes[0] <= 1.0


def test_the_arm_goes_where_it_is_pushed_and_holds_when_the_device_is_gone(rig: Rig) -> None:
    hand = Hand()
    rig.up(rig.arm())
    rig.up(rig.mux())
    rig.up(DeviceNode(REALTIME, hand, ACTIONS, context=rig.context))
    rig.bring_to("policy")
    start = rig.person.pose.position[0]
    hand.push(1.0)

    def goes_on() -> None:
        rig.person.send("policy/target_pose", target(rig.person.pose))
        time.sleep(0.03)

    def has_moved() -> bool:
        goes_on()
        return rig.person.said("mux/status") == "human" and rig.person.pose.position[0] > start + 0.03

    wait_for(has_moved, "the arm to go where the person pushes it")
    hand.lose()
    wait_for(lambda: goes_on() or rig.person.said("mux/status") == "policy", "the person to have let go")
    wait_for(
        lambda: (
            goes_on()
            or any(
                value.value == "It was unplugged."
                for status in rig.person.diagnostics.values()
                if status.name.endswith("teleop")
                for value in status.values
            )
        ),
        "the diagnostics to tell",
    )
    held = rig.person.pose.position[0]
    for _ in range(20):
        goes_on()
    assert abs(rig.person.pose.position[0] - held) < 5e-3


def test_the_arm_makes_the_way_of_a_leader_and_holds_when_that_is_silent(rig: Rig) -> None:
    clock = SystemClock()
    person = PersonAtLeader(DeviceConfig(device="leader"), ACTIONS.reach, clock)
    rig.up(rig.arm())
    rig.up(rig.mux())
    rig.up(DeviceNode(REALTIME, person, ACTIONS, context=rig.context, leader=person))
    rig.bring_to("policy")
    start = rig.person.pose.position.copy()
    way = 0.0

    def moves(until_m: float) -> float:
        nonlocal way
        way = min(way + 0.002, until_m)
        pose = Pose(np.array([way, 0.3, -0.1]), np.array([0.0, 0.0, 0.0, 1.0]))
        rig.person.send("leader/pose", messages.from_pose(pose, time.time_ns(), "another_base"))
        rig.person.send("policy/target_pose", target(rig.person.pose))
        time.sleep(0.02)
        return float(rig.person.pose.position[0] - start[0])

    for _ in range(20):
        moves(0.0)
    wait_for(lambda: moves(0.05) > 0.03, "the arm to follow")
    assert abs(rig.person.pose.position[1] - start[1]) < 0.01
    rig.person.listen("teleop/engaged")
    wait_for(lambda: rig.person.count["teleop/engaged"] and not rig.person.heard["teleop/engaged"].data, "to let go")
    assert person.complaint == "The leader arm tells no pose."
    for spoilt in (np.full(3, np.nan), np.zeros(3)):
        wrong = Pose(spoilt, np.array([0.0, 0.0, 0.0, 1.0 if np.isnan(spoilt[0]) else 0.2]))
        for _ in range(10):
            rig.person.send("leader/pose", messages.from_pose(wrong, time.time_ns(), "another_base"))
            time.sleep(0.02)
        assert person.complaint, "what is no pose is not heard"
