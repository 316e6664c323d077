"""The table of the learning benchmark as docs/benchmarks.md has it.

python -m benchmarks.learning.table [benchmarks/learning/measured.jsonl]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.learning import results
from benchmarks.learning.plans import METHODS, TASKS
from benchmarks.learning.results import Result, share

MEASURED = Path(__file__).with_name("measured.jsonl")
HEAD = (
    "| task | method | seeds | base | steps to 90% | take-overs to 90% | lowest | lowest less base | final "
    "| cycle, of the operator's |"
)

Written = Callable[[float], str]


def table(found: Sequence[Result]) -> list[str]:
    """Return the table's lines: interquartile means with 95 % bootstrap intervals over seeds."""
    rows = [(task, name, results.of(found, task, name)) for task in TASKS for name in METHODS]
    return [HEAD, "|---" * (HEAD.count("|") - 1) + "|", *(_row(task, name, of) for task, name, of in rows if of)]


def _row(task: str, method: str, of: Sequence[Result]) -> str:
    base = [share(result["curve"][0]) for result in of]
    lowest = [min(map(share, result["curve"][1:])) for result in of]
    ends = [result["curve"][-1] for result in of]
    good = [point for result in of if (point := results.first_good(result)) is not None]
    cycles = [
        end["cycle_steps"] / result["demo_steps"] for end, result in zip(ends, of, strict=True) if end["cycle_steps"]
    ]
    some = "" if len(good) == len(of) else f" ({len(good)} of {len(of)} seeds)"
    cells = (
        task,
        method,
        str(len(of)),
        _cell(base, "{:.0%}".format),
        _cell([point["steps"] for point in good], "{:,.0f}".format) + some if good else f"not in {ends[0]['steps']:,}",
        _cell([point["interventions"] for point in good], "{:.0f}".format),
        _cell(lowest, "{:.0%}".format),
        _cell([100.0 * (low - b) for low, b in zip(lowest, base, strict=True)], "{:+.0f}".format),
        _cell([share(end) for end in ends], "{:.0%}".format),
        _cell(cycles, "{:.2f}".format),
    )
    return f"| {' | '.join(cells)} |"


def _cell(values: Sequence[float], written: Written) -> str:
    if not values:
        return "-"
    found = results.interquartile(values)
    interval = f" [{written(found.low)}, {written(found.high)}]" if len(values) > 1 else ""
    return written(found.mean) + interval


if __name__ == "__main__":
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else MEASURED
    sys.stdout.write("\n".join(table(results.read(file))) + "\n")
