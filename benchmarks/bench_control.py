"""The 1 kHz loop, idle and loaded; the 20 Hz actor in real time, without cameras, with, and seeing; lockstep."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import bench_lockstep, measure
from benchmarks.control import actors, loops
from policies.base_config import KINDS

LOOP_S, QUICK_LOOP_S = 60.0, 3.0
ACTOR_STEPS, QUICK_ACTOR_STEPS = 6000, 80
"""Five minutes at 20 Hz."""

SEEING_STEPS = 2400
"""Two minutes of each kind of base policy."""


def main() -> None:
    is_quick = measure.quick(__doc__)
    seen = QUICK_ACTOR_STEPS if is_quick else SEEING_STEPS
    loop_s, steps = (QUICK_LOOP_S, QUICK_ACTOR_STEPS) if is_quick else (LOOP_S, ACTOR_STEPS)
    episodes = bench_lockstep.QUICK_EPISODES if is_quick else bench_lockstep.EPISODES
    measure.campaign(
        "control",
        {
            "loop": in_folder(lambda folder: loops.measure(folder, loop_s, is_each_taken_away=not is_quick)),
            "actor": in_folder(lambda folder: actors.measure(folder, steps, has_cameras=False)),
            "actor with cameras": in_folder(lambda folder: actors.measure(folder, steps, has_cameras=True)),
            **{f"actor, seeing: {kind}": in_folder(partial(seeing, kind, seen)) for kind in KINDS},
            "lockstep": in_folder(lambda folder: bench_lockstep.measure(folder, "control", episodes)),
        },
        is_quick,
    )


def seeing(kind: str, steps: int, folder: Path) -> list[dict[str, Any]]:
    """Measure an actor whose base policy looks at two cameras."""
    return actors.measure(folder, steps, has_cameras=True, kind=kind)


def in_folder(part: Callable[[Path], list[dict[str, Any]]]) -> Callable[[], list[dict[str, Any]]]:
    """Give a part of the benchmark an empty folder for as long as it lasts."""

    def run() -> list[dict[str, Any]]:
        with tempfile.TemporaryDirectory() as name:
            return part(Path(name))

    return run


if __name__ == "__main__":
    measure.run(main)
