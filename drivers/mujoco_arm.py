"""The simulated arm and its cell in MuJoCo: torques in, joint states, tracker poses and truth out."""

from __future__ import annotations

import math

import numpy as np

from drivers.mujoco_gl import mujoco
from drivers.mujoco_model import SOCKET_HEIGHT_M, SimConfig, mjcf
from robot import se3
from robot.clock import NANOSECONDS, to_ns
from robot.errors import RobotError
from robot.homing import HomePosture
from robot.interfaces import ArmDynamics, ArmState
from robot.se3 import Pose
from robot.types import Array

JOINTS = 7
NOISE_SAMPLES = 4096
"""Sensor noise is drawn once an episode and read in a ring, so that it costs nothing in the control tick."""


class MujocoArm:
    """Implements `robot.interfaces.Arm` and `World`; its time is simulated time and only `write` moves it.

    `scenery` is MJCF that stands in the cell beside what is always there (see `drivers.mujoco_model.mjcf`); joints
    in it begin each episode at their reference.
    """

    def __init__(self, config: SimConfig, home: HomePosture | None = None, scenery: str = "") -> None:
        self.config = config
        self._home = home if home is not None else HomePosture()
        self._model = mujoco.MjModel.from_xml_string(mjcf(config, scenery=scenery))
        self._data = mujoco.MjData(self._model)
        self._tip = self._model.site("tip").id
        self._hand = self._model.body("hand").id
        self._socket = int(self._model.body("socket").mocapid[0])
        self._tau_external = np.zeros(JOINTS)
        self._ticks = 0
        self._step_ns = to_ns(config.physics_step_s)
        self._is_connected = False

    def connect(self) -> None:
        """Put the arm into its home posture, with the socket in the middle of its range."""
        self._is_connected = True
        self._place(self.config.socket_x_m, self.config.socket_y_m, 0.0)
        self._draw_noise(np.random.default_rng(0))
        self._rest(np.array(self._home.posture))

    def close(self) -> None:
        self._is_connected = False

    def read(self) -> ArmState:
        """Raises RobotError unless connected."""
        if not self._is_connected:
            raise RobotError("The simulated arm is not connected; call connect first.")
        noise = self._torque_noise[(self._ticks - self._laid_out_at) % NOISE_SAMPLES]
        return ArmState(
            self._ticks * self._step_ns,
            self._data.qpos[:JOINTS].copy(),
            self._data.qvel[:JOINTS].copy(),
            self._tau_external + noise,
        )

    def dynamics(self) -> ArmDynamics:
        jacobian = np.empty((6, self._model.nv))
        mujoco.mj_jacSite(self._model, self._data, jacobian[:3], jacobian[3:], self._tip)
        mass = np.empty((self._model.nv, self._model.nv))
        mujoco.mj_fullM(self._model, self._data, mass)
        bias = self._data.qfrc_bias[:JOINTS].copy()
        return ArmDynamics(self._tip_pose(), jacobian[:, :JOINTS], bias, mass[:JOINTS, :JOINTS])

    def write(self, torque: Array) -> None:
        """Apply joint torques (7,) [Nm] and advance one physics step."""
        data = self._data
        data.ctrl[:] = torque
        mujoco.mj_step2(self._model, data)
        self._tau_external = data.qfrc_constraint[:JOINTS].copy()
        self._ticks += 1
        # the next reading needs kinematics, bias and contacts of the new state
        mujoco.mj_step1(self._model, data)

    def randomise(self, seed: int) -> None:
        """Lay out the episode of `seed`: socket, tracker error, noise, and the arm at rest in its home posture.

        Home the arm first and it moves by less than a millimetre here; but then an episode depends on its
        seed alone, and a peg is never left inside a socket that jumps.
        """
        c = self.config
        rng = np.random.default_rng([seed, 0])
        x, y = rng.uniform(-c.socket_range_m, c.socket_range_m, 2)
        yaw = rng.uniform(-c.socket_yaw_range_rad, c.socket_yaw_range_rad)
        self._place(c.socket_x_m + x, c.socket_y_m + y, yaw)
        self._draw_noise(rng)
        self._rest(self._home.draw(seed))

    def tracked_pose(self) -> Pose:
        """The socket's mouth as the tracker reports it: the newest sample older than the latency."""
        c = self.config
        age_ns = (self._ticks - self._laid_out_at) * self._step_ns - to_ns(c.tracker_latency_s)
        number = max(math.floor(age_ns * c.tracker_rate_hz / NANOSECONDS), 0) % NOISE_SAMPLES
        error = self._tracker_bias + self._tracker_noise[number]
        truth = self._data.mocap_pos[self._socket]
        return Pose(truth + error[:3], se3.about_z(self._socket_yaw + error[3]))

    def truth(self) -> dict[str, float]:
        """Joint positions, the socket's pose, and how the peg's tip lies in the socket's frame.

        depth_m is the tip below the mouth (negative above it), lateral_m its distance from the hole's axis,
        yaw_error_rad the turn that would align the square peg, is_inserted 1.0 when it is in.
        """
        socket = self._data.mocap_pos[self._socket]
        tip = self._data.site_xpos[self._tip]
        lateral = math.hypot(tip[0] - socket[0], tip[1] - socket[1])
        depth = float(socket[2] - tip[2])
        turn = self._socket_yaw - se3.yaw(self._tip_pose().quaternion)
        quarter = 0.5 * math.pi
        yaw_error = (turn + 0.5 * quarter) % quarter - 0.5 * quarter
        c = self.config
        is_inserted = depth >= c.success_depth_m and lateral <= c.aligned_within_m
        return {
            **{f"q{i}": float(q) for i, q in enumerate(self._data.qpos[:JOINTS])},
            "socket_x": float(socket[0]),
            "socket_y": float(socket[1]),
            "socket_z": float(socket[2]),
            "socket_yaw": self._socket_yaw,
            "depth_m": depth,
            "lateral_m": lateral,
            "yaw_error_rad": yaw_error,
            "is_inserted": float(is_inserted),
        }

    def set_truth(self, truth: dict[str, float]) -> None:
        """Take on the posture and scene of `truth`, at rest: for replays."""
        self._place(truth["socket_x"], truth["socket_y"], truth["socket_yaw"])
        self._rest(np.array([truth[f"q{i}"] for i in range(JOINTS)]))

    def _rest(self, q: Array) -> None:
        self._data.qpos[:] = self._model.qpos0
        self._data.qpos[:JOINTS] = q
        self._data.qvel[:] = 0.0
        self._data.qacc_warmstart[:] = 0.0
        self._tau_external = np.zeros(JOINTS)
        mujoco.mj_step1(self._model, self._data)

    def _tip_pose(self) -> Pose:
        # the tip's axes are the hand's; MuJoCo's quaternions are wxyz
        return Pose(self._data.site_xpos[self._tip], self._data.xquat[self._hand][[1, 2, 3, 0]])

    def _place(self, x: float, y: float, yaw: float) -> None:
        self._socket_yaw = float(yaw)
        self._data.mocap_pos[self._socket] = (x, y, SOCKET_HEIGHT_M)
        self._data.mocap_quat[self._socket] = (math.cos(0.5 * yaw), 0.0, 0.0, math.sin(0.5 * yaw))

    def _draw_noise(self, rng: np.random.Generator) -> None:
        c = self.config
        bias_scale = np.array([c.tracker_bias_m] * 3 + [c.tracker_bias_rad])
        noise_scale = np.array([c.tracker_noise_m] * 3 + [c.tracker_noise_rad])
        self._tracker_bias = bias_scale * rng.standard_normal(4)
        self._tracker_noise = noise_scale * rng.standard_normal((NOISE_SAMPLES, 4))
        self._torque_noise = c.torque_noise_nm * rng.standard_normal((NOISE_SAMPLES, JOINTS))
        self._laid_out_at = self._ticks
