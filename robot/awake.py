"""Idle processors sleep, and wake late: spinners that give way to everything else keep them awake."""

from __future__ import annotations

import os
import subprocess
import sys

_SPIN = """
import contextlib, os, sys
parent, processor = map(int, sys.argv[1:])
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
os.sched_setaffinity(0, {processor})
with contextlib.suppress(OSError), open("/proc/self/autogroup", "w") as group:
    group.write("19")
while os.getppid() == parent:
    for _ in range(100_000):
        pass
"""
"""SCHED_IDLE, sched(7): runs where nothing else wants to. Where the kernel groups processes by session that holds
within a group only, so it has one of its own, of the lowest weight. It ends when its parent has."""


class Awake:
    """One spinner for each processor that this process may use, from `begin` to `end`.

    A processor that has nothing to do goes to sleep, a virtual one gives itself back to its host; a control thread that
    shares no work with others then wakes late. The price is the machine's power, or a container's share of time.
    """

    def __init__(self) -> None:
        self._spinners: list[subprocess.Popen[bytes]] = []

    def begin(self) -> None:
        """Start the spinners; does nothing while they are there."""
        if self._spinners:
            return
        for processor in sorted(os.sched_getaffinity(0)):
            command = [sys.executable, "-I", "-S", "-c", _SPIN, str(os.getpid()), str(processor)]
            self._spinners.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True))

    def end(self) -> None:
        """End them; may be called twice."""
        for spinner in self._spinners:
            spinner.kill()
        for spinner in self._spinners:
            spinner.wait()
        self._spinners = []

    @property
    def processes(self) -> list[int]:
        """Ids of the spinners."""
        return [spinner.pid for spinner in self._spinners]
