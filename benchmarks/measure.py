"""What all benchmarks share: their command line, and one JSON line a metric on standard output.

    def main() -> None:
        is_quick = quick(__doc__)
        tell(line("store", "append_p99_ms", 0.3, "ms", n=6000, at_most=1.0))

    if __name__ == "__main__":
        run(main)

Progress goes to standard error (`sessions.progress.Progress`).
"""

from __future__ import annotations

import argparse
import json
import math
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from robot.errors import NudgeError
from sessions.processes import die_with_parent

FOLDER = Path("runs")
Part = Callable[[], list[dict[str, Any]]]
"""Measures, and returns metrics as `line` makes them."""
INTERRUPTED = 130
"""128 + SIGINT, as shells report it."""


def run(main: Callable[[], None]) -> NoReturn:
    """Be a benchmark's process: an expected error is one sentence, SIGINT and SIGTERM end it in order."""
    die_with_parent()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except NudgeError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
    sys.exit(0)


def quick(about: str | None) -> bool:
    """Read a benchmark's command line; returns whether --quick was asked for."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="ends within a minute")
    return bool(parser.parse_args().quick)


def tell(metric: Mapping[str, Any]) -> None:
    """Write one metric, as `line` returns it."""
    sys.stdout.write(json.dumps(metric) + "\n")
    sys.stdout.flush()


def campaign(bench: str, parts: Mapping[str, Part], is_quick: bool, folder: Path = FOLDER) -> None:
    """Measure each part in turn and tell its metrics.

    What a whole campaign has measured is kept in `folder`; one that was cut off goes on behind its last whole part.
    """
    unfinished = folder / f"bench-{bench}.unfinished.jsonl"
    known = {} if is_quick or not unfinished.exists() else _parts_in(unfinished)
    for name, part in parts.items():
        if name in known:
            sys.stderr.write(f"{name}: measured before the campaign was cut off; delete {unfinished} to begin anew\n")
        else:
            known[name] = part()
            if not is_quick:
                folder.mkdir(parents=True, exist_ok=True)
                with unfinished.open("a") as file:
                    file.write(json.dumps({"part": name, "metrics": known[name]}) + "\n")
        for metric in known[name]:
            tell(metric)
    if not is_quick:
        unfinished.replace(folder / time.strftime(f"bench-{bench}-%Y%m%d-%H%M%S.jsonl"))


def _parts_in(unfinished: Path) -> dict[str, list[dict[str, Any]]]:
    whole = [text for text in unfinished.read_text().splitlines(keepends=True) if text.endswith("\n")]
    unfinished.write_text("".join(whole))  # without a line that was torn
    return {found["part"]: found["metrics"] for found in map(json.loads, whole)}


def line(
    bench: str,
    metric: str,
    value: float,
    unit: str,
    n: int,
    *,
    baseline: float | None = None,
    at_most: float | None = None,
    at_least: float | None = None,
    note: str = "",
) -> dict[str, Any]:
    """Return one metric as it is written.

    Args:
        n: how many samples `value` rests on.
        baseline: the same quantity of the alternative, measured in the same run.
        at_most, at_least: the target; a value that is not a number holds none.
        note: what the figure depends on, or cost.
    """
    target, holds = "", None
    if at_most is not None:
        target, holds = f"<= {at_most:g}", value <= at_most
    if at_least is not None:
        target, holds = f">= {at_least:g}", value >= at_least
    return {
        "bench": bench,
        "metric": metric,
        "value": rounded(value),
        "unit": unit,
        "baseline": None if baseline is None else rounded(baseline),
        "ratio": rounded(value / baseline) if baseline else None,
        "n": n,
        "target": target,
        "holds": holds,
        "note": note,
        "command": f"nudge bench {bench}" + (" --quick" if "--quick" in sys.argv else ""),
    }


def rounded(value: float) -> float | None:
    """Return `value` with four significant digits; None where it is no number."""
    return float(f"{value:.4g}") if math.isfinite(value) else None
