"""When the simulated operator takes over, by its rules: value as in RLIF, at random, or never."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from robot.se3 import Pose
from teleop.operator import OperatorConfig, SimulatedOperator
from teleop.operator_config import SKILLS
from teleop.operator_hand import Hand, Sight

TICK_NS = 100_000_000
POINTING_DOWN = np.array([1.0, 0.0, 0.0, 0.0])
SCENE = {"socket_x": 0.5, "socket_y": 0.0, "socket_z": 0.04, "socket_yaw": 0.0, "is_inserted": 0.0}
VALUE = OperatorConfig(carelessness=0.0, reaction_time_s=0.0, rule="value", onset=1.0)
WINDOW = round(VALUE.value_window_s / 0.1)


def engaged(config: OperatorConfig, heights_m: list[float], seed: int = 0) -> list[bool]:
    """Supervise an episode in which the tip is at these heights over the hole, tick by tick."""
    operator = SimulatedOperator(config, seed)
    found = []
    for step, height_m in enumerate(heights_m):
        tip = Pose(np.array([0.5, 0.0, 0.04 + height_m]), POINTING_DOWN)
        found.append(operator.sample(SCENE, tip, step * TICK_NS, step, "supervise").is_engaged)
    return found


def test_a_policy_that_keeps_the_persons_pace_is_left_alone() -> None:
    assert not any(engaged(VALUE, [0.2 - 0.1 * VALUE.pace_m_s * k for k in range(40)]))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_one_that_gets_on_worse_by_the_gap_is_not_after_one_window(share: float) -> None:
    slower = (1.0 - VALUE.value_gap) * share * 0.999
    found = engaged(VALUE, [0.2 - 0.1 * slower * VALUE.pace_m_s * k for k in range(40)])
    assert found.index(True) == WINDOW


def test_a_wide_gap_forgives_and_one_that_cannot_be_reached_never_takes_over() -> None:
    still = [0.1] * 40
    assert any(engaged(replace(VALUE, value_gap=0.99), still))
    assert not any(engaged(replace(VALUE, value_gap=1.0), still))
    away = [0.1 + 0.01 * k for k in range(40)]
    assert any(engaged(replace(VALUE, value_gap=1.0), away))


@pytest.mark.parametrize("hold_s", [0.3, 1.0])
def test_it_lets_go_after_a_while_and_judges_the_policy_anew(hold_s: float) -> None:
    found = engaged(replace(VALUE, hold_s=hold_s), [0.1] * 60)
    onset = found.index(True)
    held = found[onset:].index(False)
    assert held == round(hold_s / 0.1)
    again = found[onset + held :].index(True)
    assert again == WINDOW + 1


def test_the_reaction_time_comes_on_top() -> None:
    late = engaged(replace(VALUE, reaction_time_s=0.4), [0.1] * 40)
    assert late.index(True) == WINDOW + 4


def test_at_random_it_takes_over_as_often_as_it_is_told() -> None:
    config = replace(VALUE, rule="random", onset=0.1)
    onsets = [engaged(config, [0.1] * 150, seed).index(True) for seed in range(300)]
    # the ticks before the first take-over are geometric: (1 - p) / p of them, here 9 +- 3 * 9.5 / sqrt(300)
    assert np.mean(onsets) == pytest.approx(9.0, abs=1.7)


def test_who_never_takes_over_does_not() -> None:
    assert not any(engaged(replace(VALUE, rule="never"), [0.1] * 200))


def test_the_same_seed_takes_over_at_the_same_ticks() -> None:
    config = replace(VALUE, rule="random", onset=0.2)
    assert engaged(config, [0.1] * 60, seed=3) == engaged(config, [0.1] * 60, seed=3)
    assert engaged(config, [0.1] * 60, seed=3) != engaged(config, [0.1] * 60, seed=4)


@pytest.mark.parametrize("skill", SKILLS)
def test_skill_makes_the_aim_worse_by_its_factor(skill: str) -> None:
    config = OperatorConfig(skill=skill, carelessness=0.0, motion_noise=0.0)
    aims = [Hand(config, np.random.default_rng(seed), False)._aim_m for seed in range(400)]
    # the standard deviation of 800 draws is off by 2.5 %
    assert np.std(aims) == pytest.approx(SKILLS[skill].aim * config.aim_error_m, rel=0.1)


def test_who_has_no_insight_aims_as_badly_on_the_rim_as_before() -> None:
    on_the_rim = Sight(0.0, 0.0, 0.0, 0.0)
    left = {}
    for skill in ("practised", "clumsy"):
        hand = Hand(OperatorConfig(skill=skill, motion_noise=0.0), np.random.default_rng(0), False)
        hand._aim_m = np.array([0.001, 0.0])
        for _ in range(30):
            hand.axes(on_the_rim, 0.1)
        left[skill] = hand._aim_m[0]
    assert left["practised"] < 0.0002
    assert left["clumsy"] == 0.001


def test_the_levels_are_ordered_in_all_that_makes_them() -> None:
    ordered = [SKILLS[name] for name in ("practised", "apprentice", "clumsy")]
    for better, worse in itertools.pairwise(ordered):
        assert (better.aim, better.tremor) < (worse.aim, worse.tremor)
        assert better.insight > worse.insight
        assert better.search >= worse.search
