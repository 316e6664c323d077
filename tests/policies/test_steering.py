"""A base that is steered by its noise: what acts, what is learnt from, and what is refused."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from conftest import configured, make_episode, toy_base, toy_spec
from plain_steering import AXES, CONFIG, STEPS, W, flow, states
from sample_runs import DEMOS

from policies.acting import LearntPolicy
from policies.declared import Declared
from policies.external import ExternalPolicy
from policies.perception import Percept
from policies.sampler import ONLINE as PLAYED
from policies.sampler import EpisodeBuffer
from policies.schedule import OPEN, START, WARM_UP, Directions
from policies.states import States
from policies.steering import Steered
from policies.training import Training
from policies.weights import WeightsDirectory
from robot.errors import ConfigError
from robot.specs import ArraySpec

DIGEST = toy_spec().digest()


# the base as a function of its noise


@pytest.mark.parametrize("kind", ["flow", "diffusion"])
def test_what_is_steered_does_with_the_bases_own_noise_what_the_base_does_bit_for_bit(kind: str) -> None:
    base = flow(kind)
    noise = np.random.default_rng(0).standard_normal((9, W)).astype(np.float32)
    plans = base.predict(Percept(states(9)), noise)
    with torch.no_grad():
        given = Steered(base).actions(torch.from_numpy(states(9)), torch.from_numpy(noise))
    assert given.numpy().tobytes() == plans[:, :STEPS].reshape(9, -1).tobytes()


def test_standard_normal_noise_gives_the_bases_own_distribution() -> None:
    base, state = flow(), np.zeros((4000, 2), np.float32)
    own = []
    for seed in range(1000):
        base.reset(seed)
        own.append(base.act({"state": state[0]}).action)
    noise = torch.randn(4000, W, generator=torch.Generator().manual_seed(3))
    steered = Steered(base).actions(torch.from_numpy(state), noise)[:, :AXES].numpy()
    for axis in range(AXES):  # Kolmogorov and Smirnov's distance: 1.63 * sqrt(1/n + 1/m) is passed once in a hundred
        both = np.sort(np.concatenate([np.array(own)[:, axis], steered[:, axis]]))
        one, other = (np.searchsorted(np.sort(x[:, axis]), both, "right") / len(x) for x in (np.array(own), steered))
        assert np.abs(one - other).max() < 1.63 * math.sqrt(1 / 1000 + 1 / 4000)


def test_the_base_is_asked_once_a_plan_and_never_for_what_it_made_already() -> None:
    """Known defect of the released code: what was decoded once was decoded again (DSRL's issue 6)."""
    base, counted = flow(), []
    predict = base.model.predict
    base.model.predict = lambda seen, noise: counted.append(len(noise)) or predict(seen, noise)  # type: ignore[method-assign]
    policy = LearntPolicy(toy_spec(), base, CONFIG, deterministic=True)
    policy.reset(0)
    for state in states(2 * STEPS):
        policy.act({"state": state})
    assert counted == [1, 1]


def test_another_device_takes_a_copy_of_the_base_and_leaves_the_base_where_it_is() -> None:
    base = flow()
    moved = Steered(base).to(torch.device("meta"))
    assert {p.device.type for p in moved._decoder.parameters()} == {"meta"}
    assert {p.device.type for p in base.model.parameters()} == {"cpu"}


# what acts


def trained(tmp_path, scale: float = 3.0, config=CONFIG, deterministic: bool = False, **directions) -> LearntPolicy:
    training = Training(toy_spec(), flow(), [], config)
    g = torch.Generator().manual_seed(1)
    training.learner.flat["actor"].copy_(scale * torch.randn(training.learner.flat["actor"].shape, generator=g))
    weights = WeightsDirectory(tmp_path)
    weights.publish(3, training.published(), DIGEST, Directions(**{"stage": OPEN} | directions).to_header())
    made = LearntPolicy(toy_spec(), flow(), config, weights, deterministic=deterministic)
    made.load_weights(3)
    made.reset(0)
    return made


def played(policy, count: int = 10, seed: int = 5) -> list:
    policy.reset(seed)
    return [policy.act({"state": state}) for state in states(count)]


def assert_is_the_bases(policy) -> None:
    for got, plain in zip(played(policy), played(flow()), strict=True):
        assert got.action.tobytes() == plain.action.tobytes()
        assert got.base_action.tobytes() == plain.action.tobytes()
        assert got.chunk_phase == plain.chunk_phase


def test_before_there_are_weights_it_is_the_base_bit_for_bit() -> None:
    assert_is_the_bases(LearntPolicy(toy_spec(), flow(), CONFIG))


@pytest.mark.parametrize("directions", [{"alarm": "something is odd"}, {"stage": START}])
def test_where_the_base_is_to_act_it_draws_its_own_noise(tmp_path, directions: dict[str, str]) -> None:
    assert_is_the_bases(trained(tmp_path, **directions))


def test_a_policy_that_is_doubted_leaves_an_evaluation_to_the_base(tmp_path) -> None:
    config = configured({"actor.proof": 0.5}, CONFIG)
    assert_is_the_bases(trained(tmp_path, config=config, deterministic=True, doubt="not yet as good"))


@pytest.mark.parametrize("deterministic", [False, True])
def test_a_plan_is_what_the_base_makes_of_the_learnt_noise(tmp_path, deterministic: bool) -> None:
    policy = trained(tmp_path, deterministic=deterministic)
    got = played(policy)
    assert [d.chunk_phase for d in got] == [t % STEPS for t in range(10)]
    assert all(np.isnan(d.base_action).all() and np.isnan(d.residual).all() for d in got)
    assert {d.weights_version for d in got} == {3}
    assert max(np.abs(a.action - b.action).max() for a, b in zip(got, played(flow()), strict=True)) > 0.01
    again = played(policy)
    assert [d.action.tobytes() for d in got] == [d.action.tobytes() for d in again]
    if deterministic:
        at = torch.from_numpy(states(1))
        noise = policy.actor.mode(policy._views, at)
        expected = Steered(flow()).actions(at, noise)[0, :AXES].detach().numpy()
        np.testing.assert_allclose(got[0].action, expected, atol=1e-6)


def test_noise_is_drawn_once_a_plan(tmp_path, monkeypatch) -> None:
    policy, asked = trained(tmp_path), []
    explored = policy._explored
    monkeypatch.setattr(policy, "_explored", lambda at: asked.append(1) or explored(at))
    played(policy, 2 * STEPS)
    assert len(asked) == 2


def test_an_untrained_actors_noise_is_around_zero() -> None:
    policy = LearntPolicy(toy_spec(), flow(), CONFIG)
    assert not policy.actor.mode(policy._views, torch.from_numpy(states(5))).any()


def test_a_person_voids_the_rest_of_a_plan(tmp_path) -> None:
    policy = trained(tmp_path)
    policy.reset(0)
    assert policy.act({"state": states(1)[0]}).chunk_phase == 0
    policy.replan()
    assert policy.act({"state": states(2)[1]}).chunk_phase == 0


def test_noise_is_within_its_bound_at_every_call(tmp_path) -> None:
    """Known defect of the released code: its noise-aliased variant ignored the magnitude (issue catalogue, 27)."""
    for starter in ("policy", "uniform"):
        config = configured({"schedule.starter": starter, "actor.bound": (0.7,)}, CONFIG)
        for stage in (START, WARM_UP, OPEN):
            policy = trained(tmp_path / f"{starter}{stage}", config=config, stage=stage)
            noises = [policy._noise(Percept(state)) for state in states(50)]
            assert all(noise.shape == (1, W) and np.abs(noise).max() <= 0.7 for noise in noises)
            assert np.abs(noises).max() > 0.5


# what is learnt from


def test_a_decision_is_what_was_executed_over_a_plan_and_never_another_episodes() -> None:
    steered = Steered(flow())
    buffer = EpisodeBuffer(
        States(toy_spec(), flow(), uses_base=False, steered=steered),
        lambda e: np.arange(e.length, dtype=np.float32),
        0.5,
    )
    episodes = [make_episode(5, seed=1), make_episode(4, seed=2, end="timeout", human=(1,))]
    for episode in episodes:
        buffer.add(episode, PLAYED)
    got = buffer.windows(np.array([0, 3, 4, 6, 9]), 1)
    one, other = (episode.action for episode in episodes)
    held = one[4]
    np.testing.assert_array_equal(got.action[0], one[0:3].ravel())
    np.testing.assert_array_equal(got.action[1], np.concatenate([one[3], one[4], held]))
    np.testing.assert_array_equal(got.action[2], np.concatenate([one[4], held, held]))
    np.testing.assert_array_equal(got.action[3], other[0:3].ravel())  # a person's step among them
    np.testing.assert_array_equal(got.action[4], np.tile(other[3], 3))
    np.testing.assert_allclose(got.ret, [0 + 0.5 * 1 + 0.25 * 2, 3 + 0.5 * 4, 4, 0 + 0.5 * 1 + 0.25 * 2, 3])
    np.testing.assert_allclose(got.discount, [0.5**3, 0, 0, 0.5**3, 0.5])
    np.testing.assert_array_equal(got.next_state[3], other_state(episodes[1], 3))
    two = buffer.windows(np.array([0]), 2)
    assert two.discount.item() == 0.0  # two plans reach beyond the end
    assert not buffer.column("base").any()  # nobody asks what an unsteered base would do
    np.testing.assert_array_equal(two.action[0], one[0:3].ravel())


def other_state(episode, t: int) -> np.ndarray:
    return episode.observation["state"][t]


def test_states_are_standardised_as_the_base_has_them_whatever_is_learnt_from() -> None:
    training = Training(toy_spec(), flow(), DEMOS, CONFIG)
    before = training.buffer.standardiser
    training.prepare()
    assert training.buffer.standardiser is before is training.base.standardiser


# what cannot be


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("actor.gate", "greedy"),
        ("learner.imitation", 1.0),
        ("schedule.clone_updates", 5),
        ("eyes", "own"),
        ("actor.bound", (1.0, 1.0)),
    ],
)
def test_what_means_nothing_for_a_noise_is_refused(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"{key}"):
        configured({key: value}, CONFIG)


def test_a_base_without_noise_cannot_be_steered() -> None:
    with pytest.raises(ConfigError, match=r"flow or diffusion; found bc.base.kind=mlp"):
        Training(toy_spec(), toy_base(), [], CONFIG)
    with pytest.raises(ConfigError, match=r"needs a base policy"):
        Training(toy_spec(), None, [], CONFIG)
    declared = Declared({"state": ArraySpec((2,), "float32", "m")}, ("x", "y"), (0.1, 0.1), 0.1)
    external = ExternalPolicy(toy_spec(), declared, lambda o: o["state"], "theirs")
    with pytest.raises(ConfigError, match=r"found an external policy"):
        Training(toy_spec(), external, [], CONFIG)


def test_a_base_that_averages_its_plans_cannot_be_steered() -> None:
    base = flow()
    base.config = dataclasses.replace(base.config, execute_steps=1, ensembling=0.1)
    with pytest.raises(ConfigError, match=r"made of one noise"):
        Steered(base)
