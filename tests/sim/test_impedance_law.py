"""The impedance law pulls like a spring up to its bound, damps, and keeps its torque within limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sim_rig import ACTIONS, Rig

from drivers.mujoco_arm import MujocoArm
from drivers.mujoco_model import SimConfig
from robot import se3
from robot.errors import ConfigError
from robot.gains import GainSet
from robot.impedance import CartesianImpedance, ImpedanceConfig, rotation_error
from robot.interfaces import ArmDynamics, ArmState
from robot.se3 import Pose

DT_S = 0.002
SEED = 11
FREE = ImpedanceConfig(torque_rate_nm_per_ms=100.0, target_time_constant_s=0.0)
"""Without filters, so that a single call shows the law."""


@pytest.fixture
def reading() -> tuple[ArmState, ArmDynamics]:
    arm = MujocoArm(SimConfig(torque_noise_nm=0.0))
    arm.connect()
    return arm.read(), arm.dynamics()


def _moved(pose: Pose, translation, rotation=(0.0, 0.0, 0.0)) -> Pose:
    turned = se3.quaternion_multiply(se3.exp_rotation(np.array(rotation)), pose.quaternion)
    return Pose(pose.position + np.array(translation), turned)


def _wrench(config: ImpedanceConfig, reading, target: Pose) -> np.ndarray:
    """The wrench (6,) at the tool that the law's torque amounts to, less gravity."""
    state, dynamics = reading
    torque = CartesianImpedance(config).torque(state, dynamics, target, DT_S)
    J = dynamics.jacobian
    return np.linalg.solve(J @ J.T, J @ (torque - dynamics.bias))


def test_the_rotation_error_is_that_of_se3():
    rng = np.random.default_rng(SEED)
    for _ in range(200):
        a, b = rng.normal(size=(2, 4))
        a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
        np.testing.assert_allclose(rotation_error(a, b), se3.rotation_error(a, b), atol=1e-12)
    np.testing.assert_allclose(rotation_error(a, a), np.zeros(3), atol=1e-12)


def test_between_the_axes_their_bounds_add_as_a_vector_and_the_sentence_says_so(reading):
    law = CartesianImpedance(FREE)
    wrench = _wrench(FREE, reading, _moved(reading[1].T_base_tool, (1.0, 1.0, -1.0)))
    force = float(np.linalg.norm(wrench[:3]))
    assert force == pytest.approx(np.sqrt(3.0) * law.steady_force_bound_n, rel=1e-6)
    assert f"40 N along each axis, {force:.0f} N between them" in law.describe()


def test_a_hold_brakes_every_joint_at_the_same_rate_in_proportion_to_the_mass(reading):
    state = replace(reading[0], dq=np.linspace(-0.3, 0.3, 7))
    dynamics = reading[1]
    free, held = (
        CartesianImpedance(FREE).torque(state, dynamics, dynamics.T_base_tool, DT_S, is_held=is_held)
        for is_held in (False, True)
    )
    np.testing.assert_allclose(held - free, -FREE.hold_brake * dynamics.mass @ state.dq, atol=1e-9)


def test_within_the_clip_the_tool_feels_stiffness_times_error(reading):
    error = np.array([0.004, -0.003, 0.005, 0.02, -0.03, 0.04])
    target = _moved(reading[1].T_base_tool, error[:3], error[3:])
    expected = np.array(FREE.contact.stiffness) * error
    np.testing.assert_allclose(_wrench(FREE, reading, target), expected, atol=1e-3)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_beyond_the_clip_the_pull_stays_at_its_bound(reading, axis, sign):
    clip = (0.012,) * 3 + (0.15,) * 3
    config = replace(FREE, contact=replace(FREE.contact, clip_low=clip, clip_high=clip))
    bound = CartesianImpedance(config).steady_force_bound_n
    assert bound == 0.012 * 2000.0
    pull = sign * np.eye(3)[axis]
    target = _moved(reading[1].T_base_tool, 0.5 * pull)
    np.testing.assert_allclose(_wrench(config, reading, target)[:3], bound * pull, atol=0.01)


def test_where_a_joint_saturates_the_pull_gets_weaker_but_keeps_its_direction(reading):
    target = _moved(reading[1].T_base_tool, (0.5, -0.5, 0.5))
    strong = replace(FREE, torque_limit_nm=(400.0,) * 7)
    free, limited = _wrench(strong, reading, target)[:3], _wrench(FREE, reading, target)[:3]
    assert np.linalg.norm(limited) < 0.99 * np.linalg.norm(free)
    np.testing.assert_allclose(limited / np.linalg.norm(limited), free / np.linalg.norm(free), atol=1e-3)


