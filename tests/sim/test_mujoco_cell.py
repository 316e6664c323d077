"""The simulated cell: an episode depends on its seed alone, the hole fits the peg, the tracker errs as set."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sim_rig import Rig

from drivers.mujoco_arm import MujocoArm
from drivers.mujoco_gl import mujoco
from drivers.mujoco_model import SOCKET_HEIGHT_M, SimConfig, mjcf
from robot import se3
from robot.errors import ConfigError
from robot.interfaces import Arm, World

SEED = 7
COMMANDS = np.random.default_rng(SEED).uniform(-1.0, 1.0, (25, 4))


def _recording(rig: Rig, seed: int) -> list[bytes]:
    """Everything that can be measured over 25 steps of fixed commands, as bytes."""
    rig.reset(seed)
    recording = []
    for action in COMMANDS:
        rig.step(action - np.array([0.0, 0.0, 0.7, 0.0]))
        now = rig.server.snapshot()
        arrays = (now.q, now.dq, now.T_base_tool.as_vector(), now.wrench, rig.arm.tracked_pose().as_vector())
        recording.append(b"".join(a.tobytes() for a in arrays) + repr(rig.arm.truth()).encode())
    return recording


def _gap_m(x: float, y: float, depth: float, config: SimConfig) -> float:
    """Return the smallest distance between the socket and a peg whose tip is put there; negative inside it."""
    half = 0.5 * config.peg_width_m
    spec = mujoco.MjSpec.from_string(mjcf(config))
    tip = [config.socket_x_m + x, config.socket_y_m + y, SOCKET_HEIGHT_M - depth + 0.03]
    spec.worldbody.add_geom(name="probe", type=mujoco.mjtGeom.mjGEOM_BOX, size=[half, half, 0.03], pos=tip)
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    of_socket = model.geom_bodyid == model.body("socket").id
    walls = np.flatnonzero(of_socket & (model.geom_contype > 0))
    probe = model.geom("probe").id
    return min(mujoco.mj_geomDistance(model, data, probe, int(wall), 1.0, None) for wall in walls)


def test_the_arm_is_an_arm_and_a_world():
    arm = MujocoArm(SimConfig())
    assert isinstance(arm, Arm)
    assert isinstance(arm, World)


def test_the_same_seed_and_commands_repeat_bit_for_bit_whatever_came_before():
    first = Rig()
    fresh = _recording(first, SEED)
    _recording(first, SEED + 1)
    assert _recording(first, SEED) == fresh
    assert _recording(Rig(), SEED) == fresh


def test_other_seeds_are_other_episodes():
    rig = Rig()
    assert _recording(rig, SEED)[0] != _recording(rig, SEED + 1)[0]


def test_homing_before_the_scene_is_laid_out_changes_nothing_of_the_episode():
    rig = Rig()
    fresh = _recording(rig, SEED)
    rig.server.start_home(SEED)
    while rig.server.is_homing:
        rig.server.tick()
    assert _recording(rig, SEED) == fresh


def test_the_socket_lies_within_its_range_and_fills_it():
    config = SimConfig()
    arm = MujocoArm(config)
    arm.connect()
    places = []
    for seed in range(300):
        arm.randomise(seed)
        truth = arm.truth()
        places.append((truth["socket_x"] - 0.5, truth["socket_y"], truth["socket_yaw"]))
    reach = np.abs(places).max(axis=0)
    limits = np.array([config.socket_range_m, config.socket_range_m, config.socket_yaw_range_rad])
    assert (reach <= limits).all()
    assert (reach > 0.9 * limits).all()


def test_the_tracker_errs_by_a_bias_per_episode_and_noise_per_sample():
    rig = Rig()
    biases, spreads = [], []
    for seed in range(40):
        rig.reset(seed)
        truth = rig.arm.truth()
        errors = []
        for _ in range(25):
            rig.server.advance(0.04)
            errors.append(rig.arm.tracked_pose().position[0] - truth["socket_x"])
        biases.append(np.mean(errors))
        spreads.append(np.std(errors))
    config = rig.arm.config
    assert np.std(biases) == pytest.approx(config.tracker_bias_m, rel=0.3)
    assert np.mean(spreads) == pytest.approx(config.tracker_noise_m, rel=0.2)


def test_a_perfect_tracker_tells_the_truth():
    arm = MujocoArm(SimConfig(tracker_noise_m=0.0, tracker_noise_rad=0.0, tracker_bias_m=0.0, tracker_bias_rad=0.0))
    arm.connect()
    arm.randomise(SEED)
    truth, tracked = arm.truth(), arm.tracked_pose()
    np.testing.assert_allclose(tracked.position, [truth["socket_x"], truth["socket_y"], truth["socket_z"]], atol=1e-12)
    assert se3.yaw(tracked.quaternion) == pytest.approx(truth["socket_yaw"])


def test_the_tracker_reports_its_samples_late():
    """Two trackers that differ in latency alone tell the same story, one later than the other."""
    stories = []
    for latency_s in (0.0, 0.1):
        rig = Rig(SimConfig(tracker_latency_s=latency_s))
        rig.reset(SEED)
        story = []
        for _ in range(100):
            story.append(rig.arm.tracked_pose().position[0])
            rig.server.tick()
        stories.append(story)
    prompt, late = stories
    assert len(set(prompt)) == math.ceil(0.2 * 60.0)
    assert late[50:] == prompt[:50]
    assert len(set(late[:50])) == 1


@pytest.mark.parametrize("chamfer_m", [0.0, 0.0015])
def test_the_hole_is_as_much_wider_than_the_peg_as_the_clearance_says(chamfer_m):
    config = SimConfig(chamfer_m=chamfer_m)
    for depth in (0.005, 0.02):
        assert _gap_m(0.0, 0.0, depth, config) == pytest.approx(config.clearance_m, abs=1e-5)
        for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            slack = 0.9 * config.clearance_m
            assert _gap_m(slack * x, slack * y, depth, config) > 0.0
            slack = 1.2 * config.clearance_m
            assert _gap_m(slack * x, slack * y, depth, config) < 0.0


def test_the_chamfer_opens_the_mouth_by_its_width_at_forty_five_degrees():
    config = SimConfig()
    wide = config.clearance_m + config.chamfer_m
    for share in (0.0, 0.5, 0.9):
        depth = share * config.chamfer_m
        edge = wide - depth
        assert _gap_m(edge - 2e-4, 0.0, depth + 1e-5, config) > 0.0
        assert _gap_m(edge + 2e-4, 0.0, depth + 1e-5, config) < 0.0


def test_truth_knows_depth_lateral_error_and_yaw_error():
    rig = Rig()
    rig.reset(SEED)
    truth, tip = rig.arm.truth(), rig.server.snapshot().T_base_tool
    assert truth["depth_m"] == pytest.approx(SOCKET_HEIGHT_M - tip.position[2])
    assert truth["lateral_m"] == pytest.approx(
        math.hypot(tip.position[0] - truth["socket_x"], tip.position[1] - truth["socket_y"])
    )
    assert truth["yaw_error_rad"] == pytest.approx(truth["socket_yaw"] - se3.yaw(tip.quaternion))
    assert truth["is_inserted"] == 0.0


def test_a_peg_beside_the_socket_is_never_inserted_however_deep():
    rig = Rig(SimConfig(socket_x_m=0.62, socket_range_m=0.0))
    rig.reset(SEED)
    for _ in range(15):
        rig.step(np.array([0.0, 0.0, -1.0, 0.0]))
    truth = rig.arm.truth()
    assert truth["depth_m"] > rig.arm.config.success_depth_m
    assert truth["is_inserted"] == 0.0


def test_set_truth_brings_back_posture_and_scene():
    rig = Rig()
    rig.reset(SEED)
    for _ in range(8):
        rig.step(np.array([0.5, 0.3, -0.6, 0.4]))
    truth = rig.arm.truth()
    other = MujocoArm(SimConfig())
    other.connect()
    other.set_truth(truth)
    assert other.truth() == truth


@pytest.mark.parametrize(
    ("setting", "value"),
    [("clearance_m", 0.0), ("friction", -0.1), ("physics_step_s", 0.1), ("tracker_rate_hz", math.nan)],
)
def test_settings_out_of_range_are_refused_in_a_sentence(setting, value):
    with pytest.raises(ConfigError, match=rf"SimConfig\.{setting} must lie in \[.*\].*; found {value}"):
        SimConfig(**{setting: value})
