"""Free motion under the impedance law: the step response of its model, and energy that only goes down."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from drivers.mujoco_arm import MujocoArm
from drivers.mujoco_gl import mujoco
from drivers.mujoco_model import SimConfig
from robot import se3
from robot.gains import GAIN_SETS, GainSet
from robot.impedance import CartesianImpedance, ImpedanceConfig
from robot.interfaces import ArmDynamics
from robot.joint_walls import JointWallConfig
from robot.se3 import Pose

DT_S = 0.002
SEED = 8
STEPS = np.diag([0.004, 0.004, 0.004, 0.03, 0.03, 0.03])
"""One small step along each axis [m, rad]; within every clip."""


def _arm(**sim) -> MujocoArm:
    arm = MujocoArm(SimConfig(torque_noise_nm=0.0, physics_step_s=DT_S, **sim))
    arm.connect()
    return arm


def _moved(pose: Pose, step: np.ndarray) -> Pose:
    return Pose(pose.position + step[:3], se3.quaternion_multiply(se3.exp_rotation(step[3:]), pose.quaternion))


def _error(target: Pose, tool: Pose) -> np.ndarray:
    return np.append(target.position - tool.position, se3.rotation_error(target.quaternion, tool.quaternion))


def _model(config: ImpedanceConfig, gains: GainSet, dynamics: ArmDynamics, step: np.ndarray, ticks: int) -> np.ndarray:
    """The answer (ticks, 6) of L x'' + D x' + K x = K g, g the low-passed step, L the inertia that the tool feels."""
    J = dynamics.jacobian
    mobility = J @ np.linalg.solve(dynamics.mass, J.T)
    K = np.array(gains.stiffness)
    D = 2.0 * np.sqrt(K * np.repeat([config.apparent_mass_kg, config.apparent_inertia], 3))
    x, v, goal = np.zeros(6), np.zeros(6), np.zeros(6)
    answer, parts = np.empty((ticks, 6)), 20
    for tick in range(ticks):
        answer[tick] = x
        goal = goal + DT_S / (config.target_time_constant_s + DT_S) * (step - goal)
        for _ in range(parts):
            v = v + DT_S / parts * mobility @ (K * (goal - x) - D * v)
            x = x + DT_S / parts * v
    return answer


@pytest.mark.parametrize("axis", range(6))
@pytest.mark.parametrize("gains", GAIN_SETS)
def test_a_step_in_free_space_is_answered_as_by_the_second_order_model(gains, axis):
    config = ImpedanceConfig(gains=gains, torque_rate_nm_per_ms=100.0)
    arm, law, step, ticks = _arm(joint_damping=0.0), CartesianImpedance(config), STEPS[axis], 500
    dynamics = arm.dynamics()
    start = dynamics.T_base_tool
    law.torque(arm.read(), dynamics, start, DT_S)
    target = _moved(start, step)
    found = np.empty((ticks, 6))
    for tick in range(ticks):
        found[tick] = _error(arm.dynamics().T_base_tool, start)
        arm.write(law.torque(arm.read(), arm.dynamics(), target, DT_S))
    expected = _model(config, getattr(config, gains), dynamics, step, ticks)
    assert np.abs(found - expected)[:, axis].max() < 0.025 * step[axis]
    assert found[-1, axis] == pytest.approx(step[axis], rel=0.05)


def _potential(gains: GainSet, error: np.ndarray) -> float:
    """Energy [J] of springs that pull no harder beyond their clip."""
    stretch = np.minimum(np.maximum(error, -np.array(gains.clip_low)), np.array(gains.clip_high))
    return float(np.array(gains.stiffness) @ (stretch * error - 0.5 * stretch * stretch))


