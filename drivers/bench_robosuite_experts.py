"""Scripted experts for robosuite's tasks: grasp from above, carry, place.

The success rates are those without noise over the episodes with seeds 0 to 99, with 95% Wilson intervals.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from drivers.bench_robosuite import Suite
from robot.interfaces import Expert
from robot.types import Array, Observation

STEP_M = 0.05
"""Way of the hand's target at |a| = 1."""

TURN_RAD = 0.5
"""Turn of the hand's target at |a| = 1."""

GAIN = 3.0
"""Of the way that is left, this share of a step's reach is asked for: below the target's lag nothing overshoots."""

OPEN, CLOSE = -1.0, 1.0
GRASPING_STEPS = 8
"""The fingers need about a third of a second to close."""


class Grasper:
    """Goes above a thing, turns, descends, closes, and then does what the task wants with it: for Lift, rises.

    Lift: 100 of 100 (96 to 100%), in 30 steps.
    """

    above_m = 0.08
    level_m = 0.01

    def __init__(self, env: Suite) -> None:
        self.env = env
        self.held = 0

    def reset(self, seed: int) -> None:
        self.held = 0

    def act(self, observation: Observation) -> NDArray[np.float32]:
        grasp_m, yaw = self.grasp()
        way = grasp_m - self.env.hand_m
        level = float(np.hypot(way[0], way[1]))
        if self.held > GRASPING_STEPS and float(np.linalg.norm(way)) > 0.05:
            self.held = 0  # it was lost
        if self.held == 0 and level < self.level_m and abs(way[2]) < 0.01:
            self.held = 1
        if self.held:
            self.held += 1
            return self.hold() if self.held <= GRASPING_STEPS else self.carry()
        is_over = level < 1.5 * self.level_m and abs(yaw) < 0.15
        goal = grasp_m + np.array([0.0, 0.0, 0.0 if is_over else self.above_m])
        return self.towards(goal, yaw, OPEN)

    def grasp(self) -> tuple[Array, float]:
        """Return where to grasp [m, world] and how far to turn for it [rad, about the vertical]."""
        turn = _yaw(self.env.thing_rotation) - _yaw(self.env.hand_rotation)
        return self.env.thing_m, wrap(turn, 0.5 * np.pi)

    def carry(self) -> NDArray[np.float32]:
        """Return the action once the thing is held: upwards."""
        return self.towards(self.env.hand_m + np.array([0.0, 0.0, 0.05]), 0.0, CLOSE)

    def hold(self) -> NDArray[np.float32]:
        return np.array([0, 0, 0, 0, 0, 0, CLOSE], np.float32)

    def towards(self, goal_m: Array, yaw: float, fingers: float) -> NDArray[np.float32]:
        """Return the action that moves towards a goal and turns, with the hand kept upright."""
        way = np.clip(GAIN * 0.5 * (goal_m - self.env.hand_m) / STEP_M, -1.0, 1.0)
        tilt = _tilt(self.env.hand_rotation)
        turn = np.array([tilt[0], tilt[1], yaw])
        return np.array([*way, *np.clip(turn / TURN_RAD, -0.3, 0.3), fingers], np.float32)

    def progress(self, observation: Observation) -> float:
        """Nearness to the grasp, then height: 0 to 2."""
        near = _near(self.grasp()[0] - self.env.hand_m)
        return near + float(np.clip((self.env.thing_m[2] - 0.82) / 0.04, 0.0, 1.0))


def _near(way_m: Array) -> float:
    return 1.0 - float(np.tanh(5.0 * np.linalg.norm(way_m)))


def _carried(thing_m: Array, goal_m: Array, rest_m: float, carry_m: float) -> float:
    """Return how far a thing is on its way up from `rest_m`, over to the goal, and down again: 0 to 3."""
    level = float(np.linalg.norm(goal_m[:2] - thing_m[:2]))
    if level < 0.05:
        return 1.0 + _near(np.array([level])) + float(np.clip((carry_m - thing_m[2]) / (carry_m - rest_m), 0.0, 1.0))
    rise = float(np.clip((thing_m[2] - rest_m) / (carry_m - rest_m - 0.05), 0.0, 1.0))
    return rise + _near(np.array([level]))


def wrap(angle: float, period: float) -> float:
    """Return `angle` [rad] within half a `period` of zero."""
    return float((angle + 0.5 * period) % period - 0.5 * period)


def _yaw(rotation: Rotation) -> float:
    x_axis = rotation.as_matrix()[:, 0]
    return float(np.arctan2(x_axis[1], x_axis[0]))


