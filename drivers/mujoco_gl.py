"""Imports MuJoCo with a way to draw that this machine has: MuJoCo binds to it once, when first imported."""

from __future__ import annotations

import ctypes
import os
import sys

from robot.errors import RobotError

DEBIAN_HINT = "install the Debian packages libegl1 and libgl1-mesa-dri (EGL), or libosmesa6 (OSMesa)"


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def choose_backend() -> str:
    """Return the value for MUJOCO_GL: "egl", else "osmesa", else "disable" (physics without pictures)."""
    if _loads("libEGL.so.1"):
        return "egl"
    if any(_loads(f"libOSMesa.so.{version}") for version in (8, 6)):
        return "osmesa"
    return "disable"


if sys.platform == "linux":
    os.environ.setdefault("MUJOCO_GL", choose_backend())

try:
    import mujoco
except (ImportError, AttributeError, RuntimeError) as error:  # a backend without its library fails in many ways
    raise RobotError(
        f"MuJoCo cannot be imported with MUJOCO_GL={os.environ.get('MUJOCO_GL', '')!r} ({error}); "
        f"unset MUJOCO_GL, or {DEBIAN_HINT}."
    ) from error

__all__ = ["DEBIAN_HINT", "choose_backend", "mujoco"]
