"""A ROS 2 domain of one's own: free, locked for as long as the session lives, on this host only."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path

from robot.errors import RobotError
from robot.filelock import FileLock
from sessions.checks_ros import BASE_PORT, PORTS_PER_DOMAIN, busy_domains, udp_ports

DOMAINS = range(102)
"""Ids that are safe on Linux, whose ephemeral ports begin above theirs."""

FIRST_UNICAST = 10
"""Offset of the first participant's port for discovery: d1 of OMG DDSI-RTPS 2.2, section 9.6.1.1."""
FAST_DDS = "rmw_fastrtps_cpp"
RANGE = "ROS_AUTOMATIC_DISCOVERY_RANGE"
PROFILES = "FASTDDS_DEFAULT_PROFILES_FILE"
PROFILE = Path(__file__).with_name("loopback.xml")
"""What Fast DDS is to use: UDP on the loopback interface, large socket buffers, no shared memory
(docs/decisions/0009)."""


class Domain:
    """A locked domain id; `environment` is what children need to be in it. A context manager.

    An id named in ROS_DOMAIN_ID is taken or refused; without one the first free id is.

    Raises:
        RobotError: the named id is busy or no number, or no id is free.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or Path(tempfile.gettempdir())
        self._lock: FileLock | None = None
        named = os.environ.get("ROS_DOMAIN_ID", "")
        if named:
            if not named.isdecimal() or int(named) not in DOMAINS:
                raise RobotError(f"ROS_DOMAIN_ID must be a number from 0 to {DOMAINS[-1]}; found {named!r}.")
            if user := self._try(int(named)):
                raise RobotError(
                    f"ROS domain {named} is in use ({user}); stop what uses it, choose another ROS_DOMAIN_ID, or unset "
                    "it to get a free one."
                )
            self.id = int(named)
            return
        free = next((number for number in DOMAINS if not self._try(number)), None)
        if free is None:
            raise RobotError(
                f"No ROS domain is free: all of 0 to {DOMAINS[-1]} are in use on this machine; stop a session first."
            )
        self.id = free

    @property
    def environment(self) -> dict[str, str]:
        return {"ROS_DOMAIN_ID": str(self.id)} | _loopback(os.environ)

    def close(self) -> None:
        """Give the id back; may be called twice."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Domain:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _try(self, number: int) -> str:
        """Take the id; where that is not possible, return who uses it."""
        lock = FileLock(self._path(number))
        if not lock.try_acquire():
            return f"last by process {lock.holder}"
        if _has_participant(number):
            lock.release()
            return "by a program that is no session of nudge, or one whose session has died"
        self._lock = lock
        return ""

    def _path(self, number: int) -> Path:
        return self._folder / f"nudge-domain-{number}.lock"


def _loopback(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables under which a process with `environment` keeps to this host."""
    if (environment.get("RMW_IMPLEMENTATION") or FAST_DDS) != FAST_DDS:
        return {RANGE: "LOCALHOST"}
    # under LOCALHOST rmw_fastrtps makes transports of its own and takes no others, so the profile says the same
    return {PROFILES: str(PROFILE), RANGE: "SYSTEM_DEFAULT"}


def stay_on_this_host() -> None:
    """Keep the sockets of this process on the loopback interface, unless its environment asks for something else.

    To be called before rclpy is initialised. A profile of Fast DDS that is named there counts, and a range of
    discovery beyond LOCALHOST, which means the same as this and binds every interface.
    """
    if os.environ.get(PROFILES) or (os.environ.get(RANGE) or "LOCALHOST") != "LOCALHOST":
        return
    os.environ.update(_loopback(os.environ))


def _has_participant(number: int) -> bool:
    """Whether a DDS participant of this host is in the domain: one of the domain's ports is then bound.

    Not only the first: the participant that has it may have ended before the others.
    """
    if number in busy_domains(udp_ports()):
        return True
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:  # for systems that do not tell their ports
        try:
            probe.bind(("0.0.0.0", BASE_PORT + PORTS_PER_DOMAIN * number + FIRST_UNICAST))
        except OSError:
            return True
    return False
