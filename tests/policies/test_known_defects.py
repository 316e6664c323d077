"""The defects found in the reference implementations (section 9 of the notes on algorithms), one by one.

Tested here: 3 4 7 13 14 19 21 22 23 30 31 32. Tested elsewhere, and not again here:

==  =================================================================================================================
 1  test_values: the loss of numbers is the mean of squares over members
 2  test_values: a distribution's target shrinks by the window's discount
 5  test_base: labels do not depend on what was labelled before
 6  test_sampler: golden windows before a timeout
 8  test_sampler: the base action of where a window ends; what is drawn is standardised, next states too
 9  test_sampler: windows equal a plain loop and never cross an episode; test_quotas: every step is drawn
10  test_networks: members begin differently, within the range of a linear layer
11  test_process: every version is published, and resumes exactly
15  test_learner: a saturated sum is reported; test_alarms: and raises an alarm
16  test_sampler: every step of every episode is a transition, a person's too
17  test_sampler: the same, terminal ones too
18  test_quotas: shares are exact in every mini-batch; any share can be asked for (RLPD), different members (WSRL)
24  test_networks: a bias for every unit of every member; there are no gains to share
27  test_actor: u is within its bound for any weights, states and noise
28  test_training: owed updates follow from robot steps, not from chunks
29  test_quotas: every step is drawn, those right before the end too; steps and not episodes are equally likely
==  =================================================================================================================

Cannot occur here: 12 (the learner sees no images), 20 (nothing in policies decides when a person intervenes; the
simulated person has tests of its own), 25 (nothing is compiled, no path ends in an assertion), 26 (nothing is
denoised). Pickled transitions (HIL-SERL): test_fences forbids pickle.
"""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import configured, make_episode, next_action_of, small, target_of, toy_base, toy_batch, toy_spec
from hypothesis import given
from hypothesis import strategies as st
from sample_runs import CONFIG, DEMOS, ONLINE

from policies import checkpoint
from policies.actor import Actor
from policies.gate import is_taken
from policies.learner import Learner
from policies.mirror import MirrorConfig
from policies.perception import Percept
from policies.presets import PRESETS
from policies.rewards import label
from policies.sampler import DEMO, EpisodeBuffer
from policies.sampler import ONLINE as PLAYED
from policies.states import States
from policies.training import Training
from robot.errors import ConfigError
from robot.loop import run_episode


def learner(**more: object) -> Learner:
    config = small("gated", **more)
    return Learner(config.learner, Actor(config.actor, 5, 2), (-99.0, 99.0), 0)


def test_an_overridden_noise_is_the_noise_that_acts() -> None:
    """3: a schedule derived from the noise ignored the override. Every other setting: test_settings_matter."""
    spread = {}
    for noise in (0.05, 0.2):
        subject = learner(learner__target_noise=noise, learner__target_noise_clip=9.0, actor__bound=(1.0,))
        spread[noise] = next_action_of(subject, toy_batch(5, 4000))[0].std().item()
    assert spread == {noise: pytest.approx(noise, rel=0.05) for noise in spread}


class Tape:
    """An environment of fixed observations that ends as it is told; and a sink that keeps what it gets."""

    def __init__(self, end: str, first: float) -> None:
        self.end, self.first, self.records, self.time = end, first, [], 0
        self.spec_robot = toy_spec()

    def _step(self, is_last: bool):
        flags = {name: is_last and self.end == name for name in ("is_terminated", "is_truncated", "is_aborted")}
        state = {"state": np.full(2, self.first - 0.1 * self.time, np.float32)}
        step = SimpleNamespace(observation=state, is_last=is_last, is_success=False, **flags)
        after = {"executed": np.zeros(2), "source": 0, "label": 0, "reasons": 0, "timing": None, "cause": ""}
        return step, SimpleNamespace(stamp_ns=self.time, stream_stamps_ns={}, reward=np.nan, **after)

    def begin(self, seed: int, *_: object):
        self.time = 0
        return self._step(is_last=False)

    def advance(self, decision):
        self.records.append(decision)
        self.time += 1
        return self._step(is_last=self.time == 2)  # in the middle of a chunk of three


class Nowhere:
    def begin(self, *_: object) -> None: ...
    def append(self, *_: object) -> None: ...
    def commit(self, *_: object) -> None: ...


@pytest.mark.parametrize("end", ["is_terminated", "is_truncated", "is_aborted"])
def test_an_episodes_first_action_is_planned_from_its_own_first_observation(end: str) -> None:
    """4, 23: the queue of a chunked base was emptied too late, or after a success only."""
    base = toy_base(execute_steps=3)
    for seed, first in enumerate((0.9, -0.7)):
        tape = Tape(end, first)
        run_episode(tape, base, Nowhere(), seed, {})  # type: ignore[arg-type]
        expected = base.predict(Percept(np.full((1, 2), first, np.float32)))[0]
        assert [decision.chunk_phase for decision in tape.records] == [0, 1]
        np.testing.assert_array_equal([decision.action for decision in tape.records], expected[:2])


def test_where_the_sum_is_clipped_target_and_actor_see_the_clipped_action() -> None:
    """7: the released buffer holds b + u as it was before the robot clipped it."""
    subject = learner(learner__target_noise=0.0, learner__subset=4)
    b = toy_batch(5, 16, next_base=torch.ones(16, 2))
    plain = target_of(subject, b)
    subject.actor.network.views(subject.target_flat["actor"])["bias1"].fill_(9.0)  # u = its whole bound, upwards
    torch.testing.assert_close(target_of(subject, b), plain)
    subject.actor.network.views(subject.target_flat["actor"])["bias1"].fill_(-9.0)
    assert not torch.allclose(target_of(subject, b), plain)


