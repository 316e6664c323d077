"""Writes our own MuJoCo model of the peg-insertion cell: arm, peg, table, socket, cameras and light."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from drivers.mujoco_panda import DARK, FINGER_TIP_Z, actuators, arm_body
from robot.settings import Settings, setting

SOCKET_HEIGHT_M = 0.04
SOCKET_HALF_WIDTH_M = 0.035
PEG_LENGTH_M = 0.06
"""Free length of the peg below the finger tips."""
GRIPPED_LENGTH_M = 0.02
PEG_MASS_KG = 0.05
FOVY_DEG = {"front": 36.0, "wrist": 58.0, "film": 44.0}
"""Vertical field of view of each camera [degrees]; pictures are square, so the horizontal one is equal."""


@dataclass(frozen=True)
class SimConfig(Settings):
    """The simulated cell: physics, peg and socket, tracker, and how much of it is redrawn at each reset."""

    physics_step_s: float = setting(0.002, "Simulated time of one control tick.", unit="s", low=5e-4, high=5e-3)
    friction: float = setting(0.3, "Sliding friction of peg, socket and table.", low=0.0, high=2.0)
    joint_armature: float = setting(0.1, "Reflected rotor inertia of each joint.", unit="kg m^2", low=0.0, high=1.0)
    joint_damping: float = setting(0.5, "Viscous friction of each joint.", unit="Nm s/rad", low=0.0, high=10.0)
    peg_width_m: float = setting(0.016, "Side of the peg's square section.", unit="m", low=0.008, high=0.03)
    clearance_m: float = setting(0.0005, "Gap between peg and hole on each side.", unit="m", low=0.0002, high=0.005)
    chamfer_m: float = setting(0.0015, "Width of the hole's 45 degree chamfer.", unit="m", low=0.0, high=0.006)
    success_depth_m: float = setting(
        0.02, "Depth of the peg's tip below the mouth that counts as inserted.", unit="m", low=0.005, high=0.035
    )
    socket_x_m: float = setting(0.50, "Middle of the socket's range, base frame.", unit="m", low=0.35, high=0.65)
    socket_y_m: float = setting(0.0, "Middle of the socket's range, base frame.", unit="m", low=-0.2, high=0.2)
    socket_range_m: float = setting(
        0.03, "The socket is placed within plus and minus this in x and y.", unit="m", low=0.0, high=0.1
    )
    socket_yaw_range_rad: float = setting(
        0.3, "The socket is turned within plus and minus this.", unit="rad", low=0.0, high=0.7
    )
    tracker_noise_m: float = setting(
        0.0005, "Tracker: standard deviation per axis and sample.", unit="m", low=0.0, high=0.02
    )
    tracker_noise_rad: float = setting(
        0.005, "Tracker: standard deviation of yaw per sample.", unit="rad", low=0.0, high=0.2
    )
    tracker_bias_m: float = setting(
        0.0015, "Tracker: standard deviation per axis of an episode's error.", unit="m", low=0.0, high=0.02
    )
    tracker_bias_rad: float = setting(
        0.01, "Tracker: standard deviation of an episode's yaw error.", unit="rad", low=0.0, high=0.2
    )
    tracker_rate_hz: float = setting(60.0, "Tracker samples a second.", unit="Hz", low=1.0, high=500.0)
    tracker_latency_s: float = setting(0.03, "Age of the tracker's newest pose.", unit="s", low=0.0, high=1.0)
    torque_noise_nm: float = setting(
        0.02, "Standard deviation of each measured external joint torque.", unit="Nm", low=0.0, high=1.0
    )

    @property
    def hole_half_width_m(self) -> float:
        return 0.5 * self.peg_width_m + self.clearance_m

    @property
    def aligned_within_m(self) -> float:
        """Largest lateral error at which the peg can be in the hole; a millimetre allows for its tilt."""
        return self.clearance_m + 0.001


def mjcf(config: SimConfig, picture_size: int = 128, scenery: str = "") -> str:
    """Return the model as an MJCF string; `picture_size` [pixels] bounds what can be rendered, `scenery` is MJCF
    that is put into the world; its geoms of class "cell" can be touched by the tool."""
    # round shapes cost llvmpipe most of a frame: 0.68 ms with 20 slices at 128 x 128, 1.5 ms with 28
    slices = 20 if picture_size <= 256 else 64
    return f"""
