"""Gain sets state their bounds; live changes come in smoothly and never past a bound."""

from __future__ import annotations

import math

import numpy as np
import pytest

from robot.errors import ConfigError
from robot.gains import GAIN_SETS, GainSet, Impact, contact_gains, free_gains, precise_gains
from robot.impedance import CartesianImpedance, ImpedanceConfig
from robot.live_gains import LiveGains

SETS = {"free": free_gains(), "contact": contact_gains(), "precise": precise_gains()}
INERTIA = np.repeat([3.0, 0.15], 3)
HOME = np.zeros(7)
DT_S = 0.002


def live(name: str = "contact", tau_s: float = 0.1) -> LiveGains:
    return LiveGains(SETS, name, INERTIA, HOME, tau_s)


def settled(gains: LiveGains) -> LiveGains:
    for _ in range(5000):
        if not gains.is_blending:
            return gains
        gains.blend(DT_S)
    raise AssertionError("The blend does not end.")


def test_the_bound_is_stiffness_times_clip_by_axis_and_direction():
    gains = GainSet(
        stiffness=(1000.0, 2000.0, 3000.0, 100.0, 150.0, 200.0),
        clip_low=(0.01, 0.02, 0.03, 0.1, 0.2, 0.3),
        clip_high=(0.02, 0.02, 0.01, 0.3, 0.2, 0.1),
    )
    np.testing.assert_allclose(gains.force_bound_n, [[10.0, 20.0], [40.0, 40.0], [90.0, 30.0]])
    np.testing.assert_allclose(gains.moment_bound_nm, [[10.0, 30.0], [30.0, 30.0], [60.0, 20.0]])


def test_contact_has_the_numbers_that_the_demo_is_made_with():
    contact = SETS["contact"]
    assert contact.stiffness == (2000.0,) * 3 + (150.0,) * 3
    assert contact.clip_low == contact.clip_high == (0.02,) * 3 + (0.15,) * 3
    assert contact.damping_ratio == (1.0,) * 6


def test_free_is_softer_and_longer_and_precise_stiffer_shorter_and_gentler():
    free, contact, precise = (SETS[name] for name in GAIN_SETS)
    assert np.all(np.array(free.stiffness) < contact.stiffness)
    assert np.all(np.array(free.clip_high) > contact.clip_high)
    assert np.all(np.array(precise.stiffness) > contact.stiffness)
    assert np.all(np.array(precise.clip_high) < contact.clip_high)
    assert np.all(precise.wrench_bound < contact.wrench_bound)


def test_the_law_says_its_bounds_in_one_sentence():
    law = CartesianImpedance(ImpedanceConfig())
    assert law.describe() == (
        "Gains 'contact': at rest the tool presses with at most 40 N along each axis, 69 N between them, and twists "
        "with at most 22.5 Nm; for a moment with at most 379 N along an axis, on a surface of up to 75 N/mm."
    )
    lower = ImpedanceConfig(contact=GainSet(clip_low=(0.01, 0.02, 0.02, 0.15, 0.15, 0.15)))
    assert "at most x -20 to +40, y 40, z 40 N" in CartesianImpedance(lower).describe()


def test_the_peak_of_a_mass_without_pull_is_that_of_the_standard():
    # ISO/TS 15066, annex A: F = v sqrt(m k); a pull of nearly nothing, damped so that it makes 0.2 m/s of it
    impact = Impact(mass_kg=6.0, inertia=0.1, stiffness=75_000.0)
    pull = np.zeros((6, 2))
    pull[2] = 1e-6
    damping = np.full(6, 5e-6)
    assert impact.peak_force_n(pull, damping) == pytest.approx(0.2 * math.sqrt(6.0 * 75_000.0), rel=1e-3)


def test_a_sudden_pull_without_speed_peaks_at_twice_itself():
    impact = Impact(mass_kg=6.0, inertia=0.1, stiffness=75_000.0)
    pull = np.full((6, 2), 30.0)
    assert impact.peak_force_n(pull, np.full(6, 1e9)) == pytest.approx(60.0)
    assert impact.peak_force_n(pull, np.zeros(6)) == math.inf


