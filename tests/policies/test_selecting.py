"""Which policy of a cloning is taken, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import make_episode, toy_spec

from policies.base import ActionScaler, BasePolicy
from policies.base_config import BaseConfig
from policies.bc import BCConfig, correction_weight, train_base
from policies.cloning_data import chunks_of
from policies.features import Features, Standardiser
from policies.perception import Percept
from robot.errors import ConfigError
from robot.store import Episode
from robot.types import Source

SMALL = BaseConfig(hidden=(16,), chunk=2, execute_steps=1)


def demos(count: int = 6) -> list[Episode]:
    rng = np.random.default_rng(0)
    found = []
    for seed in range(count):
        states = rng.uniform(-1, 1, (12, 2)).astype(np.float32)
        found.append(make_episode(12, seed=seed, observation={"state": states}, action=-0.5 * states))
    return found


def config(**more) -> BCConfig:
    return BCConfig(**({"base": SMALL, "updates": 40, "batch": 16, "validation": 0.2, "trials": 4} | more))


def test_the_last_policy_is_taken_by_default_and_the_curve_ends_with_it() -> None:
    cloned = train_base(demos(), toy_spec(), config(), 0)
    assert cloned.policy is cloned.last
    assert [point["updates"] for point in cloned.curve] == list(range(2, 41, 2))
    assert cloned.metrics["validation_error"] == cloned.curve[-1]["error"]
    assert cloned.curve[-1]["error"] < cloned.curve[0]["error"]


def test_selecting_changes_no_training() -> None:
    plain = train_base(demos(), toy_spec(), config(), 0)
    for select in ("error", "success"):
        other = train_base(demos(), toy_spec(), config(select=select), 0, trial=lambda policy: 0.0)
        assert other.last.digest() == plain.last.digest()


def test_the_policy_of_the_most_successes_is_taken_as_it_was_then() -> None:
    tried: list[BasePolicy] = []

    def trial(policy: BasePolicy) -> float:
        tried.append(policy)
        return (0.2, 0.9, 0.9, 0.1)[len(tried) - 1]

    cloned = train_base(demos(), toy_spec(), config(select="success"), 0, trial=trial)
    assert len(tried) == 4
    feature = Percept(np.random.default_rng(1).uniform(-1, 1, (9, 2)).astype(np.float32))
    np.testing.assert_array_equal(cloned.policy.predict(feature), tried[2].predict(feature))  # the later of two equals
    np.testing.assert_array_equal(cloned.last.predict(feature), tried[3].predict(feature))
    assert not np.array_equal(tried[2].predict(feature), tried[3].predict(feature))
    assert (cloned.metrics["selected_updates"], cloned.metrics["selected_success"]) == (30.0, 0.9)
    assert [point["updates"] for point in cloned.curve if "success" in point] == [10.0, 20.0, 30.0, 40.0]


def test_the_policy_of_the_smallest_error_is_taken() -> None:
    noisy = [make_episode(12, seed=seed) for seed in range(6)]  # nothing to learn, so that what is learnt does harm
    cloned = train_base(noisy, toy_spec(), config(select="error", learning_rate=0.05, updates=80, noise=0.0), 0)
    errors = {point["updates"]: point["error"] for point in cloned.curve}
    assert cloned.metrics["selected_error"] == min(errors.values())
    assert errors[cloned.metrics["selected_updates"]] == min(errors.values())
    held = noisy[np.random.default_rng(0).permutation(6)[0]]

    def error(policy: BasePolicy) -> float:
        return float(np.abs(policy.predict(Percept(held.observation["state"]))[:, 0] - held.action).mean())

    assert error(cloned.policy) == pytest.approx(min(errors.values()), rel=0.05)
    assert error(cloned.policy) < error(cloned.last)


def test_an_error_is_in_units_of_the_action() -> None:
    wide = train_base(demos(), toy_spec(), config(updates=1, learning_rate=0.0), 0)
    found = wide.curve[-1]["error"]
    order = np.random.default_rng(0).permutation(6)
    held = demos()[order[0]]
    planned = wide.policy.predict(Percept(held.observation["state"]))[:, 0]
    assert found == pytest.approx(np.abs(planned - held.action).mean(), rel=0.05)  # but for the policy's own clip


def test_there_must_be_something_to_select_by() -> None:
    with pytest.raises(ConfigError, match=r"bc\.select=error needs an episode for validation"):
        train_base(demos(2), toy_spec(), config(select="error", validation=0.0), 0)
    with pytest.raises(ConfigError, match="begin the run with --env local"):
        train_base(demos(2), toy_spec(), config(select="success"), 0)


def test_corrections_count_by_their_outcome_and_the_policys_own_steps_never_do() -> None:
    won, lost = make_episode(6, seed=1, human=(2, 3)), make_episode(6, seed=2, human=(4,), end="failure")
    stopped = make_episode(6, seed=3, human=(1, 2), end="abort")
    weigh = config(failed_weight=0.25)
    assert correction_weight(won, weigh, None).tolist() == [0, 0, 1, 1, 0, 0]
    assert correction_weight(lost, weigh, None).tolist() == [0, 0, 0, 0, 0.25, 0]
    assert correction_weight(lost, config(), None).tolist() == [0.0] * 6
    assert correction_weight(stopped, weigh, None).tolist() == [0.0] * 6


def test_a_weight_is_what_a_sample_counts_in_the_loss() -> None:
    rng = np.random.default_rng(0)
    states = rng.uniform(-1, 1, (40, 2)).astype(np.float32)
    up, down = np.full((40, 2), 0.5, np.float32), np.full((40, 2), -0.5, np.float32)
    demo = make_episode(40, seed=1, observation={"state": states}, action=up)
    lost = make_episode(40, seed=2, observation={"state": states}, action=down, human=tuple(range(40)), end="failure")
    chosen = config(failed_weight=0.3, updates=200, learning_rate=3e-3, validation=0.0)
    planned = train_base([demo], toy_spec(), chosen, 0, corrections=[lost]).policy.predict(Percept(states))
    assert np.median(planned) > 0.3  # the median of what was shown, by weight; with equal weights it would be between


def test_corrections_are_filtered_by_who_judges_them_and_never_without() -> None:
    won = make_episode(6, seed=1, human=(2, 3, 4))

    def judge(episode: Episode) -> np.ndarray:
        return np.array([True, True, True, False, True, True])

    filtering = config(filters_corrections=True)
    assert correction_weight(won, filtering, judge).tolist() == [0, 0, 1, 0, 1, 0]
    with pytest.raises(ConfigError, match="asks the critics of the session: take its corrections with nudge pretrain"):
        train_base(demos(2), toy_spec(), filtering, 0, corrections=[won])


def test_a_chunk_ends_where_a_person_let_go_and_does_not_go_on_where_they_took_over_again() -> None:
    episode = make_episode(8, seed=1, human=(1, 2, 4, 5, 6))
    features = Features(toy_spec())
    scaler = ActionScaler(np.zeros(2, np.float32), np.ones(2, np.float32))
    weight = (episode.source == Source.HUMAN).astype(np.float32)
    found = chunks_of([(episode, weight)], features, Standardiser.nothing(2), scaler, None, 4)
    assert found.mask.tolist() == [[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]]
    np.testing.assert_array_equal(found.target[2, :3].numpy(), episode.action[4:7])
