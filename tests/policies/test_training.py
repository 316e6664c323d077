"""The learner's process: exact ratio, exact resume, versions, and learning itself on a toy."""

from __future__ import annotations

import dataclasses
import itertools
import json

import numpy as np
import pytest
import torch
from conftest import make_episode, toy_base, toy_spec
from policies.residual import ResidualConfig, ResidualPolicy

from policies import checkpoint
from policies.base import ActionScaler, BaseConfig, BasePolicy, base_network
from policies.learner import LearnerConfig
from policies.mirror import Mirror, MirrorConfig
from policies.sampler import SamplerConfig
from policies.training import Progress, Training, TrainingConfig, run_learner
from policies.weights import WeightsDirectory
from robot.errors import ConfigError, SpecError, StoreError
from robot.store import StoreWriter
from robot.types import Decision, FinalRecord, Label, Source, StepRecord

CONFIG = TrainingConfig(
    total_steps=30,
    warmup_steps=12,
    updates=3,
    per_steps=2,
    checkpoint_every=2,
    seed=5,
    residual=ResidualConfig(bound=(0.4, 0.4), hidden=(16,)),
    learner=LearnerConfig(members=3, hidden=(16,), imitation=0.5),
    sampler=SamplerConfig(batch=16),
)
DEMOS = [make_episode(6, seed=i, human=tuple(range(6))) for i in range(3)]
ONLINE = [make_episode(5 + i % 3, seed=20 + i, human=(1,), end="timeout" if i % 2 else "success") for i in range(8)]


def state(training: Training) -> list[torch.Tensor]:
    learner = training.learner
    flats = [learner.critic_flat, learner.actor_flat, learner.critic_target, learner.actor_target]
    return [f.detach().clone() for f in flats]


def test_after_every_episode_exactly_the_owed_updates_are_done_and_the_version_is_the_count() -> None:
    training = Training(toy_base(), DEMOS, CONFIG)
    steps = 0
    for index, episode in enumerate(ONLINE):
        metrics = training.take(episode)
        steps += episode.length
        assert training.learner.updates == steps * 3 // 2 == metrics["updates"]
        assert training.version == index + 1 == metrics["version"]
        assert metrics["robot_steps"] == steps


def test_the_published_residual_stays_zero_through_the_warm_up() -> None:
    training = Training(toy_base(), DEMOS, CONFIG)
    initial = training.learner.actor_flat.detach().clone()
    training.take(ONLINE[0])
    training.take(ONLINE[1])
    assert training.robot_steps <= CONFIG.warmup_steps
    assert torch.equal(training.learner.actor_flat, initial)
    training.take(ONLINE[2])
    assert not torch.equal(training.learner.actor_flat, initial)


@pytest.mark.parametrize("cut", [0, 1, 5])
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(tmp_path, cut: int) -> None:
    whole = Training(toy_base(), DEMOS, CONFIG)
    for episode in ONLINE[:cut]:
        whole.take(episode)
    checkpoint.save(tmp_path, whole)
    resumed = Training(toy_base(), DEMOS, CONFIG)
    taken = checkpoint.restore(tmp_path, resumed)
    assert taken == cut
    for episode in ONLINE[:cut]:
        resumed.replay(episode)
    for episode in ONLINE[cut:]:
        whole.take(episode)
        resumed.take(episode)
    assert all(torch.equal(a, b) for a, b in zip(state(whole), state(resumed), strict=True))
    assert whole.sampler.state() == resumed.sampler.state()
    assert whole.learner.updates == resumed.learner.updates


def test_a_checkpoint_of_another_config_robot_or_demonstrations_is_refused(tmp_path) -> None:
    checkpoint.save(tmp_path, Training(toy_base(), DEMOS, CONFIG))
    longer = dataclasses.replace(CONFIG, total_steps=999)
    assert checkpoint.restore(tmp_path, Training(toy_base(), DEMOS, longer)) == 0
    with pytest.raises(ConfigError, match="another config"):
        checkpoint.restore(tmp_path, Training(toy_base(), DEMOS, dataclasses.replace(CONFIG, updates=4)))
    with pytest.raises(StoreError, match="3 demonstrations; found 2"):
        checkpoint.restore(tmp_path, Training(toy_base(), DEMOS[:2], CONFIG))
    other = toy_base()
    other.spec = dataclasses.replace(other.spec, name="toy/other")
    with pytest.raises(SpecError, match="for robot"):
        checkpoint.restore(tmp_path, Training(other, DEMOS, CONFIG))
    with pytest.raises(StoreError, match="there is none"):
        checkpoint.restore(tmp_path / "nowhere", Training(toy_base(), DEMOS, CONFIG))


