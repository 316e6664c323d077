"""Every setting of the learner changes what is learnt or done: none is a word without an effect.

A new setting fails the first test until it has a line here that says in which run it matters.
"""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import numpy as np
import pytest
from conftest import configured, make_episode, small, toy_base, toy_spec

from policies.acting import LearntPolicy
from policies.actor import ActorConfig
from policies.learner_config import LearnerConfig
from policies.rewards import RewardConfig
from policies.sampler import SamplerConfig
from policies.schedule import Directions, ScheduleConfig
from policies.training import Training
from policies.training_config import TrainingConfig
from policies.weights import WeightsDirectory

SECTIONS = {
    "actor": ActorConfig,
    "learner": LearnerConfig,
    "sampler": SamplerConfig,
    "rewards": RewardConfig,
    "schedule": ScheduleConfig,
}
QUICK = {"updates": 1, "per_steps": 2, "schedule.warmup_steps": 4, "schedule.start_steps": 3}
GAUSSIAN = {"actor.head": "gaussian", "learner.temperature_rate": 0.1}
GRIPPER = {"actor.gripper_axis": 1, "actor.has_gripper_head": True, "actor.bound": (0.5,)}
GATE = {"actor.gate": "lower_bound"}
OFFLINE = GAUSSIAN | {"schedule.offline_updates": 3, "learner.conservative": 0.5}
PRIORITY = {"sampler.priority": 0.7}
RANKED = {"schedule.unlock": "ranked", "schedule.hold_out": 2, "schedule.rank": 0.5, "schedule.warmup_steps": 40}
LAG = {"rewards.lag_steps": 1, "rewards.lag_window": 2, "rewards.lag_decay": 0.7}
ENVIRONMENT = {"rewards.environment": 1.0, "rewards.low": -0.1, "rewards.high": 0.1}
GUIDE = {"schedule.guide_steps": 4, "schedule.guide_stages": 2}
STARTING = {"schedule.start_steps": 999}

MATTERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "actor.composer": ("policy", {}),
    "actor.head": ("gaussian", {}),
    "actor.bound": ((0.25,), {}),
    "actor.hidden": ((6,), {}),
    "actor.has_norm": (False, {}),
    "actor.activation": ("tanh", {}),
    "actor.begins_at_zero": (False, {}),
    "actor.noise": (0.1, {}),
    "actor.noise_clip": (0.05, {}),
    "actor.log_std_low": (-0.01, GAUSSIAN | {"actor.begins_at_zero": False, "seed": 2}),
    "actor.log_std_high": (-1.0, GAUSSIAN),
    "actor.acts_on_average": (False, {"schedule.warmup_steps": 0}),
    "actor.gripper_axis": (1, {}),
    "actor.gripper_bound": (0.25, {"actor.gripper_axis": 1}),
    "actor.has_gripper_head": (True, {"actor.gripper_axis": 1}),
    "actor.gate": ("greedy", {}),
    "actor.gate_confidence": (9.0, GATE),
    "actor.gate_margin": (9.0, GATE),
    "actor.gate_trials": (1.0, GATE | {"actor.gate_confidence": 10.0}),
    "actor.proof": (0.5, {}),
    "learner.members": (3, {}),
    "learner.subset": (1, {}),
    "learner.hidden": ((6,), {}),
    "learner.has_norm": (False, {}),
    "learner.activation": ("tanh", {}),
    "learner.critic": ("c51", {}),
    "learner.atoms": (21, {"learner.critic": "c51"}),
    "learner.critic_rate": (1e-3, {}),
    "learner.actor_rate": (1e-3, {}),
    "learner.actor_every": (1, {}),
    "learner.actor_value": ("min", {}),
    "learner.tau": (0.1, {}),
    "learner.target_noise": (0.9, {}),
    "learner.target_noise_clip": (0.01, {}),
    "learner.clip_norm": (1e-3, {}),
    "learner.weight_decay": (0.5, {}),
    "learner.initial_temperature": (0.1, GAUSSIAN),
    "learner.temperature_rate": (0.0, GAUSSIAN),
    "learner.target_entropy": (5.0, GAUSSIAN),
    "learner.backs_up_entropy": (False, GAUSSIAN),
    "learner.imitation": (50.0, {}),
    "learner.filters_imitation": (True, {}),
    "learner.residual_penalty": (50.0, {}),
    "learner.grip_penalty": (9.0, GRIPPER),
    "learner.conservative": (9.0, OFFLINE),
    "learner.precision": ("bfloat16", {}),
    "sampler.batch": (8, {}),
    "sampler.demos": ("preload", {}),
    "sampler.demo_share": (0.25, {}),
    "sampler.human_is_demo": (True, {}),
    "sampler.human_share": (0.75, {}),
    "sampler.success_share": (0.5, {}),
    "sampler.n_step": (2, {}),
    "sampler.gamma": (0.5, {}),
    "sampler.priority": (0.5, {}),
    "sampler.correction": (1.0, PRIORITY),
    "rewards.success": (0.5, {}),
    "rewards.intervention": (0.9, {}),
    "rewards.lag_steps": (2, LAG),
    "rewards.lag_window": (3, LAG),
    "rewards.lag_decay": (0.1, LAG),
    "rewards.environment": (0.5, ENVIRONMENT),
    "rewards.low": (-9.0, ENVIRONMENT),
    "rewards.high": (9.0, ENVIRONMENT),
    "schedule.start_steps": (9, {}),
    "schedule.starter": ("base", STARTING),
    "schedule.start_noise": (0.1, STARTING | {"schedule.starter": "base"}),
    "schedule.critic_updates": (3, {}),
    "schedule.warmup_steps": (9, {}),
    "schedule.unlock": ("steps", RANKED),
    "schedule.rank": (1.0, RANKED),
    "schedule.hold_out": (3, RANKED),
    "schedule.clone_updates": (3, {}),
    "schedule.offline_updates": (2, {}),
    "schedule.guide_steps": (3, {}),
    "schedule.guide_stages": (1, GUIDE),
    "schedule.guide_tolerance": (0.6, GUIDE),
}

