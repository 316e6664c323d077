"""Reward views, against golden values."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from conftest import make_episode
from hypothesis import given
from hypothesis import strategies as st

from policies.rewards import RewardConfig, by_classifier, label, rlif, sparse_success
from robot.errors import StoreError

ONSETS = np.array([0, 0, 1, 1, 1, 0, 0, 1, 0], bool)


def test_rlif_penalises_the_transition_before_each_onset_and_nothing_else() -> None:
    np.testing.assert_array_equal(rlif(ONSETS), [0, -1, 0, 0, 0, 0, -1, 0, 0])


def test_an_onset_at_the_first_step_has_no_predecessor_to_blame() -> None:
    np.testing.assert_array_equal(rlif(np.array([1, 1, 0, 0], bool)), [0, 0, 0, 0])


def test_holding_on_is_no_new_onset_but_taking_over_again_is() -> None:
    np.testing.assert_array_equal(rlif(np.array([0, 1, 1, 1], bool)), [-1, 0, 0, 0])
    np.testing.assert_array_equal(rlif(np.array([0, 1, 0, 1], bool)), [-1, 0, -1, 0])


def test_a_reaction_lag_moves_the_blame_earlier_but_never_before_the_episode() -> None:
    np.testing.assert_array_equal(rlif(ONSETS, lag_steps=1), [-1, 0, 0, 0, 0, -1, 0, 0, 0])
    np.testing.assert_array_equal(rlif(np.array([0, 0, 1], bool), lag_steps=9), [-1, 0, 0])


@given(st.lists(st.booleans(), max_size=40), st.integers(0, 5))
def test_the_penalty_sums_to_the_number_of_onsets_with_a_predecessor(flags: list[bool], lag: int) -> None:
    onsets = sum(b and not a for a, b in pairwise(flags))
    assert rlif(np.array(flags, bool), lag).sum() == -onsets


def test_success_pays_one_at_the_terminated_step_only() -> None:
    np.testing.assert_array_equal(sparse_success(3, is_terminated=True, is_success=True), [0, 0, 1])
    np.testing.assert_array_equal(sparse_success(3, is_terminated=False, is_success=True), [0, 0, 0])
    np.testing.assert_array_equal(sparse_success(3, is_terminated=True, is_success=False), [0, 0, 0])
    assert len(sparse_success(0, is_terminated=True, is_success=True)) == 0


def test_terms_add_up_with_their_weights() -> None:
    episode = make_episode(5, human=(2, 3))
    config = RewardConfig(success=2.0, intervention=0.5)
    np.testing.assert_allclose(label(episode, config), [0, -0.5, 0, 0, 2.0])
    np.testing.assert_allclose(label(episode, RewardConfig(intervention=0.0)), [0, 0, 0, 0, 1])


def test_an_intervention_that_ends_the_episode_is_still_blamed_on_its_predecessor() -> None:
    episode = make_episode(3, human=(2,), end="timeout")
    np.testing.assert_allclose(label(episode, RewardConfig(intervention=1.0)), [0, -1, 0])


def test_the_bounds_hold_for_the_worst_sequence_of_interventions() -> None:
    gamma = 0.9
    low, high = RewardConfig(success=1.0, intervention=0.3).bounds(gamma)
    worst = 0.3 * rlif(np.arange(400) % 2 == 1) @ gamma ** np.arange(400)
    assert worst == pytest.approx(low, rel=1e-5)
    assert high == 1.0


@pytest.mark.parametrize(("end", "last", "paid"), [("failure", 0.9, 1.0), ("success", 0.8, 0.0), ("timeout", 0.9, 0.0)])
def test_a_classifiers_verdict_replaces_the_episodes_label(end: str, last: float, paid: float) -> None:
    episode = make_episode(4, end=end)
    scores = np.array([0.99, 0.99, 0.0, last], np.float32)
    np.testing.assert_array_equal(by_classifier(lambda e: scores, threshold=0.85)(episode), [0, 0, 0, paid])


def test_a_classifier_scores_every_step() -> None:
    with pytest.raises(StoreError, match="each of 4 steps"):
        by_classifier(lambda episode: np.zeros(3, np.float32), threshold=0.5)(make_episode(4))
