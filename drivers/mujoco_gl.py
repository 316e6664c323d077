"""Imports MuJoCo with a way to draw that this machine has: MuJoCo binds to it once, when first imported."""

from __future__ import annotations

import ctypes
import os
import sys

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

import mujoco  # noqa: E402  # only after the backend is chosen

__all__ = ["DEBIAN_HINT", "choose_backend", "mujoco"]
