"""A wall clock that can be stepped under a running process, as `ntpd` or an administrator steps the machine's."""

from __future__ import annotations

import time

from benchmarks.faults.controls import Controls


def make_steppable(controls: Controls, process: str) -> None:
    """Replace this process' wall clock by one that reads its offset at every call.

    To be called before anything of the robot is imported: nodes take `time.time_ns` as a default.
    """
    true_ns = time.time_ns
    time.time_ns = lambda: true_ns() + controls.offset_ns(process)
    time.time = lambda: 1e-9 * time.time_ns()
