"""How the noise of a base is learnt: an update against the paper's formulas, its laws, and a run that goes on."""

from __future__ import annotations

import pytest
import torch
from conftest import assert_equal_states, configured, state_of, toy_spec
from plain_steering import CONFIG, Plain, W, batch, flow, learner
from sample_runs import DEMOS, ONLINE

from policies import checkpoint
from policies.training import Training


def test_an_update_is_the_papers() -> None:
    subject = learner()
    g = torch.Generator().manual_seed(1)
    for flat in (*subject.flat.values(), *subject.target_flat.values()):
        if len(flat) > 1:
            flat.add_(0.2 * torch.randn(flat.shape, generator=g))
    before = {name: flat.clone() for name, flat in subject.flat.items()}
    plain = Plain(subject)
    for number in range(6):
        b = batch(seed=number)
        plain.update(b)
        subject.update(b)
        assert {name: gap for name, gap in plain.differences().items() if gap > 1e-5} == {}
    assert all(not torch.equal(flat, before[name]) for name, flat in subject.flat.items())


def test_no_gradient_goes_through_the_base_and_nothing_of_it_changes() -> None:
    subject = learner()
    before = {name: tensor.clone() for name, tensor in subject.steered._decoder.state_dict().items()}
    for number in range(4):
        subject.update(batch(seed=number))
    after = subject.steered._decoder.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not any(parameter.requires_grad for parameter in subject.steered._decoder.parameters())


def test_the_critics_of_noises_come_to_say_what_the_critics_say_of_what_the_base_makes_of_them() -> None:
    subject = learner(actor__hidden=(64, 64), learner__hidden=(64, 64), learner__critic_rate=1e-3)
    for number in range(600):
        subject.noise_step(batch(64, seed=number))
    held_out = batch(256, seed=10_000)
    noise = torch.randn(256, W, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        said = subject.of_noise(subject.noise_critic.views(subject.flat["noise"]), held_out.state, noise)
        action = subject.composed(held_out.state, held_out.base, noise)
        true = subject.critics.all_values(
            subject.critic.views(subject.flat["critic"]), held_out.state, held_out.base, action
        )
    error = (said - true).pow(2).mean(dim=1)
    assert (error < 0.2 * true.var(dim=1)).all(), (error, true.var(dim=1))


@pytest.mark.parametrize("value", ["mean", "first"])
def test_the_actor_climbs_what_it_is_told_to(value: str) -> None:
    one, other = learner(), learner(learner__actor_value=value)
    for subject in (one, other):
        subject.update(batch())
    assert torch.equal(one.flat["critic"], other.flat["critic"])
    assert not torch.equal(one.flat["actor"], other.flat["actor"])


@pytest.mark.parametrize(("key", "value"), [("noise_every", 3), ("noise_own_share", 0.75)])
def test_its_settings_change_what_is_learnt(key: str, value: float) -> None:
    one, other = learner(), learner(**{f"learner__{key}": value})
    for number in range(6):
        one.update(batch(seed=number))
        other.update(batch(seed=number))
    assert not torch.equal(one.flat["noise"], other.flat["noise"])


def test_a_run_that_steers_goes_on_bit_for_bit(tmp_path) -> None:
    def fresh() -> Training:
        return Training(
            toy_spec(), flow(), DEMOS, configured({"sampler.demos": "pool", "sampler.demo_share": 0.5}, CONFIG)
        )

    whole = fresh()
    whole.prepare()
    for episode in ONLINE[:3]:
        whole.take(episode)
    checkpoint.save(tmp_path, whole)
    resumed = fresh()
    assert checkpoint.restore(tmp_path, resumed) == 3
    for episode in ONLINE[:3]:
        resumed.replay(episode)
    for episode in ONLINE[3:]:
        whole.take(episode)
        metrics = resumed.take(episode)
    assert "noise" in whole.learner.flat
    assert_equal_states(state_of(whole), state_of(resumed))
    assert metrics["residual"] > 0.0
    assert "saturated" not in resumed.measure()
