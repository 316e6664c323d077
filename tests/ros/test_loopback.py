"""What a node listens on, however it was started: the loopback interface alone, unless somebody asked for more."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import ROOT, Nudge, wait_until

from sessions.domain import Domain

pytestmark = [pytest.mark.ros, pytest.mark.slow, pytest.mark.timeout(300)]

SETTLED_S = 1.0
OF_NUDGE_AND_DDS = ("ROS_", "FASTDDS_", "FASTRTPS_", "RMW_", "NUDGE_")
LISTENING = {"tcp": "0A", "udp": "07"}
"""State of a socket in /proc/net/tcp and udp that takes what others send."""


def addresses(pid: int) -> set[str]:
    """Return the local addresses, as the kernel writes them, of the process' own listening sockets."""
    own = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            own.add(os.readlink(link))
        except OSError:
            continue  # it was closed meanwhile
    found = set()
    for table in ("udp", "udp6", "tcp", "tcp6"):
        for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = row.split()
            if f"socket:[{fields[9]}]" in own and fields[3] == LISTENING[table[:3]]:
                found.add(fields[1].partition(":")[0])
    return found


def settled(pid: int) -> set[str]:
    """Return `addresses` when they have been the same for a while."""
    found: set[str] = set()
    since = time.monotonic()

    def is_settled() -> bool:
        nonlocal found, since
        now = addresses(pid)
        if now != found or not now:
            found, since = now, time.monotonic()
        return time.monotonic() - since > SETTLED_S

    wait_until(is_settled, "the node's sockets", 60.0)
    return found


LOOPBACK = {"0100007F"}
"""127.0.0.1"""

Start = Callable[[dict[str, str]], int]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts `sessions.node arm --realtime` by itself; of ROS 2 its environment has what is given and no more."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(OF_NUDGE_AND_DDS)}
    running: list[subprocess.Popen[bytes]] = []
    with Domain() as domain:

        def begin(extra: dict[str, str]) -> int:
            process = subprocess.Popen(
                [sys.executable, "-m", "sessions.node", "arm", "--realtime"],
                cwd=ROOT,
                env=clean | {"ROS_DOMAIN_ID": str(domain.id), "PYTHONPATH": str(ROOT)} | extra,
                stdin=subprocess.DEVNULL,
            )
            running.append(process)
            return process.pid

        yield begin
        for process in running:
            process.terminate()
            process.wait(20)


@pytest.mark.parametrize("extra", [{}, {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}], ids=["bare", "localhost"])
def test_a_node_that_is_started_by_itself_listens_on_the_loopback_alone(start: Start, extra: dict[str, str]) -> None:
    assert settled(start(extra)) == LOOPBACK


def test_who_asks_for_the_network_gets_it(start: Start) -> None:
    assert settled(start({"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"})) - LOOPBACK


def test_the_nodes_of_nudge_up_listen_on_the_loopback_alone(nudge: Nudge, tmp_path: Path) -> None:
    session = nudge.start("up", "--realtime", "--run", str(tmp_path / "run"), "cameras.names=[]")
    assert settled(nudge.child(session, "sessions.node arm")) == LOOPBACK
