"""What the doctor checks of ROS 2 on this machine: domain, socket buffers, and leftovers in shared memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from sessions.finding import Finding

BASE_PORT = 7400
PORTS_PER_DOMAIN = 250
"""PB and DG of OMG DDSI-RTPS 2.2, section 9.6.1.1: domain d owns ports PB + d DG up to the next domain's."""
HIGHEST_DOMAIN = 101
"""Above it a domain's ports overlap Linux' ephemeral ports (from 32768), which any program may hold."""
SOCKET_BUFFER = 4 * 1024 * 1024
"""What every process asks for, in sessions/loopback.xml [bytes]; 85 raw 128x128 pictures each way."""
BUFFER_LIMITS = (Path("/proc/sys/net/core/rmem_max"), Path("/proc/sys/net/core/wmem_max"))
UDP_TABLES = (Path("/proc/net/udp"), Path("/proc/net/udp6"))


def domain(environment: Mapping[str, str], ports: Iterable[int]) -> Finding:
    """Whether the ROS domain that would be used has participants on this machine already."""
    text = environment.get("ROS_DOMAIN_ID", "0")
    if not text.isdecimal() or int(text) > HIGHEST_DOMAIN:
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


def socket_buffers(limits: Iterable[Path] = BUFFER_LIMITS) -> Finding:
    """Whether the system grants the socket buffers that a burst of pictures needs; small ones lose messages."""
    granted = {f"net.core.{limit.name}": int(limit.read_text()) for limit in limits if limit.exists()}
    small = {name: size for name, size in granted.items() if size < SOCKET_BUFFER}
    text = ", ".join(f"{name} {size}" for name, size in granted.items()) or "unknown"
    if not small:
        return Finding("socket buffers", "ok", text)
    advice = "Raise them: sudo sysctl -w " + " ".join(f"{name}={SOCKET_BUFFER}" for name in small)
    return Finding("socket buffers", "warn", f"{text}; messages get lost in bursts", advice)


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
