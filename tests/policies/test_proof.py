"""What was learnt proves itself: who plays is drawn, the tallies are counted by hand, and the base acts until then."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest
import torch
from conftest import configured, make_episode, small, toy_base, toy_spec
from hypothesis import given
from hypothesis import strategies as st

from policies.acting import LearntPolicy
from policies.actor import ActorConfig
from policies.proof import Proof, Tally, player
from policies.schedule import Directions
from policies.training import Training
from policies.weights import WeightsDirectory
from robot.store import Episode
from robot.types import NO_VERSION

CONFIG = ActorConfig(proof=0.5, gate_trials=0.25)
BASE = np.full((6, 2), 0.3, np.float32)


def seed_of(wanted: str, is_doubted: bool = True) -> int:
    """The first seed whose episode `wanted` plays."""
    return next(seed for seed in range(99) if player(seed, is_doubted, CONFIG) == wanted)


def episode(
    who: str, is_good: bool = True, version: int = 1, *, moved: bool | None = None, is_doubted: bool = True
) -> Episode:
    """An episode of whom the draw would give; `moved` says whether anything but the base was executed."""
    is_moved = who != "base" if moved is None else moved
    made = make_episode(
        5,
        human=() if is_good else (3,),
        base_action=BASE,
        requested=BASE[:5] + np.float32(0.1 * is_moved),
        weights_version=np.full(5, version),
    )
    return dataclasses.replace(made, attributes={"seed": seed_of(who, is_doubted)})


def proof_of(*episodes: Episode, config: ActorConfig = CONFIG, is_on: bool = True) -> Proof:
    proof = Proof(config, is_on)
    proof.publish(1, is_open=True)
    for version, each in enumerate(episodes, 2):
        proof.take(each)
        proof.publish(version, is_open=True)
    return proof


def test_who_plays_is_drawn_in_the_shares_asked_for() -> None:
    doubted = Counter(player(seed, True, CONFIG) for seed in range(4000))
    assert doubted["base"] == pytest.approx(2000, abs=130)  # 4 standard deviations
    assert doubted["trial"] == pytest.approx(500, abs=85)
    trusted = Counter(player(seed, False, CONFIG) for seed in range(4000))
    assert trusted["base"] == 0
    assert trusted["trial"] == pytest.approx(1000, abs=110)
    assert {player(seed, True, dataclasses.replace(CONFIG, proof=0.0)) for seed in range(99)} == {"gated", "trial"}


@given(st.lists(st.booleans(), max_size=30))
def test_a_tally_forgets_geometrically(outcomes: list[bool]) -> None:
    tally = Tally(0.8)
    for is_good in outcomes:
        tally.add(is_good)
    weights = 0.8 ** np.arange(len(outcomes))[::-1]
    assert tally.all == pytest.approx(weights.sum())
    assert tally.good == pytest.approx(weights @ np.array(outcomes, float) if outcomes else 0.0)


def test_what_was_never_played_is_doubted_and_the_sentence_has_both_shares() -> None:
    proof = proof_of(episode("base"), episode("base", is_good=False))
    # (0.95 + 1) / (1.95 + 2), and none
    assert proof.shares == (pytest.approx(1.95 / 3.95), 0.0)
    assert proof.doubt == "The base acts until what was learnt gets by alone as often: 0% against 49%."


def test_the_doubt_ends_once_it_gets_by_as_often_and_comes_back_only_below_the_tolerance() -> None:
    proof = proof_of(episode("base"), episode("base", is_good=False), episode("gated"))
    assert proof.shares[1] == pytest.approx(0.5)  # 1 / (1 + 1), the base's is 0.494
    assert not proof.doubt
    proof.take(episode("gated", version=3))
    proof.take(episode("gated", is_good=False, version=3))
    assert proof.shares[1] == pytest.approx((0.85 + 0.85**2) / (1 + 0.85 + 0.85**2 + 1))  # 0.44
    proof.publish(6, is_open=True)
    assert not proof.doubt  # within the tolerance
    proof.take(episode("gated", is_good=False, version=3))
    proof.publish(7, is_open=True)
    assert proof.doubt


def test_trials_aborted_and_empty_episodes_do_not_count() -> None:
    proof = proof_of(episode("trial"), dataclasses.replace(episode("gated"), is_aborted=True), make_episode(0))
    assert proof.learnt.all == proof.base.all == 0.0


def test_before_the_actor_moves_all_episodes_are_the_bases_with_its_noise() -> None:
    proof = Proof(CONFIG, is_on=True)
    proof.publish(1, is_open=False)
    for version in (NO_VERSION, 0, 1):
        proof.take(episode("gated", version=version))
    assert (proof.base.all > 2.0, proof.learnt.all) == (True, 0.0)
    assert not proof.doubt


def test_where_the_gate_refused_everything_it_was_the_base() -> None:
    proof = proof_of(episode("gated", moved=False))
    assert (proof.base.all, proof.learnt.all) == (1.0, 0.0)


def test_a_persons_actions_are_nobody_elses() -> None:
    """Where a person moved and the base did not, the episode is the base's, and not good."""
    by_person = episode("gated", is_good=False)
    requested = BASE[:5].copy()
    requested[3] += 0.2
    proof = proof_of(dataclasses.replace(by_person, requested=requested))
    assert (proof.base.all, proof.base.good, proof.learnt.all) == (1.0, 0.0, 0.0)


