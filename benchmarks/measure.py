"""What all benchmarks share: their command line, and one JSON line a metric on standard output.

    def main() -> None:
        is_quick = quick(__doc__)
        tell("store", "append_p99_ms", 0.3, "ms", n=6000, at_most=1.0)

    if __name__ == "__main__":
        run(main)

Progress goes to standard error (`sessions.progress.Progress`).
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from robot.errors import NudgeError
from sessions.processes import die_with_parent

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


def tell(bench: str, metric: str, value: float, unit: str, n: int, **more: Any) -> None:
    """Write one metric; see `line` for what `more` may be."""
    sys.stdout.write(json.dumps(line(bench, metric, value, unit, n, **more)) + "\n")
    sys.stdout.flush()


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


def rounded(value: float) -> float:
    """Return `value` with four significant digits."""
    return float(f"{value:.4g}")
