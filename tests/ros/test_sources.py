"""Two programs that send the same commands are both refused, by name; one that was killed does not count."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from nodes_rig import DIRECT, Person, Rig, rigged, target, wait_for

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]


@pytest.fixture(name="rig")
def _rig():
    yield from rigged()


def _sends_until_followed(rig: Rig, sender: Person) -> None:
    def is_followed() -> bool:
        sender.send("target_pose", target(rig.person.pose))
        return rig.person.said("arm/status") == "follow"

    wait_for(is_followed, "the arm to follow a single sender")


def test_two_senders_of_targets_are_both_refused_by_name_until_one_has_left(rig: Rig):
    rig.up(rig.arm(DIRECT))
    wait_for(lambda: rig.person.count["current_pose"] > 0, "poses")
    _sends_until_followed(rig, rig.person)
    second = rig.spin(Person(rig.context, "second_policy"))
    second.send("target_pose", target(rig.person.pose, 0.01))
    sentence = "target_pose has 2 publishers, person and second_policy: all are refused"

    def is_refused() -> bool:
        rig.person.send("target_pose", target(rig.person.pose, -0.01))
        second.send("target_pose", target(rig.person.pose, 0.01))
        return rig.person.said("arm/status", "cause") == sentence

    wait_for(is_refused, "both to be refused by name")
    wait_for(lambda: rig.person.said("arm/status") == "hold", "the arm to hold")
    for _ in range(20):
        is_refused()
    assert rig.person.said("arm/status") == "hold"
    rig.freeze(second)
    second.destroy_node()
    _sends_until_followed(rig, rig.person)


_OTHER = """
import sys
import rclpy
from geometry_msgs.msg import PoseStamped

rclpy.init(domain_id=int(sys.argv[1]))
node = rclpy.create_node("killed_policy", namespace="/panda")
publisher = node.create_publisher(PoseStamped, "target_pose", 1)
print("there", flush=True)
sys.stdin.read()
"""


def test_a_sender_that_was_killed_does_not_count(rig: Rig, tmp_path: Path):
    script = tmp_path / "other.py"
    script.write_text(textwrap.dedent(_OTHER))
    rig.up(rig.arm(DIRECT))
    wait_for(lambda: rig.person.count["current_pose"] > 0, "poses")
    _sends_until_followed(rig, rig.person)
    command = [sys.executable, str(script), str(rig.domain_id)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        try:

            def is_refused() -> bool:
                rig.person.send("target_pose", target(rig.person.pose))
                return "killed_policy" in rig.person.said("arm/status", "cause")

            wait_for(is_refused, "the second sender to be found")
        finally:
            other.send_signal(signal.SIGKILL)
            other.wait()
    assert rig.person.count_publishers("/panda/target_pose") == 2  # the middleware does not know yet
    _sends_until_followed(rig, rig.person)


_ONLY = """
import sys, time
import rclpy
from geometry_msgs.msg import PoseStamped

rclpy.init(domain_id=int(sys.argv[1]))
node = rclpy.create_node("killed_policy", namespace="/panda")
publisher = node.create_publisher(PoseStamped, "target_pose", 1)
while True:
    publisher.publish(PoseStamped())
    time.sleep(0.02)
"""


def test_the_only_sender_does_not_count_once_it_was_killed(rig: Rig, tmp_path: Path):
    script = tmp_path / "only.py"
    script.write_text(textwrap.dedent(_ONLY))
    rig.up(rig.arm(DIRECT))
    wait_for(lambda: rig.person.count["current_pose"] > 0, "poses")
    with subprocess.Popen([sys.executable, str(script), str(rig.domain_id)]) as only:
        try:
            wait_for(lambda: rig.person.count_publishers("/panda/target_pose") == 1, "the only sender")
            refused = rig.person.said("arm/status", "targets refused")
            wait_for(lambda: rig.person.said("arm/status", "targets refused") != refused, "its commands to arrive")
        finally:
            only.send_signal(signal.SIGKILL)
            only.wait()
    _sends_until_followed(rig, rig.person)
    assert rig.person.count_publishers("/panda/target_pose") == 2  # the middleware does not know yet


@pytest.mark.parametrize("row", ["mux/status", "arm/status"])
def test_who_speaks_in_the_name_of_mux_or_arm_stops_the_motion_and_is_named(rig: Rig, row: str):
    rig.up(rig.arm())
    rig.up(rig.mux())
    rig.bring_to("policy")
    liar = rig.spin(Person(rig.context, "liar"))
    names = " and ".join(sorted(["liar", row.split("/")[0]]))
    sentence = f"{row} has 2 publishers, {names}: all are refused"

    def is_stopped() -> bool:
        liar.send(row, rig.person.heard[row])
        rig.person.send("policy/target_pose", target(rig.person.pose))
        return sentence in (rig.person.said("mux/status", "cause"), rig.person.said("arm/status", "cause"))

    wait_for(is_stopped, "the stop by name")
    wait_for(lambda: rig.person.said("arm/status") == "hold", "the arm to hold")


def test_the_mux_stops_when_a_second_policy_speaks(rig: Rig):
    rig.up(rig.arm())
    rig.up(rig.mux())
    rig.bring_to("policy")
    second = rig.spin(Person(rig.context, "second_policy"))
    second.send("policy/target_pose", target(rig.person.pose))
    wait_for(lambda: rig.person.said("mux/status") == "soft_stop", "the soft stop")
    wait_for(lambda: "second_policy" in rig.person.said("mux/status", "cause"), "the name")
    assert rig.person.said("mux/status", "event") == "two_sources"
    wait_for(lambda: rig.person.said("arm/status") == "hold", "the arm to hold")
    assert not rig.person.call("mux/reset_begin").success
