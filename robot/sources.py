"""Who sends on a topic now: publishers that the middleware still lists although their process died do not count."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

VENDOR = b"\x01\x0f"
"""First bytes of the identifier of every endpoint of Fast DDS, by the vendor ids of the DDSI-RTPS specification."""
UNKNOWN = "_NODE_NAME_UNKNOWN_"
"""What rmw calls the node of an endpoint before it has heard of the node."""
COMMAND_LENGTH = 60
_LOW_BITS = 1 << 16
_ENDED = frozenset("ZX")
"""States in which a process does nothing any more, proc(5)."""


class Endpoint(NamedTuple):
    """One publisher: `node` is its node's name, `gid` its identifier.

    Fast DDS puts into it: vendor (bytes 0-1), host (2-3), and the process id's low 16 bits (4-5, little endian).
    """

    node: str
    gid: bytes


class Sources:
    """Tells living publishers from dead ones of this host; remembers whom it has seen alive.

    After a `kill -9` the middleware lists an endpoint until its lease ends, for 20 s with Fast DDS. What cannot be
    known to be dead counts as alive: another host's, another middleware's, another process namespace's.

    Args:
        own: identifier of any endpoint of this process, which tells the host.
        is_running: whether a process with these low 16 bits of its id runs here.
    """

    def __init__(self, own: bytes, is_running: Callable[[int], bool] | None = None) -> None:
        self._host = bytes(own[:4])
        self._is_running = is_running or is_any_running
        self._seen_alive: set[bytes] = set()

    def living(self, endpoints: Iterable[Endpoint]) -> list[Endpoint]:
        """Return those of `endpoints` that can still send."""
        return [endpoint for endpoint in endpoints if self._can_send(bytes(endpoint.gid))]

    def name(self, endpoint: Endpoint) -> str:
        """Return the name of the endpoint's node; before the middleware knows it, the process and its command line."""
        if endpoint.node and endpoint.node != UNKNOWN:
            return endpoint.node
        gid = bytes(endpoint.gid)
        pids = running(int.from_bytes(gid[4:6], "little")) if self._is_of_this_host(gid) else []
        return " or ".join(f"process {pid} ({command_line(pid)})" for pid in pids) or "a program without a name"

    def _is_of_this_host(self, gid: bytes) -> bool:
        return len(gid) >= 6 and gid[:4] == self._host and gid[:2] == VENDOR

    def _can_send(self, gid: bytes) -> bool:
        if not self._is_of_this_host(gid):
            return True
        if self._is_running(int.from_bytes(gid[4:6], "little")):
            self._seen_alive.add(gid)
            return True
        # never seen alive: it may run where this process cannot see it, in another container for example
        return gid not in self._seen_alive


def is_any_running(low_bits: int) -> bool:
    """Whether any process here whose id ends in these 16 bits has not ended."""
    return bool(running(low_bits))


def running(low_bits: int) -> list[int]:
    """Return the processes here that have not ended and whose ids end in these 16 bits."""
    last = int(Path("/proc/sys/kernel/pid_max").read_text())
    return [pid for pid in range(low_bits, last + 1, _LOW_BITS) if pid and is_process_running(pid)]


def command_line(pid: int) -> str:
    """Return the beginning of a process' command line, its program without the folder."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "gone"
    program, *rest = (word.decode(errors="replace") for word in words if word) if any(words) else ("?",)
    text = " ".join((program.rpartition("/")[2], *rest))
    return text if len(text) <= COMMAND_LENGTH else f"{text[:COMMAND_LENGTH]}..."


def is_process_running(pid: int) -> bool:
    """Whether process `pid` has not ended; one that was killed and that nobody has waited for yet has."""
    path = f"/proc/{pid}"
    if not os.path.exists(path):
        return False
    try:
        with open(f"{path}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in _ENDED
    except OSError:
        return False
