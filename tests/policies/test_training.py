"""Learning episode by episode: the owed updates exactly, versions, and what is refused."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from conftest import assert_equal_states, configured, make_episode, small, state_of, toy_base, toy_spec
from sample_runs import CONFIG, DEMOS, ONLINE

from policies.mirror import Mirror, MirrorConfig
from policies.training import StoppedError, Training
from robot.errors import ConfigError
from robot.store import Episode


def begun(config=CONFIG, demos=DEMOS) -> Training:
    training = Training(toy_spec(), toy_base(), demos, config)
    training.prepare()
    return training


def test_after_every_episode_exactly_the_owed_updates_are_done_and_the_version_is_the_count() -> None:
    training = begun()
    steps = 0
    for index, episode in enumerate(ONLINE):
        metrics = training.take(episode)
        steps += episode.length
        assert training.learner.updates == steps * 3 // 2 == metrics["updates"]
        assert training.version == index + 1 == metrics["version"]
        assert metrics["robot_steps"] == steps
        assert metrics["owed"] == 0


def test_the_policys_lag_is_the_versions_that_came_out_while_it_acted() -> None:
    training = begun()
    lags = [
        training.take(make_episode(4, seed=seed, weights_version=np.full(4, version)))["policy_lag"]
        for seed, version in enumerate((0, 0, 1, 3))
    ]
    assert lags == [0, 1, 1, 0]


def test_what_states_are_standardised_by_stays_as_the_demonstrations_made_it() -> None:
    training = begun()
    before = training.buffer.standardiser
    for episode in ONLINE[:3]:
        training.take(episode)
    assert training.buffer.standardiser is before
    alone = begun(configured({"schedule.start_steps": 0, "sampler.demos": "leave_out"}, CONFIG), demos=[])
    alone.take(ONLINE[0])
    first = alone.buffer.standardiser
    alone.take(ONLINE[1])
    assert alone.buffer.standardiser is first


@pytest.mark.parametrize(("updates", "actor_every"), [(4, 4), (4, 2), (6, 3)])
def test_critics_and_actor_move_as_often_as_asked_for_each_step(monkeypatch, updates: int, actor_every: int) -> None:
    """T10."""
    config = configured(
        {"updates": updates, "per_steps": 1, "learner.actor_every": actor_every, "schedule.warmup_steps": 0}, CONFIG
    )
    training, moves = begun(config), []
    step = training.learner.actor_step
    monkeypatch.setattr(training.learner, "actor_step", lambda batch: moves.append(1) or step(batch))
    for episode in ONLINE[:3]:
        training.take(episode)
    steps = sum(e.length for e in ONLINE[:3])
    assert training.learner.updates == steps * updates
    assert training.learner.optimisers["critic"].count == steps * updates
    assert len(moves) == steps * updates // actor_every == training.learner.optimisers["actor"].count


def test_the_published_residual_stays_zero_through_the_warm_up() -> None:
    training = begun()
    initial = training.learner.flat["actor"].clone()
    training.take(ONLINE[0])
    training.take(ONLINE[1])
    assert training.robot_steps <= CONFIG.schedule.warmup_steps
    assert torch.equal(training.learner.flat["actor"], initial)
    assert torch.equal(training.published()["actor.weight1"], torch.zeros(1, 16, 2))
    training.take(ONLINE[2])
    assert not torch.equal(training.learner.flat["actor"], initial)


@pytest.mark.parametrize("is_average", [True, False])
def test_the_actor_or_its_average_is_published_as_asked_for(is_average: bool) -> None:
    training = begun(configured({"actor.acts_on_average": is_average}, CONFIG))
    for episode in ONLINE[:4]:
        training.take(episode)
    source = training.learner.target_flat if is_average else training.learner.flat
    views = training.learner.actor.network.views(source["actor"])
    published = training.published()
    assert all(torch.equal(published[f"actor.{name}"], view) for name, view in views.items())


@pytest.mark.parametrize("name", ["gated", "rlpd", "hil-serl", "ibrl"])
def test_the_same_episodes_give_the_same_weights_bit_for_bit(name: str) -> None:
    states = []
    for _ in range(2):
        training = begun(small(name, updates=1, schedule__start_steps=5, schedule__warmup_steps=0))
        for episode in ONLINE[:3]:
            training.take(episode)
        states.append(state_of(training))
    assert_equal_states(*states)


def test_no_update_ever_asks_the_base_policy(monkeypatch) -> None:
    """T5: what it would do stands in the batch."""
    training = begun()
    training.take(ONLINE[0])

    def refuse(*_: object) -> None:
        raise AssertionError("the base was asked")

    for name in ("predict", "act", "relabel"):
        monkeypatch.setattr(type(training.base), name, refuse)
    for _ in range(3):
        training.learner.update(training.sampler.draw())


def test_learning_that_is_told_to_stop_says_so_between_two_updates() -> None:
    training, calls = begun(), itertools.count()
    with pytest.raises(StoppedError, match="after update 4; resume from the checkpoint"):
        training.take(ONLINE[0], lambda: next(calls) >= 4)
    assert training.learner.updates == 4


def test_a_method_without_a_base_learns_without_one_and_another_is_refused_without() -> None:
    training = Training(toy_spec(), None, [], small("sac", schedule__start_steps=0))
    training.prepare()
    training.take(ONLINE[0])
    assert training.learner.updates == ONLINE[0].length
    with pytest.raises(ConfigError, match="need a base policy"):
        Training(toy_spec(), None, [], small("resfit"))


@pytest.mark.parametrize("name", ["sac", "gated"])
def test_a_first_episode_without_a_transition_leaves_its_updates_owed(name: str) -> None:
    """Of a session that died in its first step nothing is learnt, and the run goes on."""
    config = small(name, updates=2, per_steps=1, schedule__start_steps=0, schedule__warmup_steps=0)
    training = begun(config, [])
    training.take(make_episode(1, end="abort", has_final=False))
    assert (training.version, training.learner.updates) == (1, 0)
    training.take(ONLINE[0])
    assert training.learner.updates == 2 * (1 + ONLINE[0].length)


def test_a_disabled_mirror_imports_nothing(tmp_path) -> None:
    import sys

    mirror = Mirror(MirrorConfig(), tmp_path / "mirror")
    mirror.log({"a": 1.0}, step=1)
    mirror.close()
    assert "wandb" not in sys.modules
    assert not (tmp_path / "mirror").exists()


def test_what_decides_the_run_is_in_its_config_and_where_it_ends_is_not() -> None:
    one = begun().config_json()
    free = {"total_steps": 999, "checkpoint_every": 7, "threads": 2}
    assert begun(dataclasses.replace(CONFIG, **free)).config_json() == one
    assert begun(configured({"learner.tau": 0.1}, CONFIG)).config_json() != one


ENDS = {
    "success": {"is_terminated": True, "is_truncated": False, "is_aborted": False, "is_success": True},
    "failure": {"is_terminated": True, "is_truncated": False, "is_aborted": False, "is_success": False},
    "abort": {"is_terminated": False, "is_truncated": True, "is_aborted": True, "is_success": False},
}


def played(index: int, end: str, **more) -> Episode:
    made = make_episode(4 + index % 3, seed=50 + index, end=end, human=(1, 2) if index % 2 else (), **more)
    return dataclasses.replace(made, index=index)


@pytest.mark.parametrize("unlock", ["ranked", "steps"])
@pytest.mark.parametrize(("before", "after"), [(a, b) for a in ENDS for b in ENDS if a != b])
def test_an_end_that_is_taken_back_leaves_what_is_drawn_from_as_if_it_had_been_said_at_first(
    before: str, after: str, unlock: str
) -> None:
    settings = {"updates": 0, "schedule.unlock": unlock, "schedule.warmup_steps": 1000, "schedule.hold_out": 3}
    settings |= {"actor.proof": 0.5, "sampler.success_share": 0.2, "schedule.guide_steps": 20}
    config = configured(settings, CONFIG)
    ends = ["success", "failure", "success", before, "failure", "success", "success"]
    told, amended = begun(config), begun(config)
    for index, end in enumerate(ends):
        amended.take(played(index, end))
        told.take(played(index, after if index == 3 else end))
    amended.amend(dataclasses.replace(played(3, before), **ENDS[after]))
    amended.amend(played(9, "abort"))  # of one that it has not taken: it will take it as it is
    for name in ("reward", "continues", "to_go", "action", "end", "is_human"):
        np.testing.assert_array_equal(amended.buffer.column(name), told.buffer.column(name), err_msg=name)
    for pool in ("online", "human", "success"):
        assert sorted(amended.buffer.pool(pool)) == sorted(told.buffer.pool(pool))
    assert amended.proof.shares == told.proof.shares
    assert amended.proof.doubt == told.proof.doubt
    assert (amended.guide.steps, list(amended.guide._recent)) == (told.guide.steps, list(told.guide._recent))
    kept = [[(e.index, e.is_success, e.is_aborted) for e in training._held] for training in (amended, told)]
    assert kept[0] == kept[1]
    assert [e.is_success for e in amended._recent] == [e.is_success for e in told._recent]


def test_nobodys_next_observation_is_not_bootstrapped_on_when_its_success_is_taken_back() -> None:
    training = begun(configured({"updates": 0, "schedule.unlock": "steps"}, CONFIG))
    training.take(played(0, "success", has_final=False))
    training.amend(dataclasses.replace(played(0, "success", has_final=False), **ENDS["abort"]))
    rows = training.buffer.pool("online")
    assert not training.buffer.column("continues")[rows].any()
    assert not training.buffer.column("reward")[rows].any()


def test_a_demonstration_that_was_discarded_or_taken_back_is_none() -> None:
    good = [make_episode(5, seed=seed) for seed in (1, 2)]
    training = begun(demos=[*good, dataclasses.replace(make_episode(5, seed=3), **ENDS["abort"])])
    assert training.buffer.episodes["demo"] == 2
    assert len(training.buffer.pool("demo")) == 10


def test_windows_that_came_where_others_went_are_as_new_as_any() -> None:
    config = configured(
        {"updates": 0, "schedule.unlock": "steps", "sampler.priority": 1.0, "sampler.success_share": 1.0}
    )
    training = begun(dataclasses.replace(config, sampler=dataclasses.replace(config.sampler, demo_share=0.0)))
    for index in range(3):
        training.take(played(index, "success"))
    pools, size = training.sampler.pools, len(training.buffer.pool("success"))
    pools.draw(8, {name: len(training.buffer.pool(name)) for name in pools.shares})
    pools.prioritise("success", np.arange(size), np.full(size, 1e-3))
    training.amend(dataclasses.replace(played(0, "success"), **ENDS["abort"]))
    training.take(played(3, "success"))  # as many come as have gone, or more, before the next draw
    drawn = pools.draw(2000, {name: len(training.buffer.pool(name)) for name in pools.shares})["success"].place
    counts = np.bincount(drawn, minlength=len(training.buffer.pool("success")))
    assert counts.min() > 0.5 * counts.mean()