@pytest.mark.parametrize("start", GAIN_SETS)
@pytest.mark.parametrize("end", GAIN_SETS)
def test_on_the_way_between_two_sets_the_pull_stays_within_the_larger_bound(start, end):
    gains = live(start)
    gains.use(end)
    larger = np.maximum(SETS[start].wrench_bound, SETS[end].wrench_bound)
    np.testing.assert_array_equal(gains.wrench_bound, larger)
    fastest = max(SETS[name].stiffness[0] * SETS[name].clip_high[0] / _damping(name) for name in (start, end))
    while gains.is_blending:
        assert np.all(gains.stiffness * gains.high <= larger[:, 1] * (1.0 + 1e-9))
        assert np.all(-gains.stiffness * gains.low <= larger[:, 0] * (1.0 + 1e-9))
        assert gains.stiffness[0] * gains.high[0] / gains.damping[0] <= fastest * (1.0 + 1e-9)
        gains.blend(DT_S)
    np.testing.assert_array_equal(gains.wrench_bound, SETS[end].wrench_bound)
    np.testing.assert_array_equal(gains.stiffness, SETS[end].stiffness)
    np.testing.assert_array_equal(gains.high, SETS[end].clip_high)
    assert gains.name == end


def test_a_reset_takes_the_new_springs_at_once_and_keeps_the_bound_of_the_old_for_as_long_as_the_speed_may_last():
    gains, impact = live("free"), Impact(mass_kg=10.0, inertia=0.15, stiffness=75_000.0)
    before = gains.peak_force_n(impact)
    gains.use("precise")
    gains.blend(DT_S)
    gains.reset()
    fresh = live("precise")
    np.testing.assert_array_equal(gains.stiffness, fresh.stiffness)
    np.testing.assert_array_equal(gains.high, fresh.high)
    np.testing.assert_array_equal(gains.damping, fresh.damping)
    assert gains.peak_force_n(impact) == before
    assert gains.name == "precise"
    ticks = 0
    while gains.is_blending:
        gains.blend(DT_S)
        np.testing.assert_array_equal(gains.stiffness, fresh.stiffness)
        np.testing.assert_array_equal(gains.high, fresh.high)
        ticks += 1
    assert ticks * DT_S > 0.5
    assert gains.peak_force_n(impact) == fresh.peak_force_n(impact)
    gains.use("free")
    gains.blend(DT_S)
    assert gains.stiffness[0] != fresh.stiffness[0]


def _damping(name: str) -> float:
    return 2.0 * math.sqrt(SETS[name].stiffness[0] * 3.0)


def test_changes_come_in_first_order():
    gains = live("contact", tau_s=0.1)
    gains.use("precise")
    for _ in range(50):
        gains.blend(DT_S)
    assert gains.stiffness[0] == pytest.approx(4000.0 - 2000.0 * math.exp(-1.0))
    gains = live("contact", tau_s=0.0)
    gains.use("precise")
    gains.blend(DT_S)
    assert not gains.is_blending
    assert gains.stiffness[0] == 4000.0


@pytest.mark.parametrize("factor", [0.0, 0.1, 0.9, 1.0, 1.5, 3.0])
def test_a_live_stiffness_keeps_the_bound_of_its_set(factor):
    gains = live()
    k = np.array(SETS["contact"].stiffness) * min(factor, 400.0 / 150.0)
    gains.set_stiffness(k)
    bound = SETS["contact"].wrench_bound[:, 1]
    while gains.is_blending:
        assert np.all(gains.stiffness * gains.high <= bound * (1.0 + 1e-9))
        gains.blend(DT_S)
    np.testing.assert_array_equal(gains.stiffness, k)
    np.testing.assert_allclose(gains.damping, 2.0 * np.sqrt(k * INERTIA))
    assert np.all(gains.high <= SETS["contact"].clip_high)
    assert np.all(k * gains.high <= bound * (1.0 + 1e-12))
    np.testing.assert_array_equal(gains.wrench_bound[:, 1], bound)


