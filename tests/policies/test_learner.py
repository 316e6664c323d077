"""The learner's update, piece by piece, against golden values."""

from __future__ import annotations

from collections import Counter
from functools import partial

import numpy as np
import pytest
import torch
from conftest import make_episode, next_action_of, target_of, toy_base, toy_batch, toy_spec

from policies.actor import Actor, ActorConfig
from policies.finite import DivergedError
from policies.learner import Learner
from policies.learner_config import LearnerConfig
from policies.optimiser import polyak
from policies.rewards import RewardConfig, label
from policies.sampler import DEMO, ONLINE, EpisodeBuffer, QuotaSampler, SamplerConfig
from policies.states import States
from robot.errors import ConfigError

BASE = toy_base()
STATES = States(toy_spec(), BASE, uses_base=True)
batch = partial(toy_batch, STATES.size)


def learner(
    seed: int = 0, value_range: tuple[float, float] = (-10.0, 10.0), actor: dict | None = None, **config: object
) -> Learner:
    chosen = {"members": 4, "hidden": (16,), "target_noise": 0.0} | config
    acting = ActorConfig(**{"bound": (0.4, 0.4), "hidden": (16,)} | (actor or {}))
    return Learner(LearnerConfig(**chosen), Actor(acting, STATES.size, 2), value_range, seed)


def sampler(seed: int = 0) -> QuotaSampler:
    buffer = EpisodeBuffer(STATES, partial(label, config=RewardConfig()), 0.97)
    for i in range(4):
        buffer.add(make_episode(6, seed=i, human=tuple(range(6))), DEMO)
        buffer.add(make_episode(6, seed=10 + i, human=(2,)), ONLINE)
    return QuotaSampler(buffer, SamplerConfig(batch=32), seed)


def repeat(subject: Learner, draw: QuotaSampler, count: int, *, train_actor: bool = True) -> None:
    for _ in range(count):
        subject.update(draw.draw(), train_actor=train_actor)


def target_values(subject: Learner, b, action: torch.Tensor) -> torch.Tensor:
    views = subject.critic.views(subject.target_flat["critic"])
    return subject.critics.all_values(views, b.next_state, b.next_base, action)


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


def test_a_subset_larger_than_the_ensemble_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"at most members \(2\); found 3"):
        LearnerConfig(members=2, subset=3)


def test_the_target_is_return_plus_discounted_minimum_clipped_to_the_possible_range() -> None:
    subject = learner(subset=4)
    b = batch()
    q = target_values(subject, b, b.next_base)
    torch.testing.assert_close(target_of(subject, b), b.ret + 0.9 * q.amin(dim=0))
    bounded = target_of(learner(subset=4, value_range=(-0.01, 0.02)), b)
    assert bounded.min() == pytest.approx(-0.01)
    assert bounded.max() == pytest.approx(0.02)


def test_the_target_follows_the_next_base_action_and_not_the_present_one() -> None:
    subject, b = learner(subset=4), batch()
    y = target_of(subject, b)
    assert torch.equal(target_of(subject, b._replace(base=b.base + 0.1)), y)
    assert not torch.equal(target_of(subject, b._replace(next_base=b.next_base + 0.1)), y)
    assert torch.equal(target_of(subject, b._replace(discount=torch.zeros(32))), b.ret)


def test_a_distributions_target_is_that_of_the_most_pessimistic_member_alone() -> None:
    subject = learner(subset=4, critic="c51", atoms=11)
    b = batch(size=8)
    views = subject.critic.views(subject.target_flat["critic"])
    out = subject.critics.outputs(views, b.next_state, b.next_base, b.next_base)
    value = subject.values.value(out)
    y = target_of(subject, b)
    for i in range(8):
        worst = out[int(value[:, i].argmin()), i : i + 1]
        torch.testing.assert_close(y[i : i + 1], subject.values.target(b.ret[i : i + 1], b.discount[i : i + 1], worst))


@pytest.mark.parametrize("critic", ["mse", "c51", "hl_gauss"])
def test_every_kind_of_critic_learns_a_return_that_is_known(critic: str) -> None:
    subject = learner(critic=critic, critic_rate=1e-2, value_range=(-1.0, 1.0))
    ret = torch.linspace(-0.9, 0.9, 32)
    b = batch(ret=ret, discount=torch.zeros(32))
    for _ in range(300):
        subject.critic_step(b)
    views = subject.critic.views(subject.flat["critic"])
    assert (subject.value(views, b, b.action) - ret).abs().mean() < 0.1


def test_smoothing_noise_stays_within_its_clip_and_the_action_within_its_bound() -> None:
    subject = learner(target_noise=2.0, target_noise_clip=0.25)
    u, log_p = next_action_of(subject, batch(size=4000))
    assert u.abs().max() == pytest.approx(0.25 * 0.4)  # an untrained residual is zero: what is left is the noise
    assert not log_p.any()
    wide, _ = next_action_of(learner(target_noise=2.0, target_noise_clip=9.0), batch(size=4000))
    assert wide.abs().max() == pytest.approx(0.4)
    with torch.no_grad():
        subject.target_flat["actor"].normal_(std=3.0)
    assert next_action_of(subject, batch(size=4000))[0].abs().max() <= 0.4


def test_an_actor_step_gives_the_critics_no_gradient_and_moves_only_actor_and_its_target() -> None:
    subject = learner(imitation=1.0)
    before = {name: flat.clone() for name, flat in subject.flat.items()}
    targets = {name: flat.clone() for name, flat in subject.target_flat.items()}
    subject.actor_step(batch())
    assert not subject.flat["critic"].requires_grad
    assert torch.equal(subject.flat["critic"], before["critic"])
    assert torch.equal(subject.target_flat["critic"], targets["critic"])
    assert torch.equal(subject.flat["temperature"], before["temperature"])
    assert not torch.equal(subject.flat["actor"], before["actor"])
    torch.testing.assert_close(subject.target_flat["actor"], torch.lerp(targets["actor"], subject.flat["actor"], 0.005))


