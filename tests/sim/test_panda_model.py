"""The simulated arm is the published one, and its dynamics are those of its motion."""

from __future__ import annotations

import numpy as np
import pytest

from drivers.mujoco_arm import MujocoArm
from drivers.mujoco_gl import mujoco
from drivers.mujoco_model import SimConfig, mjcf
from drivers.mujoco_panda import FINGER_TIP_Z, POSITION_LIMITS, TORQUE_LIMITS
from robot import se3

SEED = 5


def _posed(arm: MujocoArm, q: np.ndarray) -> MujocoArm:
    truth = arm.truth()
    arm.set_truth(truth | {f"q{i}": float(v) for i, v in enumerate(q)})
    return arm


@pytest.fixture
def arm() -> MujocoArm:
    arm = MujocoArm(SimConfig())
    arm.connect()
    return arm


def test_the_flange_at_zero_is_where_the_published_kinematics_put_it():
    model = mujoco.MjModel.from_xml_string(mjcf(SimConfig()))
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    np.testing.assert_allclose(data.site("flange").xpos, [0.088, 0.0, 0.333 + 0.316 + 0.384 - 0.107], atol=1e-9)


def test_the_tool_centre_point_is_the_tip_of_the_peg(arm):
    _posed(arm, np.zeros(7))
    tip = arm.dynamics().T_base_tool
    np.testing.assert_allclose(tip.position, [0.088, 0.0, 0.926 - FINGER_TIP_Z - 0.06], atol=1e-9)


def test_the_home_posture_points_the_peg_down_over_the_socket(arm):
    tip = arm.dynamics().T_base_tool
    np.testing.assert_allclose(tip.position, [0.5, 0.0, 0.12], atol=1e-4)
    assert np.linalg.norm(se3.rotation_error(np.array([1.0, 0.0, 0.0, 0.0]), tip.quaternion)) < 1e-3


def test_joint_and_torque_limits_are_in_the_model():
    model = mujoco.MjModel.from_xml_string(mjcf(SimConfig()))
    np.testing.assert_allclose(model.jnt_range, POSITION_LIMITS)
    assert model.jnt_limited.all()
    np.testing.assert_allclose(model.actuator_ctrlrange[:, 1], TORQUE_LIMITS)


def test_the_moving_mass_is_that_of_the_published_links():
    model = mujoco.MjModel.from_xml_string(mjcf(SimConfig()))
    links = 4.970684 + 0.646926 + 3.228604 + 3.587895 + 1.225946 + 1.666555 + 0.735522
    hand, peg = 0.73, 0.05
    assert model.body_subtreemass[model.body("link1").id] == pytest.approx(links + hand + peg)


def test_the_jacobian_is_the_derivative_of_the_pose(arm):
    rng = np.random.default_rng(SEED)
    step = 1e-6
    for _ in range(5):
        q = np.array([rng.uniform(low, high) for low, high in POSITION_LIMITS])
        J = _posed(arm, q).dynamics().jacobian
        for joint in range(7):
            nudge = np.eye(7)[joint] * step
            ahead = _posed(arm, q + nudge).dynamics().T_base_tool
            behind = _posed(arm, q - nudge).dynamics().T_base_tool
            v = (ahead.position - behind.position) / (2 * step)
            omega = se3.rotation_error(ahead.quaternion, behind.quaternion) / (2 * step)
            np.testing.assert_allclose(J[:, joint], np.concatenate([v, omega]), atol=1e-5)


def test_the_inertia_is_symmetric_and_positive(arm):
    mass = arm.dynamics().mass
    np.testing.assert_allclose(mass, mass.T, atol=1e-12)
    assert np.linalg.eigvalsh(mass).min() > 0.0


def test_writing_the_bias_torque_alone_leaves_the_arm_where_it_is(arm):
    start = arm.read().q
    for _ in range(500):
        arm.write(arm.dynamics().bias)
    np.testing.assert_allclose(arm.read().q, start, atol=1e-6)


def test_writing_nothing_lets_the_arm_fall(arm):
    start = arm.read().q
    for _ in range(50):
        arm.write(np.zeros(7))
    assert np.abs(arm.read().q - start).max() > 0.01


def test_stamps_count_simulated_time(arm):
    first = arm.read().stamp_ns
    for _ in range(7):
        arm.write(arm.dynamics().bias)
    assert arm.read().stamp_ns - first == 7 * 2_000_000
