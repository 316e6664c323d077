"""The simulated operator demonstrates well, takes over when it must, lets go, and is never ahead of its reaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from sim_rig import Rig, hover

from drivers.mujoco_model import SimConfig
from robot.errors import RobotError
from robot.interfaces import TeleopDevice
from robot.se3 import Pose
from robot.types import Label
from teleop.operator import OperatorConfig, SimulatedOperator

DEMONSTRATIONS = 40
SEED = 21
CAREFUL = OperatorConfig(carelessness=0.0)
POINTING_DOWN = np.array([1.0, 0.0, 0.0, 0.0])
SCENE = {
    "socket_x": 0.5,
    "socket_y": 0.0,
    "socket_z": 0.04,
    "socket_yaw": 0.0,
    "is_inserted": 0.0,
}


class ReadNames(Mapping[str, float]):
    """A truth that remembers which of its names were looked at."""

    def __init__(self, truth: dict[str, float]) -> None:
        self.truth = truth
        self.seen: set[str] = set()

    def __getitem__(self, name: str) -> float:
        self.seen.add(name)
        return self.truth[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.truth)

    def __len__(self) -> int:
        return len(self.truth)


def _stamp(step: int) -> int:
    return step * 100_000_000


def _tip(height_m: float, x: float = 0.5) -> Pose:
    return Pose(np.array([x, 0.0, 0.04 + height_m]), POINTING_DOWN)


def _onset(operator: SimulatedOperator, tips: list[Pose]) -> int | None:
    """The first step of a supervised episode, by the tip's poses, at which the operator engages."""
    for step, tip in enumerate(tips):
        if operator.sample(SCENE, tip, _stamp(step), step, "supervise").is_engaged:
            return step
    return None


def test_the_operator_is_an_input_device():
    assert isinstance(SimulatedOperator(OperatorConfig(), seed=0), TeleopDevice)


def test_it_succeeds_in_at_least_95_percent_of_its_demonstrations():
    rig = Rig()
    successes = sum(rig.episode(seed, "demonstrate")[-1].truth["is_inserted"] for seed in range(DEMONSTRATIONS))
    assert successes >= 0.95 * DEMONSTRATIONS


def test_a_demonstration_is_engaged_throughout_and_within_the_device_range():
    ticks = Rig().episode(SEED, "demonstrate")
    assert all(t.sample.is_engaged for t in ticks)
    assert np.abs([t.sample.axes for t in ticks]).max() <= 1.0


def test_demonstrations_repeat_by_seed_and_scene_whatever_came_before():
    rig = Rig()
    first = [t.sample.axes.tolist() for t in rig.episode(SEED, "demonstrate")]
    rig.episode(SEED + 1, "demonstrate")
    assert [t.sample.axes.tolist() for t in rig.episode(SEED, "demonstrate")] == first


def test_operators_of_other_seeds_move_otherwise():
    axes = [
        SimulatedOperator(OperatorConfig(), seed).sample(SCENE, _tip(0.08, 0.51), 0, 0, "demonstrate").axes
        for seed in (0, 1)
    ]
    assert np.abs(axes[0] - axes[1]).max() > 1e-3


def test_it_looks_at_the_scene_alone():
    truth = ReadNames(dict.fromkeys([f"q{i}" for i in range(7)], 0.0) | SCENE | {"depth_m": 0.0})
    operator = SimulatedOperator(OperatorConfig(), seed=0)
    for step, role in enumerate(["demonstrate", "supervise", "watch"]):
        operator.sample(truth, _tip(0.02), _stamp(step), step, role)
    assert truth.seen <= set(SCENE)


def test_a_skilful_policy_is_left_alone():
    descent = [_tip(0.08 - 0.006 * k) for k in range(16)]
    assert _onset(SimulatedOperator(CAREFUL, seed=0), descent) is None


