"""`nudge bench`: runs the benchmarks of `benchmarks/bench_*.py` and shows what they measured."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from robot.errors import ConfigError, NudgeError, did_you_mean

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = ("metric", "value", "unit", "baseline", "ratio", "n", "target", "holds")
STOP_GRACE_S = 5.0
"""A benchmark that is told to stop has its own processes to end."""


def run(arguments: argparse.Namespace) -> int:
    """Run one benchmark, or all; returns 1 where a target does not hold or a benchmark failed."""
    found = names(ROOT / "benchmarks")
    chosen = found if arguments.name == "all" else [known(arguments.name, found)]
    is_good = True
    for name in chosen:
        lines, status = measure(name, arguments.quick, _echo if arguments.json else lambda text: None)
        if not arguments.json:
            sys.stdout.write(f"nudge bench {name}\n{table(lines)}")
        if status != 0:
            sys.stderr.write(f"nudge: The benchmark {name} ended with status {status}; its last words are above.\n")
        is_good = is_good and status == 0 and not any(line.get("holds") is False for line in lines)
    return int(not is_good)


def _echo(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def names(folder: Path) -> list[str]:
    """Return the names of the benchmarks in `folder`.

    Raises:
        NudgeError: there are none, as where nudge was not installed from a checkout.
    """
    found = sorted(path.stem.removeprefix("bench_") for path in folder.glob("bench_*.py"))
    if not found:
        raise NudgeError(f"There are no benchmarks in {folder}: run nudge from a checkout of its repository.")
    return found


def known(name: str, found: Iterable[str]) -> str:
    """Return `name` if it is one of `found`.

    Raises:
        ConfigError: it is none; names the near ones.
    """
    if name not in found:
        raise ConfigError(f"{name!r} is no benchmark.{did_you_mean(name, [*found, 'all'])}")
    return name


def measure(name: str, is_quick: bool, take: Callable[[str], None]) -> tuple[list[dict[str, Any]], int]:
    """Run one benchmark in a process of its own, standard error left to it.

    Args:
        take: gets each line of text as it comes.

    Returns:
        Its metrics as `benchmarks/measure.py` writes them, and its exit status.
    """
    command = [sys.executable, "-m", f"benchmarks.bench_{name}", *(["--quick"] if is_quick else [])]
    lines = []
    with _process(command) as process:
        assert process.stdout is not None
        for text in process.stdout:
            if (line := metric(text)) is not None:
                lines.append(line)
                take(text)
        return lines, process.wait()


@contextmanager
def _process(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    # a session of its own: Ctrl-C reaches us alone, and what was started here ends as a whole
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(STOP_GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process.stdout is not None:
            process.stdout.close()


def metric(text: str) -> dict[str, Any] | None:
    """Return the metric in a line of output; None where the line holds none."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        return None
    return found if isinstance(found, dict) and {"bench", "metric", "value"} <= found.keys() else None


def table(lines: list[dict[str, Any]]) -> str:
    """Return metrics as a table in plain text, with their notes numbered below it."""
    notes = list(dict.fromkeys(str(line["note"]) for line in lines if line.get("note")))
    rows = [COLUMNS, *(cells(line, notes) for line in lines)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    text = ["  ".join(_aligned(i, cell, widths[i]) for i, cell in enumerate(row)).rstrip() for row in rows]
    return "\n".join([*text, *(f"({number}) {note}" for number, note in enumerate(notes, start=1))]) + "\n"


def cells(line: dict[str, Any], notes: list[str]) -> tuple[str, ...]:
    """Return a metric's row of the table; `notes` are those below it, in order."""
    mark = f" ({notes.index(line['note']) + 1})" if line.get("note") in notes else ""
    holds = {True: "yes", False: "NO"}.get(line.get("holds"), "")  # type: ignore[arg-type]
    value, baseline, ratio, n = (_short(line.get(key)) for key in ("value", "baseline", "ratio", "n"))
    return (
        f"{line['metric']}{mark}",
        value,
        str(line.get("unit", "")),
        baseline,
        ratio,
        n,
        line.get("target", ""),
        holds,
    )


def _aligned(column: int, cell: str, width: int) -> str:
    is_number = COLUMNS[column] in ("value", "baseline", "ratio", "n", "target")
    return cell.rjust(width) if is_number else cell.ljust(width)


def _short(value: float | None) -> str:
    if value is None or isinstance(value, int):
        return "" if value is None else str(value)
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
