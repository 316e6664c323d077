"""No jump when control changes hands: over many random take-overs a command differs from the last by a bounded step."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from robot_rig import ACTIONS, Q_HOME

from robot.handover import HandOver
from robot.mode import Event, Mode
from robot.mux import CommandMux, HumanInput
from robot.safety import Command, Governor, Reason, SafetyConfig, Situation
from robot.se3 import Pose
from robot.types import Source

SEED = 3
STEP = 0.25
TWIST_NS = 20_000_000
TOOL = Pose(np.array([0.5, 0.0, 0.3]), np.array(Q_HOME))
SITUATION = Situation(TOOL, np.zeros(3), 10**9, "base", 0.1)
AT_REST = np.zeros(4, np.float32)


def _mux(step: float = STEP) -> CommandMux:
    return CommandMux(ACTIONS, Governor(SafetyConfig()), step)


class Cell:
    """A mux as it is called in real time: the person speaks every 20 ms, the policy at every fifth of these."""

    def __init__(self, step: float = STEP) -> None:
        self.mux = _mux(step)
        self.turn = 0
        self.commanded: list[np.ndarray] = []
        self.sources: list[Source] = []
        self.reasons = Reason.NONE

    def speak(self, axes: np.ndarray, is_engaged: bool, action: np.ndarray) -> None:
        situation = replace(SITUATION, now_ns=10**9 + self.turn * TWIST_NS)
        is_tick = self.turn % 5 == 0
        self.turn += 1
        if not is_tick and self.mux.mode is not Mode.HUMAN and not is_engaged:
            return  # a twist of somebody who has no control is not acted upon
        target = ACTIONS.target(TOOL, action)
        policy = Command(target, situation.now_ns, "base") if is_tick else None
        output = self.mux.decide(policy, HumanInput(axes, is_engaged), situation)
        self.commanded.append(output.executed)
        self.sources.append(output.source)
        self.reasons |= output.reasons


def test_over_a_thousand_random_take_overs_no_change_of_hands_is_a_jump() -> None:
    rng, cell, is_engaged, take_overs = np.random.default_rng(SEED), Cell(), False, 0
    axes, action = np.zeros(6), np.zeros(4)
    while take_overs < 1000:
        if rng.random() < 0.1:
            is_engaged = not is_engaged
            take_overs += is_engaged
        if rng.random() < 0.3:
            axes[[0, 1, 2, 5]] = rng.uniform(-0.8, 0.8, 4)
        action = rng.uniform(-0.8, 0.8, 4)
        cell.speak(axes, is_engaged, action)
    pairs = zip(cell.commanded, cell.commanded[1:], cell.sources, cell.sources[1:], strict=False)
    # after a person the arm may be told to hold before the policy has it: that is a change of hands as well
    jumps, was_persons = [], False
    for before, after, one, other in pairs:
        if one is not other and (Source.HUMAN in (one, other) or was_persons):
            jumps.append(np.abs(after - before).max())
        was_persons = one is Source.HUMAN or (was_persons and one is Source.HOLD)
    assert len(jumps) > 1900
    assert max(jumps) <= STEP + 1e-5
    assert Reason.HANDOVER in cell.reasons


def test_without_the_bound_the_same_take_overs_do_jump() -> None:
    cell = Cell(step=0.0)
    for is_engaged in (False, True):
        for _ in range(5):
            cell.speak(np.full(6, -0.8) * is_engaged, is_engaged, np.full(4, 0.8))
    assert max(np.abs(b - a).max() for a, b in zip(cell.commanded, cell.commanded[1:], strict=False)) > 1.5
    assert Reason.HANDOVER not in cell.reasons


def test_what_the_new_hand_asks_for_is_reached_in_as_many_commands_as_it_takes_and_then_it_is_free() -> None:
    handover = HandOver(STEP, 4)
    policy = np.array([0.8, 0, 0, 0], np.float32)
    assert handover.limited(Source.POLICY, policy) is policy  # from rest a policy is free
    handover.commanded(policy)
    wish = np.array([-0.8, 0.1, 0, 0], np.float32)
    found = []
    for _ in range(math.ceil(1.6 / STEP)):
        found.append(handover.limited(Source.HUMAN, wish))
        handover.commanded(found[-1])
    np.testing.assert_allclose([action[0] for action in found], [0.55, 0.3, 0.05, -0.2, -0.45, -0.7, -0.8], atol=1e-6)
    np.testing.assert_allclose(found[0][1], 0.1)
    assert handover.limited(Source.HUMAN, policy) is policy


def test_who_lets_go_in_mid_motion_comes_to_rest_first_and_soon() -> None:
    cell = Cell()
    for _ in range(20):
        cell.speak(np.array([0.8, 0, 0, 0, 0, 0]), True, AT_REST)
    assert cell.commanded[-1][0] == pytest.approx(0.8, abs=1e-5)
    before = len(cell.commanded)
    while cell.mux.mode is Mode.HUMAN:
        cell.speak(np.array([0.8, 0, 0, 0, 0, 0]), False, AT_REST)
    after = [action[0] for action in cell.commanded[before:]]
    np.testing.assert_allclose(after, [0.55, 0.3, 0.05, 0.0], atol=1e-5)
    assert len(after) <= math.ceil(1.0 / STEP)


@pytest.mark.parametrize("event", [Event.E_STOP, Event.SENSOR_STALE, Event.COMMAND_EXPIRED, Event.EPISODE_END])
def test_a_stop_is_no_change_of_hands_and_takes_no_time(event: Event) -> None:
    cell = Cell()
    for _ in range(20):
        cell.speak(np.array([0.8, 0, 0, 0, 0, 0]), True, AT_REST)
    cell.mux.handle(event)
    assert cell.mux.mode is not Mode.HUMAN
    output = cell.mux.decide(None, HumanInput(np.full(6, 0.8), False), replace(SITUATION, now_ns=2 * 10**9))
    assert output.source is Source.HOLD
    assert not output.executed.any()


def test_a_command_that_the_governor_refuses_is_refused_and_not_smoothed() -> None:
    cell = Cell()
    for _ in range(10):
        cell.speak(np.array([0.8, 0, 0, 0, 0, 0]), True, AT_REST)
    while cell.mux.mode is Mode.HUMAN:
        cell.speak(np.zeros(6), False, AT_REST)
    situation = replace(SITUATION, now_ns=3 * 10**9)
    far = Command(ACTIONS.target(TOOL, np.array([8.0, 0, 0, 0])), situation.now_ns, "base")
    output = cell.mux.decide(far, None, situation)
    assert output.target is None
    assert Reason.JUMP in output.reasons
