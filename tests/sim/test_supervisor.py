"""The scripted person: acts by role, takes over by a rule, is human in skill, and the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from robot.errors import ConfigError, RobotError
from teleop.supervisor import ScriptedSupervisor
from teleop.supervisor_config import SupervisorConfig

CALM = {"noise": 0.0, "mistakes": 0.0}
SEEN: dict[str, np.ndarray] = {}


class Steady:
    """An expert whose action is always the same and whose progress the test sets."""

    value = 0.0

    def reset(self, seed: int) -> None:
        self.value = 0.0

    def act(self, observation) -> np.ndarray:
        return np.array([0.5, -0.5], np.float32)

    def progress(self, observation) -> float:
        return self.value


def person(**settings) -> ScriptedSupervisor:
    return ScriptedSupervisor(Steady(), SupervisorConfig(**{**CALM, **settings}))


def taken(who: ScriptedSupervisor, steps: int, gain: float = 0.0) -> list[bool]:
    """Return in which steps the person acts, while each step makes `gain` progress."""
    hands = []
    for _ in range(steps):
        hands.append(who.take(SEEN) is not None)
        who.expert.value += gain
    return hands


def test_a_demonstrator_acts_in_every_step_and_an_onlooker_in_none() -> None:
    who = person(rule="random", onset=1.0)
    who.begin(0, "demonstrate")
    assert all(taken(who, 10))
    who.begin(0, "watch")
    assert not any(taken(who, 10))
    with pytest.raises(RobotError, match="role is one of"):
        who.begin(0, "sleep")


def test_nobody_takes_over_while_there_is_progress() -> None:
    who = person(patience_steps=3, better=0.01)
    who.begin(0, "supervise")
    assert not any(taken(who, 50, gain=0.02))


def test_no_progress_for_so_long_and_the_reaction_time_bring_the_person() -> None:
    who = person(patience_steps=4, reaction_steps=3, hold_steps=5)
    who.begin(0, "supervise")
    hands = taken(who, 13)
    # the first look is progress; 4 steps without any, 3 of reaction
    assert hands.index(True) == 4 + 3
    assert sum(hands) == 5


def test_progress_that_comes_back_within_the_reaction_time_is_no_reason() -> None:
    who = person(patience_steps=4, reaction_steps=3)
    who.begin(0, "supervise")
    assert not any(taken(who, 6))
    who.expert.value = 1.0
    assert not any(taken(who, 4))


def test_the_person_lets_go_once_progress_is_restored() -> None:
    who = person(patience_steps=2, reaction_steps=0, hold_steps=1000, restored=0.1)
    who.begin(0, "supervise")
    assert taken(who, 3)[-1]
    hands = taken(who, 20, gain=0.03)
    assert hands.index(False) == 4  # 0.12 more than when it took over


def test_the_random_rule_takes_over_as_often_as_it_says() -> None:
    who = person(rule="random", onset=0.1, reaction_steps=0, hold_steps=1)
    onsets = steps = 0
    for seed in range(40):
        who.begin(seed, "supervise")
        hands = taken(who, 100)
        onsets += sum(b and not a for a, b in zip([False, *hands], hands, strict=False))
        steps += hands.count(False)
    assert 0.07 < onsets / steps < 0.14  # 0.1, within four standard errors


def test_the_rule_never_never_takes_over() -> None:
    who = person(rule="never", patience_steps=1, reaction_steps=0)
    who.begin(0, "supervise")
    assert not any(taken(who, 30))


def actions(who: ScriptedSupervisor, seed: int, steps: int = 40) -> np.ndarray:
    who.begin(seed, "demonstrate")
    return np.array([who.take(SEEN) for _ in range(steps)])


def test_the_same_seed_is_the_same_person_whatever_came_before() -> None:
    who = ScriptedSupervisor(Steady(), SupervisorConfig(noise=0.2, mistakes=0.5))
    once = actions(who, 7)
    others = actions(who, 8)
    np.testing.assert_array_equal(actions(who, 7), once)
    assert not np.array_equal(others, once)


def test_the_hand_is_as_unsteady_as_configured_and_stays_within_bounds() -> None:
    who = person(noise=0.2)
    errors = np.concatenate([actions(who, seed) for seed in range(20)]) - [0.5, -0.5]
    assert 0.17 < errors.std() < 0.21
    loud = person(noise=1.0)
    assert np.abs(actions(loud, 0)).max() == 1.0


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_so_many_episodes_have_a_mistake_of_so_many_steps(share: float) -> None:
    who = person(mistakes=share, mistake_steps=6)
    wrong = [int((np.abs(actions(who, seed) - [0.5, -0.5]).max(axis=1) > 1e-6).sum()) for seed in range(200)]
    assert set(wrong) <= {0, 6}
    assert abs(np.mean(np.array(wrong) > 0) - share) < 0.1


def test_a_setting_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="rule must be one of"):
        SupervisorConfig(rule="sometimes")