@pytest.mark.parametrize("reaction_time_s", [0.0, 0.3, 1.0])
def test_it_takes_over_a_stuck_policy_after_its_reaction_time(reaction_time_s):
    config = OperatorConfig(carelessness=0.0, reaction_time_s=reaction_time_s)
    onset = _onset(SimulatedOperator(config, seed=0), [_tip(0.03)] * 60)
    assert onset == round((config.stuck_s + reaction_time_s) / 0.1)


def test_it_takes_over_a_policy_that_drifts_off_the_hole():
    drift = [_tip(0.01 - 0.0001 * k, 0.5 + 0.002 * k) for k in range(12)]
    onset = _onset(SimulatedOperator(CAREFUL, seed=0), drift)
    assert onset is not None
    assert onset < CAREFUL.stuck_s / 0.1


def test_it_takes_over_a_policy_that_needs_too_long_although_it_gets_nearer():
    config = OperatorConfig(carelessness=0.0, time_budget_s=2.0, reaction_time_s=0.0)
    crawl = [_tip(0.2 - 0.002 * k) for k in range(60)]
    assert _onset(SimulatedOperator(config, seed=0), crawl) == 20


def test_it_corrects_a_policy_that_gets_nowhere_and_lets_go_once_the_peg_is_on_its_way():
    rig = Rig(operator=CAREFUL)
    ticks = rig.episode(SEED, "supervise", hover)
    engaged = [t.sample.is_engaged for t in ticks]
    assert not engaged[0]
    assert any(engaged)
    released = len(engaged) - 1 - engaged[::-1].index(True) + 1
    assert released < len(ticks), "the operator never let go"
    assert ticks[released].truth["depth_m"] >= CAREFUL.release_depth_m


def test_a_watching_operator_never_touches_the_device():
    ticks = Rig().episode(SEED, "watch", hover, steps=40)
    assert len(ticks) == 40
    assert not any(t.sample.is_engaged for t in ticks)
    assert not any(t.sample.axes.any() for t in ticks)


@pytest.mark.parametrize("role", ["demonstrate", "supervise", "watch"])
@pytest.mark.parametrize("reaction_time_s", [0.0, 0.4])
def test_success_is_labelled_its_reaction_time_after_it_is_seen(role, reaction_time_s):
    operator = SimulatedOperator(OperatorConfig(carelessness=0.0, reaction_time_s=reaction_time_s), seed=0)
    labels = []
    for step in range(12):
        scene = SCENE | {"is_inserted": float(step >= 5)}
        labels.append(operator.sample(scene, _tip(-0.025), _stamp(step), step, role).label)
    first = labels.index(Label.SUCCESS)
    assert first == 5 + round(reaction_time_s / 0.1)
    assert set(labels[first:]) == {Label.SUCCESS}


def test_a_new_episode_starts_with_a_clear_mind():
    operator = SimulatedOperator(CAREFUL, seed=0)
    assert _onset(operator, [_tip(0.03)] * 60) is not None
    assert not operator.sample(SCENE, _tip(0.03), _stamp(500), 0, "supervise").is_engaged


def test_a_careless_operator_reacts_later():
    stuck = [_tip(0.03)] * 60
    careful = _onset(SimulatedOperator(CAREFUL, seed=0), stuck)
    careless = _onset(SimulatedOperator(OperatorConfig(carelessness=1.0), seed=0), stuck)
    assert careful is not None
    assert careless is not None
    assert careless > careful


def test_an_unskilled_operator_needs_longer():
    def mean_steps(config: OperatorConfig) -> float:
        rig = Rig(SimConfig(), config)
        return float(np.mean([len(rig.episode(seed, "demonstrate")) for seed in range(8)]))

    clumsy = OperatorConfig(motion_noise=0.4, aim_error_m=0.002, speed=0.4, carelessness=0.0)
    assert mean_steps(clumsy) > 1.2 * mean_steps(CAREFUL)


def test_an_unknown_role_is_refused():
    with pytest.raises(RobotError, match="demonstrate, supervise, watch; found 'drive'"):
        SimulatedOperator(OperatorConfig(), seed=0).sample(SCENE, _tip(0.05), 0, 0, "drive")
