"""`unsafe`, `unnamed`, `unreported`, `steps_lost`, `hold_p99_ms`: faults in real time, in every process and stream.

    python -m benchmarks.bench_faults [--quick] [--count N] [--seed S] [--out DIR] [--kinds NAME ...]

Each injection happens while the simulated arm is in motion, or in the mode that its name tells. It is unsafe unless
the arm holds within 200 ms plus one control period and stays where it is. A table by fault goes to standard error.
A campaign that was cut off goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import measure
from benchmarks.faults.campaign import Campaign, Injection, is_of, plan, results
from benchmarks.faults.judge import HOLD_LIMIT_S
from benchmarks.faults.kinds import KINDS
from benchmarks.faults.results import Line, holds_ms, is_unreported, is_unsafe, sentence, table
from robot.errors import ConfigError, did_you_mean
from sessions.config import load
from sessions.run import Run
from sessions.run_config import RunConfig
from sessions.statistics import percentile

COUNT = 220
FOLDER = Path("runs")
SETTINGS = (
    "task.max_steps=600",
    "reset.timeout_s=4",
    "recorder.is_on=true",
    "bc.updates=60",
    "training.total_steps=1000000",
    "training.schedule.warmup_steps=20",
    "training.checkpoint_every=1",
)
"""Long episodes, a reset that gives up soon, and a learner that never finishes."""


def main() -> None:
    arguments = _arguments()
    names = arguments.kinds or [name for name, kind in KINDS.items() if kind.is_quick or not arguments.quick]
    for name in names:
        if name not in KINDS:
            raise ConfigError(f"{name!r} is no fault.{did_you_mean(name, KINDS)}")
    count = arguments.count or (len(names) if arguments.quick or arguments.kinds else COUNT)
    injections = plan(names, count, arguments.seed)
    with _folder(arguments, injections) as path:
        run = Run(path.resolve(), load(RunConfig, overrides=SETTINGS))
        run.save_config()
        campaign = Campaign(run, injections, lambda line: _show(sentence(line) + "\n"))
        lines = campaign.play()
        lost, acknowledged = campaign.steps_lost()
    _show(table(lines))
    _tell(lines, lost, acknowledged, run.config.control.period_s, is_whole=count >= COUNT)


def _tell(lines: list[Line], lost: int, acknowledged: int, period_s: float, is_whole: bool) -> None:
    done = [line for line in lines if not line["error"]]
    held = holds_ms(lines)

    def tell(metric: str, value: float, unit: str, n: int, **more: Any) -> None:
        measure.tell(measure.line("faults", metric, value, unit, n, **more))

    tell("injected", len(lines), "", len(lines), **({"at_least": 200} if is_whole else {}))
    tell("unsafe", sum(map(is_unsafe, lines)), "", len(lines), at_most=0)
    tell("unnamed", sum(not line["named_in"] for line in done), "", len(done), at_most=0)
    tell("unreported", sum(map(is_unreported, done)), "", len(done), at_most=0)
    tell("steps_lost", lost, "steps", acknowledged, at_most=0)
    tell("hold_p99_ms", percentile(held, 0.99), "ms", len(held), at_most=1e3 * (HOLD_LIMIT_S + period_s))


@contextmanager
def _folder(arguments: argparse.Namespace, injections: list[Injection]) -> Iterator[Path]:
    """Give the campaign's folder: the one named, that of the same campaign where it was cut off, or a new one."""
    if arguments.quick and arguments.out is None:
        with tempfile.TemporaryDirectory() as name:
            yield Path(name)
        return
    path = arguments.out
    if path is None:
        earlier = [p for p in sorted(FOLDER.glob("bench-faults-*")) if is_of(p, injections)]
        unfinished = [p for p in earlier if len(results(p)) < len(injections)]
        path = unfinished[-1] if unfinished else FOLDER / time.strftime("bench-faults-%Y%m%d-%H%M%S")
    _show(f"The campaign is in {path}.\n")
    yield path


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one injection of each main kind, under a minute")
    parser.add_argument("--count", type=int, default=0, help=f"how many injections (default {COUNT})")
    parser.add_argument("--seed", type=int, default=0, help="of order, moments and sizes")
    parser.add_argument("--out", type=Path, help="folder of the campaign (default: runs/bench-faults-<time>)")
    parser.add_argument("--kinds", nargs="+", metavar="KIND", help=f"only these of: {', '.join(KINDS)}")
    return parser.parse_args()


def _show(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


if __name__ == "__main__":
    measure.run(main)
