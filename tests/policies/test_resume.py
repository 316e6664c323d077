"""A resumed run is the uninterrupted one, bit for bit, whatever its switches."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from conftest import assert_equal_states, configured, make_episode, small, state_of, toy_base, toy_spec
from sample_runs import CONFIG, DEMOS, ONLINE

from policies import checkpoint
from policies.acting import published
from policies.tensorfile import read_tensors, write_tensors
from policies.training import Training
from policies.training_config import TrainingConfig
from robot.errors import ConfigError, SpecError, StoreError

EARLY: dict[str, Any] = {"updates": 2, "schedule__start_steps": 6, "schedule__warmup_steps": 5}
RANKED: dict[str, Any] = {
    "schedule__unlock": "ranked",
    "schedule__rank": 1.0,
    "schedule__hold_out": 2,
    "schedule__warmup_steps": 31,
}
CONFIGS: dict[str, TrainingConfig] = {
    "plain": CONFIG,
    "gated": small("gated", actor__gate="lower_bound", **EARLY | {"schedule__start_steps": 0}),
    "rlpd": small("rlpd", **EARLY | {"learner__actor_every": 3}),
    "hil-serl with a gripper": small("hil-serl", actor__gripper_axis=1, **EARLY),
    "ranked, in the middle of hold-out": small("gated", **RANKED),
    "prioritised": small("gated", sampler__priority=0.6, **EARLY),
    "preloaded and prioritised": small("ibrl", sampler__priority=0.6, **EARLY),
    "pretrained": small("wsrl", schedule__clone_updates=3, schedule__offline_updates=3, **EARLY),
    "guided": small("jsrl", schedule__guide_steps=9, schedule__guide_stages=3, **EARLY),
    "a distribution": small("resfit", learner__critic="c51", schedule__critic_updates=5, **EARLY),
}


def fresh(config: TrainingConfig) -> Training:
    return Training(toy_spec(), toy_base(), DEMOS, config)


CUTS = [(name, cut) for name in CONFIGS for cut in (1, 4)]
CUTS += [("plain", 0), ("pretrained", 0), ("ranked, in the middle of hold-out", 7)]


@pytest.mark.parametrize(("name", "cut"), CUTS)
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(tmp_path, name: str, cut: int) -> None:
    whole = fresh(CONFIGS[name])
    whole.prepare()
    for episode in ONLINE[:cut]:
        whole.take(episode)
    checkpoint.save(tmp_path, whole)
    resumed = fresh(CONFIGS[name])
    assert checkpoint.restore(tmp_path, resumed) == cut
    for episode in ONLINE[:cut]:
        resumed.replay(episode)
    assert resumed.directions() == whole.directions()
    for episode in ONLINE[cut:]:
        one, other = whole.take(episode), resumed.take(episode)
        assert drop_times(one) == drop_times(other)
    assert_equal_states(state_of(whole), state_of(resumed))
    assert whole.sampler.pools.state() == resumed.sampler.pools.state()
    assert repr(whole.sampler.pools.priorities()) == repr(resumed.sampler.pools.priorities())
    assert whole.directions() == resumed.directions()
    assert (whole.opened_at, whole.version, whole.stage) == (resumed.opened_at, resumed.version, resumed.stage)
    mine, theirs = (published(t.learner, t.buffer.standardiser) for t in (whole, resumed))
    assert_equal_states(mine, theirs)
    assert whole.learner.updates == resumed.learner.updates > 20


def drop_times(metrics: dict[str, float | str]) -> str:
    return repr(sorted((k, v) for k, v in metrics.items() if k != "updates_per_s"))  # as text, since NaN is no number


def test_the_ranked_config_is_cut_while_episodes_are_held_out_and_opens_later() -> None:
    training = fresh(CONFIGS["ranked, in the middle of hold-out"])
    for episode in ONLINE[:4]:
        training.take(episode)
    assert len(training._held) == 2
    for episode in ONLINE[4:]:
        training.take(episode)
    assert training.opened_at == 6
    assert training._held == []


def test_a_standing_alarm_is_still_one_after_a_resume(tmp_path) -> None:
    config = configured({"alarms.error": 0.0, "alarms.episodes": 2}, CONFIG)
    training = fresh(config)
    for episode in ONLINE[:3]:
        training.take(episode)
    assert training.directions().alarm.startswith("The base acts alone")
    checkpoint.save(tmp_path, training)
    resumed = fresh(config)
    checkpoint.restore(tmp_path, resumed)
    assert resumed.directions().alarm == training.directions().alarm


def test_a_checkpoint_of_another_config_robot_or_demonstrations_is_refused(tmp_path) -> None:
    checkpoint.save(tmp_path, fresh(CONFIG))
    longer = dataclasses.replace(CONFIG, total_steps=999)
    assert checkpoint.restore(tmp_path, fresh(longer)) == 0
    with pytest.raises(ConfigError, match="another config"):
        checkpoint.restore(tmp_path, fresh(dataclasses.replace(CONFIG, updates=4)))
    with pytest.raises(ConfigError, match="another config"):
        checkpoint.restore(tmp_path, fresh(dataclasses.replace(CONFIG, seed=CONFIG.seed + 1)))
    with pytest.raises(StoreError, match="3 demonstrations; found 2"):
        checkpoint.restore(tmp_path, Training(toy_spec(), toy_base(), DEMOS[:2], CONFIG))
    other = dataclasses.replace(toy_spec(), name="toy/other")
    with pytest.raises(SpecError, match="for robot"):
        checkpoint.restore(tmp_path, Training(other, toy_base(), DEMOS, CONFIG))
    with pytest.raises(StoreError, match="there is none"):
        checkpoint.restore(tmp_path / "nowhere", fresh(CONFIG))


def test_a_file_that_is_no_checkpoint_or_holds_infinities_is_refused(tmp_path) -> None:
    file = checkpoint.save(tmp_path, fresh(CONFIG))
    tensors, header = read_tensors(file)
    write_tensors(file, tensors, {"spec_digest": header["spec_digest"]})
    with pytest.raises(StoreError, match=r"is no checkpoint of such a run: it lacks \['config', 'counters', 'sampler'"):
        checkpoint.restore(tmp_path, fresh(CONFIG))
    write_tensors(file, {name: t for name, t in tensors.items() if name != "actor"}, header)
    with pytest.raises(StoreError, match=r"it lacks \['actor'\]"):
        checkpoint.restore(tmp_path, fresh(CONFIG))
    tensors["target.critic"][3] = float("inf")
    write_tensors(file, tensors, header)
    with pytest.raises(StoreError, match=r"not finite, in target\.critic"):
        checkpoint.restore(tmp_path, fresh(CONFIG))


def test_priorities_survive_a_checkpoint_bit_for_bit(tmp_path) -> None:
    config = CONFIGS["prioritised"]
    training = fresh(config)
    for episode in [*ONLINE[:3], make_episode(4, seed=77)]:
        training.take(episode)
    training.sampler.pools._highest = 3.5  # here no error ever exceeds what new steps begin with
    checkpoint.save(tmp_path, training)
    resumed = fresh(config)
    checkpoint.restore(tmp_path, resumed)
    assert resumed.sampler.pools.state() == training.sampler.pools.state()
    mine, theirs = training.sampler.pools.priorities(), resumed.sampler.pools.priorities()
    assert {name: values.tobytes() for name, values in mine.items()} == {n: v.tobytes() for n, v in theirs.items()}
    assert len({float(value) for values in mine.values() for value in values}) > 10


def test_another_base_than_the_checkpoints_is_refused_before_anybody_plays(tmp_path) -> None:
    training = Training(toy_spec(), toy_base(), [make_episode(6, seed=seed) for seed in range(3)], small("gated"))
    checkpoint.require_base(tmp_path, None)  # nothing was learnt yet
    checkpoint.save(tmp_path, training)
    checkpoint.require_base(tmp_path, toy_base())
    with pytest.raises(ConfigError, match=r"was made with base policy [0-9a-f]{16}; found none\. Put the run's own"):
        checkpoint.require_base(tmp_path, None)
    other = toy_base()
    other.scaler.middle[:] += 0.1
    with pytest.raises(ConfigError, match=f"found {other.digest()}"):
        checkpoint.require_base(tmp_path, other)
