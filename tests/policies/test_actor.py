"""The actor's heads and its composition: densities, bounds, and an axis with a head of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.distributions import Normal, TanhTransform, TransformedDistribution

from policies.actor import Actor, ActorConfig
from robot.errors import ConfigError


def made(action_size: int = 2, **config: object) -> Actor:
    return Actor(ActorConfig(**{"bound": (0.3,), "hidden": (16,)} | config), 6, action_size)


def weights(actor: Actor, scale: float = 1.0) -> dict[str, torch.Tensor]:
    flat = scale * torch.randn(actor.network.size, generator=torch.Generator().manual_seed(1))
    return actor.network.views(flat)


def test_a_residual_is_zero_at_the_start_with_gradients_that_are_not() -> None:
    actor = made()
    flat = actor.initial(torch.Generator().manual_seed(0)).requires_grad_()
    u = actor.mode(actor.network.views(flat), torch.randn(50, 6))
    assert not u.any()
    (gradient,) = torch.autograd.grad(u.sum(), [flat])
    assert gradient.abs().sum() > 0


def test_a_policy_or_a_residual_told_so_does_not_begin_at_zero() -> None:
    for config in ({"composer": "policy"}, {"begins_at_zero": False}):
        actor = made(**config)
        flat = actor.initial(torch.Generator().manual_seed(0))
        assert actor.mode(actor.network.views(flat), torch.randn(5, 6)).all()


@pytest.mark.parametrize("head", ["deterministic", "gaussian"])
def test_u_is_within_its_bound_for_any_weights_states_and_noise(head: str) -> None:
    actor = made(head=head, bound=(0.3, 0.1))
    state = 100 * torch.randn(500, 6)
    drawn, _ = actor.sample(weights(actor, 50.0), state, 5 * torch.randn(500, 2))
    for u in (drawn, actor.mode(weights(actor, 50.0), state)):
        assert torch.all(u.abs() <= torch.tensor([0.3, 0.1]))
        assert torch.all(u.abs().amax(dim=0) > torch.tensor([0.29, 0.09]))


def density(actor: Actor, views: dict[str, torch.Tensor], state: torch.Tensor) -> tuple[Normal, torch.Tensor]:
    out = actor.network.forward(views, state)[0].double()
    mean, log_std = out[:, :2], out[:, 2:].clamp(actor.config.log_std_low, actor.config.log_std_high)
    return Normal(mean, log_std.exp()), mean


def test_the_squashed_normals_log_density_is_that_of_torchs_distributions() -> None:
    actor = made(head="gaussian", composer="policy")
    views, state, noise = weights(actor, 0.3), torch.randn(300, 6), torch.randn(300, 2)
    u, log_p = actor.sample(views, state, noise)
    normal, mean = density(actor, views, state)
    x = mean + normal.scale * noise
    squashed = TransformedDistribution(normal, [TanhTransform(cache_size=1)])
    torch.testing.assert_close(u.double(), x.tanh(), atol=1e-5, rtol=1e-4)
    is_plain = x.abs().amax(dim=1) < 6  # further out torch's own value is from a rounded tanh
    assert is_plain.sum() > 200
    transform = TanhTransform(cache_size=1)
    y = transform(x)
    expected = (normal.log_prob(x) - transform.log_abs_det_jacobian(x, y)).sum(dim=1)
    torch.testing.assert_close(log_p.double(), expected, atol=1e-3, rtol=1e-4)
    direct = squashed.log_prob(x.tanh()).sum(dim=1)
    torch.testing.assert_close(log_p.double()[is_plain], direct[is_plain], atol=1e-3, rtol=1e-4)


def test_far_in_the_tails_density_and_gradient_stay_finite() -> None:
    actor = made(head="gaussian", composer="policy", log_std_high=5.0)
    for scale in (1.0, 30.0, 1e4):
        flat = (scale * torch.randn(actor.network.size)).requires_grad_()
        u, log_p = actor.sample(actor.network.views(flat), torch.randn(100, 6), 4 * torch.randn(100, 2))
        (gradient,) = torch.autograd.grad(log_p.mean() + u.mean(), [flat])
        assert torch.isfinite(u).all()
        assert torch.isfinite(log_p).all()
        assert torch.isfinite(gradient).all()


def test_entropies_do_not_depend_on_the_bound() -> None:
    state, noise = torch.randn(20, 6), torch.randn(20, 2)
    found = []
    for bound in (0.01, 0.5):
        actor = made(head="gaussian", bound=(bound,))
        found.append(actor.sample(weights(actor), state, noise)[1])
    assert torch.equal(*found)


def test_composition_clips_to_the_action_range() -> None:
    got = made(3).compose(torch.tensor([[0.9, -0.9, 0.1]]), torch.tensor([[0.3, -0.3, 0.2]]))
    torch.testing.assert_close(got, torch.tensor([[1.0, -1.0, 0.3]]))
    policy = made(composer="policy")
    assert torch.equal(policy.compose(torch.ones(1, 2), torch.tensor([[0.5, -0.5]])), torch.tensor([[0.5, -0.5]]))


@pytest.mark.parametrize("composer", ["residual", "policy"])
def test_a_gripper_axis_takes_its_own_heads_choice_whatever_the_base_and_the_arm_do(composer: str) -> None:
    actor = made(3, composer=composer, gripper_axis=1, has_gripper_head=True, bound=(0.1, 0.2, 0.3))
    assert actor.axes == (0, 2)
    assert actor.network.outputs == 2
    base, u, grip = torch.full((3, 3), 0.5), torch.full((3, 2), 0.1), torch.tensor([-1.0, 0.0, 1.0])
    got = actor.compose(base, u, grip)
    assert torch.equal(got[:, 1], grip)
    assert torch.allclose(got[:, [0, 2]], torch.tensor(0.6 if composer == "residual" else 0.1))
    assert torch.equal(actor.arm(got), got[:, [0, 2]])
    with pytest.raises(ConfigError, match="needs that head's choice"):
        actor.compose(base, u)
    if composer == "residual":
        torch.testing.assert_close(actor.bound, torch.tensor([0.1, 0.3]))
        torch.testing.assert_close(actor.deviation(got, base)[0], torch.tensor([1.0, 1 / 3]))


def test_the_deviation_is_in_bounds_and_cut_off_at_three() -> None:
    actor = made(bound=(0.1, 0.2))
    got = actor.deviation(torch.tensor([[0.5, -1.0]]), torch.tensor([[0.4, 0.0]]))
    torch.testing.assert_close(got, torch.tensor([[1.0, -3.0]]))


def test_a_residual_can_turn_a_gripper_round_that_the_robot_names() -> None:
    config = ActorConfig(bound=(0.3,))
    assert Actor(config, 6, 3, gripper_axis=2).bound.tolist() == pytest.approx([0.3, 0.3, 2.0])
    assert Actor(config, 6, 3).bound.tolist() == pytest.approx([0.3, 0.3, 0.3])
    chosen = replace(config, gripper_axis=0, gripper_bound=1.5)
    assert Actor(chosen, 6, 3, gripper_axis=2).bound.tolist() == pytest.approx([1.5, 0.3, 0.3])
    an_axis = replace(config, bound=(0.1, 0.2, 0.3))
    assert Actor(an_axis, 6, 3, gripper_axis=2).bound.tolist() == pytest.approx([0.1, 0.2, 0.3])


def test_a_gripper_has_a_head_of_its_own_only_where_there_is_one() -> None:
    config = ActorConfig(composer="policy", gate="none", has_gripper_head=True)
    assert Actor(config, 6, 3, gripper_axis=2).axes == (0, 1)
    assert Actor(config, 6, 3).axes == (0, 1, 2)
    assert Actor(replace(config, has_gripper_head=False), 6, 3, gripper_axis=2).axes == (0, 1, 2)


def test_a_gripper_axis_that_the_action_lacks_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"below the 2 axes of the action; found 2"):
        made(gripper_axis=2)


def test_only_a_noise_may_be_larger_than_an_axis_is_wide() -> None:
    with pytest.raises(ConfigError, match=r"bound must be at most 2.0.*found 2.5"):
        ActorConfig(bound=(0.5, 2.5))
    assert ActorConfig(bound=(2.5,), composer="steering").bound == (2.5,)