OF_EYES = {"learner.eyes_rate"}
"""Looked at in test_sight.py, where a learner has eyes."""

OF_STEERING = {"learner.noise_every", "learner.noise_own_share"}
"""Looked at in test_steering.py, where a base is steered."""

SPEED_ALONE = {"learner.is_compiled"}

DEMOS = [make_episode(6, seed=i, human=tuple(range(6)), reward=np.ones(6, np.float32)) for i in range(2)]
EPISODES = [
    make_episode(
        5,
        seed=20 + i,
        human=(3,),
        end="success" if i < 10 or i % 5 < 3 else "timeout",
        reward=np.linspace(-10, 10, 5, dtype=np.float32),
    )
    for i in range(22)
]
STATES = np.random.default_rng(0).uniform(-1, 1, (8, 2)).astype(np.float32)


def told(config: TrainingConfig, directory) -> bytes:
    """Learn for a while; returns everything that was learnt, and what is then done, as bytes."""
    training = Training(toy_spec(), toy_base(), DEMOS, config)
    training.prepare()
    parts = []
    weights = WeightsDirectory(directory)
    for episode in EPISODES:
        training.take(episode)
        parts.append(repr(training.directions()).encode())
    parts += [flat.numpy().tobytes() for flat in training.learner.flat.values()]
    parts += [flat.numpy().tobytes() for flat in training.learner.target_flat.values()]
    directions: Directions = training.directions()
    weights.publish(1, training.published(), toy_spec().digest(), directions.to_header())
    policy = LearntPolicy(toy_spec(), toy_base(), config, weights)
    policy.load_weights(1)
    for seed in range(3):
        policy.reset(seed)
        parts += [policy.act({"state": state}).action.tobytes() for state in STATES]
    return b"".join(parts)


def run(config: TrainingConfig, tmp_path_factory) -> bytes:
    return told(config, tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="session")
def before(tmp_path_factory):
    """What is told without the change, once for each run that changes are made to."""

    @cache
    def of(items: tuple[tuple[str, Any], ...]) -> bytes:
        return run(configured(dict(items), START), tmp_path_factory)

    return of


START: TrainingConfig = configured(QUICK, small("gated", actor__proof=0.0))  # else the base might hide the rest


def test_every_setting_has_its_line() -> None:
    fields = {f"{section}.{f.name}" for section, kind in SECTIONS.items() for f in dataclasses.fields(kind)}
    assert fields == MATTERS.keys() | SPEED_ALONE | OF_EYES | OF_STEERING


@pytest.mark.parametrize("key", MATTERS)
def test_a_setting_changes_what_is_learnt_or_done(tmp_path_factory, before, key: str) -> None:
    value, context = MATTERS[key]
    start = configured(context, START)
    assert configured({key: value}, start) != start
    assert run(configured({key: value}, start), tmp_path_factory) != before(tuple(sorted(context.items())))
