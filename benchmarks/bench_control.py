"""`loop_idle_p99_ms`: how late a 1 kHz loop on absolute deadlines wakes, against one that sleeps a period each time."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable

from robot.clock import NANOSECONDS, SystemClock
from sessions.statistics import percentile

PERIOD_NS = NANOSECONDS // 1000
TICKS = 20_000
QUICK_TICKS = 3_000


def lateness_ms(sleep: Callable[[int], None], ticks: int) -> list[float]:
    """Return how late each of `ticks` wakes was against the ideal schedule [ms]; `sleep` gets the tick's deadline."""
    start = time.monotonic_ns()
    late: list[float] = []
    for tick in range(1, ticks + 1):
        deadline = start + tick * PERIOD_NS
        sleep(deadline)
        late.append((time.monotonic_ns() - deadline) / 1e6)
    return late


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few seconds")
    ticks = QUICK_TICKS if parser.parse_args().quick else TICKS
    value = percentile(lateness_ms(SystemClock().sleep_until, ticks), 0.99)
    baseline = percentile(lateness_ms(lambda _: time.sleep(PERIOD_NS / NANOSECONDS), ticks), 0.99)
    line = {
        "bench": "control",
        "metric": "loop_idle_p99_ms",
        "value": value,
        "unit": "ms",
        "baseline": baseline,
        "ratio": value / baseline,
        "n": ticks,
        "command": "make bench" + (" ARGS=--quick" if ticks == QUICK_TICKS else ""),
    }
    sys.stdout.write(json.dumps(line) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
