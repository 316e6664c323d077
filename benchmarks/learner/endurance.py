"""Whether the learner's memory stays as it is over a million updates.

python -m benchmarks.learner.endurance [--quick]
"""

from __future__ import annotations

import itertools
import math
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks import measure
from benchmarks.learner import small_run
from benchmarks.store.forks import Fork, forked
from sessions.progress import Progress

UPDATES, QUICK_UPDATES = 1_000_000, 20_000
A_STEP = 200
"""Updates a robot step: a million updates then keep 5,000 steps, about 1 MB, and publish some hundred versions."""
SAMPLE_EVERY = 1000
SETTLING = 0.05
"""Share of the updates in which libraries still take what they keep."""
MB = 1e6
MOST_MB = 20.0

SETTINGS: Mapping[str, object] = {
    **small_run.TINY,
    "training.updates": A_STEP,
    "training.total_steps": 10**9,
    "training.schedule.warmup_steps": 0,
    "training.actor.hidden": "[8]",
    "training.learner.hidden": "[8]",
    "training.learner.members": 2,
    "training.sampler.batch": 16,
}


def parts(is_quick: bool) -> Mapping[str, measure.Part]:
    """Return the one part; a quick one says little of a slow leak."""
    return {"memory": lambda: memory_part(QUICK_UPDATES if is_quick else UPDATES, is_quick)}


def memory_part(updates: int, is_quick: bool) -> list[dict[str, Any]]:
    with TemporaryDirectory(prefix="nudge-bench-") as name:
        run = small_run.pretrained(Path(name) / "run", SETTINGS, demonstrations=20)
        with forked(lambda out: _learn(run, updates, out)) as learner, Progress("memory", updates) as progress:
            samples = _samples(learner, lambda count, note: progress.advance(count, note))
            if learner.wait() != 0:
                raise RuntimeError("The learner whose memory was watched ended in an error of its own.")
    growth, settled = fitted(samples)
    note = f"{settled[0, 1]:.1f} MB after {settled[0, 0]:.0f} updates, {settled[-1, 1]:.1f} MB at the end"
    target = {} if is_quick else {"at_most": MOST_MB}
    return [measure.line("learner", "memory_growth_mb", growth, "MB/1e6", updates, note=note, **target)]


def fitted(samples: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[float, np.ndarray[Any, np.dtype[np.float64]]]:
    """Return the growth per million updates of a line through samples (N, 2) of updates and MB, and those used."""
    settled = samples[samples[:, 0] > SETTLING * samples[-1, 0]]
    if len(settled) < 2:
        return math.nan, settled
    return float(np.polyfit(settled[:, 0], settled[:, 1], 1)[0] * 1e6), settled


def _learn(run: Path, updates: int, descriptor: int) -> None:
    """Take a run's demonstrations as if they were played, again and again, and tell of the memory on the way."""
    import torch

    from policies.base import BasePolicy
    from policies.process import Learning, Paths
    from policies.training import StoppedError, Training
    from robot.store import StoreReader
    from sessions.run import Run

    torch.set_num_threads(1)
    config = Run.read(run).config
    demos = StoreReader.open(run / "demos.zarr")
    base = BasePolicy.load(run / "base", demos.spec)
    episodes = [demos.episode(index) for index in range(len(demos))]
    training = Training(demos.spec, base, episodes, config.training)
    online, weights, state = run / "online.zarr", run / "weights", run / "learner"
    paths = Paths(run / "demos.zarr", online, run / "base", weights, state, run / "metrics" / "learner.jsonl")

    def stop() -> bool:
        count = training.learner.updates
        if count % SAMPLE_EVERY == 0:
            os.write(descriptor, f"{count} {resident_mb()}\n".encode())
        return count >= updates

    with Learning(training, paths) as learning:
        learning.begin(None)
        try:
            for episode in itertools.cycle(episodes):
                learning.take(episode, stop)
        except StoppedError:
            pass  # there were enough


def resident_mb() -> float:
    """Return the resident memory of this process, see proc_pid_statm(5)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MB


def _samples(learner: Fork, progress: Callable[[float, str], None]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return what the learner tells until its end, (N, 2)."""
    rows: list[tuple[float, float]] = []
    with os.fdopen(os.dup(learner.output)) as told:
        for line in told:
            count, mb = map(float, line.split())
            progress(count - (rows[-1][0] if rows else 0.0), f"{mb:.1f} MB")
            rows.append((count, mb))
    return np.array(rows)


def main() -> None:
    is_quick = measure.quick(__doc__)
    measure.campaign("learner-endurance", parts(is_quick), is_quick)


if __name__ == "__main__":
    sys.exit(measure.run(main))
