"""The Panda as MJCF: published kinematics, inertias and limits, drawn with primitives of our own.

Kinematics and limits: franka_description (Franka Emika GmbH). Inertial parameters: C. Gaz, M. Cognetti,
A. Oliva, P. Robuffo Giordano, A. De Luca, "Dynamic identification of the Franka Emika Panda robot with
retrieval of feasible parameters using penalty-based optimization", IEEE RA-L 4(4), 2019.
"""

from __future__ import annotations

from dataclasses import dataclass

WHITE = "0.93 0.94 0.95 1"
GREY = "0.36 0.39 0.43 1"
DARK = "0.17 0.18 0.20 1"

POSITION_LIMITS = (
    (-2.8973, 2.8973),
    (-1.7628, 1.7628),
    (-2.8973, 2.8973),
    (-3.0718, -0.0698),
    (-2.8973, 2.8973),
    (-0.0175, 3.7525),
    (-2.8973, 2.8973),
)
"""Joint range [rad]."""
TORQUE_LIMITS = (87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0)
"""Largest joint torque [Nm]."""
VELOCITY_LIMITS = (2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61)
"""Largest joint speed [rad/s]."""

FINGER_TIP_Z = 0.1034
"""Distance [m] from the hand's frame to the finger tips."""


@dataclass(frozen=True)
class Link:
    """One link: `pos` and `quat` (wxyz) in its parent, mass [kg], centre of mass [m], inertia about it
    (xx yy zz xy xz yz) [kg m^2], and the geoms that draw it."""

    pos: str
    quat: str
    mass: float
    com: str
    inertia: str
    look: str


def _capsule(start: str, end: str, radius: float, colour: str) -> str:
    return f'<geom class="look" type="capsule" fromto="{start} {end}" size="{radius}" rgba="{colour}"/>'


def _disc(start: str, end: str, radius: float, colour: str) -> str:
    return f'<geom class="look" type="cylinder" fromto="{start} {end}" size="{radius}" rgba="{colour}"/>'


def _box(pos: str, half_size: str, colour: str) -> str:
    return f'<geom class="look" type="box" pos="{pos}" size="{half_size}" rgba="{colour}"/>'


BASE = (
    _disc("0 0 0", "0 0 0.02", 0.095, DARK)
    + _disc("0 0 0.02", "0 0 0.14", 0.068, WHITE)
    + _box("-0.09 0 0.05", "0.05 0.05 0.05", WHITE)
)

LINKS = (
    Link(
        "0 0 0.333",
        "1 0 0 0",
        4.970684,
        "0.003875 0.002081 -0.04762",
        "0.70337 0.70661 0.0091170 -0.000139 0.0067720 0.019169",
        _disc("0 0 -0.193", "0 0 -0.185", 0.066, DARK) + _capsule("0 0 -0.14", "0 0 -0.03", 0.06, WHITE),
    ),
    Link(
        "0 0 0",
        "1 -1 0 0",
        0.646926,
        "-0.003141 -0.02872 0.003495",
        "0.007962 0.02811 0.025995 -0.003925 0.010254 0.000704",
        _disc("0 0 -0.075", "0 0 0.075", 0.059, GREY) + _capsule("0 -0.03 0", "0 -0.13 0", 0.056, WHITE),
    ),
    Link(
        "0 -0.316 0",
        "1 1 0 0",
        3.228604,
        "0.027518 0.039252 -0.066502",
        "0.037242 0.036155 0.01083 -0.004761 -0.011396 -0.012805",
        _disc("0 0 -0.178", "0 0 -0.17", 0.059, DARK)
        + _capsule("0 0 -0.12", "0.02 0 -0.02", 0.054, WHITE)
        + _capsule("0.02 0 -0.01", "0.0825 0 0", 0.05, WHITE),
    ),
    Link(
        "0.0825 0 0",
        "1 1 0 0",
        3.587895,
        "-0.05317 0.104419 0.027454",
        "0.025853 0.019552 0.028323 0.007796 -0.001332 0.008641",
        _disc("0 0 -0.066", "0 0 0.066", 0.052, GREY)
        + _capsule("0 0 0", "-0.07 0.05 0", 0.05, WHITE)
        + _capsule("-0.0825 0.07 0", "-0.0825 0.13 0", 0.053, WHITE),
    ),
    Link(
        "-0.0825 0.384 0",
        "1 -1 0 0",
        1.225946,
        "-0.011953 0.041065 -0.038437",
        "0.035549 0.029474 0.008627 -0.002117 -0.004037 0.000229",
        _disc("0 0 -0.245", "0 0 -0.238", 0.056, DARK)
        + _capsule("0 0 -0.21", "0 0.01 -0.13", 0.052, WHITE)
        + _capsule("0 0.03 -0.12", "0 0 0", 0.044, WHITE),
    ),
    Link(
        "0 0 0",
        "1 1 0 0",
        1.666555,
        "0.060149 -0.014117 -0.010517",
        "0.001964 0.004354 0.005433 0.000109 -0.001158 0.000341",
        _disc("0 0 -0.055", "0 0 0.055", 0.046, GREY) + _capsule("0.02 0 0", "0.088 0.01 0", 0.046, WHITE),
    ),
    Link(
        "0.088 0 0",
        "1 1 0 0",
        0.735522,
        "0.010517 -0.004252 0.061597",
        "0.012516 0.010027 0.004815 -0.000428 -0.001196 -0.000741",
        _capsule("0 0 0.01", "0 0 0.05", 0.044, WHITE) + _disc("0 0 0.088", "0 0 0.107", 0.036, DARK),
    ),
)

HAND_LOOK = (
    _disc("0 0 0", "0 0 0.012", 0.034, DARK)
    + _box("0 0 0.038", "0.026 0.095 0.024", WHITE)
    + _box("0 0 0.064", "0.021 0.088 0.003", GREY)
    + _box("0 0.0165 0.084", "0.010 0.0085 0.0195", DARK)
    + _box("0 -0.0165 0.084", "0.010 0.0085 0.0195", DARK)
    + _box("0.055 0 0.03", "0.012 0.022 0.012", DARK)
)


def arm_body(end_effector: str) -> str:
    """Return the MJCF of the arm standing at the origin, with `end_effector` inside the hand's body."""
    inner = f"""
        <site name="flange" pos="0 0 0.107"/>
        <body name="hand" pos="0 0 0.107" quat="0.9238795 0 0 -0.3826834">
          <inertial mass="0.73" pos="-0.01 0 0.03" diaginertia="0.001 0.0025 0.0017"/>
          {HAND_LOOK}
          {end_effector}
        </body>"""
    for number, link in reversed(list(enumerate(LINKS, start=1))):
        low, high = POSITION_LIMITS[number - 1]
        inner = f"""
      <body name="link{number}" pos="{link.pos}" quat="{link.quat}">
        <inertial mass="{link.mass}" pos="{link.com}" fullinertia="{link.inertia}"/>
        <joint name="joint{number}" axis="0 0 1" range="{low} {high}"/>
        {link.look}{inner}
      </body>"""
    return f"""
    <body name="link0">
      <inertial mass="0.629769" pos="-0.041018 -0.00014 0.049974"
        fullinertia="0.00315 0.00388 0.004285 8.2904e-7 0.00015 8.2299e-6"/>
      {BASE}{inner}
    </body>"""


def actuators() -> str:
    """Return the MJCF of the seven torque motors, limited as published."""
    return "".join(
        f'<motor name="motor{i}" joint="joint{i}" ctrlrange="{-limit} {limit}"/>'
        for i, limit in enumerate(TORQUE_LIMITS, start=1)
    )
