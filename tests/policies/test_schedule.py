"""The stages of a run: when learning begins, when the actor moves, and what is held out until then."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from conftest import make_episode, small, toy_base, toy_spec

from policies.presets import preset
from policies.sampler import DEMO, ONLINE
from policies.schedule import OPEN, START, WARM_UP, Guide, ScheduleConfig
from policies.training import Training
from robot.store import Episode

EPISODES = [make_episode(5, seed=20 + i, end="timeout" if i % 2 else "success") for i in range(12)]


def training(name: str = "gated", demos: tuple[Episode, ...] = (), **more: Any) -> Training:
    quick = {"updates": 2, "per_steps": 1, "schedule__start_steps": 0, "schedule__warmup_steps": 0} | more
    made = Training(toy_spec(), toy_base(), demos, small(name, **quick))
    made.prepare()
    return made


def test_in_the_start_nothing_is_learnt_and_its_steps_oblige_to_nothing() -> None:
    subject = training(schedule__start_steps=12)
    before = {name: flat.clone() for name, flat in subject.learner.flat.items()}
    for episode in EPISODES[:2]:
        subject.take(episode)
        assert subject.stage == START
    assert subject.learner.updates == 0
    assert all(torch.equal(subject.learner.flat[name], flat) for name, flat in before.items())
    subject.take(EPISODES[2])
    assert subject.robot_steps == 15
    assert subject.learner.updates == 2 * (15 - 12)
    assert subject.stage == OPEN


def test_the_critics_updates_at_the_beginning_are_done_once_and_leave_the_actor_bit_for_bit() -> None:
    stages = {"schedule__start_steps": 5, "schedule__critic_updates": 7, "schedule__warmup_steps": 99}
    subject = training("rlpd", learner__actor_every=1, **stages)
    before = {name: subject.learner.flat[name].clone() for name in ("actor", "temperature")}
    counts = []
    for episode in EPISODES[:3]:
        subject.take(episode)
        counts.append(subject.learner.updates)
        assert subject.stage == WARM_UP
    assert counts == [7, 17, 27]
    assert all(torch.equal(subject.learner.flat[name], flat) for name, flat in before.items())
    assert torch.equal(subject.learner.target_flat["actor"], before["actor"])


def test_the_actor_moves_once_more_than_the_warm_ups_steps_are_played() -> None:
    subject = training(schedule__warmup_steps=10)
    stages = []
    for episode in EPISODES[:3]:
        subject.take(episode)
        stages.append((subject.stage, subject.opened_at, bool(subject.learner.optimisers["actor"].count)))
    assert stages == [(WARM_UP, -1, False), (WARM_UP, -1, False), (OPEN, 3, True)]


def actions(subject: Training) -> set[float]:
    pool = subject.buffer.pool(ONLINE)
    return set(subject.buffer.column("action")[pool][:, 0].tolist()) if len(pool) else set()


def test_held_out_episodes_are_not_drawn_until_the_actor_moves_and_all_are_there_afterwards(monkeypatch) -> None:
    subject = training(schedule__unlock="ranked", schedule__hold_out=3, schedule__warmup_steps=999)
    monkeypatch.setattr(Training, "ranked_held", lambda self: 0.0)
    drawn: set[float] = set()
    draw = subject.sampler.draw

    def watched():
        batch = draw()
        drawn.update(batch.action[:, 0].tolist())
        return batch

    monkeypatch.setattr(subject.sampler, "draw", watched)
    for episode in EPISODES[:7]:
        subject.take(episode)
    held = {float(v) for i in (2, 5) for v in EPISODES[i].action[:, 0]}
    assert subject.version == 7
    assert not drawn & held
    assert not actions(subject) & held
    monkeypatch.setattr(Training, "ranked_held", lambda self: 1.0)
    subject.take(EPISODES[7])
    assert (subject.stage, subject.opened_at) == (OPEN, 8)
    everything = {float(v) for episode in EPISODES[:8] for v in episode.action[:, 0]}
    assert actions(subject) == everything
    subject.take(EPISODES[8])  # from now on none is held out
    assert len(subject.buffer.pool(ONLINE)) == 9 * 5
    assert subject.version == 9


@pytest.mark.parametrize(("sign", "stage"), [(1.0, OPEN), (-1.0, WARM_UP)])
def test_the_actor_moves_early_where_the_critics_rank_the_held_out_steps_and_else_waits(sign: float, stage) -> None:
    """Ideas 6 of section 10: an unlock by calibration."""
    subject = training(
        schedule__unlock="ranked", schedule__hold_out=2, schedule__warmup_steps=999, learner__critic_rate=0.0
    )

    def ranking(views, batch, action, what="mean"):
        return sign * batch.to_go

    subject.learner.value = ranking  # type: ignore[method-assign]
    first = subject.take(EPISODES[0])
    assert (first["ranked"], subject.stage) == (0.0, WARM_UP)  # nothing is held out yet
    second = subject.take(make_episode(5, seed=2))
    assert second["ranked"] == (1.0 if sign > 0 else 0.0)
    assert subject.stage == stage
    assert (subject.opened_at == 2) == (stage == OPEN)


def test_held_out_steps_that_all_came_to_the_same_say_nothing() -> None:
    subject = training(schedule__unlock="ranked", schedule__hold_out=2, schedule__warmup_steps=999)
    subject.take(EPISODES[0])
    assert subject.take(make_episode(5, end="timeout", seed=9))["ranked"] == 0.0
    assert subject.stage == WARM_UP


def test_a_ranked_run_opens_at_the_latest_after_its_warm_up() -> None:
    subject = training(schedule__unlock="ranked", schedule__rank=1.0, schedule__hold_out=2, schedule__warmup_steps=11)
    for episode in EPISODES[1:10:2]:  # no success: nothing to rank
        subject.take(episode)
    assert subject.opened_at == 3
    assert len(actions(subject)) == 25


def test_cloning_draws_the_actor_to_the_demonstrations_before_anything_else() -> None:
    """WSRL, PORL."""
    states = np.random.default_rng(0).uniform(-1, 1, (60, 2)).astype(np.float32)
    demo = make_episode(60, observation={"state": states}, action=0.6 * states)
    subject = training("porl", (demo,), schedule__clone_updates=400, learner__actor_rate=3e-3, actor__hidden=(32,))
    batch = subject.sampler.draw_demos()
    u = subject.learner.actor.mode(
        subject.learner.actor.network.views(subject.learner.target_flat["actor"]), batch.state
    )
    assert (u - batch.action).abs().mean() < 0.05
    assert subject.learner.updates == 0


def test_pretraining_is_on_demonstrations_alone_and_no_demonstration_is_drawn_online() -> None:
    """WSRL: the offline buffer is never sampled again."""
    demo = make_episode(30, action=np.full((30, 2), 0.5, np.float32))
    subject = training("wsrl", (demo,), schedule__clone_updates=2, schedule__offline_updates=3)
    assert subject.learner.optimisers["critic"].count == 3
    assert subject.learner.optimisers["actor"].count == 5
    subject.take(EPISODES[0])
    assert subject.buffer.episodes[DEMO] == 1
    assert not (subject.sampler.draw().action[:, 0] == 0.5).any()


def test_a_preset_without_pretraining_leaves_the_learner_as_it_began() -> None:
    demo = make_episode(30)
    assert training("rlpd", (demo,)).learner.optimisers["critic"].count == 0
    assert preset("wsrl").values["training.schedule.offline_updates"] > 0


def guide(**more: Any) -> Guide:
    return Guide(ScheduleConfig(**{"guide_steps": 100, "guide_stages": 4} | more))


def test_the_guides_horizon_shrinks_stage_by_stage_to_nothing_and_never_grows() -> None:
    subject, seen = guide(), []
    for index in range(60):
        seen.append(subject.steps)
        subject.take(is_success=index % 10 != 3 or index < 30)
    assert seen[:10] == [100] * 10
    assert seen[10::10] == [75, 50, 25, 0, 0]
    assert all(later <= earlier for earlier, later in pairwise(seen))


def test_a_guide_waits_while_success_is_below_the_best_so_far() -> None:
    subject = guide(guide_tolerance=0.1)
    for _ in range(10):
        subject.take(is_success=True)
    assert subject.steps == 75
    for index in range(40):  # 80 % now
        subject.take(is_success=index % 5 != 0)
    assert subject.steps == 75
    for _ in range(10):
        subject.take(is_success=True)
    assert subject.steps == 50


def test_without_a_success_or_without_a_guide_nothing_moves() -> None:
    subject = guide()
    for _ in range(50):
        subject.take(is_success=False)
    assert subject.steps == 100
    none = guide(guide_steps=0)
    none.take(is_success=True)
    assert none.steps == 0


@pytest.mark.parametrize("seed", range(5))
def test_a_guides_horizon_is_monotone_whatever_succeeds(seed: int) -> None:
    subject, steps = guide(guide_stages=7), []
    for is_success in np.random.default_rng(seed).random(300) < 0.6:
        steps.append(subject.steps)
        subject.take(bool(is_success))
    assert steps == sorted(steps, reverse=True)
