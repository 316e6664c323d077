"""What is learnt from: golden n-step windows over episodes, and the columns they are cut from."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from conftest import make_episode, toy_base, toy_spec
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.batch import Batch
from policies.rewards import RewardConfig, label
from policies.sampler import DEMO, ONLINE, EpisodeBuffer, returns_to_go
from policies.states import States
from robot.types import Source

BASE = toy_base()


def buffer(*episodes, gamma: float = 0.9, origin: str = ONLINE) -> EpisodeBuffer:
    states = States(toy_spec(), BASE, uses_base=True)
    filled = EpisodeBuffer(states, partial(label, config=RewardConfig(intervention=0.0)), gamma)
    for episode in episodes:
        filled.add(episode, origin)
    return filled


def all_windows(filled: EpisodeBuffer, n: int) -> Batch:
    return filled.windows(filled.pool(ONLINE), n)


def targets(filled: EpisodeBuffer, n: int, value: float) -> np.ndarray:
    batch = all_windows(filled, n)
    return (batch.ret + batch.discount * value).numpy()


def test_golden_windows_before_success() -> None:
    np.testing.assert_allclose(targets(buffer(make_episode(3), gamma=0.5), 3, value=99.0), [0.25, 0.5, 1.0])


def test_golden_windows_before_a_timeout_bootstrap_from_the_final_observation() -> None:
    filled = buffer(make_episode(3, end="timeout"), gamma=0.5)
    np.testing.assert_allclose(targets(filled, 3, value=4.0), [0.5, 1.0, 2.0])


def test_a_window_has_the_base_action_of_where_it_begins_and_of_where_it_ends() -> None:
    base = np.arange(10, dtype=np.float32).reshape(5, 2) / 10
    filled = buffer(make_episode(4, base_action=base))
    batch = all_windows(filled, 3)
    np.testing.assert_array_equal(batch.base, base[:4])
    np.testing.assert_array_equal(batch.next_base, base[[3, 4, 4, 4]])
    np.testing.assert_array_equal(batch.state[:, -5:-3], base[:4])
    np.testing.assert_array_equal(batch.next_state[:, -5:-3], base[[3, 4, 4, 4]])


def test_failure_ends_the_value_and_an_abort_does_not() -> None:
    np.testing.assert_allclose(targets(buffer(make_episode(2, end="failure"), gamma=0.5), 1, 4.0), [2.0, 0.0])
    np.testing.assert_allclose(targets(buffer(make_episode(2, end="abort"), gamma=0.5), 1, 4.0), [2.0, 2.0])


@pytest.mark.parametrize(("end", "last"), [("success", 1.0), ("failure", 0.0), ("timeout", 2.0), ("abort", 2.0)])
def test_a_person_who_ends_the_episode_changes_nothing_about_its_end(end: str, last: float) -> None:
    """R7."""
    filled = buffer(make_episode(3, end=end, human=(2,)), gamma=0.5)
    assert targets(filled, 1, value=4.0)[-1] == last


def test_every_step_of_every_episode_is_a_transition() -> None:
    filled = buffer(make_episode(4), make_episode(1, human=(0,)), make_episode(6, end="abort", human=(0, 5)))
    assert len(filled.pool(ONLINE)) == 11
    assert len(filled.pool("human")) == 3
    assert len(filled.pool("success")) == 5
    assert len(filled.pool(DEMO)) == 0
    assert filled.episodes == {DEMO: 0, ONLINE: 3}


def test_the_last_action_of_a_dead_session_is_no_transition() -> None:
    episode = make_episode(4, end="abort", has_final=False)
    filled = buffer(episode)
    assert len(filled.pool(ONLINE)) == 3
    batch = filled.windows(filled.pool(ONLINE)[-1:], 1)
    np.testing.assert_array_equal(batch.next_state[0, :2], episode.observation["state"][3])
    assert batch.discount[0] == pytest.approx(0.9)
    assert buffer(make_episode(1, end="abort", has_final=False)).episodes[ONLINE] == 1


def test_a_success_is_learnt_from_although_nobody_saw_what_followed() -> None:
    filled = buffer(make_episode(3, end="success", has_final=False), gamma=0.5)
    np.testing.assert_allclose(targets(filled, 1, value=4.0), [2.0, 2.0, 1.0])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=6), st.integers(1, 7))
def test_windows_equal_a_plain_loop_and_never_cross_an_episode(shapes: list[tuple[int, bool]], n: int) -> None:
    episodes = [make_episode(t, seed=i, end="success" if s else "timeout") for i, (t, s) in enumerate(shapes)]
    filled = buffer(*episodes)
    batch = all_windows(filled, n)
    row = 0
    for episode in episodes:
        states = [*episode.observation["state"], episode.final_observation["state"]]
        for t in range(episode.length):
            m = min(n, episode.length - t)
            at_end = t + m == episode.length
            reward = 0.9 ** (m - 1) if at_end and episode.is_success else 0.0
            discount = 0.0 if at_end and episode.is_terminated else 0.9**m
            assert batch.ret[row] == pytest.approx(reward, abs=1e-6)
            assert batch.discount[row] == pytest.approx(discount, abs=1e-6)
            np.testing.assert_array_equal(batch.next_state[row, :2], states[t + m])
            np.testing.assert_array_equal(batch.action[row], episode.action[t])
            row += 1


def test_stored_base_actions_are_used_and_missing_ones_come_from_the_frozen_base() -> None:
    stored = np.random.default_rng(0).uniform(-1, 1, (5, 2)).astype(np.float32)
    stored[2] = np.nan
    episode = make_episode(4, base_action=stored)
    relabelled, _ = BASE.relabel(episode)
    base = buffer(episode).column("base")
    np.testing.assert_array_equal(base[[0, 1, 3, 4]], stored[[0, 1, 3, 4]])
    np.testing.assert_array_equal(base[2], relabelled[2])


def test_the_action_learnt_from_is_the_executed_one_of_a_person_too() -> None:
    episode = make_episode(4, human=(1, 2))
    filled = buffer(episode)
    np.testing.assert_array_equal(filled.column("action")[:4], episode.action)
    np.testing.assert_array_equal(filled.column("is_human"), [0, 1, 1, 0, 0])
    assert episode.source[1] == Source.HUMAN


def test_growing_keeps_what_was_there() -> None:
    episodes = [make_episode(60, seed=i) for i in range(120)]
    filled = buffer(*episodes)
    np.testing.assert_array_equal(filled.column("action")[[0, 61]], [e.action[0] for e in episodes[:2]])
    assert filled.column("end")[filled.pool(ONLINE)[-1]] == 120 * 61 - 1


def test_returns_to_go_are_the_discounted_sum_to_the_end() -> None:
    np.testing.assert_allclose(returns_to_go(np.float32([0, -1, 0, 2]), 0.5), [-0.25, -0.5, 1.0, 2.0])
    filled = buffer(make_episode(3), make_episode(3, end="failure"), gamma=0.5)
    np.testing.assert_allclose(all_windows(filled, 2).to_go, [0.25, 0.5, 1, 0, 0, 0])


def test_demonstrations_are_in_no_pool_but_their_own() -> None:
    filled = buffer(make_episode(4, human=(0, 1, 2, 3)), origin=DEMO)
    assert {name: len(filled.pool(name)) for name in (DEMO, ONLINE, "human", "success")} == {
        DEMO: 4,
        ONLINE: 0,
        "human": 0,
        "success": 0,
    }


def test_joined_pools_grow_with_their_parts() -> None:
    filled = buffer(make_episode(4, human=(1,)))
    assert filled.pool("demo+human").tolist() == [1]
    filled.add(make_episode(2), DEMO)
    filled.add(make_episode(3, human=(0,)), ONLINE)
    assert filled.pool("demo+human").tolist() == [5, 6, 1, 8]


def test_what_is_drawn_is_standardised_and_what_is_stored_is_not() -> None:
    state = np.random.default_rng(0).normal(7.0, 3.0, (50, 2)).astype(np.float32)
    filled = buffer(make_episode(50, observation={"state": state}))
    filled.standardise()
    batch = all_windows(filled, 1)
    assert abs(float(batch.state[:, :2].mean())) < 0.1
    np.testing.assert_array_equal(filled.column("state")[:50, :2], state)
    np.testing.assert_array_equal(batch.state[1:], batch.next_state[:-1])
    np.testing.assert_array_equal(batch.state[:, 2:], filled.column("state")[:50, 2:])
