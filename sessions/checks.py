"""The checks of `nudge doctor`: each returns what it found and what to do about it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sessions.system_packages import NEEDS

OURS = "nudge-robot"
TOP_LEVEL = ("robot", "policies", "drivers", "teleop", "calibration", "sessions", "launch")
PACKAGES = ("torch", "numpy", "scipy", "zarr", "gymnasium", "mujoco", "opencv-python-headless", "ros-rclpy", "rich")
BASE_PORT = 7400
PORTS_PER_DOMAIN = 250
"""PB and DG of OMG DDSI-RTPS 2.2, section 9.6.1.1: domain d owns ports PB + d DG up to the next domain's."""
HIGHEST_DOMAIN = 101
"""Above it a domain's ports overlap Linux' ephemeral ports (from 32768), which any program may hold."""
UDP_TABLES = (Path("/proc/net/udp"), Path("/proc/net/udp6"))
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


@dataclass(frozen=True)
class Finding:
    """One line of the doctor: `status` is "ok", "warn" or "fail"; `advice` is empty where all is well."""

    name: str
    status: str
    found: str
    advice: str = ""


def all_findings(runs: Path) -> list[Finding]:
    """Run every check on this machine; `runs` is where run directories will be written."""
    owners = importlib.metadata.packages_distributions()
    shm = Path("/dev/shm")
    return [
        python(sys.version_info[:2]),
        *packages(),
        *collisions(owners),
        cores(os.cpu_count() or 1),
        clock(),
        disk(runs),
        *(_system_library(need.what, need.packages, need.is_met(), need.is_required) for need in NEEDS),
        rendering(),
        domain(os.environ, udp_ports()),
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


def cores(count: int) -> Finding:
    if count >= 2:
        return Finding("cores", "ok", str(count))
    return Finding("cores", "warn", str(count), "Two cores keep lockstep fast and real time on time.")


def clock() -> Finding:
    """The control loop lives on the monotonic clock; a coarse one misses deadlines."""
    resolution_s = time.get_clock_info("monotonic").resolution
    text = f"monotonic, resolution {resolution_s * 1e9:.0f} ns"
    if resolution_s <= 1e-6:
        return Finding("clock", "ok", text)
    return Finding("clock", "warn", text, "Stamps and deadlines are no finer than that; use a Linux host.")


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


def domain(environment: Mapping[str, str], ports: Iterable[int]) -> Finding:
    """Whether the ROS domain that would be used has participants on this machine already."""
    text = environment.get("ROS_DOMAIN_ID", "0")
    if not text.isdecimal() or int(text) > 232:  # 232: highest domain whose ports are below 65536
        return Finding("ROS domain", "fail", f"ROS_DOMAIN_ID={text!r}", "Set it to a number from 0 to 101.")
    if int(text) in busy_domains(ports):
        advice = "Another ROS 2 program runs here; end it, or choose another domain: export ROS_DOMAIN_ID=42"
        return Finding("ROS domain", "warn", f"{text} is in use on this machine", advice)
    return Finding("ROS domain", "ok", f"{text} is free on this machine")


def udp_ports(tables: Iterable[Path] = UDP_TABLES) -> set[int]:
    """Return the bound UDP ports of this machine; empty where the system does not tell."""
    ports: set[int] = set()
    for table in tables:
        if table.exists():
            rows = (line.split() for line in table.read_text().splitlines()[1:])
            ports |= {int(row[1].rpartition(":")[2], 16) for row in rows if len(row) > 1}
    return ports


def busy_domains(ports: Iterable[int]) -> set[int]:
    """Return the domains that have a participant on this machine."""
    domains = {(port - BASE_PORT) // PORTS_PER_DOMAIN for port in ports if port >= BASE_PORT}
    return {domain for domain in domains if domain <= HIGHEST_DOMAIN}


def names_in_use(proc: Path) -> set[str]:
    """Return the shared-memory segments of Fast DDS that a process of this machine maps or holds open."""
    paths: list[str] = []
    for process in proc.glob("[0-9]*"):
        try:
            lines = (process / "maps").read_text(errors="replace").splitlines()
            paths += [line.split(maxsplit=5)[-1] for line in lines if "fastdds_" in line]
            paths += [os.readlink(link) for link in (process / "fd").iterdir() if link.is_symlink()]
        except OSError:
            continue  # the process ended, or is another person's
    return {_segment(Path(path).name) for path in paths if path.startswith("/dev/shm/")}


def leftovers(shm: Path, used: set[str]) -> list[Path]:
    """Return the readable files of Fast DDS in `shm` whose segment is not in `used`."""
    files = [*shm.glob("fastdds_*"), *shm.glob("sem.fastdds_*")]
    return sorted(file for file in files if os.access(file, os.R_OK) and _segment(file.name) not in used)


def _segment(name: str) -> str:
    """Return the segment that a file belongs to: itself, its lock `_el`, or its semaphore `sem.*_mutex`."""
    return name.removeprefix("sem.").removesuffix("_el").removesuffix("_mutex")


def shared_memory(files: list[Path]) -> Finding:
    if not files:
        return Finding("shared memory", "ok", "no leftovers of dead ROS 2 processes")
    size_mb = sum(file.stat().st_size for file in files if file.exists()) / 1e6
    advice = "Of killed processes; while no ROS 2 program runs: rm -f /dev/shm/fastdds_* /dev/shm/sem.fastdds_*"
    status = "warn" if size_mb > 100 or len(files) > 200 else "ok"
    return Finding("shared memory", status, f"{len(files)} leftovers, {size_mb:.0f} MB", advice)
