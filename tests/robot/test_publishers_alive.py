"""Dead publishers of this host do not count; whatever is not known to be dead does."""

from __future__ import annotations

import os
import subprocess
import sys

from robot.sources import COMMAND_LENGTH, UNKNOWN, VENDOR, Endpoint, Sources, is_any_running, is_process_running

HOST = b"\x12\x34"


def _endpoint(pid: int, name: str = "policy", host: bytes = HOST, vendor: bytes = VENDOR) -> Endpoint:
    return Endpoint(name, vendor + host + (pid & 0xFFFF).to_bytes(2, "little") + bytes(10))


OWN = _endpoint(1).gid


def test_a_publisher_counts_until_its_process_has_ended():
    running = {100, 200}
    sources = Sources(OWN, running.__contains__)
    both = [_endpoint(100, "one"), _endpoint(200, "two")]
    assert sources.living(both) == both
    running.remove(100)
    assert sources.living(both) == both[1:]


def test_who_was_never_seen_alive_counts_because_it_may_run_out_of_sight():
    sources = Sources(OWN, lambda _: False)
    assert sources.living([_endpoint(100)]) == [_endpoint(100)]


def test_other_hosts_and_other_middlewares_count():
    running = {100}
    sources = Sources(OWN, running.__contains__)
    others = [_endpoint(100, host=b"\x56\x78"), _endpoint(100, vendor=b"\x01\x10"), Endpoint("odd", b"\x01")]
    sources.living(others)
    running.clear()
    assert sources.living(others) == others


def test_without_an_identifier_of_ones_own_everybody_counts():
    running = {100}
    sources = Sources(b"", running.__contains__)
    sources.living([_endpoint(100)])
    running.clear()
    assert sources.living([_endpoint(100)])


def test_this_process_runs_and_a_killed_one_that_nobody_waited_for_does_not():
    assert is_process_running(os.getpid())
    assert is_any_running(os.getpid() & 0xFFFF)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert is_process_running(child.pid)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert os.path.exists(f"/proc/{child.pid}")
        assert not is_process_running(child.pid)
    assert not is_process_running(child.pid)


def test_a_sender_whose_node_is_not_known_yet_is_named_by_its_process():
    sources = Sources(OWN)
    assert sources.name(_endpoint(1, "policy")) == "policy"
    words = [sys.executable, "-c", "print(flush=True); input()", "stranger", "x" * 200]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()  # before it has begun, its command line is that of these tests
        name = sources.name(_endpoint(child.pid, UNKNOWN))
        child.communicate(b"\n")
    assert f"process {child.pid}" in name
    assert f"{os.path.basename(sys.executable)} -c print(flush=True); input()" in name
    assert len(name) < COMMAND_LENGTH + 40
    assert sources.name(_endpoint(child.pid, UNKNOWN, host=b"\x56\x78")) == "a program without a name"
    assert sources.name(_endpoint(child.pid, UNKNOWN)) in ("a program without a name", name.split(" (")[0] + " (gone)")