<mujoco model="nudge peg insertion">
  <compiler angle="radian"/>
  <option timestep="{config.physics_step_s}" integrator="implicitfast" cone="elliptic" impratio="10"/>
  <visual>
    <global offwidth="{picture_size}" offheight="{picture_size}"/>
    <quality offsamples="0" shadowsize="0" numslices="{slices}" numstacks="{slices // 2}" numquads="2"/>
    <headlight ambient="0.50 0.50 0.51" diffuse="0.18 0.18 0.18" specular="0 0 0"/>
    <map znear="0.02" zfar="20"/>
  </visual>
  <default>
    <joint armature="{config.joint_armature}" damping="{config.joint_damping}"/>
    <geom friction="{config.friction} 0.002 0.0001" solref="0.006 1" solimp="0.95 0.99 0.0005"/>
    <default class="look"><geom contype="0" conaffinity="0" group="1" mass="0"/></default>
    <default class="peg"><geom contype="1" conaffinity="2" condim="4"/></default>
    <default class="cell"><geom contype="2" conaffinity="1" condim="4"/></default>
  </default>
  <asset>
    <texture type="skybox" builtin="gradient" rgb1="0.86 0.90 0.94" rgb2="0.55 0.62 0.70" width="16" height="96"/>
  </asset>
  <worldbody>
    <light pos="0.9 -0.7 1.6" dir="-0.6 0.5 -1.1" directional="true" diffuse="0.46 0.46 0.43"
      specular="0.05 0.05 0.05" castshadow="false"/>
    {_table()}
    {arm_body(_peg(config) + _wrist_camera())}
    {_socket(config)}
    {scenery}
    {_camera("front", (0.94, 0.35, 0.39), (0.48, 0.0, 0.125), (0, 0, 1))}
    {_camera("film", (1.2, 0.78, 0.58), (0.30, 0.0, 0.31), (0, 0, 1))}
  </worldbody>
  <actuator>{actuators()}</actuator>