def test_the_critic_warm_up_leaves_the_actor_bit_for_bit_as_it_was() -> None:
    for head in ("deterministic", "gaussian"):
        subject, draw = learner(actor={"head": head}), sampler()
        before = {name: subject.flat[name].clone() for name in ("actor", "temperature")}
        repeat(subject, draw, 20, train_actor=False)
        assert all(torch.equal(subject.flat[name], flat) for name, flat in before.items())
        assert torch.equal(subject.target_flat["actor"], before["actor"])
        assert subject.updates == 20
        repeat(subject, draw, 20)
        assert not torch.equal(subject.flat["actor"], before["actor"])


def test_the_actor_moves_once_every_so_many_critic_updates_across_calls() -> None:
    subject, draw, moves = learner(actor_every=3), sampler(), 0
    for _ in range(10):
        before = subject.flat["actor"].clone()
        repeat(subject, draw, 1)
        moves += not torch.equal(subject.flat["actor"], before)
    assert moves == 3


@pytest.mark.parametrize("what", ["mean", "min", "first"])
def test_the_actor_climbs_what_it_is_told_of_the_critics(what: str) -> None:
    subject, b = learner(actor_rate=1e-2, actor_value=what, imitation=0.0), batch()
    subject.target_flat["critic"].zero_()  # the actor follows the critics, not their targets
    views = subject.critic.views(subject.flat["critic"])

    def climbed() -> float:
        u = subject.actor.mode(subject.actor.network.views(subject.flat["actor"]), b.state)
        q = subject.critics.all_values(views, b.state, b.base, b.base + u)
        return {"mean": q.mean(), "min": q.amin(dim=0).mean(), "first": q[0].mean()}[what].item()

    before = climbed()
    for _ in range(50):
        subject.actor_step(b)
    assert climbed() > before + 0.01


def test_a_saturated_sum_is_reported() -> None:
    b = batch(base=torch.full((32, 2), 1.0))
    subject = learner()
    subject.actor.network.views(subject.flat["actor"])["bias1"].fill_(1.0)
    assert subject.actor_step(b)["saturated"] == 1.0


def test_imitation_draws_to_a_persons_action_only_where_the_critics_agree_and_only_within_the_bound() -> None:
    subject = learner(filters_imitation=True)
    b = batch(base=torch.zeros(32, 2), action=torch.full((32, 2), 5.0), is_human=torch.arange(32) < 8)
    views = subject.critic.views(subject.flat["critic"])
    u = torch.zeros(32, 2)
    loss, share = subject.imitation_loss(views, b, u, q=torch.full((32,), -1e9))
    assert share == 1.0
    assert loss.item() == pytest.approx(1.0)  # the person's action is clipped to the bound: distance of one bound
    loss, share = subject.imitation_loss(views, b, u, q=torch.full((32,), 1e9))
    assert (loss.item(), share.item()) == (0.0, 0.0)
    loss, share = learner().imitation_loss(views, b, u, q=torch.full((32,), 1e9))
    assert (loss.item(), share.item()) == (pytest.approx(1.0), 1.0)  # without the filter, whatever the critics say
    nobody = b._replace(is_human=torch.zeros(32, dtype=torch.bool))
    assert subject.imitation_loss(views, nobody, u, q=torch.zeros(32))[0].item() == 0.0


@pytest.mark.parametrize("head", ["deterministic", "gaussian"])
def test_the_same_seed_gives_the_same_weights_bit_for_bit_and_another_does_not(head: str) -> None:
    runs = []
    for seed in (3, 3, 4):
        subject = learner(seed, actor={"head": head}, target_noise=0.2, imitation=1.0)
        repeat(subject, sampler(seed), 30)
        runs.append((subject.flat["critic"].clone(), subject.flat["actor"].clone()))
    assert torch.equal(runs[0][0], runs[1][0])
    assert torch.equal(runs[0][1], runs[1][1])
    assert not torch.equal(runs[0][0], runs[2][0])


def test_a_gradient_is_clipped_to_its_norm() -> None:
    subject = learner(clip_norm=1e-3, critic_rate=0.0)
    subject.critic_step(batch(ret=torch.full((32,), 9.0)))
    first = subject.optimisers["critic"].mean / 0.1  # the first step's mean is a tenth of the gradient
    assert torch.linalg.vector_norm(first).item() == pytest.approx(1e-3, rel=1e-3)


def test_the_weights_of_the_samples_count_in_the_critics_loss() -> None:
    subject, b = learner(critic_rate=0.0), batch()
    subject.critic_step(b)
    one = subject.optimisers["critic"].mean.clone()
    assert subject.sample_errors.shape == (32,)
    other = learner(critic_rate=0.0)
    half = other.critic_step(b._replace(weight=torch.full((32,), 0.25)))
    torch.testing.assert_close(other.sample_errors, subject.sample_errors)
    torch.testing.assert_close(half["critic_loss"], 0.25 * subject.sample_errors.mean())
    assert not torch.allclose(other.optimisers["critic"].mean, one)


def test_a_weight_that_is_no_number_is_named() -> None:
    subject = learner()
    subject.critic.views(subject.flat["critic"])["weight1"][0, 0, 0] = np.nan
    with pytest.raises(DivergedError, match=r"critic\.weight1 is not finite"):
        subject.check()
