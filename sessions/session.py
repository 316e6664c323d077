"""A session: the robot's nodes up, the processes that play and learn beside them, and how far they are."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from robot.errors import RobotError
from sessions import build, console, people
from sessions.checks import collisions, strays
from sessions.config import digest
from sessions.domain import Domain
from sessions.learner_keeper import LearnerKeeper
from sessions.learning import weights
from sessions.phases import PHASES
from sessions.processes import Child, Processes, how_it_ended
from sessions.progress import Progress
from sessions.run import Run

POLL_S = 0.1
CONSOLE_STARTS = 3
"""A console that dies more often than this ends the session as any other node."""
RECENT = 20
"""Episodes that the progress line sums up."""
LEARNS = "waiting for the learner's updates"
LAST_COMMIT_S = 3.0
FULL_BYTES = 1 << 20
"""With less free space than this a disk counts as full."""


class Session:
    """Holds a robot's nodes up for as long as the with-block lasts.

    When `nudge up` already runs for the same run directory, the session joins its graph instead.

        with Session(run, is_realtime=False) as session:
            lines = session.play("record", episodes=20)
    """

    def __init__(self, run: Run, is_realtime: bool, is_direct: bool = False) -> None:
        self._run, self._is_realtime, self._is_direct = run, is_realtime, is_direct
        self._domain: Domain | None = None
        self._children = Processes(run.path / "logs")
        self.joined = _running_graph(run, "direct" if is_direct else is_realtime)
        self._console: Child | None = None
        self._console_starts = 0
        self.go_on = ""
        """Verb that goes on after a failure; empty for that of the phase."""

    def __enter__(self) -> Session:
        refuse_collisions()
        self._run.works()
        self._children.__enter__()
        if self.joined is not None:
            self._children.environment = self.joined
            return self
        if not self._is_direct:
            people.require_person(self._run.config, self._is_realtime)
        self._domain = Domain()
        self._children.environment = self._domain.environment
        try:
            nodes = {name: self._start_node(name) for name in build.node_names(self._run.config, self._is_direct)}
            self._console = nodes.get("console")
            if self._has_console:
                console.open_console(self._run, self.check)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._children.stop()
        if self._has_console and self.joined is None:
            console.forget(self._run)
        if self._domain is not None:
            self._domain.close()

    @property
    def _has_console(self) -> bool:
        return "console" in build.node_names(self._run.config, self._is_direct)

    @property
    def domain_id(self) -> int:
        return int(self.environment["ROS_DOMAIN_ID"])

    @property
    def environment(self) -> dict[str, str]:
        """What another process needs to be in this graph."""
        return self._children.environment

    def check(self) -> None:
        """Raise RobotError when a node has died, but for a console, which is started again."""
        self._keep_console()
        self._children.check()

    def play(self, phase: str, episodes: int = 0, total_steps: int = 0) -> list[dict[str, Any]]:
        """Let an actor play a phase, with a learner beside it when it is "finetune".

        Args:
            episodes: how many episodes the phase's store is to hold in the end; 0 for "finetune".
            total_steps: of "finetune", for the progress bar.

        Returns:
            The phase's lines of `metrics/episodes.jsonl`, one an episode.

        Raises:
            RobotError: a process died; the sentence says which, why, and what is kept.
        """
        if self._run.config.teleop.device == "browser" and PHASES[phase].role != "watch":
            console.wait_for_driver(self._run, self.check)
        path = str(self._run.path.resolve())
        keeper = self._keeper(path) if phase == "finetune" else None
        actor = self._start("actor", "sessions.actor", phase, "--run", path, "--episodes", str(episodes))
        # when this fails the session ends, and with it every process at once: no stop here, it would add its grace
        self._follow(actor, keeper, phase, total_steps or episodes, is_steps=total_steps > 0)
        if keeper is not None:
            self._wait(keeper)
        self._children.stop(actor, *([keeper.child] if keeper is not None else []))
        return self.lines(phase)

    def _start_node(self, name: str) -> Child:
        direct = ["--direct"] if self._is_direct else []
        return self._start(name, "sessions.node", name, "--config", str(self._run.robot_file.resolve()), *direct)

    def _keep_console(self) -> None:
        """Start a console again that has died, so many times: nothing that moves depends on it."""
        died = self._console
        if died is None or died.process.poll() is None or self._console_starts >= CONSOLE_STARTS:
            return
        why = f"{how_it_ended(died.process.returncode)}: {died.last_words()}"
        self._children.stop(died)
        self._console_starts += 1
        self._console = self._start_node("console")
        self._run.log_stop("console", f"The console {why}.", "console_restarted")
        sys.stderr.write(
            f"The console {why}; it is started again: nudge console --run {self._run.path} tells its link.\n"
        )

    def _keeper(self, path: str) -> LearnerKeeper:
        def start() -> Child:
            return self._start("learner", "sessions.learner", "--run", path)

        return LearnerKeeper(self._run, start, self._children.stop, self._newest)

    def _newest(self) -> int:
        return weights(self._run.path).latest()

    def lines(self, phase: str) -> list[dict[str, Any]]:
        """Return the lines of the phase's episodes, the newest of each index."""
        return lines_of(self._run, phase)

    def _start(self, name: str, module: str, *arguments: str) -> Child:
        return self._children.start(name, module, *arguments, *(["--realtime"] if self._is_realtime else []))

    def _follow(self, actor: Child, keeper: LearnerKeeper | None, phase: str, total: int, is_steps: bool) -> None:
        tail = self._run.tail("episodes")
        before = {line["index"]: line for line in tail.new() if line["phase"] == phase}
        recent = [before[index] for index in sorted(before)]
        lag = self._run.config.session.version_lag
        with Progress(phase.replace("_", " "), total=total) as progress:
            progress.go_on(sum(line["steps"] for line in recent) if is_steps else len(recent))
            played, seen = max(before, default=-1) + 1, set(before)
            while actor.process.poll() is None:
                time.sleep(POLL_S)
                self._check(actor, keeper, phase)
                for line in (line for line in tail.new() if line["phase"] == phase):
                    recent, played = [*recent, line][-RECENT:], line["index"] + 1
                    is_again = line["index"] in seen  # of a seed that came again, or one that was taken back
                    seen.add(line["index"])
                    progress.advance(0 if is_again else line["steps"] if is_steps else 1, note(recent))
                if keeper is not None:
                    progress.wait(LEARNS if self._newest() < max(0, played - lag) else "")
        if actor.process.returncode != 0:
            raise RobotError(note_end(self._run, actor, phase, self._kept(phase)))

    def _check(self, actor: Child, keeper: LearnerKeeper | None, phase: str) -> None:
        try:
            self._keep_console()
            if keeper is not None:
                keeper.look()
            self._children.check(actor, *([keeper.child] if keeper is not None else []))
        except RobotError as error:
            if keeper is not None and self._is_realtime:
                self._let_go(actor)
            sentence = f"{error} {self._kept(phase)}"
            _note_stop(self._run, phase, sentence)
            raise RobotError(sentence) from error

    def _let_go(self, actor: Child) -> None:
        """Give an actor that has lost its learner the time to stop the arm and to commit the episode."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            actor.process.wait(LAST_COMMIT_S)

    def _wait(self, keeper: LearnerKeeper) -> None:
        """Wait until the learner has done its last updates, as long as it gets on with them.

        Raises:
            RobotError: it died too often.
        """
        tail = self._run.tail("learner")
        with Progress("last updates", total=self._run.config.training.total_steps) as progress:
            learnt = max((line["robot_steps"] for line in tail.new()), default=0)
            progress.go_on(learnt)
            while not keeper.is_done:
                keeper.look()
                time.sleep(POLL_S)
                for line in tail.new():
                    progress.advance(line["robot_steps"] - learnt)
                    learnt = line["robot_steps"]

    def _kept(self, phase: str) -> str:
        verb = self.go_on or {"record": "record", "finetune": "finetune --resume"}.get(
            phase, f"evaluate --policy {phase.removeprefix('evaluate_')}"
        )
        clock = " --realtime" if self._is_realtime else ""
        return f"Every acknowledged step is kept; go on with: nudge {verb}{clock} --run {self._run.path}"


def note_end(run: Run, actor: Child, phase: str, kept: str) -> str:
    """Return how an actor ended that failed, as a sentence with `kept`, what is kept and how to go on.

    It is noted as a stop of the run unless the actor has told of it itself (status 1).
    """
    is_full = shutil.disk_usage(run.path).free < FULL_BYTES
    why = f"the disk of {run.path} is full; free some space" if is_full else actor.last_words()
    kept = "Every acknowledged step is kept." if "go on with" in why else kept
    sentence = f"The actor {how_it_ended(actor.process.returncode)}: {why}. The arm holds. {kept}"
    if actor.process.returncode != 1:
        _note_stop(run, phase, sentence)
    return sentence


def _note_stop(run: Run, phase: str, sentence: str) -> None:
    with contextlib.suppress(OSError):  # of a full disk there is a sentence already
        run.log_stop(phase, sentence, "process_ended")


def refuse_collisions() -> None:
    """Raise RobotError where one of our top-level packages is another's, or comes from another place."""
    for finding in (*collisions(packages_distributions()), *strays()):
        if finding.status == "fail":
            raise RobotError(f"This installation would mix packages: {finding.found}. {finding.advice}.")


