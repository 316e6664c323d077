"""The learner's update, piece by piece, against golden values."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from conftest import make_episode, toy_base

from policies.learner import DivergedError, Learner, LearnerConfig, TensorBatch, polyak, td_loss
from policies.networks import EnsembleMlp, subset
from policies.residual import ResidualConfig, actor_for
from policies.rewards import RewardConfig
from policies.sampler import EpisodeBuffer, QuotaSampler, SamplerConfig

BASE = toy_base()
STATE = BASE.features.size + 2 + BASE.phases


def learner(seed: int = 0, value_range: tuple[float, float] = (-10.0, 10.0), **config: object) -> Learner:
    chosen = {"members": 4, "hidden": (16,), "target_noise": 0.0} | config
    residual = ResidualConfig(bound=(0.4, 0.4), hidden=(16,))
    return Learner(LearnerConfig(**chosen), actor_for(BASE, residual), value_range, seed)


def batch(size: int = 32, seed: int = 0, **columns: torch.Tensor) -> TensorBatch:
    g = torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> torch.Tensor:
        return 0.5 * torch.randn(*shape, generator=g)

    made = TensorBatch(
        noise(size, STATE),
        noise(size, 2).clamp(-0.9, 0.9),
        noise(size, 2).clamp(-1, 1),
        noise(size),
        torch.full((size,), 0.9),
        noise(size, STATE),
        noise(size, 2).clamp(-0.9, 0.9),
        torch.rand(size, generator=g) < 0.5,
    )
    return made._replace(**columns)


def sampler(seed: int = 0) -> QuotaSampler:
    demo, online = (EpisodeBuffer(BASE, RewardConfig()) for _ in range(2))
    for i in range(4):
        demo.add(make_episode(6, seed=i, human=tuple(range(6))))
        online.add(make_episode(6, seed=10 + i, human=(2,)))
    return QuotaSampler(demo, online, SamplerConfig(batch=32), seed)


def test_the_ensemble_equals_a_loop_over_separate_perceptrons() -> None:
    net = EnsembleMlp(3, 5, (7, 6), 2)
    views = net.views(net.initial(torch.Generator().manual_seed(0)))
    x = torch.randn(11, 5)
    got = net.forward(views, x)
    for k in range(3):
        h = x
        for layer in range(2):
            h = h @ views[f"weight{layer}"][k] + views[f"bias{layer}"][k]
            h = torch.relu(torch.nn.functional.layer_norm(h, h.shape[-1:]))
        torch.testing.assert_close(got[k], h @ views["weight2"][k] + views["bias2"][k], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(net.forward(subset(views, torch.tensor([2, 0])), x), got[[2, 0]])


def test_members_begin_differently_and_flattening_inverts_the_views() -> None:
    net = EnsembleMlp(3, 5, (7,), 1)
    flat = net.initial(torch.Generator().manual_seed(0))
    views = net.views(flat)
    assert not torch.equal(views["weight0"][0], views["weight0"][1])
    assert views["bias0"].shape == (3, 1, 7)
    assert torch.equal(net.flatten(views), flat)


def test_the_loss_is_the_mean_of_squares_over_members() -> None:
    q = torch.tensor([[1.0], [3.0]])
    assert td_loss(q, torch.zeros(1)).item() == 5.0  # the square of the mean would be 4


def test_polyak_moves_the_target_by_tau() -> None:
    target, online = torch.tensor([0.0, 4.0]), torch.tensor([10.0, 0.0])
    polyak(target, online, 0.1)
    torch.testing.assert_close(target, torch.tensor([1.0, 3.6]))


def test_the_subset_has_different_members_each_equally_often() -> None:
    subject = learner(members=5, subset=2)
    drawn = [tuple(subject.draw_members().tolist()) for _ in range(1000)]
    assert all(len(set(pair)) == 2 for pair in drawn)
    counts = Counter(m for pair in drawn for m in pair)
    assert all(320 < counts[m] < 480 for m in range(5))  # 400 expected, standard deviation 15


def test_the_target_is_return_plus_discounted_minimum_clipped_to_the_possible_range() -> None:
    subject = learner(subset=4)
    b = batch()
    views = subject.critic.views(subject.critic_target)
    q = subject.critic.forward(views, subject.critic_input(b.next_state, b.next_base, b.next_base))[..., 0]
    torch.testing.assert_close(subject.target(b), b.ret + 0.9 * q.amin(dim=0))
    bounded = learner(subset=4, value_range=(-0.01, 0.02)).target(b)
    assert bounded.min() == pytest.approx(-0.01)
    assert bounded.max() == pytest.approx(0.02)


def test_the_target_follows_the_next_base_action_and_not_the_present_one() -> None:
    subject, b = learner(subset=4), batch()
    y = subject.target(b)
    assert torch.equal(subject.target(b._replace(base=b.base + 0.1)), y)
    assert not torch.equal(subject.target(b._replace(next_base=b.next_base + 0.1)), y)
    assert torch.equal(subject.target(b._replace(discount=torch.zeros(32))), b.ret)


def test_an_actor_step_gives_the_critics_no_gradient_and_moves_only_actor_and_its_target() -> None:
    subject = learner(imitation=1.0)
    critic, target = subject.critic_flat.detach().clone(), subject.critic_target.clone()
    actor, actor_target = subject.actor_flat.detach().clone(), subject.actor_target.clone()
    subject.actor_step(batch())
    assert subject.critic_flat.grad is None
    assert torch.equal(subject.critic_flat, critic)
    assert torch.equal(subject.critic_target, target)
    assert not torch.equal(subject.actor_flat, actor)
    torch.testing.assert_close(subject.actor_target, torch.lerp(actor_target, subject.actor_flat.detach(), 0.005))


def test_the_critic_warm_up_leaves_the_actor_bit_for_bit_as_it_was() -> None:
    subject, draw = learner(), sampler()
    before = subject.actor_flat.detach().clone(), subject.actor_target.clone()
    subject.update(draw, 20, train_actor=False)
    assert torch.equal(subject.actor_flat, before[0])
    assert torch.equal(subject.actor_target, before[1])
    assert subject.updates == 20
    subject.update(draw, 20)
    assert not torch.equal(subject.actor_flat, before[0])


def test_the_actor_moves_once_every_so_many_critic_updates_across_calls() -> None:
    subject, draw, moves = learner(actor_every=3), sampler(), 0
    for _ in range(10):
        before = subject.actor_flat.detach().clone()
        subject.update(draw, 1)
        moves += not torch.equal(subject.actor_flat, before)
    assert moves == 3


def test_the_actor_climbs_the_mean_of_all_critics() -> None:
    subject, b = learner(actor_rate=1e-2), batch()
    subject.critic_target.zero_()  # the actor follows the critics, not their targets
    views = subject.critic.views(subject.critic_flat.detach())

    def mean_value() -> float:
        u = subject.actor(subject.actor.network.views(subject.actor_flat.detach()), b.state)
        q = subject.critic.forward(views, subject.critic_input(b.state, b.base, b.base + u))
        return q.mean().item()

    before = mean_value()
    for _ in range(50):
        subject.actor_step(b)
    assert mean_value() > before + 0.01


def test_a_saturated_sum_is_reported() -> None:
    b = batch(base=torch.full((32, 2), 1.0))
    subject = learner()
    with torch.no_grad():
        subject.actor.network.views(subject.actor_flat)["bias1"].fill_(1.0)
    assert subject.actor_step(b)["saturated"] == 1.0


def test_imitation_draws_to_a_persons_action_only_where_the_critics_agree_and_only_within_the_bound() -> None:
    subject = learner()
    b = batch(base=torch.zeros(32, 2), action=torch.full((32, 2), 5.0), is_human=torch.arange(32) < 8)
    views = subject.critic.views(subject.critic_flat.detach())
    u = torch.zeros(32, 2)
    loss, share = subject.imitation_loss(views, b, u, q=torch.full((32,), -1e9))
    assert share == 1.0
    assert loss.item() == pytest.approx(1.0)  # the person's action is clipped to the bound: distance of one bound
    loss, share = subject.imitation_loss(views, b, u, q=torch.full((32,), 1e9))
    assert (loss.item(), share.item()) == (0.0, 0.0)
    nobody = b._replace(is_human=torch.zeros(32, dtype=torch.bool))
    assert subject.imitation_loss(views, nobody, u, q=torch.zeros(32))[0].item() == 0.0


def test_the_same_seed_gives_the_same_weights_bit_for_bit_and_another_does_not() -> None:
    runs = []
    for seed in (3, 3, 4):
        subject = learner(seed, target_noise=0.2, imitation=1.0)
        subject.update(sampler(seed), 30)
        runs.append((subject.critic_flat.detach().clone(), subject.actor_flat.detach().clone()))
    assert torch.equal(runs[0][0], runs[1][0])
    assert torch.equal(runs[0][1], runs[1][1])
    assert not torch.equal(runs[0][0], runs[2][0])


def test_a_weight_that_is_no_number_is_named() -> None:
    subject = learner()
    with torch.no_grad():
        subject.critic.views(subject.critic_flat)["weight1"][0, 0, 0] = np.nan
    with pytest.raises(DivergedError, match=r"critic\.weight1 is not finite"):
        subject.check()


def test_a_gradient_is_clipped_to_its_norm() -> None:
    subject = learner(clip_norm=1e-3, critic_rate=0.0)
    subject.critic_step(batch(ret=torch.full((32,), 9.0)))
    assert torch.linalg.vector_norm(subject.critic_flat.grad).item() == pytest.approx(1e-3, rel=1e-3)
