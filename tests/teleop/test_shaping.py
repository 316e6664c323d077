"""The feel of a device: laws of dead zone, curve, calibration and of the way that a person looks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot.errors import ConfigError
from teleop.device_config import DeviceConfig
from teleop.shaping import Shaper

AXES = st.lists(st.floats(-1.5, 1.5), min_size=6, max_size=6).map(np.array)
FEELS = st.builds(
    DeviceConfig,
    dead_zone=st.floats(0.0, 0.5),
    curve=st.floats(0.5, 3.0),
    gain=st.floats(0.05, 1.0),
    facing_deg=st.floats(-180.0, 180.0),
)


@given(AXES, FEELS)
def test_no_deflection_leaves_its_bounds_and_the_opposite_one_gives_the_opposite(axes, feel) -> None:
    found = Shaper(feel)(axes)
    for part in (found[:3], found[3:]):
        assert np.linalg.norm(part) <= feel.gain * (1 + 1e-9)
    np.testing.assert_allclose(Shaper(feel)(-axes), -found, atol=1e-12)


@given(AXES, FEELS)
def test_what_is_within_the_dead_zone_does_nothing_and_from_its_edge_on_it_begins_at_nothing(axes, feel) -> None:
    length = np.linalg.norm(axes[:3])
    if length == 0.0:
        return
    inside, edge = (axes.copy() for _ in range(2))
    inside[:3] *= 0.999 * feel.dead_zone / length
    edge[:3] *= (feel.dead_zone + 1e-9) / length
    assert not Shaper(feel)(inside)[:3].any()
    assert np.linalg.norm(Shaper(feel)(edge)[:3]) < 1e-3


@given(AXES, FEELS, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_farther_is_never_slower_and_the_direction_stays(axes, feel, one, other) -> None:
    less, more = sorted((one, other))
    slow, fast = Shaper(feel)(less * np.clip(axes, -1, 1)), Shaper(feel)(more * np.clip(axes, -1, 1))
    assert np.linalg.norm(slow[:3]) <= np.linalg.norm(fast[:3]) + 1e-12
    turned = Shaper(DeviceConfig(dead_zone=0.0, curve=1.0, facing_deg=feel.facing_deg))(np.clip(axes, -1, 1))
    assert np.linalg.norm(np.cross(fast[:3], turned[:3])) < 1e-9


def test_full_deflection_gives_the_gain_and_half_of_it_what_the_formula_says() -> None:
    shaper = Shaper(DeviceConfig(dead_zone=0.2, curve=2.0, gain=0.8))
    np.testing.assert_allclose(shaper(np.array([1.0, 0, 0, 0, 0, -1.0])), [0.8, 0, 0, 0, 0, -0.8])
    np.testing.assert_allclose(shaper(np.array([0, 0.5, 0, 0, 0, 0])), [0, 0.8 * (0.3 / 0.8) ** 2, 0, 0, 0, 0])


def test_centre_and_reach_are_taken_out() -> None:
    shaper = Shaper(DeviceConfig(centre=(0.1, 0, 0, 0, 0, 0), reach=(0.5, 1, 1, 1, 1, 1), dead_zone=0.0, curve=1.0))
    np.testing.assert_allclose(shaper(np.array([0.1, 0, 0, 0, 0, 0])), np.zeros(6))
    np.testing.assert_allclose(shaper(np.array([0.6, 0, 0, 0, 0, 0]))[0], 1.0)
    np.testing.assert_allclose(shaper(np.array([-0.4, 0, 0, 0, 0, 0]))[0], -1.0)


def test_who_stands_face_to_face_with_the_robot_pushes_it_away_from_themselves() -> None:
    shaper = Shaper(DeviceConfig(dead_zone=0.0, curve=1.0, facing_deg=180.0))
    np.testing.assert_allclose(shaper(np.array([1.0, 0, 0, 0, 0, 0])), [-1, 0, 0, 0, 0, 0], atol=1e-12)
    side = Shaper(DeviceConfig(dead_zone=0.0, curve=1.0, facing_deg=90.0))
    np.testing.assert_allclose(side(np.array([1.0, 0, 0, 1.0, 0, 0])), [0, 1, 0, 0, 1, 0], atol=1e-12)


def test_what_is_no_number_is_at_rest() -> None:
    found = Shaper(DeviceConfig(dead_zone=0.0, curve=1.0))(np.array([np.nan, np.inf, 0.5, -np.inf, 0, 0]))
    np.testing.assert_allclose(found, [0, 0, 0.5, 0, 0, 0])


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"centre": (0.0, 0.0)}, "six numbers, x y z rx ry rz; found 2"),
        ({"touch_on": 0.1, "touch_off": 0.1}, "touch_off must be below touch_on"),
        (
            {"buttons": ("engage",)},
            "meaning=button with a meaning of engage, success, failure, discard; found 'engage'",
        ),
        ({"buttons": ("jump=left",)}, "found 'jump=left'"),
        ({"device": "wheel"}, "must be one of simulated, spacemouse, .*, browser, leader; found 'wheel'"),
    ],
)
def test_a_feel_that_cannot_be_is_refused(values, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        DeviceConfig(**values)
