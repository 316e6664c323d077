"""Who gets a core first: real-time scheduling for the thread that controls, lower priority for those that compute."""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

LEVEL = 50
"""Of a control thread: above everything ordinary, at the level of the kernel's interrupt threads."""
LEVEL_EXECUTOR = 40
"""Of the thread that runs the callbacks of a process with a control thread. An ordinary one would be put aside on a
busy machine while it holds Python's interpreter lock, and the control thread would wait for it for milliseconds."""
LEVEL_MUX = 30
"""Of the command mux, which decides whether anything moves and does little: no picture may keep it waiting."""
LEVEL_HEARTBEAT = 20
"""Of the heartbeat of a process that computes for long: it says that the process lives, not that it got a core."""
LEVEL_ACTOR = 10
"""Of the actor: its ticks come on time although cameras render and learners learn; below all that keeps it safe."""
NICE_ROBOT = -10
"""Of nodes and actor in real time: their messages and pictures come in time although others are at work."""
NICE_LEARNER = 10
"""Of what may wait. Renderers may not: a simulated picture that comes late is old, and stops the arm."""
SWITCH_INTERVAL_S = 2e-5
"""How long another Python thread of the process may keep a control thread waiting (Python's default: 0.005)."""
LOWEST, HIGHEST = 1, 99
"""Levels of SCHED_FIFO, sched(7)."""

WHAT_TO_DO = (
    "put the lines '* - rtprio 95' and '* - nice -10' into /etc/security/limits.d/nudge.conf and log in again, "
    "or give the container --ulimit rtprio=95 --cap-add SYS_NICE"
)
_CAP_SYS_NICE = 23
AUTOGROUP = Path("/proc/self/autogroup")
_GROUP_TRIES = 60


def raise_thread(level: int = LEVEL) -> str:
    """Ask for SCHED_FIFO at `level` (1 to 99) for the calling thread alone, and say in a sentence what came of it.

    Where `level` is not allowed, the highest allowed one is taken; where none is, the thread stays as it was. Neither
    its children nor other threads inherit it.

    Raises:
        ValueError: `level` is not one of SCHED_FIFO's.
    """
    if not LOWEST <= level <= HIGHEST:
        raise ValueError(f"A level of SCHED_FIFO lies in [{LOWEST}, {HIGHEST}]; found {level}.")
    asked = min(level, highest_level())
    return outcome(level, asked if asked >= LOWEST and _has_fifo(asked) else 0)


def raise_others(level: int) -> None:
    """Give every other thread of this process SCHED_FIFO at `level`, or the highest allowed one; none is lowered.

    Those of the middleware: it receives and sends in threads of its own, and what they have not taken in nobody hears.
    """
    asked = min(level, highest_level())
    for thread in map(int, os.listdir("/proc/self/task")):
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it ended meanwhile; or it may not be
            if thread != threading.get_native_id() and os.sched_getparam(thread).sched_priority < asked:
                _set_fifo(thread, asked)


def outcome(level: int, granted: int) -> str:
    """Return in a sentence what came of asking for `level`; `granted` is 0 where nothing was."""
    if granted == 0:
        return f"Ordinary scheduling: this account may not use real-time priorities; {WHAT_TO_DO}."
    return (
        f"SCHED_FIFO {granted}." if granted == level else f"SCHED_FIFO {granted}: {level} is not allowed; {WHAT_TO_DO}."
    )


def highest_level() -> int:
    """Return the highest SCHED_FIFO level that this process may ask for; 0 where it may ask for none.

    The system may still refuse it: some containers give no real-time share at all.
    """
    return allowed_level(_effective_capabilities(), resource.getrlimit(resource.RLIMIT_RTPRIO)[0])


def allowed_level(capabilities: int, limit: int) -> int:
    """Return the highest level that CAP_SYS_NICE in `capabilities` (bits), or `limit` (RLIMIT_RTPRIO), allows."""
    if capabilities >> _CAP_SYS_NICE & 1 or limit == resource.RLIM_INFINITY:
        return HIGHEST
    return max(0, min(limit, HIGHEST))


def raise_process(nice: int = NICE_ROBOT) -> bool:
    """Let this process, all its threads, be at least as urgent as `nice` (-20 to 0); False where that is not allowed.

    Unlike SCHED_FIFO it only shifts the shares: nothing ordinary is kept from running altogether.
    """
    try:
        _renice(nice, lambda now: now > nice)
    except PermissionError:
        return False
    return True


def lower_process(nice: int) -> None:
    """Let this process, all its threads, be no more urgent than `nice` (0 to 19); one that is lower stays so."""
    _renice(nice, lambda now: now < nice)


def steady_interpreter() -> None:
    """Keep Python itself out of a control thread's way: shorter turns for other threads, and a garbage collector
    that no longer walks through everything that was loaded by now."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()


def _renice(nice: int, is_to_change: Callable[[int], bool]) -> None:
    """Set the nice value of each thread that is to change.

    Where the kernel groups processes by session (sched(7), "The autogroup feature"), nice values count within a group
    only: a process that leads a session of its own, as the children of a session do, changes its group's as well.
    """
    for thread in os.listdir("/proc/self/task"):
        with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
            if is_to_change(os.getpriority(os.PRIO_PROCESS, int(thread))):
                os.setpriority(os.PRIO_PROCESS, int(thread), nice)
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):
            _renice_group(nice, is_to_change)


def _renice_group(nice: int, is_to_change: Callable[[int], bool]) -> None:
    for _ in range(_GROUP_TRIES):
        try:
            with AUTOGROUP.open("r+") as group:
                words = group.read().split()  # none where grouping is off, and for the kernel's own group
                if words and is_to_change(int(words[-1])):
                    group.write(str(nice))
            return
        except BlockingIOError:  # the kernel lets one process at a time do so, and then none for a tenth of a second
            time.sleep(0.05)


def _has_fifo(level: int) -> bool:
    try:
        _set_fifo(0, level)  # 0 is the calling thread, not the process
    except PermissionError:
        return False
    return True


def _set_fifo(thread: int, level: int) -> None:
    # RESET_ON_FORK keeps its children ordinary
    os.sched_setscheduler(thread, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(level))


def _effective_capabilities() -> int:
    """Return the capabilities of this process as bits; 0 where the system does not tell."""
    with contextlib.suppress(OSError), open("/proc/self/status") as status:
        for line in status:
            if line.startswith("CapEff:"):
                return int(line.split()[1], 16)
    return 0
