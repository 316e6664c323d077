"""Homing: lift the tool straight up, then move the joints to the home posture along a minimum-jerk path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from robot.interfaces import ArmDynamics, ArmState
from robot.se3 import Pose
from robot.settings import Settings, setting
from robot.types import Array


class LiftLaw(Protocol):
    def torque(self, state: ArmState, dynamics: ArmDynamics, T_base_target: Pose, dt_s: float) -> Array: ...


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
    """The two parts of the motion and the joint spring that follows the second."""

    lift_m: float = setting(0.10, "Height of the lift.", unit="m", low=0.0, high=0.5)
    lift_s: float = setting(0.6, "Duration of the lift.", unit="s", low=0.1, high=10.0)
    move_speed_rad_s: float = setting(
        1.0, "Largest speed of any joint in the second part.", unit="rad/s", low=0.05, high=2.0
    )
    shortest_move_s: float = setting(0.4, "Duration of a move over no distance.", unit="s", low=0.1, high=10.0)
    settle_s: float = setting(0.3, "Rest at the end, for the springs to relax.", unit="s", low=0.0, high=5.0)
    frequency_hz: float = setting(6.0, "Natural frequency of the joint spring.", unit="Hz", low=0.5, high=20.0)


class HomingMotion:
    """One homing from a measured state to `q_home` (7,) [rad]; `is_done` after its last tick."""

    def __init__(self, config: HomingConfig, state: ArmState, dynamics: ArmDynamics, q_home: Array) -> None:
        self.is_done = False
        self._config = config
        self._T_base_start = dynamics.T_base_tool
        self._q_home = q_home
        self._q_start = state.q
        self._move_s = 0.0
        self._elapsed_s = 0.0

    def torque(self, law: LiftLaw, state: ArmState, dynamics: ArmDynamics, dt_s: float) -> Array:
        """Return the joint torques (7,) [Nm] of the next tick of `dt_s`; `law` does the lift."""
        self._elapsed_s += dt_s
        if self._elapsed_s <= self._config.lift_s:
            return law.torque(state, dynamics, self._lifted(), dt_s)
        if self._move_s == 0.0:
            self._plan(state)
        since = self._elapsed_s - self._config.lift_s
        self.is_done = since >= self._move_s + self._config.settle_s
        position, speed = minimum_jerk(since / self._move_s)
        way = self._q_home - self._q_start
        return joint_spring(
            self._config.frequency_hz,
            self._q_start + position * way - state.q,
            speed / self._move_s * way - state.dq,
            dynamics,
        )

    def _lifted(self) -> Pose:
        height = self._config.lift_m * minimum_jerk(self._elapsed_s / self._config.lift_s)[0]
        return Pose(self._T_base_start.position + np.array([0.0, 0.0, height]), self._T_base_start.quaternion)

    def _plan(self, state: ArmState) -> None:
        self._q_start = state.q
        farthest = float(np.max(np.abs(self._q_home - state.q)))
        # a minimum-jerk path peaks at 15/8 of its mean speed
        self._move_s = max(1.875 * farthest / self._config.move_speed_rad_s, self._config.shortest_move_s)


def minimum_jerk(share: float) -> tuple[float, float]:
    """Return position and slope of the path 10 s^3 - 15 s^4 + 6 s^5 from 0 to 1 at `share` of its duration.

    Flash and Hogan, "The coordination of arm movements", J. Neuroscience 5(7), 1985.
    """
    s = min(max(share, 0.0), 1.0)
    return s**3 * (10.0 - 15.0 * s + 6.0 * s * s), 30.0 * s * s * (1.0 - s) ** 2


def joint_spring(frequency_hz: float, error: Array, error_rate: Array, dynamics: ArmDynamics) -> Array:
    """Return the computed torque (7,) [Nm] that pulls `error` (7,) [rad] to zero, critically damped."""
    omega = 2.0 * np.pi * frequency_hz
    return np.asarray(dynamics.mass @ (omega * omega * error + 2.0 * omega * error_rate) + dynamics.bias)
