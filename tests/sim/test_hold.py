"""A hold holds, whatever was told to the law before and is told to it meanwhile."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from drivers.mujoco_arm import MujocoArm
from drivers.mujoco_model import SimConfig
from robot.arm_server import ArmServer, ArmServerConfig
from robot.impedance import CartesianImpedance, ImpedanceConfig
from robot.safety import SafetyConfig
from robot.se3 import Pose


def _moving(speed: float, config: ImpedanceConfig | None = None) -> tuple[ArmServer, CartesianImpedance]:
    """Return a server whose tool is led along y at `speed` [m/s]."""
    law = CartesianImpedance(config or ImpedanceConfig())
    server = ArmServer(MujocoArm(SimConfig()), law, ArmServerConfig(), SafetyConfig())
    server.connect()
    start = server.snapshot().T_base_tool
    for tick in range(40):
        now = server.snapshot()
        ahead = start.position + np.array([0.0, speed * 0.01 * (tick + 1), 0.0])
        assert not server.accept(Pose(ahead, start.quaternion), now.stamp_ns)
        server.advance(0.01)
    return server, law


@pytest.mark.parametrize("how", ["hold", "stop"])
@pytest.mark.parametrize("stiffness", [0.0, 10.0, 50.0])
def test_an_arm_made_soft_in_mid_motion_is_braked_all_the_same(how: str, stiffness: float):
    server, law = _moving(0.15)
    law.set_stiffness(np.full(6, stiffness))
    server.advance(0.05)
    before = server.snapshot().T_base_tool.position
    server.stop("e_stop") if how == "stop" else server.hold()
    server.advance(0.5)
    now = server.snapshot()
    assert np.linalg.norm(now.T_base_tool.position - before) < 0.015
    assert np.linalg.norm(now.twist[:3]) < 0.01


def test_by_default_a_hold_brakes_more_than_its_springs_do():
    ways = []
    for config in (ImpedanceConfig(), dataclasses.replace(ImpedanceConfig(), hold_brake=0.0)):
        server, _ = _moving(0.1, config)
        before = server.snapshot().T_base_tool.position
        server.hold()
        way = 0.0
        for _ in range(50):
            server.advance(0.01)
            way = max(way, float(np.linalg.norm(server.snapshot().T_base_tool.position - before)))
        ways.append(way)
    assert ways[0] < 0.95 * ways[1], ways


@pytest.mark.parametrize("how", ["hold", "stop"])
def test_a_posture_that_somebody_sets_moves_no_arm_that_holds(how: str):
    server, law = _moving(0.0)
    server.stop("e_stop") if how == "stop" else server.hold()
    before = server.snapshot().q
    law.set_posture(np.array(law.config.home) + np.array([1.0, 0.0, -1.0, 0.0, 1.0, 0.0, 0.0]))
    server.advance(1.0)
    np.testing.assert_allclose(server.snapshot().q, before, atol=5e-3)


def test_a_far_posture_is_gone_to_slowly():
    server, law = _moving(0.0)
    law.set_posture(np.array(law.config.home) + np.array([1.5, 0.0, -1.5, 0.0, 1.5, 0.0, 0.0]))
    fastest = 0.0
    for _ in range(200):
        now = server.snapshot()
        server.accept(now.T_base_tool, now.stamp_ns)
        server.advance(0.01)
        fastest = max(fastest, float(np.abs(server.snapshot().dq).max()))
    assert 0.05 < fastest < 0.7
