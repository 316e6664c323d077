"""What only a simulation knows: critics may be told, and nobody who acts ever is."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from conftest import configured, make_episode, small, toy_spec

from policies.acting import LearntPolicy
from policies.features import Features
from policies.sampler import ONLINE
from policies.training import Training
from policies.weights import WeightsDirectory
from robot.errors import ConfigError, StoreError
from robot.specs import ArraySpec, RobotSpec

QUICK = {"schedule__start_steps": 0, "updates": 1, "per_steps": 1, "learner__actor_every": 1}
CONFIG = configured({"privileged": True}, small("rlpd", **QUICK))


def spec() -> RobotSpec:
    """The toy robot in a simulation that tells where the goal is."""
    keys = toy_spec().observation | {"truth/goal": ArraySpec((3,), "float32", "m")}
    return dataclasses.replace(toy_spec(), observation=keys)


def episode(seed: int, length: int = 5):
    made = make_episode(length, seed=seed)
    truth = np.random.default_rng(1000 + seed).uniform(-1, 1, (length + 1, 3)).astype(np.float32)
    return dataclasses.replace(
        made,
        observation=made.observation | {"truth/goal": truth[:-1]},
        final_observation=made.final_observation | {"truth/goal": truth[-1]},
    )


def trained(config=CONFIG) -> Training:
    training = Training(spec(), None, [episode(seed) for seed in range(3)], config)
    training.prepare()
    for seed in range(10, 13):
        training.take(episode(seed))
    return training


def test_the_truth_is_no_feature_and_no_seen_key() -> None:
    assert spec().seen_keys == toy_spec().seen_keys == ("state",)
    assert spec().truth_keys == ("truth/goal",)
    assert Features(spec()).size == Features(toy_spec()).size
    assert spec().told().seen_keys == ("state", "goal")
    assert RobotSpec.from_json(spec().to_json()) == spec()


def test_critics_see_it_and_the_actor_does_not() -> None:
    training = trained()
    learner = training.learner
    assert learner.critic.inputs == 2 + (2 + 3) + 2  # state, truth (with the state again), action
    assert learner.actor.network.inputs == 2
    batch = training.sampler.draw()
    assert batch.truth.shape == batch.next_truth.shape == (16, 5)
    np.testing.assert_array_equal(batch.judged[:, :2], batch.state)
    other = batch._replace(truth=batch.truth + 1.0)
    views = learner.critic.views(learner.flat["critic"])
    assert not torch.equal(learner.value(views, batch, batch.action), learner.value(views, other, batch.action))
    noise, members = torch.zeros(16, 2), learner.draw_members()
    later = batch._replace(next_truth=batch.next_truth + 1.0)
    assert not torch.equal(learner.target(batch, noise, members), learner.target(later, noise, members))


def test_it_is_of_the_same_moments_as_the_state() -> None:
    training = trained()
    aside = training.buffer.fresh()
    one = episode(50)
    aside.add(one, ONLINE)
    batch = aside.windows(np.array([1, 4]), 1)
    truth = np.concatenate([one.observation["truth/goal"], one.final_observation["truth/goal"][None]])
    np.testing.assert_array_equal(batch.truth[:, -3:], truth[[1, 4]])
    np.testing.assert_array_equal(batch.next_truth[:, -3:], truth[[2, 5]])


def test_who_acts_does_the_same_whatever_the_truth_is(tmp_path) -> None:
    training = trained()
    weights = WeightsDirectory(tmp_path)
    weights.publish(1, training.published(), spec().digest(), training.directions().to_header())
    assert not any(name.startswith("critic") for name in training.published())
    policy = LearntPolicy(spec(), None, CONFIG, weights, deterministic=True)
    policy.load_weights(1)
    policy.reset(0)
    state = np.array([0.3, -0.2], np.float32)
    told = [policy.act({"state": state, "truth/goal": np.full(3, x, np.float32)}).action for x in (-1.0, 9.0)]
    np.testing.assert_array_equal(*told)
    np.testing.assert_array_equal(told[0], policy.act({"state": state}).action)


def test_what_is_asked_while_acting_cannot_be_told() -> None:
    with pytest.raises(ConfigError, match=r"gate=lower_bound asks them then"):
        configured({"privileged": True}, small("gated"))
    with pytest.raises(ConfigError, match=r"learner.conservative=0"):
        configured({"privileged": True}, small("wsrl"))


def test_a_robot_that_tells_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"toy/point tells nothing of it.*env.tells_truth"):
        Training(toy_spec(), None, [], CONFIG)


def test_truth_that_is_not_finite_is_refused() -> None:
    bad = episode(1)
    bad.observation["truth/goal"][2, 0] = np.nan
    with pytest.raises(StoreError, match=r"its truth is not finite at step 2"):
        Training(spec(), None, [bad], CONFIG)
