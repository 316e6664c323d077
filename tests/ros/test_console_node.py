"""The console's node: what the page says goes into the graph, what the graph says can be shown, and a stop latches."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from nodes_rig import ACTIONS, REALTIME, Rig, rigged, target, wait_for
from std_msgs.msg import String

from robot.clock import SystemClock
from robot.labels import HAND_BUTTONS
from robot.nodes import messages
from robot.nodes.console import UNDONE, ConsoleNode
from robot.nodes.teleop import DeviceNode
from robot.types import Source
from teleop.device_config import DeviceConfig
from teleop.person import PersonAtDevice
from teleop.remote_hand import RemoteHand

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]
EPISODES = [{"index": 0, "success": 1, "human": 0.25, "steps": 12}]
AWAY = np.array([1.0, 0, 0, 0, 0, 0])
GRIP = frozenset({"engage"})


class Page:
    """A server that serves nobody."""

    is_up = False

    def start(self) -> None:
        self.is_up = True

    def close(self) -> None:
        self.is_up = False


@pytest.fixture(name="rig")
def _rig() -> Iterator[Rig]:
    yield from rigged()


def console(rig: Rig, page: Page | None = None) -> ConsoleNode:
    node = ConsoleNode(REALTIME, (), lambda _: page or Page(), lambda: EPISODES, context=rig.context)
    rig.up(node)
    return node


def test_what_the_page_says_is_published(rig: Rig) -> None:
    page = Page()
    node = console(rig, page)
    assert page.is_up
    for name in ("console/hand", "console/say"):
        rig.person.listen(name)
    wait_for(lambda: node._hand.get_subscription_count() and node._say.get_subscription_count(), "who listens")
    node.hand(AWAY, frozenset({"engage", "discard"}))
    wait_for(lambda: rig.person.heard["console/hand"], "the hand")
    said = rig.person.heard["console/hand"]
    assert list(said.axes) == AWAY.tolist()
    assert dict(zip(HAND_BUTTONS, said.buttons, strict=True)) == {"engage": 1, "success": 0, "failure": 0, "discard": 1}
    assert abs(time.time_ns() - messages.stamp_of(said)) < 5e9
    node.say("note", "slipped")
    wait_for(lambda: rig.person.heard["console/say"], "the note")
    assert json.loads(rig.person.heard["console/say"].data) == {"say": "note", "text": "slipped"}
    rig.freeze(node)
    node.destroy_node()
    assert not page.is_up


def test_an_emergency_stop_latches_until_it_is_cleared(rig: Rig) -> None:
    rig.up(rig.arm())
    rig.up(rig.mux())
    node = console(rig)
    rig.bring_to("policy")
    node.press_e_stop()
    wait_for(lambda: rig.person.said("mux/status") == "fault", "the fault")
    wait_for(lambda: node.view()["mode"] == "fault" and "e_stop" in node.view()["cause"], "the view of it")
    assert not rig.person.call("mux/clear_fault").success, "who has pressed has to let go first"
    answers: list[str] = []
    done = threading.Event()
    node.clear_faults(lambda told: (answers.append(told), done.set()))
    assert done.wait(20.0)
    assert answers == ["Cleared: a reset or a person may begin."]
    # the arm's word of its stop may have been under way still: then a reset or a person begins from a soft stop
    wait_for(lambda: not rig.person.said("mux/status", "blockers"), "the blockers to go")
    wait_for(lambda: rig.person.said("mux/status") in ("ready", "soft_stop"), "the fault to be gone")
    assert rig.person.call_until("mux/reset_begin").success


def test_clearing_where_nothing_can_be_cleared_says_so(rig: Rig) -> None:
    node = console(rig)
    answers: list[str] = []
    node.clear_faults(answers.append)
    wait_for(lambda: answers, "the answer")
    assert answers == ["Not cleared: arm/reset_fault is not there."]


def test_an_arm_is_driven_from_the_page_and_holds_when_the_page_is_silent(rig: Rig) -> None:
    rig.up(rig.arm())
    rig.up(rig.mux())
    node = console(rig)
    hand = RemoteHand(SystemClock())
    person = PersonAtDevice(hand, DeviceConfig(device="browser"), SystemClock())
    rig.up(DeviceNode(REALTIME, person, ACTIONS, context=rig.context, remote=hand))
    rig.person.listen("intervention")
    rig.bring_to("policy")
    start = rig.person.pose.position[0]

    def grip_anew() -> None:
        """Whatever a busy machine has let go of, or when first: the dead-man counts once it was seen released."""
        node.hand(AWAY, frozenset())
        time.sleep(0.05)

    def push() -> None:
        if rig.person.said("mux/status") == "policy":
            grip_anew()
        hold()

    def hold() -> None:
        node.hand(AWAY, GRIP)
        rig.person.send("policy/target_pose", target(rig.person.pose))
        time.sleep(0.02)

    wait_for(lambda: push() or rig.person.pose.position[0] > start + 0.02, "the arm to follow")
    assert Source(rig.person.heard["intervention"].buttons[0]) is Source.HUMAN
    wait_for(lambda: node.view()["mode"] == "human", "the view of it")

    # the page says nothing any more, and its policy goes on
    def go_on() -> None:
        rig.person.send("policy/target_pose", target(rig.person.pose))
        time.sleep(0.02)

    wait_for(lambda: go_on() or rig.person.said("mux/status") == "policy", "the hand to have let go")
    # it speaks again with the dead-man still held
    for _ in range(30):
        hold()
        assert rig.person.said("mux/status") != "human"


def test_what_is_known_of_episodes_is_shown(rig: Rig) -> None:
    node = console(rig)
    wait_for(lambda: node.view()["news_of_episodes"] == 1, "the episodes")
    assert node.episodes() == EPISODES
    view: dict[str, Any] = node.view()
    assert json.loads(json.dumps(view)) == view, "the view is JSON"
    assert node.picture("front") is None


def test_what_the_session_answers_to_an_undo_is_shown_and_ends_no_episode(rig: Rig) -> None:
    node = console(rig)
    rig.person.send("episode/event", String(data='{"event": "start", "stamp_ns": 1}'))
    wait_for(lambda: node.view()["episode"].get("is_running"), "the episode")
    for number, (event, text) in enumerate(UNDONE.items(), start=1):
        rig.person.send("episode/event", String(data=json.dumps({"event": event, "stamp_ns": 2})))
        told = {"number": number, "text": text}
        wait_for(lambda told=told: node.view().get("told") == told, "the answer")
    assert node.view()["episode"]["is_running"]
