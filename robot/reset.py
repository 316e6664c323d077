"""Where an episode starts, and the way there: pure planning for the reset node and the local robot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robot import se3
from robot.se3 import Pose
from robot.settings import Settings, setting


@dataclass(frozen=True)
class ResetConfig(Settings):
    """How the start of an episode is randomised and verified."""

    start_position_m: tuple[float, float, float] = setting(
        (0.50, 0.0, 0.12), "centre of the start positions of the tool (base frame)", unit="m"
    )
    start_spread_m: tuple[float, float, float] = setting(
        (0.03, 0.03, 0.015), "half width of the uniform spread about it", unit="m", low=0.0, high=0.2
    )
    start_spread_yaw: float = setting(0.2, "half width of the start's yaw", unit="rad", low=0.0, high=1.5)
    tolerance_m: float = setting(0.01, "the start counts as reached within this", unit="m", low=1e-4, high=0.1)
    tolerance_rad: float = setting(0.05, "and within this", unit="rad", low=1e-3, high=0.5)
    timeout_s: float = setting(6.0, "robot time after which moving to the start has failed", unit="s", low=0.5, high=60)
    step_m: float = setting(0.025, "how far ahead of the tool the target runs", unit="m", low=0.001, high=0.1)
    step_rad: float = setting(0.12, "how far the target is turned ahead of the tool", unit="rad", low=0.01, high=0.5)


def start_pose(config: ResetConfig, q_home: tuple[float, float, float, float], seed: int) -> Pose:
    """Return the start pose `T_base_tool` of the episode with this seed."""
    random = np.random.default_rng([seed, 0x57A7])
    offset = random.uniform(-1.0, 1.0, 3) * np.array(config.start_spread_m)
    turn = random.uniform(-1.0, 1.0) * config.start_spread_yaw
    quaternion = se3.quaternion_multiply(se3.about_z(turn), np.array(q_home))
    return Pose(np.array(config.start_position_m) + offset, quaternion)


def is_reached(config: ResetConfig, T_base_tool: Pose, T_base_start: Pose) -> bool:
    """Tell whether the tool is at the start within both tolerances."""
    distance = float(np.linalg.norm(T_base_start.position - T_base_tool.position))
    angle = float(np.linalg.norm(se3.rotation_error(T_base_start.quaternion, T_base_tool.quaternion)))
    return distance <= config.tolerance_m and angle <= config.tolerance_rad


def next_target(config: ResetConfig, T_base_tool: Pose, T_base_start: Pose) -> Pose:
    """Return the next target on the straight way to the start, at most one step ahead of the tool."""
    way = T_base_start.position - T_base_tool.position
    distance = float(np.linalg.norm(way))
    position = T_base_tool.position + way * min(1.0, config.step_m / max(distance, 1e-9))
    turn = se3.rotation_error(T_base_start.quaternion, T_base_tool.quaternion)
    angle = float(np.linalg.norm(turn))
    turn = turn * min(1.0, config.step_rad / max(angle, 1e-9))
    quaternion = se3.quaternion_multiply(se3.exp_rotation(turn), T_base_tool.quaternion)
    return Pose(position, quaternion / np.linalg.norm(quaternion))
