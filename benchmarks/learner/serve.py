"""How each side of the comparison is asked: a process of its own that measures once for each line of standard input.

So the sides share neither threads nor settings of an allocator, and can take turns.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable

from benchmarks.learner.sizes import SIZES

SECONDS = 2.0
WARM_UP = 2
READY = "ready\n"


def arguments(about: str | None, *more: tuple[str, list[str]]) -> argparse.Namespace:
    """Read the command line of one side.

    Args:
        more: names and choices of further options, whose default is the first choice.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default=next(iter(SIZES)))
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of one measurement")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--serve", action="store_true", help="one measurement for each line of standard input")
    for name, choices in more:
        parser.add_argument(name, choices=choices, default=choices[0])
    return parser.parse_args()


def serve(given: argparse.Namespace, block: Callable[[], int], **about: object) -> None:
    """Measure once, or, after `READY`, for each line of standard input, and write one JSON line each.

    Args:
        block: does some updates, and returns how many once they are done.
        about: what else the line says.
    """
    for _ in range(WARM_UP):
        block()
    if given.serve:
        sys.stdout.write(READY)
        sys.stdout.flush()
    for _ in sys.stdin if given.serve else [""]:
        done, start, busy = 0, time.perf_counter(), time.process_time()
        while (taken := time.perf_counter() - start) < given.seconds:
            done += block()
        cores = (time.process_time() - busy) / taken
        sys.stdout.write(
            json.dumps({"updates_per_s": done / taken, "n": done, "cores": cores, "peak_mb": peak_mb(), **about}) + "\n"
        )
        sys.stdout.flush()


def peak_mb() -> float:
    """Return the most memory that this process has held so far [MB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
