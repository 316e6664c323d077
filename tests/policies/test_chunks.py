"""The models of a chunk of actions: laws and golden values of ACT, diffusion and flow."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from conftest import make_episode, toy_spec

from policies.base import BasePolicy, chunk_model
from policies.base_config import KINDS, BaseConfig
from policies.bc import BCConfig, train_base
from policies.chunks.act import ActChunk, ActConfig
from policies.chunks.denoiser import DenoiserConfig
from policies.chunks.diffusion import DiffusionChunk, DiffusionConfig, squared_cosine
from policies.chunks.flow import FlowConfig, integrate, mean_velocity
from policies.chunks.model import Seen, masked_mean
from policies.perception import Percept
from policies.plans import ensemble
from robot.errors import ConfigError, SpecError

SMALL_NET = DenoiserConfig(width=32, blocks=1)
SMALL = BaseConfig(
    hidden=(16,),
    chunk=4,
    act=ActConfig(dim=16, heads=2, encoder_layers=1, feedforward=16, latent=4),
    diffusion=DiffusionConfig(train_steps=20, steps=5, network=SMALL_NET),
    flow=FlowConfig(network=SMALL_NET),
)


def small(kind: str, **more) -> BaseConfig:
    from dataclasses import replace

    return replace(SMALL, kind=kind, **more)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def seen(count: int, size: int = 2, seed: int = 1) -> Seen:
    return Seen(torch.randn(count, size, generator=generator(seed)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_is_a_function_of_what_it_sees_and_of_the_noise_it_is_given(kind: str) -> None:
    model = chunk_model(toy_spec(), small(kind), generator(3)).eval()
    noise = torch.randn(5, model.noise_size, generator=generator(2))
    with torch.no_grad():
        one, again = model.predict(seen(5), noise), model.predict(seen(5), noise)
        alone = model.predict(Seen(seen(5).vector[2:3]), noise[2:3])
    assert one.shape == (5, 4, 2)
    assert torch.equal(one, again)
    torch.testing.assert_close(alone[0], one[2])
    assert model.noise_size == (8 if kind in ("diffusion", "flow") else 0)


@pytest.mark.parametrize("kind", KINDS)
def test_what_lies_behind_the_mask_has_no_influence_on_the_loss(kind: str) -> None:
    model = chunk_model(toy_spec(), small(kind), generator(3))
    target = torch.rand(6, 4, 2, generator=generator(5)) - 0.5
    mask = torch.ones(6, 4)
    mask[:, 2:] = 0.0
    other = torch.where(mask[..., None] > 0, target, 0.9)
    if kind in ("diffusion", "flow"):  # they see the noisy chunk whole, so that only the errors are masked
        error = torch.rand(6, 4, 2)
        other_error = torch.where(mask[..., None] > 0, error, 5.0)
        assert torch.equal(masked_mean(error, mask), masked_mean(other_error, mask))
        return
    losses = [model.loss(seen(6), t, mask, generator(1)).item() for t in (target, other)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_clones_a_law_and_is_saved_and_loaded_bit_for_bit(kind: str, tmp_path) -> None:
    rng = np.random.default_rng(0)
    demos = []
    for seed in range(10):
        states = rng.uniform(-1, 1, (20, 2)).astype(np.float32)
        demos.append(make_episode(20, seed=seed, observation={"state": states}, action=-0.5 * states))
    rate = {"mlp": 1e-3, "act": 2e-3, "diffusion": 2e-3, "flow": 2e-3}[kind]
    config = BCConfig(
        base=small(kind, chunk=1, execute_steps=1), updates=300, learning_rate=rate, noise=0.0, validation=0.0
    )
    base = train_base(demos, toy_spec(), config, 7).policy
    test = Percept(rng.uniform(-0.8, 0.8, (100, 2)).astype(np.float32))
    noise = rng.standard_normal((100, base.model.noise_size)).astype(np.float32)
    error = np.abs(base.predict(test, noise)[:, 0] - -0.5 * test.vector).mean()
    assert error < 0.1  # zero, the best constant, is wrong by 0.2
    base.save(tmp_path)
    loaded = BasePolicy.load(tmp_path, toy_spec())
    assert loaded.digest() == base.digest()
    np.testing.assert_array_equal(loaded.predict(test, noise), base.predict(test, noise))
    again = train_base(demos, toy_spec(), config, 7).policy
    assert again.digest() == base.digest()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_ensembling", [False, True])
def test_labels_over_an_episode_are_what_each_kind_would_have_done_in_the_loop(kind: str, is_ensembling: bool) -> None:
    config = small(kind, execute_steps=1, ensembling=0.05) if is_ensembling else small(kind, execute_steps=3)
    model = chunk_model(toy_spec(), config, generator(3))
    base = BasePolicy(toy_spec(), config, model, *_scaler())
    episode = make_episode(11, human=(1, 2, 6), seed=4)
    action, phase = base.relabel(episode)
    base.reset(4)
    for t in range(episode.length):
        decision = base.act({"state": episode.observation["state"][t]})
        assert decision.chunk_phase == phase[t]
        np.testing.assert_allclose(decision.action, action[t], atol=2e-6)
        if t in (1, 2, 6):
            base.replan()
    np.testing.assert_allclose(base.act(episode.final_observation).action, action[-1], atol=2e-6)


def _scaler():
    from policies.base import ActionScaler

    return (ActionScaler(np.zeros(2, np.float32), np.ones(2, np.float32)),)


def test_chance_is_the_episodes_seed_alone() -> None:
    config = small("flow")
    base = BasePolicy(toy_spec(), config, chunk_model(toy_spec(), config, generator(3)), *_scaler())
    o = {"state": np.array([0.2, -0.1], np.float32)}

    def first(seed: int) -> np.ndarray:
        base.reset(seed)
        return base.act(o).action

    one, other, again = first(1), first(2), first(1)
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_temporal_ensembling_weighs_the_oldest_most_as_by_hand() -> None:
    chunks = np.array([[[1.0], [2.0], [3.0]], [[10.0], [20.0], [30.0]], [[100.0], [200.0], [300.0]]], np.float32)
    w = [1.0, math.exp(-0.5), math.exp(-1.0)]
    by_hand = (w[0] * 3.0 + w[1] * 20.0 + w[2] * 100.0) / sum(w)
    assert ensemble(chunks, 0.5)[0] == pytest.approx(by_hand, rel=1e-6)
    assert ensemble(chunks[:2], 0.0)[0] == pytest.approx((2.0 + 10.0) / 2)
    # chunks that do not reach as far as now have no say
    assert ensemble(np.concatenate([np.full((4, 3, 1), 9e9, np.float32), chunks]), 0.5)[0] == pytest.approx(by_hand)


def test_ensembling_needs_a_prediction_at_each_step() -> None:
    with pytest.raises(SpecError, match="set execute_steps=1; found 2"):
        BaseConfig(ensembling=0.01)


def test_acts_latent_sees_every_action_that_counts_however_little() -> None:
    act = ActChunk(ActConfig(dim=16, heads=2, encoder_layers=1, feedforward=16, latent=3), 2, 4, 2)
    target = torch.rand(2, 4, 2, generator=generator(1))
    for weight, is_seen in ((1.0, True), (0.3, True), (0.0, False)):
        mask = torch.ones(2, 4)
        mask[:, 2:] = weight
        other = target.clone()
        other[:, 2:] += 0.5
        with torch.no_grad():
            means = [act.posterior(seen(2), some, mask)[0] for some in (target, other)]
        assert torch.equal(*means) is not is_seen


def test_acts_loss_has_the_divergence_of_its_posterior_as_by_hand() -> None:
    config = ActConfig(dim=16, heads=2, encoder_layers=1, feedforward=16, latent=3, kl_weight=2.0)
    act = ActChunk(config, 2, 4, 2)
    target, mask = torch.rand(6, 4, 2), torch.ones(6, 4)
    mean, log_var = act.posterior(seen(6), target, mask)
    kl = sum(
        0.5 * (math.exp(v) + m * m - 1.0 - v)
        for m, v in zip(mean.detach().flatten().tolist(), log_var.detach().flatten().tolist(), strict=True)
    )
    drawn = torch.randn(mean.shape, generator=generator(9))
    found = act._decode(seen(6), mean + (0.5 * log_var).exp() * drawn)
    by_hand = (found - target).abs().mean().item() + 2.0 * kl / 6
    assert act.loss(seen(6), target, mask, generator(9)).item() == pytest.approx(by_hand, rel=1e-5)


def test_act_takes_the_latents_mean_unless_it_is_told_to_draw() -> None:
    config = ActConfig(dim=16, heads=2, encoder_layers=1, feedforward=16, latent=3)
    act = ActChunk(config, 2, 4, 2).eval()
    assert act.noise_size == 0
    at_zero = act._decode(seen(2), torch.zeros(2, 3))
    torch.testing.assert_close(act.predict(seen(2), torch.zeros(2, 0)), at_zero)


def test_act_refuses_a_width_that_its_heads_do_not_share() -> None:
    with pytest.raises(ConfigError, match=r"multiple of 4 and of act\.heads \(3\); found 16"):
        ActConfig(dim=16, heads=3)


def test_the_noise_schedule_has_the_papers_values() -> None:
    kept = squared_cosine(100)
    assert float(kept[0]) == pytest.approx(
        math.cos(0.018 / 1.008 * math.pi / 2) ** 2 / math.cos(0.008 / 1.008 * math.pi / 2) ** 2, rel=1e-5
    )
    assert torch.all(kept[1:] < kept[:-1])
    assert float(kept[-1]) < 1e-4


class _KnownNoise(DiffusionChunk):
    """Diffusion of data that is one point: the noise in a noisy chunk is then known."""

    point = 0.4

    def _noise(self, noisy, seen, level):
        share = self.kept[level][:, None]
        return (noisy - share.sqrt() * self.point) / (1 - share).sqrt()


@pytest.mark.parametrize("steps", [1, 2, 7, 20])
def test_ddim_with_the_true_noise_finds_the_data_in_any_number_of_steps(steps: int) -> None:
    model = _KnownNoise(DiffusionConfig(train_steps=20, steps=steps, network=SMALL_NET), 2, 3, 2)
    found = model.predict(seen(4), torch.randn(4, 6))
    torch.testing.assert_close(found, torch.full((4, 3, 2), 0.4), atol=1e-3, rtol=0)


def test_ddims_steps_are_the_papers_equation_by_hand() -> None:
    model = DiffusionChunk(DiffusionConfig(train_steps=20, steps=3, network=SMALL_NET), 2, 1, 1)
    kept, noise = squared_cosine(20), torch.tensor([[0.3]])
    bias = model.network.leave.bias

    def told(x: torch.Tensor, level: int) -> torch.Tensor:
        return model._noise(x, seen(1), torch.tensor([level]))

    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.mul_(0.1)
        wanted = (noise - kept[19].sqrt() * 0.5) / (1 - kept[19]).sqrt()  # so that x0 is 0.5 at first, within the clamp
        bias.add_((wanted - told(noise, 19))[0])
        x = noise
        for level, after in ((19, 10), (10, 0), (0, None)):
            x0 = (x - (1 - kept[level]).sqrt() * told(x, level)) / kept[level].sqrt()
            assert x0.abs() < 1.0
            if after is not None:
                e = (x - kept[level].sqrt() * x0) / (1 - kept[level]).sqrt()
                x = kept[after].sqrt() * x0 + (1 - kept[after]).sqrt() * e
        torch.testing.assert_close(model.predict(seen(1), noise)[0], x0)


def _decay(rate: float):
    """The mean velocity of dz/dt = rate z, which is known: z moves by exp."""

    def field(z, begin, end):
        stretch = (end - begin)[:, None]
        small = stretch.abs() < 1e-6
        safe = torch.where(small, torch.ones_like(stretch), stretch)
        return torch.where(small, rate * z, z * (1 - torch.exp(-rate * stretch)) / safe)

    return field


def test_one_step_of_a_mean_flow_is_its_integral_in_many_on_a_field_that_is_known() -> None:
    noise = torch.randn(5, 3)
    one = integrate(_decay(1.3), noise, 1, is_mean=True)
    many = integrate(_decay(1.3), noise, 40, is_mean=True)
    torch.testing.assert_close(one, noise * math.exp(-1.3))
    torch.testing.assert_close(many, one)
    plain = integrate(_decay(1.3), noise, 2000, is_mean=False)
    torch.testing.assert_close(plain, one, atol=2e-3, rtol=0)
    assert not torch.allclose(integrate(_decay(1.3), noise, 1, is_mean=False), one, atol=0.01)


def test_the_mean_flow_identity_holds_on_a_field_that_is_known() -> None:
    z, begin, end = torch.randn(5, 3), torch.full((5,), 0.2), torch.full((5,), 0.9)
    field = _decay(0.7)
    torch.testing.assert_close(mean_velocity(field, z, 0.7 * z, begin, end), field(z, begin, end))


def test_a_mean_flow_that_is_trained_comes_to_the_data_in_one_step() -> None:
    config = small("flow", chunk=1, execute_steps=1)
    model = chunk_model(toy_spec(), config, generator(0))
    optimiser = torch.optim.Adam(model.parameters(), 2e-3)
    draw = generator(1)
    for _ in range(400):
        sign = (torch.rand(128, 1, 1, generator=draw) < 0.5).float() * 2 - 1
        loss = model.loss(Seen(torch.zeros(128, 2)), 0.6 * sign.expand(-1, 1, 2), torch.ones(128, 1), draw)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        found = model.predict(Seen(torch.zeros(400, 2)), torch.randn(400, 2, generator=generator(2)))[:, 0]
    near = (found.abs() - 0.6).abs().max(dim=1).values < 0.25
    assert near.float().mean() > 0.75  # two modes, not their mean
    assert 0.3 < (found[:, 0] > 0).float().mean() < 0.7
