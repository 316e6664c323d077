"""The residual: untrained it is the base bit for bit, trained it stays within its bound."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import toy_base, toy_spec

from policies.residual import Actor, ResidualConfig, ResidualPolicy, actor_for, compose
from policies.weights import WeightsDirectory
from robot.errors import ConfigError, SpecError
from robot.types import NO_VERSION

CONFIG = ResidualConfig(bound=(0.3, 0.1), hidden=(16,), noise=0.5)


def published(tmp_path, version: int = 3, scale: float = 5.0) -> WeightsDirectory:
    """A directory with one version of large random weights."""
    actor = actor_for(toy_base(), CONFIG)
    flat = scale * torch.randn(actor.network.size, generator=torch.Generator().manual_seed(1))
    weights = WeightsDirectory(tmp_path)
    weights.publish(version, actor.network.views(flat), toy_spec().digest())
    return weights


def test_untrained_it_reproduces_the_base_bit_for_bit_over_a_thousand_observations() -> None:
    base, policy = toy_base(), ResidualPolicy(toy_base(), CONFIG, deterministic=True)
    states = np.random.default_rng(0).uniform(-20, 20, (1000, 2)).astype(np.float32)
    for step, state in enumerate(states):
        if step % 50 == 0:
            base.reset(step)
            policy.reset(step)
        plain, summed = base.act({"state": state}), policy.act({"state": state})
        assert plain.action.tobytes() == summed.action.tobytes()
        assert summed.chunk_phase == plain.chunk_phase
        assert not summed.residual.any()
    assert policy.version == NO_VERSION


def test_the_sum_is_what_it_says_and_never_leaves_the_bounds_with_any_weights_or_noise(tmp_path) -> None:
    policy = ResidualPolicy(toy_base(), CONFIG, published(tmp_path))
    policy.load_weights(3)
    policy.reset(0)
    residuals = []
    for state in np.random.default_rng(1).uniform(-3, 3, (300, 2)).astype(np.float32):
        decision = policy.act({"state": state})
        np.testing.assert_array_equal(decision.action, np.clip(decision.base_action + decision.residual, -1, 1))
        assert decision.weights_version == 3
        residuals.append(decision.residual)
    assert np.all(np.abs(residuals).max(axis=0) <= np.float32([0.3, 0.1]))
    assert np.abs(residuals).max() > 0.25


def test_noise_follows_from_the_episodes_seed_and_evaluation_has_none(tmp_path) -> None:
    policy = ResidualPolicy(toy_base(), CONFIG, published(tmp_path, scale=0.1))
    policy.load_weights(3)

    def first(seed: int) -> np.ndarray:
        policy.reset(seed)
        return policy.act({"state": np.zeros(2, np.float32)}).action

    np.testing.assert_array_equal(first(1), first(1))
    assert not np.array_equal(first(1), first(2))
    policy.deterministic = True
    np.testing.assert_array_equal(first(1), first(2))


def test_replan_reaches_the_bases_queue() -> None:
    policy = ResidualPolicy(toy_base(), CONFIG)
    policy.reset(0)
    state = {"state": np.zeros(2, np.float32)}
    assert [policy.act(state).chunk_phase for _ in range(2)] == [0, 1]
    policy.replan()
    assert policy.act(state).chunk_phase == 0


def test_the_actor_is_zero_at_the_start_with_gradients_that_are_not() -> None:
    actor = Actor(CONFIG, 6, 2)
    flat = actor.initial(torch.Generator().manual_seed(0)).requires_grad_()
    u = actor(actor.network.views(flat), torch.randn(50, 6))
    assert not u.any()
    (gradient,) = torch.autograd.grad(u.sum(), [flat])
    assert gradient.abs().sum() > 0


def test_composition_clips_to_the_action_range() -> None:
    got = compose(torch.tensor([0.9, -0.9, 0.1]), torch.tensor([0.3, -0.3, 0.2]))
    torch.testing.assert_close(got, torch.tensor([1.0, -1.0, 0.3]))


def test_weights_of_another_shape_or_robot_are_refused(tmp_path) -> None:
    weights = published(tmp_path)
    policy = ResidualPolicy(toy_base(), ResidualConfig(bound=(0.3, 0.1), hidden=(8,)), weights)
    with pytest.raises(SpecError, match="have shapes"):
        policy.load_weights(3)
    assert policy.version == NO_VERSION
    weights.publish(
        4,
        actor_for(toy_base(), CONFIG).network.views(
            torch.zeros(1000)[:0].new_zeros(actor_for(toy_base(), CONFIG).network.size)
        ),
        "another-robot",
    )
    with pytest.raises(SpecError, match="are for robot another-robot"):
        ResidualPolicy(toy_base(), CONFIG, weights).load_weights(4)


def test_a_bound_that_does_not_fit_the_action_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"one number per action axis \(2\); found 4"):
        ResidualPolicy(toy_base(), ResidualConfig())
