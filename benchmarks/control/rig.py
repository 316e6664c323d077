"""The parts of the loop benchmark: the arm's process, and learners that leave no core idle."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.faults.learnt import prepare_finetuning
from robot.errors import RobotError
from sessions.config import load
from sessions.domain import Domain
from sessions.processes import ONE_THREAD, Processes
from sessions.run import Run
from sessions.run_config import RunConfig

LOOP = ("arm.control_step_s=0.001", "arm.is_kept_awake=true", "sim.physics_step_s=0.001", "cameras.names=[]")
ENDLESS = ("bc.updates=60", "training.updates=1000", "training.total_steps=1000000", "training.schedule.warmup_steps=0")
"""A learner with these owes a thousand updates for each step: it computes for longer than a benchmark lasts."""
IDLE_SHARE = 0.05
"""A machine with less idle time than this is saturated, whoever else is at work on it."""
BUSY_TIMEOUT_S = 60.0
SETTLE_S = 1.5
ANSWER_TIMEOUT_S = 20.0


class ArmProcess:
    """The arm node at 1 kHz in a process and a domain of its own."""

    def __init__(self, folder: Path, environment: dict[str, str], without: tuple[str, ...] = ()) -> None:
        command = [sys.executable, "-m", "benchmarks.control.arm", "--config", str(folder / "robot.yaml")]
        self._process = subprocess.Popen(
            [*command, *(["--without", *without] if without else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | ONE_THREAD | environment | {"NUDGE_PARENT": str(os.getpid())},
        )

    def measure(self, duration_s: float, waited: Callable[[float], None]) -> dict[str, Any]:
        """Return samples, p50, p99 and max of the period's error [ms], missed ticks, and the machine's share of idle
        time, over `duration_s`.

        `waited` gets the time that has passed [s], piece by piece.

        Raises:
            RobotError: the process died.
        """
        self._say("tell")  # it is up once it answers
        self._hear()
        _wait(SETTLE_S, waited)
        self._say("reset")
        before = machine_ticks()
        _wait(duration_s, waited)
        self._say("tell")
        found = self._hear()
        idle, total = (now - then for now, then in zip(machine_ticks(), before, strict=True))
        return found | {"idle": idle / max(total, 1)}

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(ANSWER_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def __enter__(self) -> ArmProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _say(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RobotError(f"The arm's process ended with status {self._process.wait()}; its last words are above.")
        return dict(json.loads(line))


class Rig:
    """A folder with all that the loop benchmark needs; a context manager.

    Args:
        folder: empty; gets one run directory a learner.
    """

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        self._runs = [folder / f"learner{index}" for index in range(os.cpu_count() or 1)]
        run = Run(self._runs[0], load(RunConfig, overrides=(*LOOP, *ENDLESS)))
        run.save_config()
        prepare_finetuning(run)
        shutil.copytree(run.store("demos"), run.store("online"))
        for other in self._runs[1:]:
            shutil.copytree(run.path, other)

    def __enter__(self) -> Rig:
        self._environment = self._stack.enter_context(Domain()).environment
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def arm(self, without: tuple[str, ...] = ()) -> ArmProcess:
        return ArmProcess(self._runs[0], self._environment, without)

    @contextmanager
    def load(self, is_nice: bool = True) -> Iterator[float]:
        """Keep every core busy with a learner; gives how busy they were at the start, in cores.

        Raises:
            RobotError: they do not get going.
        """
        module = "sessions.learner" if is_nice else "benchmarks.control.urgent_learner"
        with Processes(self._runs[0] / "logs") as processes:
            for index, run in enumerate(self._runs):
                processes.start(f"learner{index}", module, "--run", str(run), "--realtime")
            pids = [child.process.pid for child in processes.children]
            yield self._wait_until_busy(processes, pids)

    def _wait_until_busy(self, processes: Processes, pids: list[int]) -> float:
        deadline = time.monotonic() + BUSY_TIMEOUT_S
        while time.monotonic() < deadline:
            processes.check()
            if not all((run / "weights").is_dir() for run in self._runs):
                time.sleep(0.2)
                continue
            before_s, before, began_s = cpu_s(pids), machine_ticks(), time.monotonic()
            time.sleep(1.0)
            busy = (cpu_s(pids) - before_s) / (time.monotonic() - began_s)
            idle, total = (now - then for now, then in zip(machine_ticks(), before, strict=True))
            if busy > 0 and idle < IDLE_SHARE * total:
                return busy
        raise RobotError(f"The learners did not saturate the machine within {BUSY_TIMEOUT_S:.0f} s.")


def _wait(duration_s: float, waited: Callable[[float], None]) -> None:
    end_s = time.monotonic() + duration_s
    while (left_s := end_s - time.monotonic()) > 0:
        piece_s = min(1.0, left_s)
        time.sleep(piece_s)
        waited(piece_s)


def cpu_s(pids: list[int]) -> float:
    """Return the processor time [s] that these processes have used."""
    ticks = 0
    for pid in pids:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(words[11]) + int(words[12])  # utime and stime, proc(5), counted from behind the name
    return ticks / os.sysconf("SC_CLK_TCK")


def machine_ticks() -> tuple[int, int]:
    """Return idle and total processor time of the whole machine since its start, in ticks."""
    words = Path("/proc/stat").read_text().splitlines()[0].split()
    ticks = [int(word) for word in words[1:9]]  # user, nice, system, idle, iowait, irq, softirq, steal
    return ticks[3] + ticks[4], sum(ticks)
