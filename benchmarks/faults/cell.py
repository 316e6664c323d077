"""The robot under test: its node processes in real time, an actor, a learner, and a person who brings it back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from benchmarks.faults.controls import Controls
from benchmarks.faults.watcher import Watcher
from robot.errors import RobotError
from robot.types import ROLES
from sessions import build
from sessions.domain import Domain
from sessions.processes import Child, Processes
from sessions.run import Run
from sessions.session import note_end

START_TIMEOUT_S = 60.0
RESUME_TIMEOUT_S = 40.0
PATIENCE_S = 6.0
"""How long an actor that lives may do nothing before a person restarts it."""
SERVICE_EVERY_S = 0.5
SPEED_IN_MOTION = 0.01
"""The tool counts as moving above this [m/s]."""


@dataclass(frozen=True)
class Spare:
    """An actor that waits; it begins when there is a file `go`."""

    child: Child
    go: Path

    @property
    def is_ready(self) -> bool:
        return self.go.with_suffix(".ready").exists() or self.child.process.poll() is not None


class Cell:
    """Starts and spoils the processes of one graph.

        with Cell(run, controls) as cell:
            cell.bring("policy")        # the arm moves under a policy
            cell.signal("mux", signal.SIGKILL)

    Args:
        run: its configuration is the robot's; what is recorded goes there.
        phase: of the actor: "weave", or "finetune" with a learner beside it.
    """

    def __init__(self, run: Run, controls: Controls, phase: str = "weave") -> None:
        self.run, self.controls, self.phase = run, controls, phase
        self.acknowledged = run.path / f"acknowledged_{phase}.jsonl"
        self._controls_file = run.path / "controls.bin"
        self._domain = Domain()
        environment = self._domain.environment
        os.environ.update(environment)  # the watcher is in this process
        self._processes = Processes(run.path / "logs", environment)
        self._children: dict[str, Child] = {}
        self._spare: Spare | None = None
        self._actors = 0
        self._stopped: set[str] = set()
        self._intruder: subprocess.Popen[str] | None = None
        arm_clock = lambda: time.time_ns() + controls.offset_ns("arm")  # noqa: E731
        self.watcher = Watcher(self._domain.id, run.config.control.arm, arm_clock)
        self.restarts = 0
        """Actors that a person had to start again although they lived."""

    def __enter__(self) -> Cell:
        self._processes.__enter__()
        for file in self.run.path.glob("actor_*"):
            file.unlink()
        for name in self.node_names:
            self.start(name)
        self._intruder_pipes()  # it waits in silence
        return self

    def __exit__(self, *_: object) -> None:
        if self._intruder is not None:
            self._intruder.kill()
            self._intruder.wait()
        for name in list(self._stopped):
            self.resume(name)
        self._processes.stop()
        self.watcher.close()
        self._domain.close()

    @property
    def node_names(self) -> list[str]:
        return list(build.node_names(self.run.config))

    def start(self, name: str) -> None:
        """Start a process of the graph by its name."""
        if name == "actor":
            spare = self._spare or self._start_actor()
            spare.go.touch()
            self._children[name] = spare.child
            self._spare = self._start_actor()
        elif name == "learner":
            self._children[name] = self._processes.start(name, "sessions.learner", "--run", str(self.run.path))
        else:
            words = (name, "--config", str(self.run.robot_file), "--realtime", "--controls", str(self._controls_file))
            self._children[name] = self._processes.start(name, "benchmarks.faults.node", *words)
            if name == "mux":
                self.watcher.forget_mux()

    def _start_actor(self) -> Spare:
        """Start an actor that waits for its go: the time that its imports take is nobody's fault."""
        self._actors += 1
        go = self.run.path / f"actor_{self._actors}.go"
        files = ("--run", str(self.run.path), "--controls", str(self._controls_file), "--go", str(go))
        words = (self.phase, "--episodes", "1000000", "--realtime", "--acknowledged", str(self.acknowledged))
        return Spare(self._processes.start("actor", "benchmarks.faults.actor", *words, *files), go)

    def is_alive(self, name: str) -> bool:
        child = self._children.get(name)
        return child is not None and child.process.poll() is None

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process; raises RobotError when it is not alive."""
        if not self.is_alive(name):
            raise RobotError(f"{name} is not alive before the injection: {self.last_words(name)}.")
        self._children[name].process.send_signal(number)
        if number == signal.SIGSTOP:
            self._stopped.add(name)

    def last_words(self, name: str) -> str:
        child = self._children.get(name)
        return child.last_words() if child is not None else "it was never started"

    def intrude(self, row: str) -> int:
        """Let a second program publish on a topic of the arm; returns the moment [ns, monotonic] it began."""
        path = f"/{self.run.config.control.arm}/{row}"
        stdin, stdout = self._intruder_pipes()
        stdin.write(f"{path}\n")
        stdin.flush()
        return int(stdout.readline())

    def bring(self, activity: str) -> float:
        """Do what a person would until the robot does `activity`: "policy", "human" or "resetting" (and the arm
        moves), or is in mode "ready" or "disabled" without an actor.

        Returns:
            how long it took [s].

        Raises:
            RobotError: it did not get there; says what stands in the way.
        """
        started = time.monotonic()
        self._cure()
        self.controls["role"] = ROLES.index("demonstrate" if activity == "human" else "watch")
        has_actor = activity in ("policy", "human", "resetting")
        served, stirred = 0.0, started
        while not self._is_at(activity):
            now = time.monotonic()
            if now - started > (START_TIMEOUT_S if not self.watcher.mux_mode else RESUME_TIMEOUT_S):
                raise RobotError(f"Waited {now - started:.0f} s for {activity}: {self._state()}")
            had_actor = self.is_alive("actor")
            self._revive(has_actor)
            if now - served > SERVICE_EVERY_S and self._clear(activity):
                served = now
            if self.watcher.is_moving() or not had_actor or served == now:
                stirred = now
            has_passed = activity == "resetting" and self.watcher.mux_mode in ("policy", "human")
            is_late = now - stirred > PATIENCE_S
            if has_actor and had_actor and (is_late or has_passed):
                self.restarts += is_late
                self.end("actor")
            time.sleep(0.02)
        while activity != "resetting" and self._spare is not None and not self._spare.is_ready:
            time.sleep(0.02)  # its start would be felt by what is measured next
        return time.monotonic() - started

    def end(self, name: str) -> None:
        """End a process in order."""
        if name in self._children:
            self.resume(name)
            self._processes.stop(self._children.pop(name))

    def _cure(self) -> None:
        if self._intruder is not None and self._intruder.stdin is not None:
            self._intruder.stdin.write("stop\n")
            self._intruder.stdin.flush()
        self.controls.cure()
        self.watcher.press(False)
        for name in list(self._stopped):
            self.resume(name)

    def note_end_of_actor(self) -> None:
        """Do what a session does when it finds that its actor has failed: note it for the report."""
        child = self._children.get("actor")
        if child is not None and child.process.poll():
            note_end(self.run, child, self.phase, "")

    def resume(self, name: str) -> None:
        """Let a process go on that was stopped."""
        self._stopped.discard(name)
        if self.is_alive(name):
            self._children[name].process.send_signal(signal.SIGCONT)

    def _revive(self, has_actor: bool) -> None:
        wanted = [*self.node_names, *(["learner"] if self.phase == "finetune" and has_actor else [])]
        watcher = self.watcher
        is_latched = watcher.mux_mode in ("", "fault", "disabled") or watcher.arm_mode in ("fault", "stop")
        if has_actor and not is_latched and all(self.is_alive(name) for name in wanted):
            wanted.append("actor")
        for name in wanted:
            if not self.is_alive(name):
                self.start(name)
        if not has_actor:
            self.end("actor")

    def _clear(self, activity: str) -> bool:
        """Clear a latched stop as a person does, one service at a time; whether there was one."""
        watcher = self.watcher
        is_elsewhere = watcher.mux_mode not in ("fault", "disabled", activity)
        if activity in ("ready", "disabled") and is_elsewhere:
            # by way of a fault, which a person clears: the shortest to a mode that no episode leaves behind
            watcher.press(True)
            time.sleep(0.1)
            watcher.press(False)
        elif watcher.mux_mode == "fault":
            watcher.call("mux/clear_fault")
        elif watcher.arm_mode in ("fault", "stop"):
            watcher.call("arm/reset_fault")
        elif watcher.mux_mode == "disabled" and activity != "disabled":
            watcher.call("mux/enable")
        else:
            return False
        return True

    def _is_at(self, activity: str) -> bool:
        mode = self.watcher.mux_mode
        if activity in ("ready", "disabled"):
            return mode == activity and not self.watcher.is_moving() and not self.is_alive("actor")
        is_whole = all(self.is_alive(name) for name in self.node_names)
        return mode == activity and is_whole and self.watcher.is_moving() and self.watcher.speed > SPEED_IN_MOTION

    def _state(self) -> str:
        watcher = self.watcher
        dead = [name for name in (*self.node_names, "actor") if not self.is_alive(name)]
        parts = [f"mux {watcher.mux_mode or 'silent'} ({watcher.mux_cause or 'no cause'})"]
        parts += [f"arm {watcher.arm_mode or 'silent'} ({watcher.arm_cause or 'no cause'})"]
        parts += [f"blockers {watcher.blockers}"] if watcher.blockers else []
        parts += [f"not alive: {', '.join(f'{name} ({self.last_words(name)})' for name in dead)}"] if dead else []
        return "; ".join(parts)

    def _intruder_pipes(self) -> tuple[IO[str], IO[str]]:
        if self._intruder is None or self._intruder.poll() is not None:
            frame = f"{self.run.config.control.arm}_base"
            self._intruder = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.faults.intruder", frame, str(self._controls_file)],
                cwd=Path(__file__).resolve().parents[2],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._intruder.stdin is not None
        assert self._intruder.stdout is not None
        return self._intruder.stdin, self._intruder.stdout
