"""The base policy: its queue, its labels over recorded episodes, its bounds and its file."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from conftest import make_episode, toy_base, toy_spec

from policies.base import ActionScaler, BasePolicy
from policies.base_config import BaseConfig
from policies.bc import BCConfig, train_base
from policies.chunks.decoder import Decoder
from policies.chunks.model import ChunkModel, Seen
from policies.finite import DivergedError
from policies.perception import Percept
from robot.errors import SpecError, StoreError
from robot.specs import ArraySpec
from robot.types import Source


def observations(count: int, seed: int = 0) -> list[dict[str, np.ndarray]]:
    states = np.random.default_rng(seed).uniform(-1, 1, (count, 2)).astype(np.float32)
    return [{"state": s} for s in states]


class Given(ChunkModel):
    """Gives the noise itself as its chunk."""

    def predict(self, seen: Seen, noise: torch.Tensor) -> torch.Tensor:
        return noise.view(len(noise), self.chunk, self.actions)


def planned(base: BasePolicy, observation: dict[str, np.ndarray]) -> np.ndarray:
    """The chunk that is planned from an observation."""
    return base.predict(Percept(base.perception.one(observation).vector[None]))[0]


def test_scaling_and_unscaling_are_inverse_and_leave_head_room_at_the_datas_extremes() -> None:
    action = np.random.default_rng(3).uniform(-0.8, 0.4, (50, 2)).astype(np.float32)
    scaler = ActionScaler.fit(action, head_room=0.2)
    scaled = torch.from_numpy(scaler.scale(action))
    back = Decoder(Given(1, 2), scaler.middle, scaler.half, limit=1.0)(Seen(torch.zeros(50, 0)), scaled)
    np.testing.assert_allclose(back[:, 0].numpy(), action, atol=1e-6)
    assert scaled.abs().max() == pytest.approx(1 / 1.2, abs=1e-6)


def test_what_a_model_gives_beyond_its_data_and_beyond_the_limit_is_clipped() -> None:
    decoder = Decoder(Given(1, 2), np.array([0.0, 0.5], np.float32), np.array([0.2, 0.9], np.float32), limit=0.9)
    found = decoder(Seen(torch.zeros(2, 0)), torch.tensor([[5.0, 5.0], [-5.0, -5.0]]))[:, 0]
    np.testing.assert_allclose(found.numpy(), [[0.2, 0.9], [-0.2, -0.4]], atol=1e-6)


def test_a_zero_has_no_sign() -> None:
    decoder = Decoder(Given(1, 1), np.zeros(1, np.float32), np.ones(1, np.float32), limit=1.0)
    found = decoder(Seen(torch.zeros(1, 0)), torch.tensor([[-0.0]]))
    assert not torch.signbit(found).any()


def test_an_axis_that_never_moves_scales_without_infinity() -> None:
    scaler = ActionScaler.fit(np.full((5, 2), 0.3, np.float32), head_room=0.1)
    assert np.all(scaler.scale(np.full((1, 2), 0.3, np.float32)) == 0.0)


def test_a_chunk_is_executed_open_loop_and_then_planned_anew() -> None:
    base, obs = toy_base(execute_steps=3), observations(4)
    base.reset(0)
    got = [base.act(o) for o in obs]
    plan = planned(base, obs[0])
    assert [d.chunk_phase for d in got] == [0, 1, 2, 0]
    for phase in range(3):
        np.testing.assert_array_equal(got[phase].action, plan[phase])
    np.testing.assert_array_equal(got[3].action, planned(base, obs[3])[0])


@pytest.mark.parametrize("forget", ["reset", "replan"])
def test_reset_and_replan_empty_the_queue_in_mid_chunk(forget: str) -> None:
    base, obs = toy_base(), observations(3)
    base.reset(0)
    base.act(obs[0])
    base.act(obs[1])
    base.reset(1) if forget == "reset" else base.replan()
    decision = base.act(obs[2])
    assert decision.chunk_phase == 0
    np.testing.assert_array_equal(decision.action, planned(base, obs[2])[0])


def test_labels_over_an_episode_are_what_the_policy_would_have_done_in_the_loop() -> None:
    base = toy_base()
    episode = make_episode(11, human=(1, 2, 6), seed=4)
    action, phase = base.relabel(episode)
    base.reset(0)
    for t in range(episode.length):
        decision = base.act({"state": episode.observation["state"][t]})
        assert decision.chunk_phase == phase[t]
        np.testing.assert_allclose(decision.action, action[t], atol=1e-6)
        if t in (1, 2, 6):
            base.replan()
    decision = base.act(episode.final_observation)
    np.testing.assert_allclose(decision.action, action[-1], atol=1e-6)
    assert decision.chunk_phase == phase[-1]


def test_labels_do_not_depend_on_what_was_labelled_before() -> None:
    base, first, second = toy_base(), make_episode(5, seed=1), make_episode(7, seed=2)
    alone = base.relabel(second)[0]
    base.relabel(first)
    np.testing.assert_array_equal(base.relabel(second)[0], alone)


def test_the_base_leaves_room_for_the_residual_whatever_it_sees() -> None:
    base = toy_base()
    feature = np.random.default_rng(0).uniform(-1e3, 1e3, (200, 2)).astype(np.float32)
    chunks = base.predict(Percept(feature))
    assert np.abs(chunks).max() <= 1 / 1.1 + 1e-6
    assert not np.any(np.signbit(chunks) & (chunks == 0.0))


def test_a_saved_base_acts_bit_for_bit_alike(tmp_path) -> None:
    base = toy_base(seed=5)
    base.save(tmp_path)
    loaded = BasePolicy.load(tmp_path, toy_spec())
    feature = np.random.default_rng(1).standard_normal((20, 2)).astype(np.float32)
    assert loaded.config == base.config
    assert loaded.digest() == base.digest() != toy_base(seed=6).digest()
    np.testing.assert_array_equal(loaded.predict(Percept(feature)), base.predict(Percept(feature)))


def test_a_base_of_another_robot_is_refused_in_one_sentence(tmp_path) -> None:
    toy_base().save(tmp_path)
    other = dataclasses.replace(toy_spec(), name="toy/other", observation={"state": ArraySpec((2,), "float32")})
    with pytest.raises(
        SpecError, match=r"is for robot 'toy/point'.*this robot is 'toy/other'.*differs in .*name; clone"
    ):
        BasePolicy.load(tmp_path, other)


def test_a_missing_or_damaged_base_says_so(tmp_path) -> None:
    with pytest.raises(StoreError, match="there is none"):
        BasePolicy.load(tmp_path, toy_spec())
    (tmp_path / "base.safetensors").write_bytes(b"not a tensor")
    with pytest.raises(StoreError, match="not a readable"):
        BasePolicy.load(tmp_path, toy_spec())


def test_more_executed_steps_than_a_chunk_has_are_refused() -> None:
    with pytest.raises(SpecError, match="at most chunk"):
        BaseConfig(chunk=2, execute_steps=3)


def test_cloning_learns_the_demonstrators_law_and_repeats_exactly() -> None:
    rng = np.random.default_rng(0)
    demos = []
    for seed in range(12):
        states = rng.uniform(-1, 1, (20, 2)).astype(np.float32)
        demos.append(make_episode(20, seed=seed, observation={"state": states}, action=-0.5 * states))
    config = BCConfig(base=BaseConfig(hidden=(32,), chunk=2, execute_steps=1), updates=300, noise=0.0)
    ticks: list[tuple[int, int]] = []
    base, metrics, *_ = train_base(demos, toy_spec(), config, 7, lambda done, total: ticks.append((done, total)))
    test = rng.uniform(-0.8, 0.8, (100, 2)).astype(np.float32)
    assert np.abs(base.predict(Percept(test))[:, 0] - -0.5 * test).mean() < 0.05
    assert metrics["episodes"] == 11
    assert metrics["validation_error"] > 0.0
    assert ticks[-1] == (300, 300)
    again = train_base(demos, toy_spec(), config, 7).policy
    np.testing.assert_array_equal(again.predict(Percept(test)), base.predict(Percept(test)))


def test_cloning_uses_successes_only_and_refuses_to_clone_nothing() -> None:
    good, bad = make_episode(6, seed=1), make_episode(6, seed=2, end="timeout")
    config = BCConfig(base=BaseConfig(hidden=(8,), chunk=2, execute_steps=1), updates=5)
    metrics = train_base([good, bad], toy_spec(), config, 0).metrics
    assert metrics["steps"] == 6
    with pytest.raises(StoreError, match="needs a successful demonstration"):
        train_base([bad], toy_spec(), config, 0)


def test_corrections_add_a_persons_steps_of_episodes_that_succeeded_and_no_step_of_the_policy() -> None:
    demo = make_episode(6, seed=1, human=tuple(range(6)))
    corrected = make_episode(9, seed=2, human=(3, 4, 5))
    failed = make_episode(9, seed=3, human=(3, 4, 5), end="timeout")
    config = BCConfig(base=BaseConfig(hidden=(8,), chunk=4), updates=3, validation=0.0)
    alone = train_base([demo], toy_spec(), config, 0).metrics
    both = train_base([demo], toy_spec(), config, 0, corrections=[corrected, failed]).metrics
    assert (alone["steps"], both["steps"]) == (6, 9)
    # what the policy did has no influence: neither before, nor after the person
    other = np.where(corrected.source[:, None] == Source.HUMAN, corrected.action, 0.0).astype(np.float32)
    same = dataclasses.replace(corrected, action=other)
    one, two = (train_base([demo], toy_spec(), config, 0, corrections=[e]).policy for e in (corrected, same))
    state = {"state": np.array([0.3, -0.4], np.float32)}
    np.testing.assert_array_equal(one.act(state).action, two.act(state).action)


def test_cloning_that_diverges_says_so_and_gives_no_policy() -> None:
    demos = [make_episode(6, seed=seed) for seed in range(3)]
    config = BCConfig(base=BaseConfig(hidden=(8,)), updates=40, batch=16)
    demos[0].action[2] = np.nan
    with pytest.raises(DivergedError, match=r"Cloning diverged: its loss is nan after \d+ updates, and nothing was"):
        train_base(demos, toy_spec(), config, 0)
