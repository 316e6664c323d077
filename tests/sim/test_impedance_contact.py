"""At rest the tool presses with clip times stiffness; at no instant, impacts included, above the stated peak."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.press import STEP_S, Presser
from drivers.mujoco_arm import MujocoArm
from drivers.mujoco_model import SimConfig
from robot.gains import GAIN_SETS
from robot.impedance import CartesianImpedance, ImpedanceConfig
from robot.se3 import Pose

SEED = 3
SEQUENCES = 30
"""For each gain set and axis; `nudge bench law` runs ten thousand."""


def _rest(presser: Presser, target: Pose, duration_s: float = 1.5) -> float:
    """Hold `target` and return the mean force in the plate over the last tenth of a second."""
    forces: list[float] = []
    for _ in range(round(duration_s / STEP_S)):
        presser.tick(target)
        forces.append(presser.arm.plate_force_n)
    return float(np.mean(forces[-100:]))


@pytest.mark.parametrize("axis", ["x", "y", "z"])
@pytest.mark.parametrize("gains", GAIN_SETS)
def test_the_steady_force_is_clip_times_stiffness(gains, axis):
    config = ImpedanceConfig(gains=gains)
    presser = Presser(axis, config)
    presser.start(0)
    chosen = getattr(config, gains)
    i = "xyz".index(axis)
    clip = chosen.clip_high[i] if axis == "y" else chosen.clip_low[i]
    expected = clip * chosen.stiffness[i]
    assert _rest(presser, presser.pressed(0.15)) == pytest.approx(expected, rel=0.02)


def test_on_a_rigid_table_too_the_steady_force_is_clip_times_stiffness():
    arm = MujocoArm(SimConfig(torque_noise_nm=0.0, socket_x_m=0.35, socket_y_m=-0.2))
    law = CartesianImpedance(ImpedanceConfig())
    arm.connect()
    begin = arm.dynamics().T_base_tool
    for tick in range(1500):
        depth = min(1.0, tick / 1000) * (begin.position[2] + 0.05)
        target = Pose(begin.position - np.array([0.0, 0.0, depth]), begin.quaternion)
        arm.write(law.torque(arm.read(), arm.dynamics(), target, 0.002))
    J = arm.dynamics().jacobian
    wrench = np.linalg.solve(J @ J.T, J @ arm.read().tau_external)
    assert wrench[2] == pytest.approx(law.steady_force_bound_n, rel=0.02)


def test_each_direction_has_a_clip_of_its_own():
    contact = ImpedanceConfig().contact
    low, high = (0.004, 0.02, 0.005, *contact.clip_low[3:]), (0.01, 0.015, 0.03, *contact.clip_high[3:])
    config = ImpedanceConfig(contact=replace(contact, clip_low=low, clip_high=high))
    for axis, expected in (("x", 2000.0 * 0.004), ("y", 2000.0 * 0.015), ("z", 2000.0 * 0.005)):
        presser = Presser(axis, config)
        presser.start(0)
        assert _rest(presser, presser.pressed(0.1)) == pytest.approx(expected, rel=0.02)


def test_a_feed_forward_adds_to_the_spring_up_to_the_bound():
    presser = Presser("z", ImpedanceConfig())
    presser.start(0)
    touching = presser.pressed(0.0)
    presser.law.set_wrench(np.array([0.0, 0.0, -15.0, 0.0, 0.0, 0.0]))
    assert _rest(presser, touching) == pytest.approx(15.0, rel=0.05)
    assert _rest(presser, presser.pressed(0.01)) == pytest.approx(35.0, rel=0.05)
    presser.law.set_wrench(np.array([0.0, 0.0, -500.0, 0.0, 0.0, 0.0]))
    assert _rest(presser, presser.pressed(0.1)) == pytest.approx(40.0, rel=0.02)


def test_a_stiffer_spring_presses_no_harder():
    presser = Presser("z", ImpedanceConfig())
    presser.start(0)
    presser.law.set_stiffness(np.array([2000.0, 2000.0, 5000.0, 150.0, 150.0, 150.0]))
    assert _rest(presser, presser.pressed(0.05)) == pytest.approx(40.0, rel=0.02)
    presser.law.set_stiffness(np.array([2000.0, 2000.0, 1000.0, 150.0, 150.0, 150.0]))
    assert _rest(presser, presser.pressed(0.05)) == pytest.approx(20.0, rel=0.02)


@pytest.mark.parametrize("axis", ["x", "y", "z"])
@pytest.mark.parametrize("gains", GAIN_SETS)
def test_no_random_command_makes_the_contact_force_pass_the_stated_peak(gains, axis):
    presser = Presser(axis, ImpedanceConfig(gains=gains))
    shares, peaks = [], []
    for number in range(SEQUENCES):
        press = presser.sequence(np.random.default_rng([SEED, number]), duration_s=0.4)
        shares.append(press.share)
        peaks.append(press.peak_n)
    assert max(shares) <= 1.0
    # and the sequences do press: a bound that nothing comes near would say nothing
    assert max(peaks) > 1.5 * presser.law.steady_force_bound_n