def test_the_tool_feels_nothing_of_the_null_space(reading):
    state, dynamics = reading
    elbow_out = replace(FREE, home=tuple(np.array(FREE.home) + 0.5))
    np.testing.assert_allclose(_wrench(elbow_out, reading, dynamics.T_base_tool), np.zeros(6), atol=1e-3)
    torque = CartesianImpedance(elbow_out).torque(state, dynamics, dynamics.T_base_tool, DT_S)
    assert np.abs(torque - dynamics.bias).max() > 0.03


def test_motion_is_damped_against_its_direction(reading):
    state, dynamics = reading
    dq = np.linalg.pinv(dynamics.jacobian) @ np.array([0.1, 0.0, 0.0, 0.0, 0.0, 0.0])
    moving = (replace(state, dq=dq), dynamics)
    expected = -0.1 * 2.0 * np.sqrt(FREE.contact.stiffness[0] * FREE.apparent_mass_kg)
    assert _wrench(FREE, moving, dynamics.T_base_tool)[0] == pytest.approx(expected, rel=1e-3)


def test_torques_never_leave_their_limits(reading):
    state, dynamics = reading
    weak = replace(FREE, torque_limit_nm=(5.0,) * 7)
    target = _moved(dynamics.T_base_tool, (0.5, 0.5, -0.5), (1.0, 1.0, 1.0))
    torque = CartesianImpedance(weak).torque(state, dynamics, target, DT_S)
    assert np.abs(torque).max() == pytest.approx(5.0 * weak.torque_margin)


def test_torques_change_no_faster_than_their_rate(reading):
    state, dynamics = reading
    law = CartesianImpedance(replace(FREE, torque_rate_nm_per_ms=0.5))
    before = law.torque(state, dynamics, dynamics.T_base_tool, DT_S).copy()
    after = law.torque(state, dynamics, _moved(dynamics.T_base_tool, (0.02, 0.02, 0.02)), DT_S)
    assert np.abs(after - before).max() == pytest.approx(0.5 * 2.0)


def test_after_a_reset_with_the_present_torque_the_rate_still_holds(reading):
    state, dynamics = reading
    law = CartesianImpedance(replace(FREE, torque_rate_nm_per_ms=0.5))
    law.reset(dynamics.bias)
    after = law.torque(state, dynamics, _moved(dynamics.T_base_tool, (0.02, 0.02, 0.02)), DT_S)
    assert np.abs(after - dynamics.bias).max() == pytest.approx(0.5 * 2.0)


def test_the_target_is_approached_at_its_time_constant(reading):
    state, dynamics = reading
    config = ImpedanceConfig(torque_rate_nm_per_ms=100.0, target_time_constant_s=0.02)
    law = CartesianImpedance(config)
    law.torque(state, dynamics, dynamics.T_base_tool, DT_S)
    J = dynamics.jacobian
    target = _moved(dynamics.T_base_tool, (0.01, 0.0, 0.0), (0.0, 0.0, 0.05))
    pulls = []
    for _ in range(200):
        torque = law.torque(state, dynamics, target, DT_S)
        pulls.append(np.linalg.solve(J @ J.T, J @ (torque - dynamics.bias)))
    one_constant = np.array(pulls)[9]
    assert 0.55 < one_constant[0] / 20.0 < 0.70
    assert pulls[-1][0] == pytest.approx(20.0, rel=1e-3)
    assert pulls[-1][5] == pytest.approx(7.5, rel=1e-3)


def test_a_pressed_table_feels_the_steady_force_bound():
    rig = Rig(SimConfig(socket_range_m=0.0, socket_x_m=0.62))
    rig.reset(SEED)
    for _ in range(25):
        rig.step(np.array([0.0, 0.0, -1.0, 0.0]))
    height = rig.server.snapshot().T_base_tool.position[2]
    assert abs(height) < 1e-3
    force = rig.server.snapshot().wrench[2]
    assert force == pytest.approx(rig.law.steady_force_bound_n, rel=0.05)
    # twice the scale would ask for twice the force; the clip refuses
    now = rig.server.snapshot()
    deep = ACTIONS.target(now.T_base_tool, np.array([0.0, 0.0, -5.0, 0.0]))
    rig.server.accept(deep, now.stamp_ns)
    rig.server.advance(0.1)
    assert rig.server.snapshot().wrench[2] == pytest.approx(rig.law.steady_force_bound_n, rel=0.05)


def test_a_stiffness_out_of_range_is_refused_with_its_unit():
    with pytest.raises(ConfigError, match=r"stiffness must lie in \[0.0, 6000.0\] N/m, Nm/rad; found 9000"):
        GainSet(stiffness=(9000.0,) * 6)
