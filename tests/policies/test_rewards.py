"""Reward views, against golden values."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from conftest import make_episode
from hypothesis import given
from hypothesis import strategies as st

from policies.rewards import RewardConfig, by_classifier, label, rlif, sparse_success
from policies.sampler import returns_to_go
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


def test_an_onset_at_the_first_step_leaves_the_episode_before_untouched() -> None:
    """R2: each episode is labelled by itself."""
    config = RewardConfig(success=0.0, intervention=1.0)
    first, second = make_episode(3, end="timeout"), make_episode(3, human=(0, 1), end="timeout")
    assert not label(first, config).any()
    assert not label(second, config).any()


def test_a_window_spreads_the_blame_in_shares_that_decay_and_add_up() -> None:
    """R6."""
    got = rlif(np.array([0, 0, 0, 0, 1, 0], bool), lag_steps=1, lag_window=3, lag_decay=0.5)
    np.testing.assert_allclose(got, np.array([-1, -2, -4, 0, 0, 0]) / 7, rtol=1e-6)
    at_start = rlif(np.array([0, 1, 0], bool), lag_steps=0, lag_window=3, lag_decay=0.5)
    np.testing.assert_allclose(at_start, [-1, 0, 0], rtol=1e-6)


@given(
    st.lists(st.booleans(), min_size=1, max_size=30),
    st.integers(0, 6),
    st.integers(1, 5),
    st.sampled_from([0.3, 0.7, 0.9, 0.99]),
)
def test_no_return_is_below_the_bound_however_late_a_person_reacts(
    flags: list[bool], lag: int, window: int, gamma: float
) -> None:
    config = RewardConfig(success=0.0, intervention=1.0, lag_steps=lag, lag_window=window)
    episode = make_episode(len(flags), human=tuple(np.flatnonzero(flags)), end="timeout")
    returns = returns_to_go(label(episode, config), gamma)
    assert returns.min() >= config.bounds(gamma)[0] - 1e-4
    assert returns.max() <= config.bounds(gamma)[1]


def test_recorded_rewards_count_with_their_weight_and_widen_the_bounds() -> None:
    episode = make_episode(3, reward=np.array([1.0, -2.0, 3.0], np.float32))
    config = RewardConfig(success=0.0, intervention=0.0, environment=0.5, low=-10.0, high=20.0)
    np.testing.assert_allclose(label(episode, config), [0.5, -1.0, 1.5])
    assert config.bounds(0.9) == (-5.0, 10.0)
    assert RewardConfig(environment=1.0).bounds(0.9)[1] == float("inf")
