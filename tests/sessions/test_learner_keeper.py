"""A learner that dies, stops, hangs or leaves too early is started again; one that is done, or never learns, is not.

The learners are real processes that do one thing each; nothing here says how long anything takes.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from robot.errors import RobotError
from robot.liveness import process_state
from sessions.learner_keeper import TRIES, LearnerKeeper
from sessions.processes import Child
from sessions.run import Run
from sessions.run_config import RunConfig

DEADLINE_S = 60.0
BEACON = "import os, signal, sys, time; from pathlib import Path; from robot.liveness import Beacon; "
WORKS = BEACON + "beacon = Beacon(Path(sys.argv[1]))\nwhile True: beacon.beat(); time.sleep(0.01)"
FINISHES = BEACON + "Beacon(Path(sys.argv[1])).finish()"
LEAVES = BEACON + "Beacon(Path(sys.argv[1]))"
BREAKS = "import sys; sys.stderr.write('critic.weight0 is not finite.\\n'); sys.exit(1)"
IS_KILLED = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
STOPS = BEACON + "Beacon(Path(sys.argv[1])); os.kill(os.getpid(), signal.SIGSTOP)"
HANGS = BEACON + "Beacon(Path(sys.argv[1])); time.sleep(1000)"


class Cell:
    """A run, and learners that follow scripts: the first takes the first, and so on; the last one stays."""

    def __init__(
        self, path: Path, *scripts: str, versions: Iterator[int] | None = None, timeout_s: float = 100
    ) -> None:
        session = dataclasses.replace(RunConfig().session, learner_timeout_s=timeout_s)
        self.run = Run(path, dataclasses.replace(RunConfig(), session=session))
        self.scripts = list(scripts)
        self.children: list[Child] = []
        versions = versions or iter(lambda: 0, None)
        self.keeper = LearnerKeeper(self.run, self.start, self.stop, lambda: next(versions))

    def start(self) -> Child:
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        log = self.run.path / "logs" / "learner.log"
        with log.open("ab") as output:
            begun = output.tell()
            command = [sys.executable, "-c", script, str(self.run.learner_file)]
            root = Path(__file__).resolve().parents[2]
            process = subprocess.Popen(command, stdout=output, stderr=output, cwd=root)
        self.children.append(Child("learner", process, log, begun))
        return self.children[-1]

    def stop(self, child: Child) -> None:
        child.process.wait(DEADLINE_S)

    def look_until_started(self, count: int) -> None:
        """Look at the learner until there have been so many."""
        deadline = time.monotonic() + DEADLINE_S
        while len(self.children) < count:
            assert time.monotonic() < deadline
            self.keeper.look()
            time.sleep(0.001)

    def look_on(self) -> None:
        """Look at the learner until its process has ended, and once more."""
        self.children[-1].process.wait(DEADLINE_S)
        self.keeper.look()

    @property
    def stops(self) -> list[dict]:
        path = self.run.path / "metrics" / "stops.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def close(self) -> None:
        for child in self.children:
            child.process.kill()
            child.process.wait()


@pytest.fixture
def cells() -> Iterator[list[Cell]]:
    made: list[Cell] = []
    yield made
    for cell in made:
        cell.close()


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (BREAKS, "The learner ended with status 1: critic.weight0 is not finite; it goes on from its checkpoint."),
        (IS_KILLED, "The learner was killed by SIGKILL; it goes on from its checkpoint."),
        (STOPS, "The learner (process {pid}) was stopped; it goes on from its checkpoint."),
        (LEAVES, "The learner ended before its time; it goes on from its checkpoint."),
    ],
)
def test_a_learner_that_is_lost_is_started_again_and_the_run_says_why(
    cells: list[Cell], tmp_path: Path, script: str, sentence: str
) -> None:
    cells.append(cell := Cell(tmp_path, script, WORKS))
    cell.look_until_started(2)
    first, second = cell.children
    assert cell.keeper.child is second
    assert first.process.poll() is not None  # also one that was stopped has ended
    assert second.process.poll() is None
    (stop,) = cell.stops
    assert (stop["phase"], stop["event"]) == ("finetune", "learner_restarted")
    assert stop["cause"] == sentence.format(pid=first.process.pid)


def test_a_learner_that_does_not_stir_is_started_again(cells: list[Cell], tmp_path: Path) -> None:
    cells.append(cell := Cell(tmp_path, HANGS, WORKS, timeout_s=1.0))
    cell.look_until_started(2)
    assert "has not stirred for" in cell.stops[0]["cause"]


def test_a_learner_that_has_finished_is_left_alone(cells: list[Cell], tmp_path: Path) -> None:
    cells.append(cell := Cell(tmp_path, FINISHES))
    cell.look_on()
    assert cell.keeper.is_done
    assert len(cell.children) == 1
    assert not cell.stops


def test_a_learner_at_work_is_left_alone_whatever_an_earlier_one_has_left(cells: list[Cell], tmp_path: Path) -> None:
    (tmp_path / "learner.pid").write_text(json.dumps({"pid": 1, "start": 0, "is_finished": False}))
    cells.append(cell := Cell(tmp_path, WORKS))
    deadline = time.monotonic() + DEADLINE_S
    while not cell.run.learner_file.exists():
        assert time.monotonic() < deadline
        cell.keeper.look()
    cell.keeper.look()
    assert not cell.keeper.is_done
    assert len(cell.children) == 1


def test_one_that_learns_nothing_between_its_deaths_is_given_up_with_its_last_words(
    cells: list[Cell], tmp_path: Path
) -> None:
    cells.append(cell := Cell(tmp_path, BREAKS))
    for _ in range(TRIES):
        cell.look_on()
    assert len(cell.children) == 1 + TRIES
    with pytest.raises(RobotError, match=r"ended with status 1: critic\.weight0 is not finite .* 3 times in vain"):
        cell.look_on()
    assert len(cell.stops) == TRIES


def test_one_that_learns_between_its_deaths_is_started_as_often_as_it_dies(cells: list[Cell], tmp_path: Path) -> None:
    cells.append(cell := Cell(tmp_path, IS_KILLED, versions=iter(range(100))))
    for _ in range(2 * TRIES):
        cell.look_on()
    assert len(cell.children) == 1 + 2 * TRIES


def test_deaths_without_progress_are_counted_from_the_last_progress_on(cells: list[Cell], tmp_path: Path) -> None:
    cells.append(cell := Cell(tmp_path, IS_KILLED, versions=iter([0, 0, 0, 1, 1, 1, 1, 1])))
    for _ in range(2 + TRIES):
        cell.look_on()
    with pytest.raises(RobotError, match="was killed by SIGKILL"):
        cell.look_on()


def test_one_that_was_stopped_is_killed_and_not_asked(cells: list[Cell], tmp_path: Path) -> None:
    cells.append(cell := Cell(tmp_path, WORKS))
    deadline = time.monotonic() + DEADLINE_S
    while not cell.run.learner_file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.001)
    os.kill(cell.children[0].process.pid, signal.SIGSTOP)
    cell.look_until_started(2)
    assert cell.children[0].process.returncode == -signal.SIGKILL
    assert process_state(cell.children[1].process.pid) is not None