def _tilt(rotation: Rotation) -> Array:
    """Return the turn [rad, world] that puts the hand's approach axis back to straight down."""
    approach = rotation.as_matrix()[:, 2]
    turn: Array = np.cross(approach, np.array([0.0, 0.0, -1.0]))
    return turn


class CanExpert(Grasper):
    """Carries the can over the walls of the bins, sets it down in the middle of its own, and lets go.

    100 of 100 (96 to 100%), in 108 steps.
    """

    carry_m = 1.06
    """Height of the can on its way, over the walls of the bins."""

    def __init__(self, env: Suite) -> None:
        super().__init__(env)
        suite: Any = env.suite
        self.goal_m = np.array(suite.target_bin_placements[suite.object_id])
        self.is_lowering = self.is_released = False

    def reset(self, seed: int) -> None:
        super().reset(seed)
        self.is_lowering = self.is_released = False

    def grasp(self) -> tuple[Array, float]:
        return self.env.thing_m + np.array([0.0, 0.0, 0.01]), wrap(-_yaw(self.env.hand_rotation), np.pi)

    def act(self, observation: Observation) -> NDArray[np.float32]:
        if self.is_released:
            return self.towards(self.env.hand_m + np.array([0.0, 0.0, 0.05]), 0.0, OPEN)
        return super().act(observation)

    def carry(self) -> NDArray[np.float32]:
        can, hand = self.env.thing_m, self.env.hand_m
        level = float(np.linalg.norm(self.goal_m[:2] - can[:2]))
        self.is_lowering = level < (0.07 if self.is_lowering else 0.04)
        if self.is_lowering:
            if can[2] < self.goal_m[2] + 0.09:
                self.is_released = True
            return self.towards(hand + np.array([*(self.goal_m[:2] - can[:2]), -0.03]), 0.0, CLOSE)
        rise = self.carry_m - can[2]
        over = self.goal_m[:2] - can[:2] if rise < 0.1 else np.zeros(2)
        return self.towards(hand + np.array([*over, rise]), 0.0, CLOSE)

    def progress(self, observation: Observation) -> float:
        """Nearness to the grasp, height while carried, nearness to the bin, then depth: 0 to 4."""
        near = 1.0 if self.is_released else _near(self.grasp()[0] - self.env.hand_m)
        return near + _carried(self.env.thing_m, self.goal_m, 0.86, self.carry_m)


class SquareExpert(Grasper):
    """Grasps the nut by its handle, turns it square to the peg over it, and lowers it.

    97 of 100 (91 to 99%), in 116 steps; in the others it loses the nut.
    """

    level_m = 0.008
    handle_m = 0.065
    """From the nut's middle along its x axis: the handle's outer half, clear of the nut's side (square-nut.xml)."""
    carry_m = 1.0
    """Height of the nut on its way; the peg ends at 0.95 m, and the arm's reach not far above."""

    def __init__(self, env: Suite) -> None:
        super().__init__(env)
        suite: Any = env.suite
        self.peg_m = np.array(suite.sim.data.body_xpos[suite.peg1_body_id])

    def grasp(self) -> tuple[Array, float]:
        rotation = self.env.thing_rotation
        turn = _yaw(rotation) - _yaw(self.env.hand_rotation)
        handle: Array = self.env.thing_m + rotation.apply([self.handle_m, 0.0, 0.0])
        return handle, wrap(turn, np.pi)

    def carry(self) -> NDArray[np.float32]:
        nut, hand = self.env.thing_m, self.env.hand_m
        turn = wrap(-_yaw(self.env.thing_rotation), 0.5 * np.pi)
        over = self.peg_m[:2] - nut[:2]
        level = float(np.linalg.norm(over))
        rise = self.carry_m - nut[2]
        if nut[2] < 0.98 and level < 0.02:
            return self.towards(hand + np.array([*over, -0.04]), turn, CLOSE)
        if level < 0.008 and abs(turn) < 0.08:
            return self.towards(hand + np.array([*over, -0.03]), turn, CLOSE)
        return self.towards(hand + np.array([*(over if rise < 0.1 else np.zeros(2)), rise]), turn, CLOSE)

    def progress(self, observation: Observation) -> float:
        """Nearness to the handle, height while carried, nearness to the peg, then depth: 0 to 4."""
        return _near(self.grasp()[0] - self.env.hand_m) + _carried(self.env.thing_m, self.peg_m, 0.83, self.carry_m)


EXPERTS: dict[str, Callable[[Suite], Expert]] = {
    "lift": Grasper,
    "lift-pictures": Grasper,
    "can": CanExpert,
    "square": SquareExpert,
}
