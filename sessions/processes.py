"""Child processes that cannot outlive their session: started together, watched, ended in order."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from robot.errors import RobotError

TERM_GRACE_S = 2.5
"""Time from SIGTERM to SIGKILL; with what is around it a session ends within five seconds."""

_PR_SET_PDEATHSIG = 1
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
ONE_THREAD["LP_NUM_THREADS"] = "0"  # llvmpipe: small pictures are drawn faster without helpers
"""Environment that keeps numerical libraries and the renderer from starting helper threads."""


def die_with_parent() -> None:
    """Ask the kernel for SIGTERM when the parent dies, so that a killed session leaves no orphan (Linux)."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    expected = os.environ.get("NUDGE_PARENT")
    if expected is not None and os.getppid() != int(expected):
        sys.exit(1)  # the parent died before the request


@dataclass
class Child:
    """A running child and where its output goes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    log_start: int = 0

    def last_words(self) -> str:
        """Return the last line that it wrote itself to its log, which may hold lines of earlier sessions."""
        own = self.log.read_bytes()[self.log_start :].decode(errors="replace").strip().splitlines()
        return own[-1].rstrip(".") if own else "it wrote nothing to its log"


@dataclass
class Processes:
    """A group of children; a context manager that ends them all, last started first."""

    logs: Path
    environment: dict[str, str] = field(default_factory=dict)
    children: list[Child] = field(default_factory=list)

    def __enter__(self) -> Processes:
        self.logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, name: str, module: str, *arguments: str) -> Child:
        """Start `python -m module arguments` under `name`; its output is appended to `logs/name.log`."""
        log = self.logs / f"{name}.log"
        environment = os.environ | ONE_THREAD | self.environment | {"NUDGE_PARENT": str(os.getpid())}
        with log.open("ab") as output:
            log_start = output.tell()
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=Path(__file__).resolve().parent.parent,
                start_new_session=True,  # Ctrl-C reaches the session alone, which then ends its children in order
            )
        child = Child(name, process, log, log_start)
        self.children.append(child)
        return child

    def check(self, *expected_to_end: Child) -> None:
        """Raise RobotError if a child has ended that was not expected to."""
        for child in self.children:
            code = child.process.poll()
            if code is not None and child not in expected_to_end:
                raise RobotError(f"{child.name} {how_it_ended(code)}: {child.last_words()} (see {child.log}).")

    def stop(self, *which: Child) -> None:
        """End these children, or all: SIGTERM together, SIGKILL after a grace; may be called twice."""
        ending = [c for c in reversed(self.children) if not which or c in which]
        for child in ending:
            if child.process.poll() is None:
                child.process.terminate()
        deadline = time.monotonic() + TERM_GRACE_S
        for child in ending:
            try:
                child.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
        self.children = [c for c in self.children if c not in ending]


def how_it_ended(code: int) -> str:
    """Return an exit code in words."""
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with status {code}"