def lines_of(run: Run, phase: str) -> list[dict[str, Any]]:
    """Return the lines of a phase's episodes, the newest of each index."""
    newest = {line["index"]: line for line in run.lines("episodes") if line["phase"] == phase}
    return [newest[index] for index in sorted(newest)]


def note(recent: list[dict[str, Any]]) -> str:
    """Return what stands behind a progress bar about the last episodes."""
    success = sum(line["success"] for line in recent)
    human = sum(line["human_steps"] for line in recent) / max(1, sum(line["steps"] for line in recent))
    return f"success {success}/{len(recent)}, human {human:.0%}"


def _up_file(run: Run) -> Path:
    return run.path / "up.json"


def announce(run: Run, session: Session, is_realtime: bool | str) -> None:
    """Tell other processes of this run directory that the nodes are up."""
    text = {"pid": os.getpid(), "environment": session.environment, "realtime": is_realtime}
    _up_file(run).write_text(json.dumps(text | {"robot": digest(run.config.control) + digest(run.config.sim)}))


def withdraw(run: Run) -> None:
    _up_file(run).unlink(missing_ok=True)


def _running_graph(run: Run, is_realtime: bool | str) -> dict[str, str] | None:
    """Return the environment of a graph that `nudge up` holds for this run, if it is alive."""
    if not _up_file(run).exists():
        return None
    try:
        up = json.loads(_up_file(run).read_text())
    except json.JSONDecodeError:
        raise RobotError(f"{_up_file(run)} is damaged; end nudge up if it runs, and delete the file.") from None
    try:
        os.kill(up["pid"], 0)
    except ProcessLookupError:
        return None
    if up["pid"] == os.getpid():
        return None
    if up["robot"] != digest(run.config.control) + digest(run.config.sim) or up["realtime"] != is_realtime:
        raise RobotError(
            f"nudge up (process {up['pid']}) runs for {run.path} with another robot config or clock; stop it first."
        )
    return {str(k): str(v) for k, v in up["environment"].items()}
