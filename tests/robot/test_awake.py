"""Spinners keep processors awake, give way to everything, and end with their process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from robot.awake import Awake

DEADLINE_S = 60.0


def _wait_for(is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not is_done():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def _is_idle_class(pid: int) -> bool:
    return os.sched_getscheduler(pid) == os.SCHED_IDLE and len(os.sched_getaffinity(pid)) == 1


def test_there_is_one_spinner_a_processor_that_gives_way_and_none_afterwards() -> None:
    awake = Awake()
    awake.begin()
    awake.begin()
    pids = awake.processes
    try:
        assert len(pids) == len(os.sched_getaffinity(0))
        _wait_for(lambda: all(map(_is_idle_class, pids)))
        assert {processor for pid in pids for processor in os.sched_getaffinity(pid)} == os.sched_getaffinity(0)
    finally:
        awake.end()
        awake.end()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


_KILLED = """
import time
from robot.awake import Awake
awake = Awake()
awake.begin()
print(*awake.processes, flush=True)
time.sleep(600)
"""


def test_spinners_end_with_a_process_that_was_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", _KILLED], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pids = [int(word) for word in process.stdout.readline().split()]
        process.send_signal(signal.SIGKILL)
    assert pids
    _wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
