"""Checks the system libraries that Python packages need and installs the missing ones where it may.

Run by `make setup` before the virtual environment exists, so it uses the standard library alone.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MESA_DRIVERS = ("dri/swrast_dri.so", "libgallium-*.so", "dri/libdril_dri.so")
"""Software renderer of Mesa by release: up to 24.1, from 24.2 on."""


@dataclass(frozen=True)
class Need:
    """A capability, the Debian packages that give it, and whether nudge's own demo depends on it."""

    what: str
    packages: tuple[str, ...]
    is_met: Callable[[], bool]
    is_required: bool


def loads(library: str) -> bool:
    """Whether the dynamic linker finds `library`."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def can_render() -> bool:
    """Whether MuJoCo can render off screen: EGL with Mesa's software driver (or a GPU's), or OSMesa."""
    return loads("libOSMesa.so.8") or (loads("libEGL.so.1") and (_has_mesa_driver() or loads("libEGL_nvidia.so.0")))


def _has_mesa_driver() -> bool:
    roots = [Path("/usr/lib"), *Path("/usr/lib").glob("*-linux-gnu"), Path("/usr/lib64")]
    return any(next(root.glob(pattern), None) for root in roots for pattern in MESA_DRIVERS)


NEEDS = (
    Need("rendering without a screen", ("libegl1", "libgl1-mesa-dri"), can_render, is_required=True),
    Need("RealSense cameras", ("libusb-1.0-0",), lambda: loads("libusb-1.0.so.0"), is_required=False),
)


def installer(euid: int, which: Callable[[str], str | None]) -> list[str] | None:
    """Return the prefix of an apt-get call that will not ask anything, or None where there is none."""
    if which("apt-get") is None:
        return None
    if euid == 0:
        return ["apt-get"]
    if which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0:
        return ["sudo", "-n", "apt-get"]
    return None


def main() -> int:
    """Return 0 unless something required is still missing."""
    missing = [need for need in NEEDS if not need.is_met()]
    packages = [name for need in missing for name in need.packages]
    command = installer(os.geteuid(), shutil.which)
    if packages and command:
        sys.stdout.write(f"Installing Debian packages: {' '.join(packages)}\n")
        for step in (["update", "-q"], ["install", "-y", "-q", *packages]):
            environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            subprocess.run([*command, *step], check=False, stdout=subprocess.DEVNULL, env=environment)
        missing = [need for need in missing if not need.is_met()]
    for need in missing:
        grade = "needed" if need.is_required else "optional"
        names = " ".join(need.packages)
        sys.stderr.write(f"{need.what} ({grade}) lacks system libraries; run: apt-get install {names}\n")
    return int(any(need.is_required for need in missing))


if __name__ == "__main__":
    sys.exit(main())