@pytest.mark.parametrize("gains", GAIN_SETS)
def test_with_the_target_at_rest_the_energy_never_grows(gains):
    # Kinetic energy and that of the springs; the target lies up to twice the longest clip away. The posture's own
    # spring is left out of the law: it is no part of what the tool feels.
    config = ImpedanceConfig(gains=gains, nullspace_stiffness=0.0)
    rng = np.random.default_rng(SEED)
    chosen, most = getattr(config, gains), np.array([config.torque_margin * t for t in config.torque_limit_nm])
    for _ in range(12):
        arm, law = _arm(), CartesianImpedance(config)
        stretch = rng.uniform(-1.0, 1.0, 6) * np.array([0.04] * 3 + [0.1] * 3)
        target = _moved(arm.dynamics().T_base_tool, stretch)
        arm._data.qvel[:] = 0.1 * rng.normal(size=7)  # no command could set it moving without energy
        mujoco.mj_step1(arm._model, arm._data)
        energy = []
        for _ in range(300):
            state, dynamics = arm.read(), arm.dynamics()
            kinetic = 0.5 * state.dq @ dynamics.mass @ state.dq
            energy.append(kinetic + _potential(chosen, _error(target, dynamics.T_base_tool)))
            torque = law.torque(state, dynamics, target, DT_S)
            assert np.all(np.abs(torque) < most)  # a saturated motor is no spring
            arm.write(torque)
        assert np.diff(energy).max() <= 1e-9
        assert energy[-1] < 0.5 * energy[0]


def _nearest_to_a_limit(config: ImpedanceConfig, way: tuple[float, float, float]) -> float:
    """Pull the tool along `way` [m], out of reach, and return how near [rad] a joint came to its limit."""
    arm, law = _arm(), CartesianImpedance(config)
    start = arm.dynamics().T_base_tool
    target = Pose(start.position + np.array(way), start.quaternion)
    nearest = np.inf
    for _ in range(1500):
        q = arm.read().q
        nearest = min(nearest, float(np.minimum(q - config.walls.low_rad, config.walls.high_rad - q).min()))
        arm.write(law.torque(arm.read(), arm.dynamics(), target, DT_S))
    return nearest


def test_walls_keep_the_joints_off_their_limits():
    way = (-0.3, 0.0, 0.1)  # folds the elbow beyond the limit of joint 4
    with_walls = ImpedanceConfig(gains="free")
    without = replace(with_walls, walls=JointWallConfig(stiffness=0.0, damping=0.0))
    assert _nearest_to_a_limit(without, way) < 0.001
    assert _nearest_to_a_limit(with_walls, way) > 0.02


@pytest.mark.parametrize("change", ["gains", "stiffness", "wrench", "posture"])
def test_a_live_change_jerks_nothing(change):
    # a stretched spring in free space, then a change: the tool's pull must move as slowly as the blend
    config = ImpedanceConfig(torque_rate_nm_per_ms=100.0, target_time_constant_s=0.0)
    arm, law = _arm(), CartesianImpedance(config)
    state, dynamics = arm.read(), arm.dynamics()
    target = _moved(dynamics.T_base_tool, np.array([0.015, 0.0, 0.015, 0.0, 0.1, 0.0]))
    torques = [law.torque(state, dynamics, target, DT_S).copy()]
    if change == "gains":
        law.use_gains("free")
    elif change == "stiffness":
        law.set_stiffness(np.array([500.0] * 3 + [50.0] * 3))
    elif change == "wrench":
        law.set_wrench(np.array([5.0, 20.0, 5.0, 0.0, 2.0, 0.0]))
    else:
        law.set_posture(np.array(config.home) + np.array([0.1, 0.0, -0.1, 0.0, 0.1, 0.0, 0.0]))
    for _ in range(1000):
        torques.append(law.torque(state, dynamics, target, DT_S).copy())
    whole = np.abs(torques[-1] - torques[0]).max()
    assert whole > 0.5
    per_tick = np.abs(np.diff(torques, axis=0)).max()
    assert per_tick < 1.05 * whole * DT_S / config.gain_time_constant_s
