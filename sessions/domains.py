"""Which ROS 2 domains are in use on this machine, read from the UDP ports that DDS gives to each domain."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from robot.errors import RobotError

BASE_PORT = 7400
PORTS_PER_DOMAIN = 250
"""PB and DG of OMG DDSI-RTPS 2.2, section 9.6.1.1: domain d owns ports PB + d DG up to the next domain's."""
HIGHEST_DOMAIN = 101
"""Above it a domain's ports overlap Linux' ephemeral ports (from 32768), which any program may hold."""
UDP_TABLES = (Path("/proc/net/udp"), Path("/proc/net/udp6"))


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


def free_domain(ports: Iterable[int], preferred: int = 0) -> int:
    """Return `preferred` where it is free, else the next free domain.

    Raises:
        RobotError: every domain from 0 to 101 has a participant.
    """
    busy = busy_domains(ports)
    order = [(preferred + step) % (HIGHEST_DOMAIN + 1) for step in range(HIGHEST_DOMAIN + 1)]
    for domain in order:
        if domain not in busy:
            return domain
    raise RobotError(
        f"No ROS domain is free: 0 to {HIGHEST_DOMAIN} are all in use on this machine. "
        "End other ROS 2 programs, or set ROS_DOMAIN_ID to a domain to share."
    )
