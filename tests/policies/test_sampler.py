"""The sampler: golden n-step windows, exact quotas, and repeatability."""

from __future__ import annotations

import json

import numpy as np
import pytest
from conftest import make_episode, toy_base
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.rewards import RewardConfig
from policies.sampler import EpisodeBuffer, QuotaSampler, SamplerConfig
from robot.errors import StoreError
from robot.types import Source

BASE = toy_base()


def buffer(*episodes) -> EpisodeBuffer:
    filled = EpisodeBuffer(BASE, RewardConfig(intervention=0.0))
    for episode in episodes:
        filled.add(episode)
    return filled


def targets(filled: EpisodeBuffer, n: int, gamma: float, value: float) -> np.ndarray:
    batch = filled.windows(filled.steps, n, gamma)
    return batch.ret + batch.discount * value


def test_golden_windows_before_success() -> None:
    np.testing.assert_allclose(targets(buffer(make_episode(3)), 3, 0.5, value=99.0), [0.25, 0.5, 1.0])


def test_golden_windows_before_a_timeout_bootstrap_from_the_final_observation() -> None:
    filled = buffer(make_episode(3, end="timeout"))
    np.testing.assert_allclose(targets(filled, 3, 0.5, value=4.0), [0.5, 1.0, 2.0])


def test_a_window_has_the_base_action_of_where_it_begins_and_of_where_it_ends() -> None:
    base = np.arange(10, dtype=np.float32).reshape(5, 2) / 10
    filled = buffer(make_episode(4, base_action=base))
    batch = filled.windows(filled.steps, 3, 0.9)
    np.testing.assert_array_equal(batch.base, base[:4])
    np.testing.assert_array_equal(batch.next_base, base[[3, 4, 4, 4]])
    np.testing.assert_array_equal(batch.state[:, -5:-3], base[:4])
    np.testing.assert_array_equal(batch.next_state[:, -5:-3], base[[3, 4, 4, 4]])


def test_failure_ends_the_value_and_an_abort_does_not() -> None:
    np.testing.assert_allclose(targets(buffer(make_episode(2, end="failure")), 1, 0.5, 4.0), [2.0, 0.0])
    np.testing.assert_allclose(targets(buffer(make_episode(2, end="abort")), 1, 0.5, 4.0), [2.0, 2.0])


def test_every_step_of_every_episode_is_a_transition() -> None:
    filled = buffer(make_episode(4), make_episode(1, human=(0,)), make_episode(6, end="abort", human=(0, 5)))
    assert len(filled.steps) == 11
    assert len(filled.human_steps) == 3
    assert filled.episodes == 3


def test_the_last_action_of_a_dead_session_is_no_transition() -> None:
    episode = make_episode(4, end="abort", has_final=False)
    filled = buffer(episode)
    assert len(filled.steps) == 3
    batch = filled.windows(filled.steps[-1:], 1, 0.9)
    np.testing.assert_array_equal(batch.next_state[0, :2], episode.observation["state"][3])
    assert batch.discount[0] == pytest.approx(0.9)
    assert buffer(make_episode(1, end="abort", has_final=False)).episodes == 1


def test_a_success_is_learnt_from_although_nobody_saw_what_followed() -> None:
    filled = buffer(make_episode(3, end="success", has_final=False))
    np.testing.assert_allclose(targets(filled, 1, 0.5, value=4.0), [2.0, 2.0, 1.0])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=6), st.integers(1, 7))
def test_windows_equal_a_plain_loop_and_never_cross_an_episode(shapes: list[tuple[int, bool]], n: int) -> None:
    episodes = [make_episode(t, seed=i, end="success" if s else "timeout") for i, (t, s) in enumerate(shapes)]
    filled = buffer(*episodes)
    batch = filled.windows(filled.steps, n, 0.9)
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
    assert filled.column("end")[filled.steps[-1]] == 120 * 61 - 1


def sampler(demo: EpisodeBuffer, online: EpisodeBuffer, seed: int = 0, **config: float) -> QuotaSampler:
    return QuotaSampler(demo, online, SamplerConfig(**{"batch": 64} | config), seed)


def test_every_mini_batch_has_exactly_the_asked_shares() -> None:
    demo = buffer(make_episode(9, action=np.full((9, 2), 0.1, np.float32)))
    online = buffer(make_episode(9, human=(3,), action=np.full((9, 2), 0.2, np.float32)))
    draw = sampler(demo, online, demo_share=0.25, human_share=0.5)
    assert draw.quotas() == (16, 24, 24)
    for _ in range(20):
        batch = draw.draw()
        assert (batch.action[:, 0] == np.float32(0.1)).sum() == 16
        assert batch.is_human[-24:].all()
        assert len(batch.ret) == 64


def test_empty_sources_give_their_place_to_the_others() -> None:
    demo, plain, nothing = buffer(make_episode(5)), buffer(make_episode(5)), EpisodeBuffer(BASE, RewardConfig())
    assert sampler(demo, nothing).quotas() == (64, 0, 0)
    assert sampler(demo, plain).quotas() == (32, 32, 0)
    assert sampler(nothing, plain).quotas() == (0, 64, 0)
    with pytest.raises(StoreError, match="nothing to draw from"):
        sampler(nothing, nothing).draw()


@given(st.integers(2, 300), st.floats(0, 1), st.floats(0, 1))
def test_quotas_always_fill_the_batch(batch: int, demo_share: float, human_share: float) -> None:
    filled = buffer(make_episode(3, human=(1,)))
    config = SamplerConfig(batch=batch, demo_share=demo_share, human_share=human_share)
    quotas = QuotaSampler(filled, filled, config, 0).quotas()
    assert sum(quotas) == batch
    assert min(quotas) >= 0


def test_the_draws_follow_from_the_seed_and_from_the_restored_state() -> None:
    demo, online = buffer(make_episode(30)), buffer(make_episode(30, human=(4,)))
    first, second, other = sampler(demo, online), sampler(demo, online), sampler(demo, online, seed=1)
    a = [first.draw().ret for _ in range(3)]
    state = json.loads(json.dumps(first.state()))
    np.testing.assert_array_equal([second.draw().ret for _ in range(3)], a)
    following = first.draw().state
    other.restore(state)
    np.testing.assert_array_equal(other.draw().state, following)
    assert not np.array_equal(sampler(demo, online, seed=1).draw().state, sampler(demo, online).draw().state)
