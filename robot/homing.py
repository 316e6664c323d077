"""Homing: lift the tool straight up, then move the joints to the home posture along a minimum-jerk path."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robot.interfaces import ArmDynamics, ArmState, Law
from robot.se3 import Pose, exp_rotation, quaternion_multiply
from robot.settings import Settings, setting
from robot.types import Array

SLOW, STILL = 0.5, 0.8
"""Shares of the springs' longest stretch."""


@dataclass(frozen=True)
class HomePosture(Settings):
    """Where an episode begins; the default stands the peg 8 cm above the socket, pointing down."""

    posture: tuple[float, ...] = setting(
        (0.0, 0.08606, 0.0, -2.38745, 0.0, 2.47352, 0.785398), "Joint positions.", unit="rad", low=-6.3, high=6.3
    )
    noise_rad: float = setting(
        0.01, "Each episode starts within plus and minus this of the posture.", unit="rad", low=0.0, high=0.2
    )

    def draw(self, seed: int) -> Array:
        """Return the joint positions (7,) [rad] that the episode of `seed` starts from."""
        noise = np.random.default_rng([seed, 1]).uniform(-1.0, 1.0, len(self.posture))
        return np.array(self.posture) + self.noise_rad * noise


@dataclass(frozen=True)
class HomingConfig(Settings):
    """The two parts of the motion."""

    lift_m: float = setting(0.10, "Height of the lift.", unit="m", low=0.0, high=0.5)
    lift_s: float = setting(0.6, "Duration of the lift.", unit="s", low=0.1, high=10.0)
    move_speed_rad_s: float = setting(
        1.0, "Largest speed of any joint in the second part.", unit="rad/s", low=0.05, high=2.0
    )
    shortest_move_s: float = setting(0.4, "Duration of a move over no distance.", unit="s", low=0.1, high=10.0)
    settle_s: float = setting(0.3, "Rest at the end, for the springs to relax.", unit="s", low=0.0, high=5.0)
    reached_rad: float = setting(0.01, "How near every joint has to come.", unit="rad", low=1e-4, high=0.2)
    patience_s: float = setting(
        1.0, "Without any progress for so long, something is in the way.", unit="s", low=0.1, high=10.0
    )


class HomingMotion:
    """One homing from a measured state to `q_home` (7,) [rad].

    The law moves the arm, as it does towards any target, so that its bounds on force, speed and torque hold here too:
    the lift is a path of the tool, the rest one of the joints, of which the law gets the tool's pose and the posture.
    The second path waits for the arm where that falls behind by `SLOW` of what the springs may stretch, and stands
    still at `STILL`.

    Attributes:
        is_done: the arm has reached its home.
        is_stuck: it has not come on for `patience_s`.
    """

    def __init__(self, config: HomingConfig, state: ArmState, dynamics: ArmDynamics, q_home: Array) -> None:
        self.is_done = self.is_stuck = False
        self._config = config
        self._T_base_start = dynamics.T_base_tool
        self._q_home = q_home
        self._q_start = state.q
        self._elapsed_s = self._still_s = self._rest_s = 0.0
        self._move_s = 0.0
        self._share = 0.0

    def torque(self, law: Law, state: ArmState, dynamics: ArmDynamics, dt_s: float) -> Array:
        """Return the joint torques (7,) [Nm] of the next tick of `dt_s`."""
        self._elapsed_s += dt_s
        if self._elapsed_s <= self._config.lift_s:
            return law.torque(state, dynamics, self._lifted(), dt_s)
        if self._move_s == 0.0:
            self._plan(state)
        q = self._q_start + minimum_jerk(self._share) * (self._q_home - self._q_start)
        target = _reached_by(dynamics, q - state.q)
        self._come_on(law.stretch(dynamics, target), float(np.max(np.abs(self._q_home - state.q))), dt_s)
        return law.torque(state, dynamics, target, dt_s, posture=q)

    def _lifted(self) -> Pose:
        height = self._config.lift_m * minimum_jerk(self._elapsed_s / self._config.lift_s)
        return Pose(self._T_base_start.position + np.array([0.0, 0.0, height]), self._T_base_start.quaternion)

    def _plan(self, state: ArmState) -> None:
        self._q_start = state.q
        farthest = float(np.max(np.abs(self._q_home - state.q)))
        # a minimum-jerk path peaks at 15/8 of its mean speed
        self._move_s = max(1.875 * farthest / self._config.move_speed_rad_s, self._config.shortest_move_s)

    def _come_on(self, stretch: float, left_rad: float, dt_s: float) -> None:
        """Move on along the path, as far as the arm follows; rest at its end, and notice where nothing moves."""
        pace = min(max((STILL - stretch) / (STILL - SLOW), 0.0), 1.0)
        self._share = min(self._share + pace * dt_s / self._move_s, 1.0)
        is_there = self._share == 1.0 and left_rad <= self._config.reached_rad
        self._rest_s = self._rest_s + dt_s if is_there else 0.0
        self.is_done = is_there and self._rest_s >= self._config.settle_s
        is_still = not is_there and (pace == 0.0 or self._share == 1.0)
        self._still_s = self._still_s + dt_s if is_still else 0.0
        self.is_stuck = self._still_s >= self._config.patience_s


def _reached_by(dynamics: ArmDynamics, dq: Array) -> Pose:
    """Return where the tool would be with the joints moved on by `dq` (7,) [rad], to first order."""
    way = dynamics.jacobian @ dq
    tool = dynamics.T_base_tool
    return Pose(tool.position + way[:3], quaternion_multiply(exp_rotation(way[3:]), tool.quaternion))


def minimum_jerk(share: float) -> float:
    """Return the position on the path 10 s^3 - 15 s^4 + 6 s^5 from 0 to 1 at `share` of its duration.

    Flash and Hogan, "The coordination of arm movements", J. Neuroscience 5(7), 1985.
    """
    s = min(max(share, 0.0), 1.0)
    return s**3 * (10.0 - 15.0 * s + 6.0 * s * s)