def test_an_update_reports_tensors_without_a_graph() -> None:
    """13: six numbers read from the device in every update, and graphs kept without need."""
    report = learner(learner__actor_every=1).update(toy_batch(5))
    assert "actor_loss" in report
    assert all(isinstance(value, torch.Tensor) and not value.requires_grad for value in report.values())


def test_a_run_goes_on_with_its_own_base_policy_only(tmp_path) -> None:
    """14: caches that were keyed neither by the scale of the actions nor by the base policy."""
    checkpoint.save(tmp_path, Training(toy_spec(), toy_base(seed=0), DEMOS, CONFIG))
    assert checkpoint.restore(tmp_path, Training(toy_spec(), toy_base(seed=0), DEMOS, CONFIG)) == 0
    with pytest.raises(ConfigError, match="made with base policy"):
        checkpoint.restore(tmp_path, Training(toy_spec(), toy_base(seed=1), DEMOS, CONFIG))
    scaled = configured({"actor.bound": (0.2, 0.2)}, CONFIG)
    with pytest.raises(ConfigError, match="another config"):
        checkpoint.restore(tmp_path, Training(toy_spec(), toy_base(), DEMOS, scaled))


@given(st.floats(-50, 50, width=16), st.integers(0, 99))
def test_the_gate_means_the_same_for_negative_values(shift: float, seed: int) -> None:
    """19: a threshold relative to Q turns round where Q is negative."""
    g = torch.Generator().manual_seed(seed)
    proposed, base = (torch.randn(4, 9, generator=g).double() for _ in range(2))
    for kind in ("greedy", "lower_bound"):
        taken = is_taken(kind, proposed, base, 1.0, 0.0)
        assert torch.equal(is_taken(kind, proposed + shift, base + shift, 1.0, 0.0), taken)


def test_the_same_steps_earn_the_same_wherever_they_come_from() -> None:
    """21: two meanings of an intervention's reward in one repository."""
    states = States(toy_spec(), toy_base(), uses_base=True)
    buffer = EpisodeBuffer(states, partial(label, config=CONFIG.rewards), 0.97)
    for origin in (DEMO, PLAYED):
        buffer.add(make_episode(8, human=(2, 3, 6)), origin)
    one, other = (buffer.windows(buffer.pool(origin), 3) for origin in (DEMO, PLAYED))
    assert torch.equal(one.ret, other.ret)
    assert one.ret.min() < 0.0


def test_nothing_is_sent_anywhere_unless_asked_for() -> None:
    """22: a key in the scripts, and a mirror that was on always. Paths of one machine: test_fences."""
    assert (MirrorConfig().enabled, MirrorConfig().mode) == (False, "offline")


def test_targets_begin_as_what_they_follow_and_do_so_again_after_cloning() -> None:
    """30: critic and target were begun anew with different numbers."""
    subject = learner(actor__gripper_axis=1, actor__has_gripper_head=True)
    assert subject.target_flat.keys() == {"critic", "actor", "gripper"}
    assert all(torch.equal(flat, subject.flat[name]) for name, flat in subject.target_flat.items())
    assert all(flat.data_ptr() != subject.flat[name].data_ptr() for name, flat in subject.target_flat.items())
    subject.clone_step(toy_batch(5))
    assert torch.equal(subject.target_flat["actor"], subject.flat["actor"])


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_learns_finite_numbers_without_a_demonstration_or_a_person(name: str) -> None:
    """31: a mean over no demonstrations is no number."""
    quick = {"schedule__start_steps": 0, "schedule__warmup_steps": 0, "learner__actor_every": 1, "updates": 1}
    none = {"schedule__clone_updates": 0, "schedule__offline_updates": 0, "schedule__critic_updates": 0}
    training = Training(toy_spec(), toy_base(kind="flow"), [], small(name, per_steps=1, **quick, **none))
    training.prepare()
    metrics = training.take(make_episode(6, end="timeout"))
    assert metrics["updates"] >= 3
    assert all(np.isfinite(value) for value in metrics.values() if not isinstance(value, str))
    training.learner.check()


def test_the_temperature_rises_where_entropy_is_lacking_and_falls_where_it_is_not() -> None:
    """32: a term with the wrong sign, or without a gradient, that no test had looked at."""
    for entropy, sign in ((10.0, 1.0), (-10.0, -1.0)):
        subject = learner(actor__head="gaussian", learner__target_entropy=entropy, learner__actor_every=1)
        before = subject.flat["temperature"].item()
        for _ in range(5):
            subject.update(toy_batch(5))
        assert sign * (subject.flat["temperature"].item() - before) > 1e-4


def test_the_steps_of_the_episodes_are_all_there_at_the_end() -> None:
    """16, 17 at the level of a run (R3): as many transitions as steps, whoever commanded them and however it ended."""
    training = Training(toy_spec(), toy_base(), DEMOS, CONFIG)
    for episode in ONLINE[:4]:
        training.take(episode)
    assert len(training.buffer.pool(PLAYED)) == sum(episode.length for episode in ONLINE[:4]) == training.robot_steps
    assert len(training.buffer.pool("human")) == 4
