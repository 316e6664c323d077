"""The policy that acts: untrained it is the base bit for bit, trained it stays within its bound, and stages rule it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import configured, toy_base, toy_spec

from policies.acting import LearntPolicy
from policies.actor import ActorConfig
from policies.schedule import OPEN, START, WARM_UP, Directions
from policies.training import Training
from policies.training_config import TrainingConfig
from policies.weights import WeightsDirectory
from robot.errors import ConfigError, SpecError
from robot.types import NO_VERSION

CONFIG = configured(
    {
        "actor": ActorConfig(bound=(0.3, 0.1), hidden=(16,), noise=0.5, gate="none"),
        "learner.members": 3,
        "learner.hidden": (16,),
        "schedule.guide_steps": 0,
    }
)
OBSERVATION = {"state": np.zeros(2, np.float32)}
DIGEST = toy_spec().digest()


def policy(config: TrainingConfig = CONFIG, weights: WeightsDirectory | None = None, **more: bool) -> LearntPolicy:
    return LearntPolicy(toy_spec(), toy_base(), config, weights, **more)


def trained(tmp_path, config: TrainingConfig = CONFIG, scale: float = 5.0, **directions: object) -> LearntPolicy:
    """A policy with version 3 of large random weights loaded."""
    training = Training(toy_spec(), toy_base(), [], config)
    g = torch.Generator().manual_seed(1)
    for flat in (training.learner.target_flat | training.learner.flat).values():
        flat.copy_(scale * torch.randn(flat.shape, generator=g))
    training.learner.target_flat["actor"].copy_(training.learner.flat["actor"])
    weights = WeightsDirectory(tmp_path)
    weights.publish(3, training.published(), DIGEST, Directions(**directions).to_header())
    made = policy(config, weights)
    made.load_weights(3)
    made.reset(0)
    return made


def states(count: int, reach: float = 3.0) -> list[dict[str, np.ndarray]]:
    return [{"state": s} for s in np.random.default_rng(1).uniform(-reach, reach, (count, 2)).astype(np.float32)]


def test_untrained_it_reproduces_the_base_bit_for_bit_over_a_thousand_observations() -> None:
    base, summed = toy_base(), policy(deterministic=True)
    for step, observation in enumerate(states(1000, reach=20.0)):
        if step % 50 == 0:
            base.reset(step)
            summed.reset(step)
        plain, got = base.act(observation), summed.act(observation)
        assert plain.action.tobytes() == got.action.tobytes()
        assert got.chunk_phase == plain.chunk_phase
        assert not got.residual.any()
    assert summed.version == NO_VERSION


@pytest.mark.parametrize("head", ["deterministic", "gaussian"])
def test_the_sum_is_what_it_says_and_never_leaves_the_bounds_with_any_weights_or_noise(tmp_path, head: str) -> None:
    subject = trained(tmp_path, configured({"actor.head": head}, CONFIG))
    residuals = []
    for observation in states(300):
        decision = subject.act(observation)
        np.testing.assert_array_equal(decision.action, np.clip(decision.base_action + decision.residual, -1, 1))
        assert decision.weights_version == 3
        residuals.append(decision.residual)
    assert np.all(np.abs(residuals).max(axis=0) <= np.float32([0.3, 0.1]))
    assert np.abs(residuals).max() > 0.25


def test_without_a_base_the_action_is_the_networks_and_no_base_or_residual_is_claimed(tmp_path) -> None:
    config = configured({"actor.composer": "policy", "actor.gate": "none"}, CONFIG)
    subject = LearntPolicy(toy_spec(), None, config)
    subject.reset(0)
    for observation in states(50):
        decision = subject.act(observation)
        assert np.abs(decision.action).max() <= 1.0
        assert np.isnan(decision.base_action).all()
        assert np.isnan(decision.residual).all()
    with pytest.raises(ConfigError, match="need a base policy"):
        LearntPolicy(toy_spec(), None, CONFIG)


@pytest.mark.parametrize("head", ["deterministic", "gaussian"])
def test_noise_follows_from_the_episodes_seed_and_evaluation_has_none(tmp_path, head: str) -> None:
    subject = trained(tmp_path, configured({"actor.head": head}, CONFIG), scale=0.1)

    def first(seed: int) -> np.ndarray:
        subject.reset(seed)
        return subject.act(OBSERVATION).action

    np.testing.assert_array_equal(first(1), first(1))
    assert not np.array_equal(first(1), first(2))
    subject.deterministic = True
    np.testing.assert_array_equal(first(1), first(2))


def test_the_noise_of_a_deterministic_head_is_clipped_in_shares_of_the_bound(tmp_path) -> None:
    config = configured({"actor.noise": 2.0, "actor.noise_clip": 0.25}, CONFIG)
    subject = policy(config)
    subject.reset(0)
    u = np.array([subject.act(o).residual for o in states(200)])
    np.testing.assert_allclose(np.abs(u).max(axis=0), [0.25 * 0.3, 0.25 * 0.1], rtol=1e-6)


def test_replan_and_reset_reach_the_bases_queue() -> None:
    subject = policy()
    subject.reset(0)
    assert [subject.act(OBSERVATION).chunk_phase for _ in range(2)] == [0, 1]
    subject.replan()
    assert [subject.act(OBSERVATION).chunk_phase for _ in range(2)] == [0, 1]
    subject.reset(1)
    assert subject.act(OBSERVATION).chunk_phase == 0


def test_weights_of_another_shape_or_robot_are_refused(tmp_path) -> None:
    weights = trained(tmp_path).weights
    other = policy(configured({"actor.hidden": (8,)}, CONFIG), weights)
    with pytest.raises(SpecError, match="of its tensors differ"):
        other.load_weights(3)
    assert other.version == NO_VERSION
    weights.publish(4, Training(toy_spec(), toy_base(), [], CONFIG).published(), "another-robot")
    with pytest.raises(SpecError, match="are for robot another-robot"):
        policy(weights=weights).load_weights(4)
    with pytest.raises(ConfigError, match="without a weights directory"):
        policy().load_weights(3)


def test_a_bound_that_does_not_fit_the_action_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"one per action axis \(2\); found 4"):
        policy(configured({"actor.bound": (0.1, 0.1, 0.1, 0.1)}, CONFIG))


@pytest.mark.parametrize(("stage", "is_learnt"), [(START, False), (WARM_UP, True), (OPEN, True)])
def test_the_starter_acts_until_learning_begins_and_an_evaluation_ignores_it(tmp_path, stage: str, is_learnt: bool):
    config = configured({"schedule.starter": "base", "schedule.start_noise": 0.05, "actor.noise": 0.0}, CONFIG)
    subject = trained(tmp_path, config, stage=stage)
    u = np.abs([subject.act(o).residual for o in states(100)])
    assert (u.max() > 0.2) == is_learnt
    assert u.max() > 0.04
    assert is_learnt or u.max() <= 0.05
    subject.deterministic = True
    assert np.abs([subject.act(o).residual for o in states(100)]).max() > 0.2


def test_uniform_random_actions_come_first_where_that_is_asked_for(tmp_path) -> None:
    config = configured({"actor.composer": "policy", "schedule.starter": "uniform"}, CONFIG)
    subject = trained(tmp_path, config, stage=START)
    actions = np.array([subject.act(OBSERVATION).action for _ in range(500)])
    np.testing.assert_allclose(actions.mean(axis=0), 0.0, atol=0.1)
    np.testing.assert_allclose(np.quantile(actions, [0.25, 0.75]), [-0.5, 0.5], atol=0.1)


@pytest.mark.parametrize("guide_steps", [0, 3, 10])
def test_the_base_acts_first_for_as_long_as_the_guide_says(tmp_path, guide_steps: int) -> None:
    """JSRL: h = H is the base alone, h = 0 the policy alone."""
    config = configured({"actor.noise": 0.0}, CONFIG)
    guided, base = trained(tmp_path, config, guide_steps=guide_steps), toy_base()
    free = trained(tmp_path / "free", config)
    base.reset(0)
    for step, observation in enumerate(states(10)):
        plain, learnt, got = base.act(observation), free.act(observation), guided.act(observation)
        expected = plain if step < guide_steps else learnt
        assert got.action.tobytes() == expected.action.tobytes()
    guided.reset(1)
    assert guided.act(OBSERVATION).residual.any() == (guide_steps == 0)


def test_no_guide_acts_in_an_evaluation(tmp_path) -> None:
    config = configured({"actor.noise": 0.0}, CONFIG)
    judged = trained(tmp_path, config, guide_steps=10)
    judged.deterministic = True
    assert judged.act(OBSERVATION).residual.any()


@pytest.mark.parametrize("deterministic", [False, True])
def test_under_an_alarm_the_base_acts_alone_even_in_an_evaluation(tmp_path, deterministic: bool) -> None:
    subject, base = trained(tmp_path, alarm="The base acts alone: because."), toy_base()
    subject.deterministic = deterministic
    base.reset(0)
    for observation in states(30):
        decision = subject.act(observation)
        assert decision.action.tobytes() == base.act(observation).action.tobytes()
        assert not decision.residual.any()


@pytest.mark.parametrize("composer", ["residual", "policy"])
def test_a_gripper_axis_gets_the_best_of_close_stay_and_open(tmp_path, composer: str) -> None:
    config = configured({"actor.gripper_axis": 1, "actor.has_gripper_head": True, "actor.composer": composer}, CONFIG)
    subject, seen = trained(tmp_path, config), set()
    for observation in states(60):
        decision = subject.act(observation)
        base, phase = decision.base_action, decision.chunk_phase
        at = subject.states.of(observation["state"][None], base[None], np.array([phase]))
        q = subject.critics.gripper.forward(subject._gripper, torch.from_numpy(at))[0, 0]
        assert decision.action[1] == (-1.0, 0.0, 1.0)[int(q.argmax())]
        if composer == "residual":
            np.testing.assert_allclose(decision.base_action + decision.residual, decision.action, atol=1e-6)
        seen.add(float(decision.action[1]))
    assert len(seen) > 1
    untrained = policy(config)
    untrained.reset(0)
    assert untrained.act(OBSERVATION).action[1] == 0.0


def test_directions_survive_the_trip_through_a_header() -> None:
    told = Directions(WARM_UP, 7, "The base acts alone: x")
    assert Directions.from_header(told.to_header() | {"version": "3"}) == told
    assert Directions.from_header({}) == Directions(OPEN, 0, "")