def write(path, episodes) -> None:
    """Append episodes to a store, through the store's own writer."""
    with StoreWriter.open(path, toy_spec(), {}) as sink:
        for e in episodes:
            sink.begin(int(e.attributes["seed"]), {})
            for t in range(e.length):
                is_end = t == e.length - 1
                decision = Decision(e.action[t], e.base_action[t], e.residual[t])
                observation = {"state": e.observation["state"][t]}
                flags = [is_end and f for f in (e.is_terminated, e.is_truncated, e.is_aborted, e.is_success)]
                source = Source(int(e.source[t]))
                sink.append(StepRecord(observation, t, {}, decision, e.action[t], source, Label.NONE, 0, *flags))
            sink.commit(FinalRecord(e.final_observation, e.length, e.final_base_action))


def folders(root, online: str = "online.zarr") -> dict[str, object]:
    return {
        "demos_path": root / "demos.zarr",
        "online_path": root / online,
        "base_dir": root / "base",
        "weights_dir": root / "weights",
        "checkpoint_dir": root / "learner",
        "metrics_path": root / "metrics" / "learner.jsonl",
    }


def test_the_process_learns_the_store_in_order_stops_when_told_and_resumes_exactly(tmp_path) -> None:
    write(tmp_path / "demos.zarr", DEMOS)
    write(tmp_path / "online.zarr", ONLINE)
    toy_base().save(tmp_path / "base")
    config = dataclasses.replace(CONFIG, total_steps=sum(e.length for e in ONLINE))
    whole = run_learner(**folders(tmp_path), config=config, stop=lambda: False, resume=False)
    assert whole == Progress(whole.robot_steps * 3 // 2, config.total_steps, len(ONLINE), True)
    assert Progress.read(tmp_path / "learner") == whole
    weights = WeightsDirectory(tmp_path / "weights")
    assert weights.versions() == list(range(len(ONLINE) + 1))
    lines = [json.loads(x) for x in (tmp_path / "metrics" / "learner.jsonl").read_text().splitlines()]
    assert [x["version"] for x in lines] == list(range(1, len(ONLINE) + 1))

    again = tmp_path / "again"
    again.mkdir()
    split = folders(tmp_path) | {k: v for k, v in folders(again).items() if k in ("weights_dir", "checkpoint_dir")}
    calls = itertools.count()
    partial = run_learner(**split, config=config, stop=lambda: next(calls) > 30, resume=False)
    assert partial.version == 3  # stopped among the updates of the fourth episode; the checkpoint has two
    assert not partial.is_finished
    fresh = split | {"weights_dir": again / "fresh"}
    assert run_learner(**fresh, config=config, stop=lambda: False, resume=True) == whole
    assert WeightsDirectory(again / "fresh").versions() == list(range(2, len(ONLINE) + 1))
    shapes = Training(toy_base(), DEMOS, CONFIG).learner.actor.network.shapes
    digest = toy_spec().digest()
    mine = WeightsDirectory(again / "fresh").load(len(ONLINE), digest, shapes)
    theirs = weights.load(len(ONLINE), digest, shapes)
    assert all(torch.equal(mine[n], theirs[n]) for n in shapes)
    lines = [json.loads(x) for x in (tmp_path / "metrics" / "learner.jsonl").read_text().splitlines()]
    assert [x["version"] for x in lines] == list(range(1, len(ONLINE) + 1))


def test_the_process_publishes_the_zero_residual_and_ends_without_an_online_store(tmp_path) -> None:
    write(tmp_path / "demos.zarr", DEMOS)
    toy_base().save(tmp_path / "base")
    calls = iter([False, True])
    progress = run_learner(**folders(tmp_path), config=CONFIG, stop=lambda: next(calls), resume=False)
    assert progress == Progress(0, 0, 0, False)
    policy = ResidualPolicy(toy_base(), CONFIG.residual, WeightsDirectory(tmp_path / "weights"), deterministic=True)
    policy.load_weights(0)
    assert not policy.act({"state": np.ones(2, np.float32)}).residual.any()


def test_a_resume_that_is_stopped_before_it_sees_the_store_leaves_the_checkpoint_as_it_was(tmp_path) -> None:
    write(tmp_path / "demos.zarr", DEMOS)
    write(tmp_path / "online.zarr", ONLINE)
    toy_base().save(tmp_path / "base")
    done = run_learner(**folders(tmp_path), config=CONFIG, stop=lambda: False, resume=False)
    before = (tmp_path / "learner" / checkpoint.FILE).read_bytes()
    lost = folders(tmp_path, "lost.zarr")
    assert run_learner(**lost, config=CONFIG, stop=lambda: True, resume=True) == done
    assert (tmp_path / "learner" / checkpoint.FILE).read_bytes() == before


def test_a_store_shorter_than_the_checkpoint_is_refused(tmp_path) -> None:
    write(tmp_path / "demos.zarr", DEMOS)
    write(tmp_path / "online.zarr", ONLINE)
    write(tmp_path / "short.zarr", ONLINE[:2])
    toy_base().save(tmp_path / "base")
    run_learner(**folders(tmp_path), config=CONFIG, stop=lambda: False, resume=False)
    with pytest.raises(StoreError, match="the store has 2"):
        run_learner(**folders(tmp_path, "short.zarr"), config=CONFIG, stop=lambda: False, resume=True)


def test_a_disabled_mirror_imports_nothing(tmp_path) -> None:
    import sys

    mirror = Mirror(MirrorConfig(), tmp_path / "mirror")
    mirror.log({"a": 1.0}, step=1)
    mirror.close()
    assert "wandb" not in sys.modules
    assert not (tmp_path / "mirror").exists()


class Reach:
    """A point on a plane that must stop within 0.05 of the origin; the base misses by a constant bias."""

    STEPS, RADIUS, SPEED = 12, 0.05, 0.2

    def __init__(self) -> None:
        config = BaseConfig(hidden=(), chunk=1, execute_steps=1)
        network = base_network(toy_spec(), config)
        views = network.views(torch.zeros(network.size))
        views["weight0"][0] = -torch.eye(2) / self.SPEED
        views["bias0"][:] = 0.1 / self.SPEED  # aims at (0.1, 0.1)
        scaler = ActionScaler(np.zeros(2, np.float32), np.ones(2, np.float32))
        self.base = BasePolicy(toy_spec(), config, network.flatten(views), scaler)

    def play(self, policy: ResidualPolicy, seed: int):
        """Play an episode; returns it as the store would."""
        angle, radius = np.random.default_rng(seed).uniform([0.0, 0.2], [2 * np.pi, 0.5])
        p = (radius * np.array([np.cos(angle), np.sin(angle)])).astype(np.float32)
        policy.reset(seed)
        states, actions, bases = [p], [], []
        while len(actions) < self.STEPS and np.linalg.norm(p) > self.RADIUS:
            decision = policy.act({"state": p})
            p = (p + self.SPEED * decision.action).astype(np.float32)
            states.append(p)
            actions.append(decision.action)
            bases.append(decision.base_action)
        bases.append(policy.act({"state": p}).base_action)
        columns = {"observation": {"state": np.array(states[:-1])}, "final_observation": {"state": p}}
        columns |= {"action": np.array(actions)}
        end = "success" if np.linalg.norm(p) <= self.RADIUS else "timeout"
        return make_episode(len(actions), seed=seed, end=end, base_action=np.array(bases), **columns)

    def success(self, policy: ResidualPolicy) -> float:
        policy.deterministic = True
        wins = [self.play(policy, 50_000 + i).is_success for i in range(60)]
        policy.deterministic = False
        return float(np.mean(wins))


def test_a_residual_learns_to_mend_a_biased_base(tmp_path) -> None:
    """From at most 20 % to at least 80 % on one core in seconds (T14 of the reference's list)."""
    world = Reach()
    config = TrainingConfig(
        warmup_steps=150,
        updates=2,
        seed=0,
        residual=ResidualConfig(bound=(0.8, 0.8), hidden=(32,), noise=0.4),
        learner=LearnerConfig(members=4, hidden=(64,), actor_rate=1e-3, critic_rate=1e-3, tau=0.01),
        sampler=SamplerConfig(batch=128, gamma=0.9, demo_share=0.0),
    )
    training = Training(world.base, [], config)
    weights = WeightsDirectory(tmp_path)
    policy = ResidualPolicy(world.base, config.residual, weights)
    before = world.success(policy)
    index = 0
    while training.robot_steps < 700:
        episode = world.play(policy, index)
        index += 1
        training.take(episode)
        weights.publish(training.version, training.actor_tensors(), toy_spec().digest())
        policy.load_weights(training.version)
    assert before <= 0.2
    assert world.success(policy) >= 0.8
