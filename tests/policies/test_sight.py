"""Eyes that learn with the critics: what trains them, what does not, and that who acts sees alike."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import assert_equal_states, configured, small, state_of
from seeing import config, seeing_spec, seen_episode

from policies import checkpoint
from policies.acting import LearntPolicy
from policies.base import ActionScaler, BasePolicy, base_eyes, chunk_model
from policies.base_config import BaseConfig
from policies.training import Training
from policies.training_config import TrainingConfig
from policies.weights import WeightsDirectory
from robot.errors import ConfigError


def seeing_base(*, has_eyes: bool = True) -> BasePolicy:
    spec, chosen = seeing_spec(), BaseConfig(hidden=(8,), chunk=2, execute_steps=1)
    if has_eyes:
        chosen = dataclasses.replace(chosen, vision=config(shift=2))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        eyes = base_eyes(spec, chosen)
    model = chunk_model(spec, chosen, torch.Generator().manual_seed(1), eyes)
    scaler = ActionScaler(np.zeros(2, np.float32), np.ones(2, np.float32))
    return BasePolicy(spec, chosen, model, scaler, None, eyes)


def seeing(eyes: str = "own", name: str = "gated", **more) -> TrainingConfig:
    chosen = small(name, eyes=eyes, schedule__warmup_steps=0, schedule__unlock="steps", **more)
    return dataclasses.replace(chosen, vision=config(shift=2)) if eyes == "own" else chosen


def training(eyes: str = "own", **more) -> Training:
    demos = [seen_episode(6, seed=seed) for seed in range(3)]
    made = Training(seeing_spec(), seeing_base(), demos, seeing(eyes, **more))
    made.prepare()
    return made


def online(count: int) -> list:
    base = seeing_base()
    episodes = []
    for seed in range(20, 20 + count):
        episode = seen_episode(5, seed=seed)
        action, _ = base.relabel(episode)
        episodes.append(dataclasses.replace(episode, base_action=action[:-1], final_base_action=action[-1]))
    return episodes


@pytest.mark.parametrize("eyes", ["own", "tuned"])
def test_the_critics_loss_trains_the_eyes_and_the_actors_does_not(eyes: str) -> None:
    subject = training(eyes)
    subject.replay(online(1)[0])
    batch, learner = subject.sampler.draw(), subject.learner
    before = learner.flat["eyes"].clone()
    learner.actor_step(batch)
    assert torch.equal(learner.flat["eyes"], before)
    learner.critic_step(batch)
    changed = learner.sight.views(learner.flat["eyes"] - before)
    assert [name for name, change in changed.items() if not bool(change.any())] == []


def test_cloning_trains_the_eyes_too_and_they_stay_while_the_cloned_actor_does() -> None:
    def made(updates: int, **more) -> Training:
        chosen = seeing("own", "porl", schedule__clone_updates=updates, schedule__start_steps=0, **more)
        chosen = configured({"sampler.demos": "pool", "sampler.demo_share": 0.5}, chosen)
        subject = Training(seeing_spec(), None, [seen_episode(6, seed=seed) for seed in range(3)], chosen)
        subject.prepare()
        return subject

    fresh, cloned = made(0), made(5)
    assert not torch.equal(fresh.learner.flat["eyes"], cloned.learner.flat["eyes"])
    for subject, is_still in ((cloned, True), (fresh, False)):
        before = {name: flat.clone() for name, flat in subject.learner.flat.items()}
        subject._repeat(3, lambda s=subject: s._update(is_open=False), lambda: False)
        after = subject.learner.flat
        assert torch.equal(before["eyes"], after["eyes"]) is is_still
        assert torch.equal(before["actor"], after["actor"])
        assert not torch.equal(before["critic"], after["critic"])
    cloned._update(is_open=True)
    assert not torch.equal(before["eyes"], cloned.learner.flat["eyes"])


@pytest.mark.parametrize("name", ["porl", "wsrl"])
def test_what_was_cloned_from_pictures_does_what_was_shown(name: str) -> None:
    chosen = seeing("own", name, schedule__clone_updates=300, schedule__offline_updates=0, learner__actor_rate=1e-2)
    chosen = configured({"learner.eyes_rate": 3e-3, "actor.hidden": (32,)}, chosen)
    demos = [seen_episode(8, seed=seed) for seed in range(2)]
    subject = Training(seeing_spec(), None, demos, chosen)
    aside = subject.buffer.windows(subject.buffer.pool("demo"), 1)

    def error() -> float:
        batch = subject.learner.seen(aside)
        views = subject.learner.actor.network.views(subject.learner.flat["actor"])
        return float((subject.learner.actor.mode(views, batch.state) - batch.action).abs().mean())

    before = error()
    subject.prepare()
    assert error() < 0.6 * before


def test_pictures_are_shifted_while_it_learns_and_not_while_it_is_asked() -> None:
    subject = training()
    batch, learner = subject.sampler.draw(), subject.learner
    one, other = (learner.look(batch)[0].state for _ in range(2))
    assert not torch.equal(one, other)
    learner.sight.config = learner.sight._eyes.config = dataclasses.replace(learner.sight.config, shift=0)
    same = [learner.look(batch)[0].state for _ in range(2)]
    assert torch.equal(same[0], same[1])
    assert torch.equal(same[0], learner.seen(batch).state)


def test_tuned_eyes_begin_as_the_bases_and_the_base_keeps_its_own() -> None:
    subject = training("tuned")
    theirs = seeing_base().eyes.state_dict()
    digest = subject.base.digest()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in subject.learner.eyes().items())
    for episode in online(2):
        subject.take(episode)
    assert subject.base.digest() == digest
    assert not all(torch.equal(tensor, theirs[name]) for name, tensor in subject.learner.eyes().items())


def test_what_follows_a_window_is_seen_as_a_constant_with_the_same_eyes() -> None:
    subject = training()
    batch = subject.sampler.draw()
    looked, leaves = subject.learner.look(batch)
    assert looked.state.requires_grad
    assert not looked.next_state.requires_grad
    assert looked.pictures is None
    assert subject.learner.look(looked) == (looked, {})
    still = subject.learner.seen(batch)
    size = subject.learner.sight.size
    assert torch.equal(still.state[:, :-size], batch.state)
    same = {key: torch.equal(batch.pictures[key], batch.next_pictures[key]) for key in batch.pictures}
    assert not any(same.values())
    assert set(leaves) == set(subject.learner.sight.shapes)


@pytest.mark.parametrize("eyes", ["base", "own", "tuned"])
@pytest.mark.parametrize("name", ["gated", "rlpd"])
def test_who_acts_sees_what_the_learner_sees(eyes: str, name: str, tmp_path: Path) -> None:
    made = seeing(eyes, name, actor__proof=0.0) if name == "gated" else seeing(eyes, name, schedule__start_steps=0)
    demos = [seen_episode(6, seed=seed) for seed in range(3)]
    subject = Training(seeing_spec(), seeing_base(), demos, made)
    subject.prepare()
    for episode in online(2):
        subject.take(episode)
    weights = WeightsDirectory(tmp_path)
    weights.publish(subject.version, subject.published(), subject.spec.digest(), subject.directions().to_header())
    policy = LearntPolicy(seeing_spec(), seeing_base(), made, weights, deterministic=True)
    policy.load_weights(subject.version)
    episode = online(3)[2]
    aside = subject.buffer.fresh()
    aside.add(episode, "online")
    batch = subject.learner.seen(aside.windows(aside.pool("online"), 1))
    learner, actor = subject.learner, subject.learner.actor
    source = learner.target_flat if actor.config.acts_on_average else learner.flat
    u = actor.mode(actor.network.views(source["actor"]), batch.state)
    policy.reset(int(episode.attributes["seed"]))
    for t in range(episode.length):
        pictures = {key: episode.attributes[key][t] for key in seeing_spec().image_keys}
        decision = policy.act({"state": episode.observation["state"][t]} | pictures)
        wanted = actor.compose(batch.base[t : t + 1], u[t : t + 1])[0].numpy()
        if not np.array_equal(decision.action, decision.base_action):  # the gate let it pass
            np.testing.assert_allclose(decision.action, wanted, atol=1e-5)


@pytest.mark.parametrize("eyes", ["own", "tuned"])
def test_a_resumed_run_that_sees_is_the_uninterrupted_one_bit_for_bit(eyes: str, tmp_path: Path) -> None:
    played, whole = online(4), training(eyes)
    for episode in played:
        whole.take(episode)
    begun = training(eyes)
    for episode in played[:2]:
        begun.take(episode)
    checkpoint.save(tmp_path, begun)
    resumed = Training(seeing_spec(), seeing_base(), [seen_episode(6, seed=s) for s in range(3)], seeing(eyes))
    for index in range(checkpoint.restore(tmp_path, resumed)):
        resumed.replay(played[index])
    for episode in played[2:]:
        resumed.take(episode)
    assert_equal_states(state_of(resumed), state_of(whole))


def test_eyes_that_cannot_be_are_refused() -> None:
    blind = seeing_base(has_eyes=False)
    with pytest.raises(ConfigError, match=r"training\.eyes=tuned .* it has none; clone one that sees"):
        Training(seeing_spec(), blind, [], seeing("tuned"))
    with pytest.raises(ConfigError, match="asks for no camera; the cameras of toy/seeing are: front, wrist"):
        Training(seeing_spec(), blind, [], configured({"eyes": "own"}))
    with pytest.raises(
        ConfigError, match=r"training\.vision is about eyes of the learner's own; found training\.eyes=ba"
    ):
        configured({"vision.cameras": ("front",)})


def test_a_damaged_eye_is_named() -> None:
    subject = training()
    subject.learner.flat["eyes"][3] = torch.nan
    with pytest.raises(Exception, match=r"eyes\.encoders\.0\.body\.0\.weight is not finite"):
        subject.learner.check()


def test_the_rate_of_the_eyes_is_their_own() -> None:
    slow, fast = training(learner__eyes_rate=1e-5), training(learner__eyes_rate=1e-3)
    begun = slow.learner.flat["eyes"].clone()
    assert torch.equal(begun, fast.learner.flat["eyes"])
    for subject in (slow, fast):
        subject.learner.critic_step(subject.sampler.draw())
    assert torch.equal(slow.learner.flat["critic"], fast.learner.flat["critic"])
    ways = [(subject.learner.flat["eyes"] - begun).abs().max() for subject in (slow, fast)]
    assert ways[1] > 50 * ways[0] > 0


@pytest.mark.parametrize("eyes", ["base", "own"])
def test_advantages_are_the_published_critics_rating_of_an_episode(eyes: str, tmp_path: Path) -> None:
    subject = training(eyes)
    for episode in online(2):
        subject.take(episode)
    weights = WeightsDirectory(tmp_path)
    weights.publish(subject.version, subject.published(), subject.spec.digest())
    policy = LearntPolicy(seeing_spec(), seeing_base(), seeing(eyes), weights, deterministic=True)
    policy.load_weights(subject.version)
    episode = online(3)[2]
    aside = subject.buffer.fresh()
    aside.add(episode, "online")
    learner = subject.learner
    batch = learner.seen(aside.windows(aside.pool("online"), 1))
    views = learner.critic.views(learner.target_flat["critic"])
    wanted = learner.value(views, batch, batch.action) - learner.value(views, batch, batch.base)
    np.testing.assert_allclose(policy.advantages(episode), wanted.detach().numpy(), atol=1e-5)
    silent = LearntPolicy(seeing_spec(), seeing_base(), seeing(eyes), weights)
    with pytest.raises(ConfigError, match="nobody can judge by them"):
        silent.advantages(episode)


def test_both_ends_of_a_window_are_seen_by_their_own_pictures() -> None:
    still = dataclasses.replace(seeing(), vision=config(shift=0))
    subject = Training(seeing_spec(), seeing_base(), [seen_episode(6, seed=seed) for seed in range(3)], still)
    batch = subject.sampler.draw()
    looked, _ = subject.learner.look(batch)
    plain = subject.learner.seen(batch)
    assert torch.equal(looked.state.detach(), plain.state)
    assert torch.equal(looked.next_state, plain.next_state)
    eyes, sight = subject.learner.eyes(), subject.learner.sight
    for state, pictures in ((plain.state, batch.pictures), (plain.next_state, batch.next_pictures)):
        torch.testing.assert_close(state[:, -sight.size :], sight.forward(eyes, pictures))


def test_what_does_not_learn_of_the_eyes_is_part_of_the_state_and_stays() -> None:
    frozen = dataclasses.replace(seeing(), vision=config(is_frozen=True))
    subject = Training(seeing_spec(), seeing_base(), [seen_episode(6, seed=seed) for seed in range(3)], frozen)
    subject.prepare()
    before = subject.learner.state()["eyes.fixed"].clone()
    assert len(before) == sum(p.numel() for n, p in subject.learner.eyes().items() if n.startswith("encoders"))
    for episode in online(2):
        subject.take(episode)
    assert torch.equal(subject.learner.state()["eyes.fixed"], before)
    assert subject.learner.optimisers["eyes"].count > 0
