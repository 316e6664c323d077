"""Learning itself, from end to end, on toys: where it must get to on one core in seconds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conftest import configured, small, toy_spec
from toy_worlds import Corridor, Fork, Reach

from policies.acting import LearntPolicy
from policies.base_config import BaseConfig
from policies.bc import BCConfig, train_base
from policies.perception import Percept
from policies.training import Training
from policies.weights import WeightsDirectory
from robot.types import Source


def act_of(policy: LearntPolicy):
    return lambda state: policy.act({"state": state}).action


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_residual_learns_to_mend_a_biased_base(tmp_path, precision: str) -> None:
    """T14: from below 20 % to above 80 %, whatever the products are computed in."""
    world = Reach()
    config = configured(
        {
            "updates": 2,
            "per_steps": 1,
            "schedule.warmup_steps": 150,
            "actor.bound": (0.8, 0.8),
            "actor.hidden": (32,),
            "actor.noise": 0.4,
            "learner.members": 4,
            "learner.hidden": (64,),
            "learner.actor_rate": 1e-3,
            "learner.critic_rate": 1e-3,
            "learner.tau": 0.01,
            "learner.precision": precision,
            "sampler.batch": 128,
            "sampler.gamma": 0.9,
            "sampler.demo_share": 0.0,
        }
    )
    training = Training(toy_spec(), world.base, [], config)
    training.prepare()
    weights = WeightsDirectory(tmp_path)
    policy = LearntPolicy(toy_spec(), world.base, config, weights)
    before = world.success(policy)
    index = 0
    while training.robot_steps < 700:
        episode = world.play(policy, index)
        index += 1
        training.take(episode)
        weights.publish(training.version, training.published(), toy_spec().digest())
        policy.load_weights(training.version)
    assert before < 0.2
    assert world.success(policy) > 0.8


def test_steering_learns_which_of_its_ways_a_base_is_to_go(tmp_path) -> None:
    """DSRL: from below 50 % to above 90 %, by nothing but the noise that the base draws."""
    world = Fork()
    config = small(
        "dsrl",
        actor__hidden=(32,),
        learner__hidden=(64,),
        sampler__batch=64,
        sampler__gamma=0.95,
        updates=1,
        per_steps=1,
        schedule__start_steps=100,
        learner__backs_up_entropy=False,
        learner__initial_temperature=0.01,
        learner__actor_rate=1e-3,
        learner__critic_rate=1e-3,
        learner__noise_every=1,
        learner__noise_own_share=0.5,
    )
    training = Training(toy_spec(), world.base, [], config)
    weights = WeightsDirectory(tmp_path)
    policy = LearntPolicy(toy_spec(), world.base, config, weights)
    before, index = world.success(policy), 0
    while training.robot_steps < 1500:
        training.take(world.play(policy, index))
        index += 1
        weights.publish(training.version, training.published(), toy_spec().digest(), training.directions().to_header())
        policy.load_weights(training.version)
    policy.deterministic = True
    assert before < 0.5
    assert world.success(policy) > 0.9


def test_when_a_person_takes_over_teaches_more_than_what_they_do_then(tmp_path) -> None:
    """R9: RLIF learns from the timing of a person whose actions are random; imitating these actions fails."""
    world = Corridor()
    config = small(
        "rlif",
        actor__hidden=(32, 32),
        learner__hidden=(32, 32),
        sampler__batch=64,
        updates=2,
        learner__actor_every=2,
        learner__actor_rate=1e-3,
        learner__critic_rate=1e-3,
        learner__initial_temperature=0.05,
        sampler__gamma=0.9,
    )
    training = Training(toy_spec(), None, [], config)
    training.prepare()
    weights = WeightsDirectory(tmp_path)
    policy = LearntPolicy(toy_spec(), None, config, weights)
    policy.reset(0)
    assert world.success(act_of(policy)) < 0.2
    episodes = []
    while training.robot_steps < 600:
        policy.reset(len(episodes))
        episodes.append(world.play(act_of(policy), len(episodes)))
        training.take(episodes[-1])
        weights.publish(training.version, training.published(), toy_spec().digest())
        policy.load_weights(training.version)
    policy.deterministic = True
    assert world.success(act_of(policy)) > 0.9
    assert world.success(imitating(episodes)) < 0.2


def imitating(episodes):
    """A policy cloned from the steps that the person commanded (HG-DAgger's)."""
    human = [
        replace(e, is_success=True, is_aborted=False, **steps_of(e))
        for e in episodes
        if (e.source == Source.HUMAN).any()
    ]
    config = BCConfig(base=BaseConfig(hidden=(32,), chunk=1, execute_steps=1), updates=500)
    base = train_base(human, toy_spec(), config, 0).policy
    return lambda state: base.predict(Percept(state[None]))[0, 0]


def steps_of(episode):
    chosen = np.flatnonzero(episode.source == Source.HUMAN)
    return {
        "length": len(chosen),
        "observation": {"state": episode.observation["state"][chosen]},
        "action": episode.action[chosen],
    }
