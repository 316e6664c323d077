"""The whole robot in one process, driven where it may not go."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from robot_rig import decision

from robot.local import LocalRobot
from robot.safety import Reason, SafetyConfig
from robot.types import Source
from sessions import build
from sessions.robot_config import CameraConfig, RobotConfig

SEED = 2
CONFIG = RobotConfig(cameras=CameraConfig(names=()))
POST = (0.56, -0.1, -0.05, 0.7, 0.2, 0.4)
TRACKING_M = 4e-3
"""How far the arm runs past its targets."""


def _robot(**safety) -> LocalRobot:
    return build.local_robot(replace(CONFIG, safety=SafetyConfig(**safety)))


def test_a_policy_that_pushes_into_a_keep_out_box_stays_before_it():
    robot = _robot(keep_out_m=(POST,))
    seen = [robot.reset(SEED)]
    for _ in range(40):
        seen.append(robot.step(decision(1.0, 0.2, 0.0, 0.0)))
    x = np.array([outcome.observation["tool_pose"][0] for outcome in seen])
    assert x.max() < POST[0] + TRACKING_M
    assert x[-1] > POST[0] - 5e-3
    assert all(outcome.source is Source.POLICY for outcome in seen[1:])
    assert Reason.KEEP_OUT in Reason(seen[-1].reasons)
    # and free again as soon as it wants to
    for _ in range(10):
        seen.append(robot.step(decision(-1.0, 0.0, 0.0, 0.0)))
    assert seen[-1].reasons == Reason.NONE
    assert seen[-1].observation["tool_pose"][0] < POST[0] - 0.1


def test_a_stop_of_the_arm_aborts_the_episode_and_says_why():
    robot = _robot()
    robot.reset(SEED)
    robot._server.stop("e_stop")
    outcome = robot.step(decision(1.0, 0.0, 0.0, 0.0))
    assert outcome.is_aborted
    assert outcome.cause == "e_stop"
