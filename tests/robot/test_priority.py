"""Real-time scheduling reaches the calling thread alone, and a refusal says what to do about it."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from robot import priority

ROOT = Path(__file__).parents[2]
AS_NOBODY = """
import os, resource, sys
sys.path.insert(0, {root!r})
from robot import priority
resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
resource.setrlimit(resource.RLIMIT_NICE, (0, 0))
if os.geteuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
print(priority.raise_thread(50))
print(os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK, os.sched_getparam(0).sched_priority)
print(priority.raise_process(), os.getpriority(os.PRIO_PROCESS, 0))
"""


def _in_a_thread(call: Callable[[], None]) -> None:
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()


def _as_nobody() -> list[str]:
    code = AS_NOBODY.format(root=str(ROOT))
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.splitlines()


def _is_fifo_granted() -> bool:
    found: list[str] = []
    _in_a_thread(lambda: found.append(priority.raise_thread(1)))
    return found[0].startswith("SCHED_FIFO")


def _groups_by_session() -> bool:
    """Whether a process that leads a session of its own has a group of its own, sched(7)."""
    if not priority.AUTOGROUP.exists():
        return False
    words = [sys.executable, "-c", f"print(open({str(priority.AUTOGROUP)!r}).read())"]
    return bool(subprocess.run(words, check=True, capture_output=True, start_new_session=True).stdout.strip())


GROUPS_BY_SESSION = _groups_by_session()
needs_groups = pytest.mark.skipif(not GROUPS_BY_SESSION, reason="this system does not group by session")
needs_fifo = pytest.mark.skipif(not _is_fifo_granted(), reason="this account may not use real-time priorities")


@needs_fifo
def test_the_calling_thread_alone_is_raised() -> None:
    seen: dict[str, int] = {}

    def control() -> None:
        assert priority.raise_thread(priority.highest_level()).startswith("SCHED_FIFO")
        seen["control"] = os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK
        seen["process"] = os.sched_getscheduler(os.getpid())
        _in_a_thread(lambda: seen.update(child=os.sched_getscheduler(0)))

    _in_a_thread(control)
    assert seen == {"control": os.SCHED_FIFO, "process": os.SCHED_OTHER, "child": os.SCHED_OTHER}


@needs_fifo
def test_the_other_threads_are_raised_as_well_and_none_is_lowered() -> None:
    level = min(30, priority.highest_level())
    code = f"""
import os, sys, threading
sys.path.insert(0, {str(ROOT)!r})
from robot import priority
go = threading.Event()
threads = [threading.Thread(target=go.wait) for _ in range(2)]
for thread in threads:
    thread.start()
priority._set_fifo(threads[0].native_id, {level})
priority.raise_others({level - 1})
print(*(os.sched_getparam(t).sched_priority for t in (0, threads[0].native_id, threads[1].native_id)))
go.set()
"""
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.split() == ["0", str(level), str(level - 1)]


def test_who_may_not_is_told_what_to_do_and_stays_ordinary() -> None:
    sentence, scheduling, process = _as_nobody()
    assert "may not use real-time priorities" in sentence
    assert "rtprio 95" in sentence
    assert scheduling == f"{os.SCHED_OTHER} 0"
    assert process == f"False {max(0, os.getpriority(os.PRIO_PROCESS, 0))}"


def test_a_lower_level_than_asked_for_is_said() -> None:
    assert priority.outcome(50, 50) == "SCHED_FIFO 50."
    assert priority.outcome(50, 7).startswith("SCHED_FIFO 7: 50 is not allowed; put the line")


@pytest.mark.parametrize(
    ("capabilities", "limit", "level"),
    [
        (0, 0, 0),
        (0, 20, 20),
        (0, 1000, 99),
        (1 << 23, 0, 99),
        (0, resource.RLIM_INFINITY, 99),
        (~(1 << 23) & 0xFFFF, 5, 5),
    ],
)
def test_the_highest_level_follows_from_capability_and_limit(capabilities: int, limit: int, level: int) -> None:
    assert priority.allowed_level(capabilities, limit) == level


@pytest.mark.parametrize("level", [0, 100, -1])
def test_a_level_that_does_not_exist_is_an_error(level: int) -> None:
    with pytest.raises(ValueError, match=r"lies in \[1, 99\]"):
        priority.raise_thread(level)


def test_lowering_reaches_every_thread_and_never_raises() -> None:
    code = f"""
import os, sys, threading
sys.path.insert(0, {str(ROOT)!r})
from robot import priority
go = threading.Event()
other = threading.Thread(target=go.wait)
other.start()
for nice in (10, 5):
    priority.lower_process(nice)
    print(os.getpriority(os.PRIO_PROCESS, 0), os.getpriority(os.PRIO_PROCESS, other.native_id))
go.set()
"""
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.split() == [str(max(10, os.getpriority(os.PRIO_PROCESS, 0)))] * 4


LOWER_AND_TELL_THE_GROUP = f"""
import pathlib, sys
sys.path.insert(0, {str(ROOT)!r})
from robot import priority
priority.lower_process(10)
print(pathlib.Path("/proc/self/autogroup").read_text().split()[-1:])
"""


@needs_groups
def test_a_process_lowers_the_group_of_its_own_session() -> None:
    words = [sys.executable, "-c", LOWER_AND_TELL_THE_GROUP]
    out = subprocess.run(words, check=True, capture_output=True, text=True, start_new_session=True).stdout
    assert out == "['10']\n"


@needs_groups
def test_a_process_leaves_the_group_of_a_session_that_is_not_its_own() -> None:
    code = f"""
import pathlib, subprocess, sys
group = pathlib.Path("/proc/self/autogroup")
before = group.read_text()
child = subprocess.run([sys.executable, "-c", {LOWER_AND_TELL_THE_GROUP!r}], check=True, capture_output=True, text=True)
print(group.read_text() == before, child.stdout.strip() == str(before.split()[-1:]))
"""
    words = [sys.executable, "-c", code]
    out = subprocess.run(words, check=True, capture_output=True, text=True, start_new_session=True).stdout
    assert out.split() == ["True", "True"]


def test_where_nothing_is_grouped_the_process_is_lowered_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "autogroup").touch()
    monkeypatch.setattr(priority, "AUTOGROUP", tmp_path / "autogroup")
    priority._renice_group(10, lambda _: True)
    assert (tmp_path / "autogroup").read_text() == ""


@needs_fifo
def test_raising_reaches_every_thread_and_never_lowers() -> None:
    code = f"""
import os, sys, threading
sys.path.insert(0, {str(ROOT)!r})
from robot import priority
go = threading.Event()
other = threading.Thread(target=go.wait)
other.start()
for nice in (-10, -5):
    print(priority.raise_process(nice))
    print(os.getpriority(os.PRIO_PROCESS, 0), os.getpriority(os.PRIO_PROCESS, other.native_id))
    print(*(open("/proc/self/autogroup").read().split()[-1:] if {GROUPS_BY_SESSION} else [-10]))
go.set()
"""
    words = [sys.executable, "-c", code]
    out = subprocess.run(words, check=True, capture_output=True, text=True, start_new_session=True).stdout
    assert out.split() == ["True", "-10", "-10", "-10"] * 2


def test_the_interpreter_is_made_steady() -> None:
    code = f"""
import gc, sys
sys.path.insert(0, {str(ROOT)!r})
from robot import priority
priority.steady_interpreter()
print(sys.getswitchinterval() < 0.001, gc.isenabled(), gc.get_freeze_count() > 1000)
"""
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.split() == ["True", "True", "True"]
