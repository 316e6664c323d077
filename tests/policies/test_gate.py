"""The gate: who acts, by hand and by law."""

from __future__ import annotations

import math

import pytest
import torch
from conftest import configured, small, target_of, toy_base, toy_batch, toy_spec
from hypothesis import given
from hypothesis import strategies as st

from policies.acting import LearntPolicy
from policies.actor import Actor
from policies.gate import MOST, certainty, is_taken
from policies.learner import Learner
from policies.training import Training
from policies.weights import WeightsDirectory

# three critics (rows) about four states (columns)
PROPOSED = torch.tensor([[1.0, 5.0, 0.0, 2.0], [2.0, 6.0, 0.0, 2.0], [3.0, 0.5, 0.0, 2.0]])
BASE = torch.tensor([[0.0, 0.6, 0.0, 1.0], [2.0, 0.6, 0.0, 1.0], [1.0, 0.6, 0.0, 1.0]])


def columns(k: int) -> st.SearchStrategy[list[list[float]]]:
    row = st.lists(st.floats(-5, 5, width=32), min_size=6, max_size=6)
    return st.lists(row, min_size=k, max_size=k)


def test_without_a_gate_the_actor_always_acts() -> None:
    assert is_taken("none", PROPOSED - 99.0, BASE, 1.0, 0.0).all()


def test_greedy_compares_the_smallest_values_by_hand() -> None:
    """IBRL: 1 >= 0; 0.5 < 0.6; a tie goes to the actor; 2 >= 1. Which critic gives the smallest does not matter."""
    assert is_taken("greedy", PROPOSED, BASE, 1.0, 0.0).tolist() == [True, False, True, True]
    low_first, low_last = torch.tensor([[0.0], [9.0]]), torch.tensor([[9.0], [0.1]])
    assert is_taken("greedy", low_last, low_first, 1.0, 0.0).item()  # 0.1 >= 0, though one critic says -8.9
    assert not is_taken("greedy", low_first, low_last, 1.0, 0.0).item()


def test_the_lower_bound_is_of_the_critics_own_differences_by_hand() -> None:
    # differences: [1, 0, 2]: mean 1, deviation 0.816; [4.4, 5.4, -0.1]: mean 3.233, deviation 2.392; 0; 1, 0
    taken = [is_taken("lower_bound", PROPOSED, BASE, c, 0.0).tolist() for c in (0.0, 1.2, 1.3, 2.0)]
    assert [row[0] for row in taken] == [True, True, False, False]
    assert [row[1] for row in taken] == [True, True, True, False]
    assert all(row[2:] == [True, True] for row in taken)


def test_certainty_is_in_deviations_of_the_critics_own_differences_by_hand() -> None:
    assert certainty(PROPOSED, BASE).tolist() == pytest.approx([1.0 / 0.8165, 3.2333 / 2.392, 0.0, MOST], rel=1e-3)
    assert certainty(BASE, PROPOSED).tolist() == pytest.approx([-1.0 / 0.8165, -3.2333 / 2.392, 0.0, -MOST], rel=1e-3)


@given(columns(3), columns(3), st.floats(0.0, 3.0))
def test_the_gate_takes_what_is_more_certain_than_its_confidence(
    p: list[list[float]], b: list[list[float]], confidence: float
) -> None:
    proposed, base = torch.tensor(p, dtype=torch.float64), torch.tensor(b, dtype=torch.float64)
    sure = certainty(proposed, base)
    is_clear = (sure - confidence).abs() > 1e-6
    taken = is_taken("lower_bound", proposed, base, confidence, 0.0)
    assert torch.equal(taken[is_clear], (sure > confidence)[is_clear])


def test_a_margin_lets_so_much_pass() -> None:
    equal = torch.zeros(3, 1)
    for margin, expected in ((0.0, False), (0.4, False), (0.6, True)):
        assert is_taken("lower_bound", equal - 0.5, equal, 1.0, margin).item() == expected


@given(columns(1), columns(1), st.floats(0, 10))
def test_critics_that_all_agree_leave_the_sign_of_the_difference(one: list, other: list, confidence: float) -> None:
    proposed, base = (torch.tensor(x).expand(4, -1) for x in (one, other))
    assert torch.equal(is_taken("lower_bound", proposed, base, confidence, 0.0), (proposed >= base)[0])


@given(columns(4), columns(4), st.floats(0, 5), st.floats(0, 5))
def test_more_confidence_never_opens_more(proposed: list, base: list, one: float, other: float) -> None:
    less, more = sorted((one, other))
    p, b = torch.tensor(proposed), torch.tensor(base)
    is_more = is_taken("lower_bound", p, b, more, 0.0)
    assert torch.all(~is_more | is_taken("lower_bound", p, b, less, 0.0))


