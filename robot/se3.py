"""Rigid-body poses in one module: quaternions are (x, y, z, w), rotations act on column vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robot.errors import SpecError
from robot.types import Array


@dataclass(frozen=True)
class Pose:
    """A pose `T_a_b`: `position` (3,) [m] of b in a, and unit `quaternion` (4,) xyzw rotating b's axes into a.

    Arrays are copied and made read-only.
    """

    position: Array
    quaternion: Array

    def __post_init__(self) -> None:
        for name, size in (("position", 3), ("quaternion", 4)):
            value = np.array(getattr(self, name), dtype=np.float64)
            if value.shape != (size,):
                raise SpecError(f"Pose.{name} must have shape ({size},); found {value.shape}.")
            value.flags.writeable = False
            object.__setattr__(self, name, value)

    def as_vector(self) -> Array:
        """Return (7,): position, then quaternion xyzw."""
        return np.concatenate([self.position, self.quaternion])

    @staticmethod
    def from_vector(vector: Array) -> Pose:
        return Pose(np.asarray(vector, dtype=np.float64)[:3], np.asarray(vector, dtype=np.float64)[3:7])


IDENTITY = Pose(np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]))
ROUNDING = 1e-12
"""A length or an angle [rad] that is no more than this off is off by rounding."""


def skew(v: Array) -> Array:
    """Return the (3, 3) matrix with `skew(v) @ w == cross(v, w)`."""
    return np.array([[0.0, -v[2], v[1]], [v[2], 0.0, -v[0]], [-v[1], v[0], 0.0]])


def quaternion_multiply(a: Array, b: Array) -> Array:
    """Return the Hamilton product a*b, both xyzw: the rotation b, then a.

    The terms are grouped so that the vector part of q * inverse(q) is exactly zero.
    """
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return np.array(
        [
            (aw * bx + ax * bw) + (ay * bz - az * by),
            (aw * by + ay * bw) + (az * bx - ax * bz),
            (aw * bz + az * bw) + (ax * by - ay * bx),
            aw * bw - ax * bx - ay * by - az * bz,
        ]
    )


def quaternion_inverse(q: Array) -> Array:
    """Return the inverse of a unit quaternion xyzw."""
    return np.array([-q[0], -q[1], -q[2], q[3]])


def quaternion_from_matrix(R: Array) -> Array:
    """Return the unit quaternion xyzw of a rotation matrix (3, 3), by Shepperd's method."""
    trace = R[0, 0] + R[1, 1] + R[2, 2]
    k = int(np.argmax([R[0, 0], R[1, 1], R[2, 2], trace]))
    if k == 3:
        q = np.array([R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1], 1.0 + trace])
    else:
        i, j, m = k, (k + 1) % 3, (k + 2) % 3
        q = np.empty(4)
        q[i] = 1.0 + R[i, i] - R[j, j] - R[m, m]
        q[j] = R[j, i] + R[i, j]
        q[m] = R[m, i] + R[i, m]
        q[3] = R[m, j] - R[j, m]
    unit: Array = q / np.linalg.norm(q)
    return unit


def matrix_from_quaternion(q: Array) -> Array:
    """Return the rotation matrix (3, 3) of a unit quaternion xyzw."""
    x, y, z, w = q
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def exp_rotation(rotation_vector: Array) -> Array:
    """Return the unit quaternion xyzw of a rotation vector (3,) [rad]."""
    angle = float(np.linalg.norm(rotation_vector))
    half = 0.5 * angle
    # sin(a/2)/a by its series near zero, where the quotient loses its digits
    scale = np.sin(half) / angle if angle > 1e-6 else 0.5 - angle * angle / 48.0
    return np.append(scale * np.asarray(rotation_vector), np.cos(half))


def log_rotation(q: Array) -> Array:
    """Return the rotation vector (3,) [rad] of a unit quaternion, of length at most pi."""
    q = -q if q[3] < 0.0 else q
    sine = float(np.linalg.norm(q[:3]))
    if sine < 1e-9:
        return np.asarray(2.0 * q[:3])
    return np.asarray(q[:3] * (2.0 * np.arctan2(sine, q[3]) / sine))


def compose(T_a_b: Pose, T_b_c: Pose) -> Pose:
    """Return T_a_c.

    A quaternion of unit length within 1e-12 is left as it is: dividing by its norm would turn what a pure
    translation must not turn, by a rounding error.
    """
    q = quaternion_multiply(T_a_b.quaternion, T_b_c.quaternion)
    norm = float(np.linalg.norm(q))
    return Pose(transform(T_a_b, T_b_c.position), q if abs(norm - 1.0) < 1e-12 else q / norm)


def inverse(T_a_b: Pose) -> Pose:
    """Return T_b_a."""
    q = quaternion_inverse(T_a_b.quaternion)
    return Pose(-rotate(q, T_a_b.position), q)


def rotate(q: Array, v: Array) -> Array:
    """Return the vector(s) v (..., 3) rotated by the unit quaternion q xyzw."""
    u, w, v = q[:3], q[3], np.asarray(v)
    t = 2.0 * _cross(u, v)
    return np.asarray(v + w * t + _cross(u, t))


def _cross(u: Array, v: Array) -> Array:
    """As `np.cross` of u (3,) and v (..., 3), bit by bit, and five times faster for single vectors."""
    x, y, z = v[..., 0], v[..., 1], v[..., 2]
    product = np.array([u[1] * z - u[2] * y, u[2] * x - u[0] * z, u[0] * y - u[1] * x])
    return product if product.ndim == 1 else np.moveaxis(product, 0, -1)


def transform(T_a_b: Pose, point_b: Array) -> Array:
    """Return the point(s) (..., 3), given in b, expressed in a."""
    return T_a_b.position + rotate(T_a_b.quaternion, point_b)


def rotation_error(q_target: Array, q: Array) -> Array:
    """Return the rotation vector (3,) [rad], in the parent frame, that turns `q` into `q_target`."""
    return log_rotation(quaternion_multiply(q_target, quaternion_inverse(q)))


def yaw(q: Array) -> float:
    """Return the angle [rad] about the parent's z axis of the rotated x axis."""
    x, y, z, w = q
    return float(np.arctan2(2 * (x * y + z * w), 1 - 2 * (y * y + z * z)))


def about_z(angle: float) -> Array:
    """Return the quaternion xyzw of a rotation by `angle` [rad] about z."""
    return np.array([0.0, 0.0, np.sin(0.5 * angle), np.cos(0.5 * angle)])


def normalised(q: Array) -> Array:
    """Return q / |q|; one that has unit length but for rounding comes back bit by bit."""
    length = float(np.linalg.norm(q))
    return q if abs(length - 1.0) < ROUNDING else q / length


def is_unit(q: Array, tolerance: float = 1e-3) -> bool:
    """Tell whether all of q is finite and its norm is 1 within `tolerance`."""
    return bool(np.all(np.isfinite(q)) and abs(float(np.linalg.norm(q)) - 1.0) <= tolerance)
