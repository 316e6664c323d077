"""The checks of `nudge doctor`: each returns what it found and what to do about it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from robot.errors import NudgeError
from sessions import people
from sessions.checks_ros import domain, leftovers, names_in_use, shared_memory, socket_buffers, udp_ports
from sessions.checks_time import clock, priorities, system_clock
from sessions.finding import Finding
from sessions.system_packages import NEEDS
from teleop.device_config import DEVICES

OURS = "nudge-robot"
TOP_LEVEL = ("robot", "policies", "drivers", "teleop", "calibration", "sessions", "launch")
PACKAGES = ("torch", "numpy", "scipy", "zarr", "gymnasium", "mujoco", "opencv-python-headless", "ros-rclpy", "rich")
FREE_DISK_GB = 5.0
"""A run of the demo writes well below this; a day of recording at 10 Hz with two cameras stays below it too."""
RENDER_PROBE = """
from drivers.mujoco_gl import mujoco
model = mujoco.MjModel.from_xml_string(
    "<mujoco><worldbody><light pos='0 0 2'/><geom type='plane' size='1 1 1'/></worldbody></mujoco>")
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
renderer = mujoco.Renderer(model, 32, 32)
renderer.update_scene(data)
raise SystemExit(0 if renderer.render().any() else 3)
"""


def all_findings(runs: Path) -> list[Finding]:
    """Run every check on this machine; `runs` is where run directories will be written."""
    owners = importlib.metadata.packages_distributions()
    shm = Path("/dev/shm")
    return [
        python(sys.version_info[:2]),
        *packages(),
        *collisions(owners),
        *strays(),
        cores(os.cpu_count() or 1),
        clock(),
        system_clock(),
        priorities(),
        disk(runs),
        *(_system_library(need.what, need.packages, need.is_met(), need.is_required) for need in NEEDS),
        rendering(),
        *devices(),
        domain(os.environ, udp_ports()),
        socket_buffers(),
        shared_memory(leftovers(shm, names_in_use(Path("/proc")))),
    ]


def python(version: tuple[int, int]) -> Finding:
    text = f"{platform.python_version()} at {sys.executable}"
    if (3, 11) <= version < (3, 13):
        return Finding("python", "ok", text)
    return Finding("python", "fail", text, "Use Python 3.11 or 3.12: make clean setup PYTHON=python3.11")


def packages() -> list[Finding]:
    """One finding a package that nudge is built on."""
    findings = []
    for name in PACKAGES:
        try:
            findings.append(Finding(name, "ok", importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            sourced = name == "ros-rclpy" and bool(os.environ.get("ROS_DISTRO"))
            if sourced:
                findings.append(Finding("rclpy", "ok", f"of the sourced ROS 2 {os.environ['ROS_DISTRO']}"))
            else:
                findings.append(Finding(name, "fail", "not installed", "Run: make setup"))
    return findings


def collisions(owners: Mapping[str, Iterable[str]]) -> list[Finding]:
    """Fail for every top-level name of ours that another installed distribution owns.

    Args:
        owners: distributions by top-level name, as `importlib.metadata.packages_distributions` gives them.
    """
    findings = []
    for name in TOP_LEVEL:
        # ROS 2's own `launch` is welcome: our folder of that name is no package
        foreign = sorted(set(owners.get(name, ())) - {OURS} - ({"launch"} if name == "launch" else set()))
        if foreign:
            who = ", ".join(foreign)
            advice = f"Run: pip uninstall {' '.join(foreign)}, or use nudge's own environment: make setup"
            findings.append(Finding("names", "fail", f"the package name {name!r} is also owned by {who}", advice))
    return findings or [Finding("names", "ok", "no other distribution owns a package name of nudge")]


def strays() -> list[Finding]:
    """Fail for every package of ours that Python takes from elsewhere than the folder in which this one lies."""
    root = Path(__file__).resolve().parents[1]
    findings = []
    for name in TOP_LEVEL:
        spec = importlib.util.find_spec(name)
        places = [Path(place).resolve() for place in (spec and spec.submodule_search_locations) or ()]
        if name != "launch" and places[:1] != [root / name]:
            found = f"the package {name!r} is taken from {places[0] if places else 'nowhere'}, not from {root}"
            findings.append(Finding("names", "fail", found, "Take that folder off PYTHONPATH, or rename it"))
    return findings


def cores(count: int) -> Finding:
    if count >= 2:
        return Finding("cores", "ok", str(count))
    return Finding("cores", "warn", str(count), "Two cores keep lockstep fast and real time on time.")


def disk(runs: Path) -> Finding:
    place = runs.absolute()
    while not place.exists():
        place = place.parent
    free_gb = shutil.disk_usage(place).free / 1e9
    if not os.access(place, os.W_OK):
        return Finding("disk", "fail", f"{place} cannot be written", "Choose another place with --run DIR.")
    if free_gb >= FREE_DISK_GB:
        return Finding("disk", "ok", f"{free_gb:.0f} GB free at {place}")
    return Finding("disk", "warn", f"{free_gb:.1f} GB free at {place}", f"Free some: {FREE_DISK_GB:.0f} GB are plenty.")


def devices() -> list[Finding]:
    """Say of every kind of input device whether there is one; nobody needs any."""
    findings = []
    for name in DEVICES:
        if name in ("simulated", "keyboard", "browser", "leader"):  # nothing that could be plugged in
            continue
        device = people.input_device(name)
        try:
            device.connect()
            found = "plugged in"
        except NudgeError as error:
            found = str(error)
        device.close()
        findings.append(Finding(name, "ok", found))
    return findings


def _system_library(what: str, names: tuple[str, ...], is_met: bool, is_required: bool) -> Finding:
    if is_met:
        return Finding("libraries", "ok", what)
    status = "fail" if is_required else "warn"
    return Finding("libraries", status, f"missing for {what}", f"Run: apt-get install {' '.join(names)}")


def rendering() -> Finding:
    """Draw one frame in a process of its own, because a broken OpenGL stack may end the process."""
    root = Path(__file__).resolve().parent.parent
    began_s = time.monotonic()
    try:
        probe = subprocess.run([sys.executable, "-c", RENDER_PROBE], cwd=root, capture_output=True, timeout=60)
    except subprocess.TimeoutExpired:
        return Finding("rendering", "fail", "one frame took more than 60 s", "Try MUJOCO_GL=egl or MUJOCO_GL=osmesa.")
    backend = os.environ.get("MUJOCO_GL", "chosen by nudge")
    if probe.returncode == 0:
        return Finding("rendering", "ok", f"MUJOCO_GL {backend}, first frame in {time.monotonic() - began_s:.1f} s")
    last = probe.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"exit status {probe.returncode}"]
    advice = "Run: apt-get install libegl1 libgl1-mesa-dri; then unset MUJOCO_GL, or set it to egl or osmesa."
    return Finding("rendering", "fail", f"MUJOCO_GL {backend}: {last[0]}", advice)
