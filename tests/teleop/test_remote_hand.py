"""A hand over the network moves an arm only while its word is fresh, and after a silence only when it grips anew."""

from __future__ import annotations

import numpy as np
import pytest

from robot.clock import ManualClock, to_ns
from robot.interfaces import InputDevice
from teleop.device_config import DeviceConfig
from teleop.person import PersonAtDevice
from teleop.remote_hand import FRESH_S, RemoteHand

AWAY = np.array([1.0, 0, 0, 0, 0, 0])
GRIP = frozenset({"engage"})


@pytest.fixture(name="clock")
def _clock() -> ManualClock:
    return ManualClock(1)


def test_it_is_an_input_device(clock: ManualClock) -> None:
    assert isinstance(RemoteHand(clock), InputDevice)


def test_a_fresh_word_counts_and_an_old_one_does_not(clock: ManualClock) -> None:
    hand = RemoteHand(clock)
    hand.take(AWAY, frozenset())
    hand.take(AWAY, GRIP)
    clock.sleep_until(clock.now_ns() + to_ns(FRESH_S))
    assert (hand.read().axes.tolist(), hand.read().buttons) == (AWAY.tolist(), GRIP)
    clock.sleep_until(clock.now_ns() + 1)
    assert (hand.read().axes.tolist(), hand.read().buttons) == ([0.0] * 6, frozenset())


def test_before_anybody_said_anything_it_is_at_rest(clock: ManualClock) -> None:
    assert not RemoteHand(clock).read().buttons


def test_who_comes_back_with_the_grip_held_does_not_move_the_arm_until_it_was_let_go(clock: ManualClock) -> None:
    hand = RemoteHand(clock)
    hand.take(AWAY, GRIP)  # the first word ever: nobody saw it pressed
    assert hand.read().buttons == frozenset()
    hand.take(AWAY, frozenset())
    hand.take(AWAY, GRIP)
    assert hand.read().buttons == GRIP
    clock.sleep_until(clock.now_ns() + to_ns(2 * FRESH_S))  # the page froze
    for _ in range(3):
        hand.take(AWAY, GRIP | {"success"})
        assert hand.read().buttons == {"success"}
        clock.sleep_until(clock.now_ns() + to_ns(0.02))
    hand.take(AWAY, frozenset())
    hand.take(AWAY, GRIP)
    assert hand.read().buttons == GRIP


def test_a_person_at_the_page_commands_like_any_other(clock: ManualClock) -> None:
    hand = RemoteHand(clock)
    person = PersonAtDevice(hand, DeviceConfig(device="browser"), clock)
    person.connect()
    assert person.complaint == ""
    hand.take(AWAY, frozenset())
    assert not person.read().is_engaged
    hand.take(AWAY, GRIP)
    sample = person.read()
    assert sample.is_engaged
    assert sample.axes.tolist() == AWAY.tolist()
    clock.sleep_until(clock.now_ns() + to_ns(2 * FRESH_S))
    assert not person.read().is_engaged
    person.close()
