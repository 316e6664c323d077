"""Homing keeps to the bounds of the law, whatever stands in its way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from drivers.mujoco_arm import MujocoArm
from drivers.mujoco_model import SimConfig
from drivers.mujoco_plate import Plate, PlateArm
from robot.arm_server import HOMED, ArmServer, ArmServerConfig
from robot.gains import GAIN_SETS
from robot.homing import HomePosture, HomingConfig
from robot.impedance import CartesianImpedance, ImpedanceConfig
from robot.safety import SafetyConfig

STEP_S = 0.001
FACE = (0.50, 0.16, 0.25)
"""The plate stands across the way of a home that is 0.3 m to the side."""
ASIDE = (0.6, *HomePosture().posture[1:])


def _server(arm: MujocoArm, gains: str, safety: SafetyConfig | None = None, **homing: float) -> ArmServer:
    home = HomePosture(posture=ASIDE, noise_rad=0.0)
    config = replace(ArmServerConfig(), home=home, homing=HomingConfig(**homing), control_step_s=STEP_S)
    server = ArmServer(arm, CartesianImpedance(ImpedanceConfig(gains=gains)), config, safety or SafetyConfig())
    server.connect()
    server.start_home(0)
    return server


def _plated() -> PlateArm:
    return PlateArm(Plate(FACE, (0.0, 1.0, 0.0), height_m=0.3), STEP_S)


@pytest.mark.parametrize("gains", GAIN_SETS)
def test_the_tool_presses_what_is_in_the_way_no_harder_than_stated_and_gives_up(gains: str):
    arm = _plated()
    server = _server(arm, gains)
    forces: list[float] = []
    torques: list[np.ndarray] = []
    while server.is_homing:
        server.tick()
        forces.append(arm.plate_force_n)
        torques.append(server.snapshot().tau)
        assert len(forces) < 20_000
    law = server.law
    assert isinstance(law, CartesianImpedance)
    assert server.cause == "something is in the way home"
    assert 0.5 * law.steady_force_bound_n < max(forces) < law.peak_force_bound_n
    assert np.mean(forces[-100:]) < 1.02 * law.steady_force_bound_n
    rate = np.abs(np.diff(torques, axis=0)).max()
    assert rate < 1.0001 * law.config.torque_rate_nm_per_ms
    assert (np.abs(torques) < np.array(law.config.torque_limit_nm)).all()


def test_a_contact_over_the_limit_ends_the_homing_at_once():
    arm = _plated()
    server = _server(arm, "free", SafetyConfig(max_force_n=20.0))
    while server.is_homing:
        server.tick()
    assert server.cause == "contact force over the limit"
    assert server.is_holding


def test_homing_ends_before_a_keep_out_box():
    box = (0.2, 0.12, -0.1, 0.8, 0.2, 0.9)
    server = _server(MujocoArm(SimConfig(physics_step_s=STEP_S)), "contact", SafetyConfig(keep_out_m=(box,)))
    ways: list[float] = []
    for _ in range(5000):
        server.tick()
        ways.append(server.snapshot().T_base_tool.position[1])
    assert server.cause == "a keep-out box is in the way home"
    assert 0.05 < max(ways) < box[1]


def test_a_tool_in_a_keep_out_box_is_not_sent_home():
    server = _server(MujocoArm(SimConfig()), "contact", SafetyConfig(keep_out_m=((0.2, -0.3, -0.1, 0.8, 0.3, 0.9),)))
    server.tick()
    assert server.cause == "a keep-out box is in the way home"
    assert server.is_holding


@pytest.mark.parametrize("gains", GAIN_SETS)
def test_a_free_arm_comes_home_whatever_its_gains(gains: str):
    server = _server(MujocoArm(SimConfig(physics_step_s=STEP_S)), gains)
    while server.is_homing:
        server.tick()
    assert server.cause == HOMED
    np.testing.assert_allclose(server.snapshot().q, ASIDE, atol=server.config.homing.reached_rad)