</mujoco>"""


def _table() -> str:
    return """
    <geom name="table" class="cell" type="box" pos="0.35 0 -0.02" size="0.55 0.5 0.02" rgba="0.76 0.67 0.54 1"/>
    <geom class="look" type="box" pos="0.35 0 -0.06" size="0.53 0.48 0.02" rgba="0.36 0.39 0.43 1"/>
    <geom class="look" type="plane" pos="0 0 -0.7" size="9 9 1" rgba="0.60 0.66 0.72 1"/>
    <geom class="look" type="box" pos="0.5 0 0.0005" size="0.11 0.11 0.0006" rgba="0.93 0.90 0.84 1"/>"""


def _peg(config: SimConfig) -> str:
    half = 0.5 * config.peg_width_m
    tip = FINGER_TIP_Z + PEG_LENGTH_M
    half_length = 0.5 * (PEG_LENGTH_M + GRIPPED_LENGTH_M)
    return f"""
          <body name="peg">
            <geom name="peg" class="peg" type="box" pos="0 0 {tip - half_length}" mass="{PEG_MASS_KG}"
              size="{half} {half} {half_length}" rgba="0.93 0.46 0.13 1"/>
          </body>
          <geom name="knuckles" class="peg" type="box" pos="0 0 0.05" size="0.03 0.1 0.0534" mass="0"
            rgba="0 0 0 0" group="3"/>
          <site name="tip" pos="0 0 {tip}" size="0.002" rgba="0 0 0 0"/>"""


def _wrist_camera() -> str:
    tip = FINGER_TIP_Z + PEG_LENGTH_M
    return _camera("wrist", (0.075, 0.0, 0.045), (0.004, 0.0, tip), (1, 0, 0))


def _socket(config: SimConfig) -> str:
    """Four walls round a square hole; the frame lies in the middle of the mouth, z up."""
    walls = "".join(_wall(config, 0.5 * math.pi * k) for k in range(4))
    floor = f'<geom class="look" type="box" pos="0 0 {0.0005 - SOCKET_HEIGHT_M}" \
size="{SOCKET_HALF_WIDTH_M} {SOCKET_HALF_WIDTH_M} 0.0004" rgba="{DARK}"/>'
    return f"""
    <body name="socket" mocap="true" pos="{config.socket_x_m} {config.socket_y_m} {SOCKET_HEIGHT_M}">
      {walls}{floor}
    </body>"""


def _wall(config: SimConfig, turn: float) -> str:
    """One side of the socket, built on +x and turned by `turn` [rad]: lower wall, upper wall, chamfer."""
    h, c, w, height = config.hole_half_width_m, config.chamfer_m, SOCKET_HALF_WIDTH_M, SOCKET_HEIGHT_M
    quat = f"{math.cos(turn / 2)} 0 0 {math.sin(turn / 2)}"
    # Walls overlap at the corners as in a pinwheel: each runs from the hole's edge to the far outer corner.
    parts = [_wall_box(turn, (h, w), (-h, w), (-height, -c), quat, "0.13 0.52 0.55 1")]
    if c > 0.0:
        parts.append(_wall_box(turn, (h + c, w), (-h - c, w), (-c, 0.0), quat, "0.18 0.62 0.64 1"))
        parts.append(_chamfer(h, c, turn))
    return "".join(parts)


def _wall_box(
    turn: float,
    x: tuple[float, float],
    y: tuple[float, float],
    z: tuple[float, float],
    quat: str,
    colour: str,
) -> str:
    low, high = np.array([x[0], y[0], z[0]]), np.array([x[1], y[1], z[1]])
    centre, half = 0.5 * (low + high), 0.5 * (high - low)
    return f'<geom class="cell" type="box" pos="{_turned(centre, turn)}" quat="{quat}" \
size="{half[0]} {half[1]} {half[2]}" rgba="{colour}"/>'


def _chamfer(h: float, c: float, turn: float) -> str:
    """A box tilted by 45 degrees whose upper face runs from (h, -c) to (h + c, 0) in x and z."""
    thickness = c
    inset = 0.5 * thickness / math.sqrt(2.0)
    centre = np.array([h + 0.5 * c + inset, 0.0, -0.5 * c - inset])
    about_z = np.array([math.cos(turn / 2), 0.0, 0.0, math.sin(turn / 2)])
    about_y = np.array([math.cos(-math.pi / 8), 0.0, math.sin(-math.pi / 8), 0.0])
    w = about_z[0] * about_y[0]
    x, y, z = -about_z[3] * about_y[2], about_z[0] * about_y[2], about_z[3] * about_y[0]
    return f'<geom class="cell" type="box" pos="{_turned(centre, turn)}" quat="{w} {x} {y} {z}" \
size="{c / math.sqrt(2.0)} {h + c} {0.5 * thickness}" rgba="0.55 0.85 0.83 1"/>'


def _turned(v: np.ndarray, turn: float) -> str:
    cosine, sine = math.cos(turn), math.sin(turn)
    return f"{cosine * v[0] - sine * v[1]} {sine * v[0] + cosine * v[1]} {v[2]}"


Triple = tuple[float, float, float]


def _camera(name: str, position: Triple, target: Triple, up: Triple) -> str:
    """A camera at `position` that looks at `target`; MuJoCo cameras look along their -z axis."""
    z = np.subtract(position, target)
    z = z / np.linalg.norm(z)
    x = np.cross(up, z)
    x = x / np.linalg.norm(x)
    y = np.cross(z, x)
    axes = " ".join(f"{v:.9f}" for v in (*x, *y))
    pos = " ".join(f"{v:.6f}" for v in position)
    return f'<camera name="{name}" pos="{pos}" xyaxes="{axes}" fovy="{FOVY_DEG[name]}"/>'
