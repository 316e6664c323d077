"""In real time the arm's process has real-time priorities and the learner stands back; in lockstep neither does."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from robot import priority
from sessions.domain import Domain
from sessions.processes import Processes

pytestmark = pytest.mark.ros
ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 40.0
needs_priorities = pytest.mark.skipif(
    priority.highest_level() < priority.LEVEL, reason="no real-time priorities for this account"
)


def threads(pid: int) -> set[tuple[int, int]]:
    """Return nice value and SCHED_FIFO level, 0 for an ordinary one, of a process' threads."""
    found = set()
    for thread in map(int, os.listdir(f"/proc/{pid}/task")):
        with contextlib.suppress(ProcessLookupError):
            found.add((os.getpriority(os.PRIO_PROCESS, thread), os.sched_getparam(thread).sched_priority))
    return found


def levels(pid: int) -> set[int]:
    return {level for _, level in threads(pid)}


def becomes(is_true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + TIMEOUT_S
    while not is_true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., int]:
    """Start a node in a domain of its own; gives its process id."""
    with Domain() as domain, Processes(tmp_path / "logs", domain.environment) as processes:
        yield lambda name, *options: processes.start(name, "sessions.node", name, *options).process.pid


@needs_priorities
def test_control_and_executor_of_the_arm_are_raised_and_what_they_start_is_not(start: Callable[..., int]) -> None:
    pid = start("arm", "--realtime")
    assert becomes(lambda: levels(pid) == {0, priority.LEVEL_EXECUTOR, priority.LEVEL})
    assert os.sched_getparam(pid).sched_priority == priority.LEVEL_EXECUTOR


@needs_priorities
@pytest.mark.parametrize(("name", "level"), [("arm", priority.LEVEL_EXECUTOR), ("mux", priority.LEVEL_MUX)])
def test_what_receives_the_messages_of_arm_and_mux_is_raised_too(
    start: Callable[..., int], name: str, level: int
) -> None:
    pid = start(name, "--realtime")

    def received_at() -> list[int]:
        return [
            os.sched_getparam(int(thread)).sched_priority
            for thread in os.listdir(f"/proc/{pid}/task")
            if Path(f"/proc/{pid}/task/{thread}/comm").read_text().startswith("dds.udp")
        ]

    assert becomes(lambda: bool(received_at()) and set(received_at()) == {level})


def test_in_lockstep_nothing_is_raised() -> None:
    code = """
import os
from robot.nodes.spin import ros, schedule
from sessions import build
from sessions.domain import Domain
from sessions.robot_config import RobotConfig
os.environ.update(Domain().environment)
with ros():
    node = build.node("arm", RobotConfig(), False)
    schedule(node)
    print(os.sched_getscheduler(0), node.scheduling)
    node.destroy_node()
"""
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.stdout.split(maxsplit=1) == [str(os.SCHED_OTHER), "Ordinary scheduling.\n"], result.stderr


@needs_priorities
def test_every_thread_of_a_node_is_preferred_to_other_programs(start: Callable[..., int]) -> None:
    pid = start("reset", "--realtime")
    assert becomes(lambda: threads(pid) == {(priority.NICE_ROBOT, 0)})


@needs_priorities
def test_an_active_mux_has_no_ordinary_thread_not_even_for_its_timers(
    start: Callable[..., int], tmp_path: Path
) -> None:
    pid = start("mux", "--realtime")
    log = tmp_path / "logs" / "mux.log"
    assert becomes(lambda: "soft_stop" in log.read_text())
    assert threads(pid) == {(priority.NICE_ROBOT, priority.LEVEL_MUX)}


@needs_priorities
def test_the_actor_comes_before_ordinary_programs_and_behind_its_own_heartbeat() -> None:
    code = """
import os, threading
from sessions.actor import be_urgent
ending = threading.Event()
threading.Thread(target=ending.wait).start()
be_urgent()
print(*{os.sched_getparam(int(t)).sched_priority for t in os.listdir("/proc/self/task")})
late = threading.Thread(target=lambda: print(os.sched_getparam(0).sched_priority))
late.start()
late.join()
ending.set()
"""
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.stdout.split() == [str(priority.LEVEL_ACTOR), "0"], result.stderr
    assert 0 < priority.LEVEL_ACTOR < priority.LEVEL_HEARTBEAT < priority.LEVEL_MUX


@pytest.mark.parametrize(("options", "nice"), [(("--realtime",), priority.NICE_LEARNER), ((), 0)])
def test_the_learner_stands_back_in_real_time(options: tuple[str, ...], nice: int, tmp_path: Path) -> None:
    code = "import os; from sessions.learner import main; main(); print(os.getpriority(os.PRIO_PROCESS, 0))"
    words = [sys.executable, "-c", code, "--run", str(tmp_path), *options]
    result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.stdout.split() == [str(max(nice, os.getpriority(os.PRIO_PROCESS, 0)))], result.stderr