def test_a_feed_forward_is_cut_to_the_bound_and_gone_after_a_reset():
    gains = live()
    gains.set_wrench(np.array([5.0, -500.0, 500.0, 0.0, 0.0, -500.0]))
    settled(gains)
    np.testing.assert_allclose(gains.wrench, [5.0, -40.0, 40.0, 0.0, 0.0, -22.5])
    assert gains.has_wrench
    gains.reset()
    np.testing.assert_array_equal(gains.wrench, np.zeros(6))
    assert not gains.has_wrench


def test_what_is_pushed_without_a_spring_is_damped_all_the_same():
    gains = live()
    gains.set_stiffness(np.zeros(6))
    gains.set_wrench(np.array([40.0, 0.0, 0.0, 0.0, 0.0, 0.0]))
    settled(gains)
    assert gains.damping[0] == pytest.approx(_damping("contact"))
    assert gains.damping[1] == 0.0


def test_the_peak_is_that_of_the_faster_set_until_the_change_is_over():
    law = CartesianImpedance(ImpedanceConfig(gains="free"))
    free = law.peak_force_bound_n
    law.use_gains("precise")
    assert law.gains_in_use == "precise"
    assert law.peak_force_bound_n == free
    assert law.steady_force_bound_n == 48.0
    law.reset()  # as a hold does: the arm may still be as fast as it was
    assert law.peak_force_bound_n == free


def test_an_unknown_set_gets_the_near_one():
    law = CartesianImpedance(ImpedanceConfig())
    with pytest.raises(ConfigError, match=r"There is no gain set 'precis'. Did you mean 'precise'"):
        law.use_gains("precis")
    assert law.gains_in_use == "contact"


@pytest.mark.parametrize(
    ("stiffness", "sentence"),
    [
        ([1000.0] * 3, r"The stiffness must have six numbers, x y z rx ry rz; found shape \(3,\)"),
        ([1000.0] * 6, r"The stiffness of rx must lie in \[0, 400\] Nm/rad; found 1000"),
        ([-1.0] + [100.0] * 5, r"The stiffness of x must lie in \[0, 6000\] N/m; found -1"),
        ([100.0, math.nan] + [100.0] * 4, r"The stiffness of y must lie in \[0, 6000\] N/m; found nan"),
        ([math.inf] * 6, r"The stiffness of x must lie in \[0, 6000\] N/m; found inf"),
    ],
)
def test_a_live_stiffness_out_of_range_is_refused_and_changes_nothing(stiffness, sentence):
    law = CartesianImpedance(ImpedanceConfig())
    with pytest.raises(ConfigError, match=sentence):
        law.set_stiffness(np.array(stiffness))
    assert law.wrench_bound[0, 1] == 40.0


@pytest.mark.parametrize("wrench", [[1.0] * 5, [math.nan] * 6, [math.inf] + [0.0] * 5])
def test_a_wrench_that_is_none_is_refused(wrench):
    with pytest.raises(ConfigError, match="must be six finite numbers; found"):
        CartesianImpedance(ImpedanceConfig()).set_wrench(np.array(wrench))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"clip_high": (0.2,) * 6}, r"GainSet.clip_high of x must lie in \[0, 0.1\] m; found 0.2"),
        ({"clip_low": (0.02,) * 5}, "GainSet.clip_low must have six numbers, x y z rx ry rz; found 5"),
        ({"stiffness": (500.0,) * 6}, r"GainSet.stiffness of rx must lie in \[0, 400\] Nm/rad; found 500"),
        ({"damping_ratio": (1.0,) * 5 + (0.0,)}, r"GainSet.damping_ratio must lie in \[0.1, 3.0\]; found 0"),
        ({"damping_ratio": (1.0,) * 7}, "GainSet.damping_ratio must have six numbers"),
    ],
)
def test_a_gain_set_that_fits_no_arm_is_refused(changes, sentence):
    with pytest.raises(ConfigError, match=sentence):
        GainSet(**changes)
