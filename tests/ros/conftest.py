"""Helpers that start real nodes in processes of their own, and plain rclpy clients beside them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SMALL = (
    "session.demonstrations=3",
    "session.evaluation_episodes=2",
    "bc.updates=60",
    "training.total_steps=120",
    "training.schedule.warmup_steps=20",
    "training.checkpoint_every=1",
)
"""Overrides that make every phase as short as it can be and still be itself."""
LIGHT = (
    "cameras.names=[front]",
    "cameras.rate_hz=10",
    "safety.command_expiry_s=2",
    "safety.max_age_s=2",
    "safety.camera_max_age_s=2",
    "safety.state_max_age_s=2",
    "safety.frozen_after_s=2",
    "safety.heartbeat_timeout_s=2",
)
"""Overrides with which a slow machine keeps up with real time, and no episode ends for a late stream of a busy one."""
DEADLINE_S = 180.0


class Nudge:
    """Runs `nudge` commands as children; whatever is left of them is ended with the test."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[str]] = []

    def start(self, *words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "sessions.cli", *words],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._running.append(process)
        return process

    def run(self, *words: str) -> tuple[int, str]:
        """Run to the end; returns exit status and output."""
        process = self.start(*words)
        output, _ = process.communicate(timeout=DEADLINE_S * 2)
        return process.returncode, output

    def descendants(self, process: subprocess.Popen[str]) -> dict[int, str]:
        """Return the command lines of the processes whose session this is, by pid."""
        marked: dict[int, str] = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal():
                continue
            try:
                environment = (entry / "environ").read_bytes()
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if f"NUDGE_PARENT={process.pid}\0".encode() in environment + b"\0":
                marked[int(entry.name)] = command
        return marked

    def child(self, process: subprocess.Popen[str], module: str) -> int:
        """Return the pid of the child that runs `module`, as soon as there is one."""
        found: list[int] = []

        def is_there() -> bool:
            found[:] = [pid for pid, command in self.descendants(process).items() if module in command]
            return bool(found)

        wait_until(is_there, f"{module} to start")
        return found[0]

    def wait_in(self, process: subprocess.Popen[str], is_done: Callable[[], bool], what: str) -> None:
        """Poll until `is_done()` of a command that must go on meanwhile; else fail the test with what it printed."""
        deadline = time.monotonic() + DEADLINE_S
        while not is_done():
            if process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            why = f"waited {DEADLINE_S} s in vain" if process.poll() is None else f"it ended ({process.returncode})"
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=DEADLINE_S)
            pytest.fail(f"{process.args} did not come to {what}: {why}. It printed:\n{output}")

    def end(self) -> None:
        for process in self._running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
            if process.stdout is not None:
                process.stdout.close()


def wait_until(is_done: Callable[[], bool], what: str, timeout_s: float = DEADLINE_S) -> None:
    """Poll until `is_done()`; fails the test, naming `what`, when it never is."""
    deadline = time.monotonic() + timeout_s
    while not is_done():
        if time.monotonic() > deadline:
            pytest.fail(f"Waited {timeout_s} s in vain for {what}.")
        time.sleep(0.05)


@pytest.fixture
def nudge() -> Iterator[Nudge]:
    runner = Nudge()
    yield runner
    runner.end()