@given(columns(4), columns(4), st.floats(-3, 3, width=32))
def test_what_a_critic_gets_wrong_about_a_state_as_a_whole_cancels(proposed: list, base: list, shift: float) -> None:
    p, b = torch.tensor(proposed), torch.tensor(base)
    wrong = torch.tensor([0.0, shift, 0.0, 0.0])[:, None]
    assert (is_taken("lower_bound", p + wrong, b + wrong, 1.0, 1e-3) == is_taken("lower_bound", p, b, 1.0, 1e-3)).all()


@pytest.mark.parametrize("gate", ["greedy", "lower_bound"])
def test_a_gated_target_is_never_below_the_ungated_one_of_the_same_critics(gate: str) -> None:
    """IBRL: the better of the policy's and the base's action follows."""
    targets = []
    for chosen in ("none", gate):
        config = small("gated", actor__gate=chosen)
        learner = Learner(config.learner, Actor(config.actor, 5, 2), (-99.0, 99.0), 3)
        learner.target_flat["actor"].normal_(generator=torch.Generator().manual_seed(2))
        torch.manual_seed(1)
        learner.generator.manual_seed(1)
        targets.append(target_of(learner, toy_batch(5, 200)))
    assert torch.all(targets[1] >= targets[0])
    assert (targets[1] > targets[0]).float().mean() > 0.2


def acting(tmp_path, sign: float, **actor: object) -> LearntPolicy:
    """A gated policy whose critics all say: sign times the deviation along x."""
    values = {"actor.gate": "lower_bound", "actor.noise": 0.0, "learner.hidden": (4,), "learner.has_norm": False}
    config = configured(values | {f"actor.{k}": v for k, v in actor.items()}, small("gated"))
    training = Training(toy_spec(), toy_base(), [], config)
    learner = training.learner
    learner.target_flat["actor"].normal_(generator=torch.Generator().manual_seed(4))
    views = learner.critic.views(learner.target_flat["critic"].zero_())
    views["weight0"][:, -2, 0], views["weight0"][:, -2, 1] = 1.0, -1.0  # deviation, and its negative
    views["weight1"][:, 0], views["weight1"][:, 1] = sign, -sign
    weights = WeightsDirectory(tmp_path)
    weights.publish(1, training.published(), toy_spec().digest())
    policy = LearntPolicy(toy_spec(), toy_base(), config, weights)
    policy.load_weights(1)
    policy.reset(0)
    return policy


def residuals(policy: LearntPolicy) -> torch.Tensor:
    g = torch.Generator().manual_seed(0)
    states = (2 * torch.rand(60, 2, generator=g) - 1).numpy()
    return torch.tensor([policy.act({"state": s}).residual.tolist() for s in states])


def test_the_base_acts_exactly_where_the_critics_refuse_the_deviation(tmp_path) -> None:
    likes, dislikes = (residuals(acting(tmp_path / str(sign), sign)) for sign in (1.0, -1.0))
    assert torch.all(likes[:, 0] >= 0.0)
    assert torch.all(dislikes[:, 0] <= 0.0)
    assert torch.all(likes.any(dim=1) ^ dislikes.any(dim=1))  # one of both acts in every state
    assert 0 < likes.any(dim=1).sum() < 60


def test_a_decision_tells_how_certain_the_critics_were_and_what_was_held_back(tmp_path) -> None:
    policy = acting(tmp_path, 1.0)
    g = torch.Generator().manual_seed(0)
    made = [policy.act({"state": s}) for s in (2 * torch.rand(60, 2, generator=g) - 1).numpy()]
    assert [d.is_refused for d in made] == [not d.residual.any() for d in made]
    assert all((d.certainty < 0.0) == d.is_refused for d in made)
    trial = acting(tmp_path / "trial", -1.0, gate_trials=1.0)
    judged = trial.act({"state": torch.zeros(2).numpy()})
    assert (math.isnan(judged.certainty), judged.is_refused) == (True, False)


def test_a_trial_plays_an_episode_as_if_there_were_no_gate_but_never_an_evaluation(tmp_path) -> None:
    always = acting(tmp_path, -1.0, gate_trials=1.0)
    assert residuals(always).any(dim=1).all()
    always.deterministic = True
    always.reset(0)
    assert not residuals(always).any(dim=1).all()
    half = acting(tmp_path / "half", -1.0, gate_trials=0.5)
    open_ = 0
    for seed in range(60):
        half.reset(seed)
        open_ += half._is_trial
    assert 15 < open_ < 45
