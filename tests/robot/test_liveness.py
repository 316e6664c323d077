"""A process is told from one that is stopped, killed, a zombie, hung, or another one under the same number."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from robot.liveness import Beacon, ProcessWatch, process_state

CHILD = """
import sys, time
from pathlib import Path
from robot.liveness import Beacon

beacon = Beacon(Path(sys.argv[1]))
for line in sys.stdin:
    if line == "finish\\n":
        beacon.finish()
    print("done", flush=True)
"""


class Child:
    """A process with a beacon that does what it is told and nothing else."""

    def __init__(self, path: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.tell("start")

    @property
    def pid(self) -> int:
        return self.process.pid

    def tell(self, word: str) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def become(self, states: str) -> None:
        """Wait until the kernel says that the process is in one of `states`."""
        deadline = time.monotonic() + 10.0
        while (process_state(self.pid) or ("gone", 0))[0] not in states:
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "learner.pid"


@pytest.fixture
def child(file: Path) -> Iterator[Child]:
    made = Child(file)
    yield made
    made.end()


def watch(file: Path, silence_s: float = 60.0) -> ProcessWatch:
    return ProcessWatch(file, "The learner", silence_s)


def test_a_process_that_works_is_no_problem(child: Child, file: Path):
    assert watch(file).problem() == ""
    assert watch(file).is_at_work
    assert json.loads(file.read_text())["pid"] == child.pid


def test_a_stopped_process_is_named_and_relied_on_again_when_it_goes_on(child: Child, file: Path):
    watcher = watch(file)
    os.kill(child.pid, signal.SIGSTOP)
    child.become("T")
    assert watcher.problem() == f"The learner (process {child.pid}) was stopped."
    assert not watcher.is_at_work
    os.kill(child.pid, signal.SIGCONT)
    child.become("RS")
    assert watcher.problem() == ""


def test_a_killed_process_is_noticed_before_and_after_its_parent_has_taken_note(child: Child, file: Path):
    watcher = watch(file)
    os.kill(child.pid, signal.SIGKILL)
    child.become("Z")
    assert watcher.problem() == f"The learner (process {child.pid}) has died."
    child.process.wait()
    assert watcher.problem() == f"The learner (process {child.pid}) is gone."


def test_another_process_under_the_same_number_is_not_taken_for_it(child: Child, file: Path):
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content | {"start": content["start"] - 1}))
    assert watch(file).problem() == f"The learner (process {child.pid}) is gone."


def test_one_that_has_finished_may_go(child: Child, file: Path):
    watcher = watch(file)
    assert watcher.problem() == ""
    child.tell("finish")
    child.process.kill()
    child.process.wait()
    assert watcher.problem() == ""
    assert not watcher.is_at_work


def test_one_that_lives_but_does_not_stir_is_named_after_its_time(child: Child, file: Path):
    watcher = watch(file, silence_s=0.05)
    assert watcher.problem() == ""
    time.sleep(0.06)
    assert watcher.problem() == f"The learner (process {child.pid}) has not stirred for 0 s."
    os.utime(file)
    assert watcher.problem() == ""


def test_one_that_has_never_started_is_named_with_its_file(file: Path):
    assert watch(file).problem() == f"The learner has not started: there is no {file}."


def test_a_beacon_beats_no_oftener_than_it_must(file: Path):
    beacon = Beacon(file)
    os.utime(file, (1.0, 1.0))
    beacon.beat()
    assert file.stat().st_mtime == 1.0
    beacon._beaten -= 1.0
    beacon.beat()
    assert file.stat().st_mtime > 1.0
    assert watch(file).problem() == ""


def test_a_process_name_with_brackets_and_spaces_is_read_past(tmp_path: Path):
    program = tmp_path / "a) R (b"
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([str(program), "30"])
    try:
        deadline = time.monotonic() + 10.0
        while b"sleep" not in Path(f"/proc/{process.pid}/cmdline").read_bytes() and time.monotonic() < deadline:
            if b"a) R (b" in Path(f"/proc/{process.pid}/stat").read_bytes():
                break
        found = process_state(process.pid)
        assert found is not None
        assert found[0] in "RSD"
        assert found[1] > 0
    finally:
        process.kill()
        process.wait()
    assert process_state(process.pid) is None
