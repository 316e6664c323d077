"""The sides of the comparison as processes that take turns."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.learner.serve import READY
from robot.errors import NudgeError
from sessions.progress import Progress

ROOT = Path(__file__).resolve().parents[2]

REST_S = 0.5
"""Between two sides: threads that wait for work spin for a while before they sleep."""


class Side:
    """One implementation in a process of its own, which measures when it is asked and rests otherwise.

    Args:
        module: of `benchmarks`, for example "learner.ours".
        options: of its command line.
        python: the interpreter it needs.
    """

    def __init__(self, module: str, options: Sequence[str], python: str = sys.executable) -> None:
        self._name = module
        command = [python, "-m", f"benchmarks.{module}", "--serve", *options]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Side:
        return self

    def wait(self) -> None:
        """Return once it is ready to measure: others that still begin would take its processor.

        Raises:
            NudgeError: it died.
        """
        assert self._process.stdout is not None
        if self._process.stdout.readline() != READY:
            raise NudgeError(f"The side {self._name} of the comparison died; see its last words above.")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            self._process.kill()
        self._process.communicate()

    def measure(self) -> dict[str, Any]:
        """Ask for one measurement.

        Raises:
            NudgeError: the process died.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # its last words are on standard error, and no line follows
        text = self._process.stdout.readline()
        if not text:
            raise NudgeError(f"The side {self._name} of the comparison died; see its last words above.")
        told: dict[str, Any] = json.loads(text)
        return told


def race(name: str, sides: Mapping[str, Side], rounds: int) -> dict[str, list[dict[str, Any]]]:
    """Let the sides measure in turns, since a machine's speed drifts; returns what each told, round by round."""
    told: dict[str, list[dict[str, Any]]] = {side_name: [] for side_name in sides}
    with ExitStack() as stack, Progress(name, total=rounds * len(sides)) as progress:
        for side in sides.values():
            stack.enter_context(side)
        for side in sides.values():
            side.wait()
        for _ in range(rounds):
            for side_name, side in sides.items():
                time.sleep(REST_S)
                told[side_name].append(side.measure())
                progress.advance(note=side_name)
    return told


def speed(told: Sequence[Mapping[str, Any]]) -> float:
    """Return the median of updates a second."""
    return statistics.median(float(one["updates_per_s"]) for one in told)


def ratio(ours: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]]) -> float:
    """Return the median over the rounds of our speed over theirs in the same round."""
    pairs = zip(ours, theirs, strict=True)
    return statistics.median(float(one["updates_per_s"]) / float(other["updates_per_s"]) for one, other in pairs)
