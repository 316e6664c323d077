"""Numbers that are none: refused where they come in, and named where they arise."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import assert_equal_states, configured, make_episode, state_of, toy_base, toy_spec
from sample_runs import CONFIG, DEMOS, ONLINE, paths, spoiled, write

from policies import checkpoint
from policies.features import Standardiser
from policies.finite import DivergedError
from policies.process import run_learner
from policies.training import Training
from policies.weights import WeightsDirectory
from robot.errors import ConfigError, SpecError, StoreError

REWARDED = configured({"rewards.environment": 1.0}, CONFIG)
RANKED = configured({"schedule.unlock": "ranked", "schedule.hold_out": 2, "schedule.warmup_steps": 99}, CONFIG)


def rewarded(length: int = 5, seed: int = 1):
    return make_episode(length, seed=seed, reward=np.ones(length, np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    ("name", "column", "config"),
    [("state", "state", CONFIG), ("action", "action", CONFIG), ("reward", "reward", REWARDED)],
)
def test_an_episode_with_a_number_that_is_none_is_refused_by_column_and_step(
    name: str, column: str, config, value: float
) -> None:
    training = Training(toy_spec(), toy_base(), [rewarded()], config)
    training.prepare()
    training.take(rewarded(6, seed=2))
    before, version, steps = state_of(training), training.version, training.robot_steps
    with pytest.raises(StoreError, match=rf"cannot be learnt from: its {column} is not finite at step 2"):
        training.take(spoiled(name, 2, value))
    assert_equal_states(before, state_of(training))
    assert (training.version, training.robot_steps) == (version, steps)
    assert training.learner.updates == steps * 3 // 2
    training.take(rewarded(6, seed=3))  # what is whole is learnt from still
    assert training.version == version + 1


def test_an_episode_to_be_held_out_is_looked_through_before_anything_is_learnt_from_it() -> None:
    training = Training(toy_spec(), toy_base(), DEMOS, RANKED)
    training.prepare()
    training.take(ONLINE[0])
    before = state_of(training)
    with pytest.raises(StoreError, match="its state is not finite at step 2"):
        training.take(spoiled("state", 2))
    assert_equal_states(before, state_of(training))
    training.take(ONLINE[1])
    assert training.version == 2


@pytest.mark.parametrize("row", [0, 4])
def test_a_base_action_that_is_infinite_is_refused_and_a_missing_one_is_made_good(row: int) -> None:
    training = Training(toy_spec(), toy_base(), DEMOS, CONFIG)
    base = np.zeros((6, 2), np.float32)
    base[row] = np.nan
    training.take(make_episode(5, base_action=base))
    base[row] = np.inf
    with pytest.raises(StoreError, match=f"not finite at step {row}"):
        training.take(make_episode(5, base_action=base))


def test_a_spoiled_demonstration_is_refused_too() -> None:
    with pytest.raises(StoreError, match="its action is not finite at step 1"):
        Training(toy_spec(), toy_base(), [spoiled("action", 1)], CONFIG)


@pytest.mark.parametrize(
    ("owner", "name"), [("critic", "weight1"), ("actor", "bias0"), ("temperature", "value"), ("gripper", "weight0")]
)
def test_a_parameter_that_became_no_number_is_named(owner: str, name: str) -> None:
    config = configured({"actor.head": "gaussian", "actor.gripper_axis": 1, "actor.has_gripper_head": True}, CONFIG)
    training = Training(toy_spec(), toy_base(), DEMOS, config)
    training.prepare()
    learner = training.learner
    networks = {"critic": learner.critic, "actor": learner.actor.network, "gripper": learner.gripper}
    views = networks[owner].views(learner.flat[owner]) if owner in networks else {"value": learner.flat[owner]}
    views[name].view(-1)[0] = np.nan
    with pytest.raises(DivergedError, match=rf"{owner}\.{name} is not finite"):
        learner.check()


@pytest.mark.parametrize("owner", ["target.critic", "critic.square", "actor.mean", "temperature.square"])
def test_a_target_or_a_moment_that_became_infinite_is_named(owner: str) -> None:
    training = Training(toy_spec(), toy_base(), DEMOS, configured({"actor.head": "gaussian"}, CONFIG))
    training.prepare()
    learner = training.learner
    part, _, kind = owner.rpartition(".")
    flat = learner.target_flat[kind] if part == "target" else getattr(learner.optimisers[part], kind)
    flat[0] = np.inf
    name = "value" if part == "temperature" else "weight0"
    with pytest.raises(DivergedError, match=rf"^{owner}\.{name} is not finite"):
        learner.check()


def test_states_too_large_to_be_standardised_are_refused() -> None:
    states = np.full((3, 2), 1e30, np.float32)
    states[0] = -1e30
    with pytest.raises(SpecError, match=r"the largest number found is 1e\+30"):
        Standardiser.fit(states, slice(0, 2))


@pytest.mark.parametrize("device", ["banana", "cuda:x", "cpu:0"])
def test_a_device_that_is_none_is_refused(device: str) -> None:
    with pytest.raises(ConfigError, match=r"must be cpu, cuda or cuda:N"):
        configured({"device": device}, CONFIG)


def test_a_device_that_this_machine_lacks_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"device is cuda:99; this machine has \d+ CUDA devices"):
        Training(toy_spec(), toy_base(), DEMOS, configured({"device": "cuda:99"}, CONFIG))


def test_learning_that_diverges_says_so_after_the_episode_and_after_the_preparation() -> None:
    training = Training(toy_spec(), toy_base(), DEMOS, CONFIG)
    training.prepare()
    training.learner.critic.views(training.learner.flat["critic"])["weight0"][0, 0, 0] = np.inf
    with pytest.raises(DivergedError, match=r"critic\.weight0"):
        training.take(ONLINE[0])
    config = configured({"schedule.clone_updates": 2}, CONFIG)
    training = Training(toy_spec(), toy_base(), DEMOS, config)
    training.learner.flat["actor"][0] = np.nan
    with pytest.raises(DivergedError, match=r"actor\.weight0"):
        training.prepare()


def test_the_last_checkpoint_before_a_divergence_is_kept_and_goes_on(tmp_path, monkeypatch) -> None:
    write(tmp_path / "demos.zarr", DEMOS)
    write(tmp_path / "online.zarr", ONLINE)
    toy_base().save(tmp_path / "base")
    take = Training.take

    def spoiling(self: Training, episode, stop):
        if self.version == 3:
            self.learner.flat["critic"][0] = np.nan
        return take(self, episode, stop)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "take", spoiling)
        with pytest.raises(DivergedError, match=r"critic\.weight0 is not finite"):
            run_learner(toy_spec(), paths(tmp_path), CONFIG, stop=lambda: False)
    assert WeightsDirectory(tmp_path / "weights").latest() == 3  # nothing was published of what diverged
    resumed = Training(toy_spec(), toy_base(), DEMOS, CONFIG)
    assert checkpoint.restore(tmp_path / "learner", resumed) == 2
    resumed.learner.check()
    assert run_learner(toy_spec(), paths(tmp_path), CONFIG, stop=lambda: False).is_finished
