"""`kill -9` of learner and actor at random points: how soon they go on, what is lost, whether the bits are the same.

python -m benchmarks.learner.kills [--quick] [--count 50]
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import measure
from benchmarks.learner import kill_actor, kill_learner, small_run
from benchmarks.learner.kill_learner import Deaths
from sessions.progress import Progress

SEED = 20_261
KILLS, QUICK_KILLS = 50, 3
STEPS, QUICK_STEPS = 1500, 300
"""Robot steps over which the deaths are spread."""
LONGEST_S = 10.0
SCENES: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "gated": ("", small_run.TINY),
    "rlpd": ("rlpd", small_run.TINY_RLPD),
}
Metric = dict[str, Any]


def parts(is_quick: bool, count: int | None = None) -> Mapping[str, measure.Part]:
    """Return the campaigns by name; a quick one is a sample of each."""
    points = count or (QUICK_KILLS if is_quick else KILLS)
    steps = QUICK_STEPS if is_quick else STEPS
    found: dict[str, measure.Part] = {}
    for scene in SCENES:
        found[f"learner kills, {scene}"] = lambda s=scene: learner_part(s, points, steps, is_quick)  # type: ignore[misc]
        found[f"actor kills, {scene}"] = lambda s=scene: actor_part(s, points, steps, is_quick)  # type: ignore[misc]
    return found


def learner_part(scene: str, points: int, steps: int, is_quick: bool) -> list[Metric]:
    """Kill the learner's process over a store that a session of this scene has played."""

    def deaths(run: Path, folder: Path, progress: Callable[[str], None]) -> Deaths:
        small_run.nudge("finetune", "--run", str(run))
        return kill_learner.run(run, folder, points, SEED, progress)

    return _metrics("learner", scene, _measured("learner", scene, points, steps, deaths), is_quick)


def actor_part(scene: str, points: int, steps: int, is_quick: bool) -> list[Metric]:
    """Kill the process that plays, with the learner in it."""

    def deaths(run: Path, folder: Path, progress: Callable[[str], None]) -> Deaths:
        return kill_actor.run(run, folder, points, steps, SEED, progress)

    result = _measured("actor", scene, points, steps, deaths)
    return [
        *_metrics("actor", scene, result, is_quick),
        _line(f"steps_lost_{scene}", result.lost, "steps", result.acknowledged, {"at_most": 0}),
    ]


def _measured(
    who: str, scene: str, points: int, steps: int, deaths: Callable[[Path, Path, Callable[[str], None]], Deaths]
) -> Deaths:
    preset, settings = SCENES[scene]
    with TemporaryDirectory(prefix="nudge-bench-") as name, Progress(f"{who} kills, {scene}", points) as progress:
        folder = Path(name)
        run = small_run.pretrained(folder / "run", {**settings, "training.total_steps": steps}, preset)
        result = deaths(run, folder, lambda note: progress.advance(note=note))
    for what in [*result.wrong, *result.comparison.different]:
        sys.stderr.write(f"{who}, {scene}: {what}\n")
    return result


def _metrics(who: str, scene: str, result: Deaths, is_quick: bool) -> list[Metric]:
    compared = result.comparison.compared
    exact = (compared - len(result.comparison.different)) / compared if compared else math.nan
    hit = ", ".join(f"{act} {result.hit[act]}" for act in sorted(result.hit))
    paused = f"; the machine stood still for {result.paused_s:.0f} s, which are left out" if result.paused_s else ""
    caught = f"; caught up after at most {max(result.caught_up_s):.1f} s" if result.caught_up_s else ""
    middle = sorted(result.resumed_s)[len(result.resumed_s) // 2] if result.resumed_s else math.nan
    longest = max(result.resumed_s, default=math.nan)
    load = f"; load {os.getloadavg()[2]:.1f} on {os.cpu_count()} cores"
    note = f"median {middle:.1f} s{caught}{load}{paused}"
    whole = {} if is_quick else {"at_least": KILLS}
    return [
        _line(f"{who}_kills_{scene}", result.points, "", result.points, whole, note=f"in: {hit}"),
        _line(f"{who}_resume_max_s_{scene}", longest, "s", len(result.resumed_s), {"at_most": LONGEST_S}, note=note),
        _line(f"{who}_resume_exact_{scene}", exact, "", compared, {"at_least": 1.0}),
        _line(f"{who}_wrong_{scene}", len(result.wrong), "", result.points, {"at_most": 0}),
    ]


def _line(metric: str, value: float, unit: str, n: int, target: Mapping[str, float], note: str = "") -> Metric:
    return measure.line("learner", metric, value, unit, n, note=note, **target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a sample of each")
    parser.add_argument("--count", type=int, default=None, help="deaths in each campaign")
    arguments = parser.parse_args()
    measure.campaign("learner-kills", parts(arguments.quick, arguments.count), arguments.quick)


if __name__ == "__main__":
    measure.run(main)
