"""The control tick follows fresh commands, holds when they stop, homes, and latches every fault."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sim_rig import ACTIONS, Rig

from drivers.mujoco_arm import MujocoArm
from drivers.mujoco_model import SimConfig
from robot.arm_server import ArmServer, ArmServerConfig
from robot.errors import FaultError, RobotError
from robot.impedance import CartesianImpedance, ImpedanceConfig
from robot.interfaces import ArmState
from robot.safety import Reason, SafetyConfig
from robot.se3 import Pose
from robot.types import Array

SEED = 3
EXPIRY_NS = 200_000_000


class DeafArm(MujocoArm):
    """A simulated arm whose readings can be cut off."""

    is_deaf = False

    def read(self) -> ArmState:
        if self.is_deaf:
            raise RobotError("The link to the arm is lost.")
        return super().read()


class MadLaw(CartesianImpedance):
    """A law that can be made to return NaN."""

    is_mad = False

    def torque(self, *arguments: Any, **named: Any) -> Array:
        torque = super().torque(*arguments, **named)
        return torque * np.nan if self.is_mad else torque


def _server(arm: MujocoArm | None = None, law: CartesianImpedance | None = None) -> ArmServer:
    law = law or CartesianImpedance(ImpedanceConfig())
    server = ArmServer(arm or MujocoArm(SimConfig()), law, ArmServerConfig(), SafetyConfig())
    server.connect()
    return server


def _ahead(server: ArmServer, action: tuple[float, float, float, float]) -> tuple[Pose, int]:
    now = server.snapshot()
    return ACTIONS.target(now.T_base_tool, np.array(action)), now.stamp_ns


def _way(server: ArmServer, start: np.ndarray) -> np.ndarray:
    return server.snapshot().T_base_tool.position - start


def test_a_server_that_was_never_connected_says_so():
    law = CartesianImpedance(ImpedanceConfig())
    server = ArmServer(MujocoArm(SimConfig()), law, ArmServerConfig(), SafetyConfig())
    with pytest.raises(RobotError, match="connect first"):
        server.snapshot()


def test_the_arm_holds_after_connecting():
    server = _server()
    start = server.snapshot().T_base_tool.position
    server.advance(1.0)
    assert server.is_holding
    assert np.linalg.norm(_way(server, start)) < 1e-4


def test_a_target_two_centimetres_ahead_is_mostly_reached_in_a_period_and_never_overshot_by_much():
    server = _server()
    start = server.snapshot().T_base_tool.position
    assert server.accept(*_ahead(server, (1.0, 0.0, 0.0, 0.0))) is Reason.NONE
    server.advance(0.1)
    assert 0.008 < _way(server, start)[0] < 0.02
    server.advance(0.1)
    assert 0.016 < _way(server, start)[0] < 0.0225


def test_commands_at_ten_hertz_never_expire():
    server = _server()
    for _ in range(20):
        server.accept(*_ahead(server, (0.0, 0.0, 0.2, 0.0)))
        server.advance(0.1)
    assert server.counters["expired"] == 0
    assert server.mode == "follow"


def test_an_expired_command_is_dropped_and_the_arm_holds_the_pose_it_had_then():
    server = _server()
    target, stamp_ns = _ahead(server, (1.0, 0.0, 0.0, 0.0))
    far = Pose(target.position + np.array([0.1, 0.0, 0.0]), target.quaternion)
    server.accept(far, stamp_ns)
    for _ in range(200):
        if server.is_holding:
            break
        server.tick()
    at_expiry = server.snapshot()
    assert EXPIRY_NS <= at_expiry.stamp_ns - stamp_ns <= EXPIRY_NS + 2 * 2_000_000
    server.advance(2.0)
    assert np.linalg.norm(_way(server, at_expiry.T_base_tool.position)) < 0.01
    assert np.linalg.norm(server.snapshot().twist[:3]) < 1e-3
    assert server.counters["expired"] == 1


def test_a_holding_arm_yields_and_comes_back():
    server = _server()
    assert server.is_holding
    start = server.snapshot().T_base_tool.position
    server.hold()
    server.advance(0.5)
    assert np.linalg.norm(_way(server, start)) < 1e-3


def test_stale_commands_and_commands_without_a_number_are_refused_and_counted():
    server = _server()
    server.advance(1.0)
    target, stamp_ns = _ahead(server, (1.0, 0.0, 0.0, 0.0))
    assert server.accept(target, stamp_ns - EXPIRY_NS - 10_000_000) == Reason.STALE
    assert server.accept(Pose(np.array([np.nan, 0.0, 0.0]), target.quaternion), stamp_ns) == Reason.NOT_FINITE
    assert server.accept(target, stamp_ns) == Reason.NONE
    assert server.accept(target, stamp_ns - 1) == Reason.REPLAYED
    assert server.counters["refused"] == 3
    assert server.counters["accepted"] == 1


def test_a_torque_that_is_not_a_number_latches_a_fault_and_the_arm_stays():
    law = MadLaw(ImpedanceConfig())
    server = _server(law=law)
    start = server.snapshot().T_base_tool.position
    law.is_mad = True
    server.advance(0.5)
    law.is_mad = False
    server.advance(0.5)
    assert server.has_fault
    assert "not finite" in server.fault
    assert server.counters["faults"] == 1
    assert np.linalg.norm(_way(server, start)) < 1e-3
    assert np.isfinite(server.snapshot().tau).all()


def test_a_fault_refuses_commands_and_homing_until_it_is_reset():
    law = MadLaw(ImpedanceConfig())
    server = _server(law=law)
    law.is_mad = True
    server.tick()
    law.is_mad = False
    assert server.accept(*_ahead(server, (1.0, 0.0, 0.0, 0.0))) is Reason.MODE
    with pytest.raises(FaultError, match="reset_fault"):
        server.start_home(SEED)
    server.hold()
    assert server.has_fault
    server.reset_fault()
    assert server.accept(*_ahead(server, (1.0, 0.0, 0.0, 0.0))) is Reason.NONE
    server.advance(0.1)
    assert not server.has_fault


def test_a_lost_reading_latches_a_fault_that_stays_after_the_reading_comes_back():
    arm = DeafArm(SimConfig())
    server = _server(arm)
    start = server.snapshot().q
    arm.is_deaf = True
    server.advance(0.1)
    with pytest.raises(RobotError, match="link"):
        server.reset_fault()
    arm.is_deaf = False
    server.advance(0.1)
    assert server.has_fault
    assert "link" in server.fault
    np.testing.assert_allclose(arm.read().q, start, atol=1e-3)


def test_homing_lifts_straight_up_first_and_ends_at_home_at_rest():
    rig = Rig()
    rig.reset(SEED)
    for _ in range(10):
        rig.step(np.array([0.8, -0.8, -0.5, 0.5]))
    start = rig.server.snapshot().T_base_tool.position
    rig.server.start_home(SEED)
    rig.server.advance(0.55)
    lifted = _way(rig.server, start)
    assert lifted[2] > 0.05
    assert np.linalg.norm(lifted[:2]) < 0.01
    assert rig.server.is_homing
    ticks = 0
    while rig.server.is_homing:
        rig.server.tick()
        ticks += 1
        assert ticks < 5000
    now = rig.server.snapshot()
    np.testing.assert_allclose(now.q, rig.server.config.home.draw(SEED), atol=rig.server.config.homing.reached_rad)
    assert np.abs(now.dq).max() < 0.01
    assert rig.server.is_holding


def test_home_postures_differ_from_seed_to_seed_within_their_range():
    home = ArmServerConfig().home
    draws = np.array([home.draw(seed) for seed in range(50)])
    assert np.unique(draws, axis=0).shape == (50, 7)
    assert np.abs(draws - np.array(home.posture)).max() <= home.noise_rad
    np.testing.assert_array_equal(home.draw(4), home.draw(4))


def test_commands_are_refused_while_homing():
    server = _server()
    server.start_home(SEED)
    assert server.accept(*_ahead(server, (1.0, 0.0, 0.0, 0.0))) is Reason.MODE
    assert server.is_homing


def test_the_external_wrench_of_a_free_tool_is_near_zero():
    server = _server()
    server.advance(0.5)
    assert np.abs(server.snapshot().wrench).max() < 0.5
