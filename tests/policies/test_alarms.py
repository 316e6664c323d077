"""Measures of health, and the alarms that make the base act alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from conftest import configured, make_episode, small, toy_base, toy_spec
from hypothesis import given
from hypothesis import strategies as st

from policies.acting import LearntPolicy
from policies.health import AlarmConfig, Alarms, dormant_share, ranked
from policies.networks import EnsembleMlp
from policies.training import Training
from policies.weights import WeightsDirectory

BAD, GOOD = {"error": 0.9}, {"error": 0.1}


def test_an_alarm_counts_after_so_many_episodes_in_a_row_and_ends_after_as_many() -> None:
    alarms = Alarms(AlarmConfig(episodes=3))
    heard = [bool(alarms.take(m)) for m in [BAD, BAD, GOOD, BAD, BAD, BAD, GOOD, GOOD, BAD, GOOD, GOOD, GOOD]]
    assert heard == [False] * 5 + [True] * 6 + [False]


@pytest.mark.parametrize(
    ("measures", "sentence"),
    [
        ({"error": 0.6}, "The base acts alone: the critics are wrong about the last episodes' returns by 60% of their"),
        ({"saturated": 0.95}, "The base acts alone: 95% of the action's axes are clipped (limit 90%)."),
        ({"dormant": 0.95}, "The base acts alone: 95% of the actor's units are dormant (limit 90%)."),
        ({"residual": 0.99}, "The base acts alone: the residual is at 99% of its bound (limit 98%)."),
    ],
)
def test_an_alarm_is_a_sentence_with_what_was_found_and_the_limit(measures: dict, sentence: str) -> None:
    assert Alarms(AlarmConfig(episodes=1)).take(measures).startswith(sentence)


def test_at_the_limit_and_without_a_measure_there_is_no_alarm_and_an_alarm_can_be_off() -> None:
    alarms = Alarms(AlarmConfig(episodes=1))
    assert alarms.take({"error": 0.5, "saturated": 0.9}) == ""
    assert alarms.take({}) == ""
    assert Alarms(AlarmConfig(episodes=1, is_on=False)).take(BAD) == ""
    assert Alarms(AlarmConfig(episodes=1, error=math.inf)).take(BAD) == ""


def test_a_standing_alarm_says_what_is_wrong_now_and_survives_its_state() -> None:
    alarms = Alarms(AlarmConfig(episodes=1))
    alarms.take(BAD)
    assert "clipped" in alarms.take({"saturated": 1.0})
    other = Alarms(AlarmConfig(episodes=1))
    other.restore(alarms.state())
    assert other == alarms


def test_ranking_is_the_area_under_the_curve_for_two_kinds_of_returns() -> None:
    value, to_go = np.float32([0.1, 0.4, 0.35, 0.8]), np.float32([0, 0, 1, 1])
    assert ranked(value, to_go) == 0.75  # three of the four pairs are in order
    assert ranked(to_go, to_go) == 1.0
    assert ranked(-to_go, to_go) == 0.0
    assert ranked(np.zeros(4, np.float32), to_go) == 0.5
    assert math.isnan(ranked(value, np.ones(4, np.float32)))


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=2, max_size=12))
def test_ranking_equals_the_count_of_pairs_written_out(pairs: list[tuple[int, int]]) -> None:
    right = total = 0.0
    for value, ret in pairs:
        for other_value, other_ret in pairs:
            if ret < other_ret:
                total += 1
                right += 1.0 if value < other_value else 0.5 if value == other_value else 0.0
    got = ranked(*np.float32(pairs).T)
    assert math.isnan(got) if not total else got == pytest.approx(right / total)


def test_units_are_dormant_where_they_are_far_below_their_layers_mean() -> None:
    net = EnsembleMlp(1, 2, (4, 2), 1, has_norm=False)
    views = net.views(torch.zeros(net.size))
    views["bias0"][0, 0] = torch.tensor([1.0, 1.0, 1.0, 0.01])  # one of four is dormant
    views["bias1"][0, 0] = torch.tensor([1.0, 1.0])
    assert dormant_share(net, views, torch.randn(8, 2)).item() == pytest.approx((1 / 4 + 0) / 2)


def played(**config: object) -> Training:
    values = {"updates": 1, "schedule__warmup_steps": 0} | config
    training = Training(toy_spec(), toy_base(), [], small("gated", **values))
    training.prepare()
    training.take(make_episode(5, seed=1))
    return training


def test_nothing_is_measured_before_the_updates_begin() -> None:
    assert played(schedule__start_steps=99).measure() == {}


def test_measures_are_by_hand() -> None:
    training = played()
    learner = training.learner
    views = learner.actor.network.views(learner.target_flat["actor"].zero_())
    views["bias1"][0, 0, 0] = 99.0  # u is a whole bound along x, and nothing along y
    learner.target_flat["critic"].zero_()
    learner.critic.views(learner.target_flat["critic"])["bias1"][:] = 0.25  # every critic says 0.25
    measures = training.measure()
    to_go = 0.97 ** np.arange(4, -1, -1)
    low, high = training.config.value_range
    assert measures["error"] == pytest.approx(abs(0.25 - to_go.mean()) / (high - low), rel=1e-4)
    assert measures["residual"] == pytest.approx(0.5)
    base = training.buffer.column("base")[:5]
    assert measures["saturated"] == pytest.approx((base[:, 0] + 0.5 > 1.0).mean() / 2)
    assert measures["gate_open"] == 1.0  # no critic sees a difference
    assert training.buffer.episodes["online"] == 1  # looking changes nothing


def test_a_policy_has_no_residual_to_measure_and_a_gate_says_how_often_it_is_open() -> None:
    training = Training(toy_spec(), toy_base(), [], small("ibrl", schedule__start_steps=0, schedule__warmup_steps=0))
    training.take(make_episode(5, seed=1))
    measures = training.measure()
    assert "residual" not in measures
    assert 0.0 <= measures["gate_open"] <= 1.0


def test_truncated_episodes_tell_no_error_since_their_returns_are_not_known() -> None:
    training = played()
    training._recent.clear()
    training._recent.append(make_episode(5, end="timeout"))
    assert "error" not in training.measure()


def test_an_alarm_reaches_the_robot_and_ends_there(tmp_path) -> None:
    config = configured({"alarms.error": 0.0, "alarms.episodes": 1}, small("gated", updates=1))
    training = Training(toy_spec(), toy_base(), [], config)
    training.prepare()
    weights, policy = WeightsDirectory(tmp_path), None
    metrics = training.take(make_episode(5, seed=1))
    assert str(metrics["alarm"]).startswith("The base acts alone: the critics are wrong")
    weights.publish(1, training.published(), toy_spec().digest(), training.directions().to_header())
    policy = LearntPolicy(toy_spec(), toy_base(), config, weights)
    policy.load_weights(1)
    policy.reset(0)
    assert not policy.act({"state": np.zeros(2, np.float32)}).residual.any()
    training.take(make_episode(5, seed=2, end="timeout"))
    for index in range(5):
        training.take(make_episode(5, seed=3 + index, end="timeout"))
    assert training.directions().alarm == ""
    weights.publish(7, training.published(), toy_spec().digest(), training.directions().to_header())
    policy.load_weights(7)
    policy.reset(0)
    assert policy.act({"state": np.zeros(2, np.float32)}).residual.any()
