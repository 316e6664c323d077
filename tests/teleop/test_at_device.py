"""A person at a device: who has control, what they say, and what becomes of it when the device goes."""

from __future__ import annotations

import numpy as np
import pytest
from input_doubles import ToyDevice

from robot.clock import ManualClock
from robot.errors import ConfigError
from robot.types import Label
from teleop.device_config import DeviceConfig
from teleop.person import AGAIN_S, PersonAtDevice

GAMEPAD = DeviceConfig(device="gamepad", dead_zone=0.0, curve=1.0)
TOUCH = DeviceConfig(device="gamepad", engages="touch", dead_zone=0.0, touch_on=0.3, touch_off=0.1, linger_s=0.2)


def at(config: DeviceConfig = GAMEPAD) -> tuple[ToyDevice, ManualClock, PersonAtDevice]:
    device, clock = ToyDevice(), ManualClock()
    person = PersonAtDevice(device, config, clock)
    person.connect()
    return device, clock, person


def wait(clock: ManualClock, seconds: float) -> None:
    clock.sleep_until(clock.now_ns() + round(seconds * 1e9))


def test_axes_count_while_the_button_is_held_and_only_then() -> None:
    device, _, person = at()
    device.axes[0] = 0.5
    assert not person.read().is_engaged
    assert not person.read().axes.any()
    device.pressed = frozenset({"right_shoulder"})
    sample = person.read()
    assert sample.is_engaged
    np.testing.assert_allclose(sample.axes, [0.5, 0, 0, 0, 0, 0])
    device.pressed = frozenset()
    assert not person.read().is_engaged


def test_a_button_that_was_held_from_the_beginning_does_not_engage() -> None:
    device, _, person = at()
    device.pressed = frozenset({"right_shoulder"})
    assert not person.read().is_engaged
    device.pressed = frozenset()
    person.read()
    device.pressed = frozenset({"right_shoulder"})
    assert person.read().is_engaged


def test_labels_are_what_their_buttons_say() -> None:
    device, _, person = at()
    for pressed, label in (("a", Label.SUCCESS), ("b", Label.FAILURE), ("y", Label.DISCARD)):
        device.pressed = frozenset({pressed})
        assert person.read().label is label
    device.pressed = frozenset()
    assert person.read().label is Label.NONE


def test_buttons_may_be_given_other_meanings() -> None:
    device, _, person = at(DeviceConfig(device="gamepad", buttons=("engage=a", "success=y")))
    person.read()
    device.pressed = frozenset({"a", "y"})
    sample = person.read()
    assert sample.is_engaged
    assert Label.SUCCESS in sample.label


def test_a_button_that_the_device_has_not_is_refused_with_the_near_ones() -> None:
    with pytest.raises(ConfigError, match=r"gamepad has no button 'right_shouldr' for engage\. Did you mean"):
        at(DeviceConfig(device="gamepad", buttons=("engage=right_shouldr",)))


def test_touch_takes_over_above_one_bound_and_lets_go_below_another_after_a_while() -> None:
    device, clock, person = at(TOUCH)
    found = []
    for seconds, deflection in (
        (0.0, 0.0),
        (0.02, 0.2),  # between the bounds: not yet
        (0.02, 0.4),
        (0.02, 0.2),  # between the bounds: still
        (0.02, 0.0),
        (0.1, 0.0),  # lingers
        (0.02, 0.2),
        (0.1, 0.0),
        (0.11, 0.0),
    ):
        wait(clock, seconds)
        device.axes[1] = deflection
        found.append(person.read().is_engaged)
    assert found == [False, False, True, True, True, True, True, True, False]


def test_touch_needs_to_have_seen_the_device_at_rest() -> None:
    device, _, person = at(TOUCH)
    device.axes[2] = 0.9
    assert not person.read().is_engaged
    device.axes[2] = 0.0
    person.read()
    device.axes[2] = 0.9
    assert person.read().is_engaged


def test_unplugged_the_person_has_let_go_and_it_is_looked_for_again() -> None:
    device, clock, person = at()
    person.read()
    device.pressed, device.axes = frozenset({"right_shoulder"}), np.full(6, 0.5)
    assert person.read().is_engaged
    device.is_plugged = False
    gone = person.read()
    assert (gone.is_engaged, gone.axes.any(), gone.label) == (False, False, Label.NONE)
    assert person.complaint == "The toy was unplugged."
    wait(clock, 1.1 * AGAIN_S)
    assert not person.read().is_engaged
    assert person.complaint == "No toy is plugged in."
    device.is_plugged = True
    assert not device.is_open
    assert not person.read().is_engaged  # not looked for yet
    wait(clock, 1.1 * AGAIN_S)
    assert not person.read().is_engaged  # still held: it has to be let go once
    assert person.complaint == ""
    device.pressed = frozenset()
    person.read()
    device.pressed = frozenset({"right_shoulder"})
    assert person.read().is_engaged


def test_a_device_that_is_not_there_at_first_is_no_error() -> None:
    device, clock = ToyDevice(), ManualClock()
    device.is_plugged = False
    person = PersonAtDevice(device, GAMEPAD, clock)
    person.connect()
    assert person.complaint == "No toy is plugged in."
    assert not person.read().is_engaged
    person.close()
    person.close()
