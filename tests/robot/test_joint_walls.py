"""Walls before the joint limits push back, and only where a joint is in one."""

from __future__ import annotations

import numpy as np
import pytest

from robot.errors import ConfigError
from robot.impedance import CartesianImpedance, ImpedanceConfig
from robot.joint_walls import JointWallConfig, JointWalls

CONFIG = JointWallConfig()
LOW, HIGH = np.array(CONFIG.low_rad), np.array(CONFIG.high_rad)
SEED = 4


def test_between_the_walls_there_is_nothing():
    walls, rng = JointWalls(CONFIG), np.random.default_rng(SEED)
    for _ in range(200):
        q = rng.uniform(LOW + CONFIG.margin_rad, HIGH - CONFIG.margin_rad)
        assert not walls.are_touched(q)
        np.testing.assert_array_equal(walls.torque(q, rng.normal(size=7)), np.zeros(7))


@pytest.mark.parametrize("joint", range(7))
def test_a_wall_pushes_its_joint_back_and_no_other(joint):
    walls = JointWalls(CONFIG)
    for limit, out in ((LOW, 1.0), (HIGH, -1.0)):
        q = 0.5 * (LOW + HIGH)
        q[joint] = limit[joint]
        assert walls.are_touched(q)
        torque = walls.torque(q, np.zeros(7))
        assert torque[joint] == pytest.approx(out * CONFIG.stiffness * CONFIG.margin_rad)
        assert np.count_nonzero(torque) == 1


def test_a_wall_damps_the_way_in_and_not_the_way_out():
    walls, q = JointWalls(CONFIG), 0.5 * (LOW + HIGH)
    q[3] = HIGH[3]
    inward, outward = np.zeros(7), np.zeros(7)
    inward[3], outward[3] = 0.5, -0.5
    still = walls.torque(q, np.zeros(7))[3]
    assert walls.torque(q, inward)[3] == pytest.approx(still - 0.5 * CONFIG.damping)
    assert walls.torque(q, outward)[3] == still


def test_nothing_jumps_at_the_face_of_a_wall():
    walls, q, dq = JointWalls(CONFIG), 0.5 * (LOW + HIGH), np.full(7, 2.0)
    q[:] = HIGH - CONFIG.margin_rad + 1e-6
    assert np.abs(walls.torque(q, dq)).max() < 1e-2


@pytest.mark.parametrize("value", [np.nan, 4.0, -4.0])
def test_a_posture_in_a_wall_is_refused_with_its_joint(value):
    posture = np.array(ImpedanceConfig().home)
    posture[1] = value
    law = CartesianImpedance(ImpedanceConfig())
    with pytest.raises(ConfigError, match=r"The posture must keep joint 2 in \[-1.6628, 1.6628\] rad; found"):
        law.set_posture(posture)
    with pytest.raises(ConfigError, match=r"The posture must have 7 joint positions; found shape \(3,\)"):
        law.set_posture(np.zeros(3))


def test_walls_that_meet_are_refused():
    with pytest.raises(ConfigError, match=r"joint 4 has 0\.1 rad between them"):
        JointWallConfig(
            low_rad=(*CONFIG.low_rad[:3], -0.17, *CONFIG.low_rad[4:]),
            high_rad=(*CONFIG.high_rad[:3], -0.07, *CONFIG.high_rad[4:]),
        )
    with pytest.raises(ConfigError, match=r"JointWallConfig\.low_rad must have 7 numbers"):
        JointWallConfig(low_rad=(-1.0,) * 6)


def test_a_home_in_a_wall_is_refused():
    with pytest.raises(ConfigError, match=r"ImpedanceConfig.home must keep joint 4 in"):
        ImpedanceConfig(home=(0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0))
