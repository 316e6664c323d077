"""Processes that are started as a person starts them, watched through what they leave on the disk, and killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.learner.small_run import ROOT
from robot.errors import NudgeError
from sessions.processes import ONE_THREAD

POLL_S = 0.001
LONGEST_WAIT_S = 120.0
"""For what a life is to be killed in; a busy machine takes long to import torch."""
LONGEST_LIFE_S = 3600.0
PAUSE_S = 1.0
"""Who only waits a millisecond at a time and does not get to run for so long was on a machine that stood still."""


class Clock:
    """Seconds that were watched; while a virtual machine is paused nobody resumes anything, and they do not count."""

    def __init__(self) -> None:
        self._last_s = time.monotonic()
        self.now_s = 0.0
        self.paused_s = 0.0

    def tick(self) -> None:
        """Count the time since the last call; to be called all the time."""
        now_s = time.monotonic()
        gap_s, self._last_s = now_s - self._last_s, now_s
        if gap_s > PAUSE_S:
            self.paused_s += gap_s
        else:
            self.now_s += gap_s


class Life:
    """A process of `python -m`; its output goes to the end of `log`."""

    def __init__(self, log: Path, module: str, *arguments: str, descriptors: tuple[int, ...] = ()) -> None:
        self._log = log
        self.clock = Clock()
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=ROOT,
                env=os.environ | ONE_THREAD,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=descriptors,
            )

    @property
    def is_over(self) -> bool:
        return self._process.poll() is not None

    @property
    def age_s(self) -> float:
        """Time since its start, as far as it was watched."""
        return self.clock.now_s

    def is_writing(self, folder: Path, name: str) -> bool:
        """Whether it has begun a file `name*` in `folder` and not yet renamed it."""
        end = f".{self._process.pid}.tmp"
        try:
            return any(entry.startswith(f".{name}") and entry.endswith(end) for entry in os.listdir(folder))
        except FileNotFoundError:
            return False

    def kill(self) -> bool:
        """Send SIGKILL and wait for the end; returns whether it was this that ended it.

        Raises:
            NudgeError: it had failed before.
        """
        self._process.kill()
        if self._process.wait() > 0:
            raise self._failed()
        return self._process.returncode == -signal.SIGKILL

    def end(self) -> None:
        """Kill it where it still lives; may be called twice."""
        self._process.kill()
        self._process.wait()

    def finish(self, every: Callable[[], None] = lambda: None) -> None:
        """Wait for the end.

        Raises:
            NudgeError: it failed, or takes for ever.
        """
        self._wait(lambda: False, LONGEST_LIFE_S, every)
        if self._process.poll() != 0:
            raise self._failed()

    def _failed(self) -> NudgeError:
        said = self._log.read_text(errors="replace").strip().splitlines() or ["nothing"]
        return NudgeError(f"A life ended with status {self._process.poll()}: {said[-1]}")

    def wait_for(self, has_come: Callable[[], bool], every: Callable[[], None] = lambda: None) -> bool:
        """Wait until something has come; False where the process ended before, or it took for ever."""
        return self._wait(has_come, LONGEST_WAIT_S, every)

    def rest(self, duration_s: float, every: Callable[[], None] = lambda: None) -> None:
        """Let it live for a while longer."""
        self._wait(lambda: False, duration_s, every)

    def _wait(self, has_come: Callable[[], bool], at_most_s: float, every: Callable[[], None]) -> bool:
        deadline_s = self.clock.now_s + at_most_s
        while not has_come():
            if self.is_over or self.clock.now_s > deadline_s:
                return False
            time.sleep(POLL_S)
            self.clock.tick()
            every()
        return True


@contextmanager
def living(life: Life) -> Iterator[Life]:
    """Have a life for a while; it is killed at the end."""
    try:
        yield life
    finally:
        life.end()


def torn(run: Path) -> list[str]:
    """Return the files in a run's learner's folders that have been begun and not been renamed."""
    return [path.name for name in ("weights", "learner") for path in (run / name).glob(".*.tmp")]