def test_who_played_is_told_by_the_weights_that_were_played() -> None:
    """A seed that is the base's under doubt is the learnt part's without."""
    proof = Proof(CONFIG, is_on=True)
    proof.publish(1, is_open=True)
    proof.take(episode("gated"))  # proves itself: the base was never seen, 1/2 >= 1/2
    proof.publish(2, is_open=True)
    assert not proof.doubt
    seed = next(s for s in range(99) if (player(s, True, CONFIG), player(s, False, CONFIG)) == ("base", "gated"))
    late = dataclasses.replace(episode("gated", version=1), attributes={"seed": seed})
    proof.take(late)  # of version 1, under doubt: nobody's that is counted here
    assert proof.learnt.all == 1.0
    proof.take(dataclasses.replace(late, weights_version=np.full(5, 2)))
    assert proof.learnt.all == pytest.approx(1.85)


@pytest.mark.parametrize(
    ("config", "is_on"),
    [
        (dataclasses.replace(CONFIG, proof=0.0), True),
        (CONFIG, False),
        (dataclasses.replace(CONFIG, composer="policy", gate="none"), True),
    ],
)
def test_nothing_is_doubted_where_it_is_off_or_cannot_be_judged(config: ActorConfig, is_on: bool) -> None:
    proof = proof_of(episode("base"), episode("gated", is_good=False), config=config, is_on=is_on)
    assert not proof.doubt
    assert proof.base.all == 0.0


def test_a_resumed_training_doubts_as_one_that_never_stopped() -> None:
    config = small("gated", updates=1, schedule__warmup_steps=9)
    first, second = (Training(toy_spec(), toy_base(), [], config) for _ in range(2))
    rng = np.random.default_rng(0)
    episodes = [
        episode(str(rng.choice(["base", "gated", "trial"])), bool(rng.random() < 0.6), version=max(0, index - 1))
        for index in range(12)
    ]
    for each in episodes:
        first.take(each)
    second.opened_at = first.opened_at  # as a checkpoint has it
    for each in episodes:
        second.replay(each)
    assert first.proof.learnt.all > 0.0
    assert second.proof.shares == first.proof.shares
    assert second.directions() == first.directions()


def test_a_doubted_policy_is_the_base_in_evaluations_and_in_its_share_of_episodes(tmp_path) -> None:
    config = configured({"actor.gate": "none", "actor.noise": 0.0, "actor.begins_at_zero": False}, small("gated"))
    training = Training(toy_spec(), toy_base(), [], config)
    weights = WeightsDirectory(tmp_path)
    for version, doubt in ((1, "It has to prove itself."), (2, "")):
        words = Directions(doubt=doubt).to_header()
        weights.publish(version, training.published(), toy_spec().digest(), words)
    policy, base = LearntPolicy(toy_spec(), toy_base(), config, weights), toy_base()
    state = {"state": np.array([0.3, -0.2], np.float32)}

    def is_bases(seed: int) -> bool:
        policy.reset(seed)
        base.reset(seed)
        return bool(np.array_equal(policy.act(state).action, base.act(state).action))

    policy.load_weights(1)
    played = [is_bases(seed) for seed in range(60)]
    assert played == [player(seed, True, config.actor) == "base" for seed in range(60)]
    assert 15 < sum(played) < 45
    policy.deterministic = True
    assert all(is_bases(seed) for seed in range(20))
    policy.load_weights(2)
    assert not any(is_bases(seed) for seed in range(20))
    torch.testing.assert_close(torch.tensor(policy.act(state).base_action), torch.tensor(base.act(state).action))


def test_the_weights_that_the_actor_first_moves_in_are_doubted_at_once() -> None:
    training = Training(toy_spec(), toy_base(), [], small("gated", updates=1, schedule__warmup_steps=9))
    doubts = []
    for index in range(3):
        training.take(episode("gated", version=index))
        doubts.append(bool(training.directions().doubt))
    assert doubts == [False, True, True]  # 5, 10 and 15 steps


def test_what_is_published_anew_takes_the_place_of_its_version() -> None:
    proof = Proof(CONFIG, is_on=True)
    for is_open in (False, True):
        proof.publish(1, is_open)
    proof.publish(2, is_open=False)
    proof.take(episode("gated", version=2))
    assert (proof.base.all, proof.learnt.all) == (1.0, 0.0)
    proof.take(episode("gated", version=1))
    assert (proof.base.all, proof.learnt.all) == (1.0, 1.0)
