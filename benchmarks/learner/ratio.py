"""Whether the ratio of updates to robot steps is held by fast and by slow learners, and whether lateness is told.

python -m benchmarks.learner.ratio [--quick]
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import measure
from benchmarks.learner import small_run
from benchmarks.learner.lives import Life, living
from benchmarks.store.forks import forked, hog
from robot.store import Episode, StoreReader, StoreSettings, StoreWriter
from robot.types import Decision, FinalRecord, Label, Source, StepRecord, StepTiming
from sessions import finetune
from sessions.config import load
from sessions.progress import Progress
from sessions.run import Run
from sessions.run_config import RunConfig

START_STEPS = 50
"""Steps for which no updates are owed."""
FEWEST = 100
"""Counted steps from which on the ratio is judged; the first episodes owe less than one update in a hundred."""
RATIOS = ((1, 2), (5, 2), (4, 1))
SPEEDS: Mapping[str, Mapping[str, object]] = {
    "fast": {},
    "slow": {"training.learner.members": 10, "training.learner.hidden": "[128, 128]", "training.sampler.batch": 256},
}
STEPS, QUICK_STEPS = 700, 250
EPISODE_S = 0.3
"""A robot's episode in the check of lateness; the slow learner's updates for one take longer, the fast one's do not."""
LATE_EPISODES, QUICK_LATE_EPISODES = 20, 6
LATE_UPDATES = {"fast": 1, "slow": 4}
MOST = 0.01


def parts(is_quick: bool) -> Mapping[str, measure.Part]:
    """Return the two parts by name."""
    return {
        "ratio": lambda: ratio_part(QUICK_STEPS if is_quick else STEPS, RATIOS[:2] if is_quick else RATIOS),
        "late": lambda: late_part(QUICK_LATE_EPISODES if is_quick else LATE_EPISODES),
    }


def ratio_part(steps: int, ratios: tuple[tuple[int, int], ...]) -> list[dict[str, Any]]:
    """Let learners of several speeds learn what was played, one of them beside a process that takes its core."""
    errors: dict[str, float] = {}
    rates: dict[str, list[float]] = {speed: [] for speed in SPEEDS}
    count = 0
    with TemporaryDirectory(prefix="nudge-bench-") as name:
        folder = Path(name)
        played = _played(folder, steps)
        with Progress("ratio", len(ratios) * len(SPEEDS)) as progress:
            for updates, per_steps in ratios:
                for speed, settings in SPEEDS.items():
                    wanted = {"training.updates": updates, "training.per_steps": per_steps, **settings}
                    run = _with(played, folder / f"{speed}-{updates}-{per_steps}", wanted)
                    with living(Life(folder / "learner.log", "sessions.learner", "--run", str(run.path))) as life:
                        if speed == "slow":
                            with forked(hog):
                                life.finish()
                        else:
                            life.finish()
                    lines = run.lines("learner")
                    errors[f"{speed} {updates}/{per_steps}"] = _error(lines, updates / per_steps)
                    rates[speed] += [line["updates_per_s"] for line in lines if line["updates_per_s"] > 0.0]
                    count += len(lines)
                    progress.advance(note=f"{speed} {updates}/{per_steps}")
    worst = max(errors, key=lambda name: errors[name])
    speeds = ", ".join(f"{speed} {sorted(found)[len(found) // 2]:.0f}/s" for speed, found in rates.items())
    note = f"largest of all episodes of {', '.join(errors)}: {worst}; median speeds {speeds}"
    return [measure.line("learner", "ratio_error", errors[worst], "", count, note=note, at_most=MOST)]


def late_part(episodes: int) -> list[dict[str, Any]]:
    """Let a robot go on at its own pace beside a learner that cannot keep up, and one that can."""
    told, right = {}, 0
    with TemporaryDirectory(prefix="nudge-bench-") as name, Progress("late", len(SPEEDS)) as progress:
        folder = Path(name)
        played = _played(folder, 30 * (episodes + 4))
        for speed, settings in SPEEDS.items():
            wanted = {**settings, "training.updates": LATE_UPDATES[speed]}
            run = _with(played, folder / speed, {**wanted, "training.schedule.start_steps": 0}, is_played=False)
            true_most = _race(run, played, episodes, folder / "learner.log")
            found = finetune.pace(run)
            told[speed] = found["episodes_behind"]
            is_warned = "warning" in found
            right += is_warned == (speed == "slow") and abs(found["episodes_behind"] - true_most) <= 1
            progress.advance(note=f"{speed}: {found['episodes_behind']} behind, {true_most} in truth")
    note = ", ".join(f"{speed} learner: {behind} episodes behind" for speed, behind in told.items())
    return [measure.line("learner", "lateness_told", right / len(SPEEDS), "", len(SPEEDS), note=note, at_least=1.0)]


def _error(lines: list[dict[str, Any]], ratio: float) -> float:
    """Return the largest relative error of the updates done, at all episodes once there are enough."""
    counted = [(line["robot_steps"] - START_STEPS, line["updates"]) for line in lines]
    return max(abs(float(done) / (ratio * float(steps)) - 1.0) for steps, done in counted if steps >= FEWEST)


def _played(folder: Path, steps: int) -> Path:
    """Return a run whose online store holds so many steps; its own learner did next to nothing."""
    words = {"training.total_steps": steps, "training.updates": 0, "training.schedule.start_steps": START_STEPS}
    run = small_run.pretrained(folder / "played", {**small_run.TINY, **words})
    small_run.nudge("finetune", "--run", str(run))
    return run


def _with(played: Path, copy: Path, settings: Mapping[str, object], *, is_played: bool = True) -> Run:
    """Return a copy of a run, with other settings, that has learnt nothing."""
    names = ["learner", "weights", "metrics", *([] if is_played else ["online.zarr"])]
    small_run.unlearnt(played, copy, names)
    config = load(RunConfig, copy / "config.yaml", small_run.words(settings))
    run = Run(copy, config)
    run.save_config()
    return run


def _race(run: Run, played: Path, episodes: int, log: Path) -> int:
    """Write what was played at a robot's pace while the learner learns; returns how far it was behind in truth.

    The truth is the number of episodes acknowledged when each line of the metrics came, minus those learnt from.
    """
    source = StoreReader.open(played / "online.zarr")
    count = min(episodes, len(source))
    total = sum(source.episode(index).length for index in range(count))
    training = dataclasses.replace(run.config.training, total_steps=total)
    run = Run(run.path, dataclasses.replace(run.config, training=training))
    run.save_config()
    most, written, tail = 0, 0, run.tail("learner")
    with living(Life(log, "sessions.learner", "--run", str(run.path))) as life:
        life.wait_for(lambda: (run.path / "weights").exists())
        with forked(lambda out: _play(source, run.store("online"), count, out)) as robot:
            os.set_blocking(robot.output, False)

            def look() -> None:
                nonlocal most, written
                with contextlib.suppress(BlockingIOError):
                    written += len(os.read(robot.output, 4096))
                for line in tail.new():
                    most = max(most, written - int(line["version"]))

            life.finish(look)
    return most


def _play(source: StoreReader, target: Path, count: int, descriptor: int) -> None:
    """Commit an episode every so often, and tell of each."""
    with StoreWriter.open(target, source.spec, {}, StoreSettings(is_commit_synced=False)) as writer:
        begun_s = time.monotonic()
        for index in range(count):
            copy_episode(source.episode(index), writer)
            os.write(descriptor, b".")
            time.sleep(max(0.0, begun_s + (index + 1) * EPISODE_S - time.monotonic()))


def copy_episode(e: Episode, writer: StoreWriter) -> None:
    """Append an episode as it was recorded."""
    writer.begin(int(e.attributes["seed"]), {})
    for t in range(e.length):
        is_end = t == e.length - 1
        decision = Decision(
            e.requested[t], e.base_action[t], e.residual[t], int(e.chunk_phase[t]), int(e.weights_version[t])
        )
        writer.append(
            StepRecord(
                observation={key: values[t] for key, values in e.observation.items()},
                stamp_ns=int(e.stamp_ns[t]),
                stream_stamps_ns={key: int(stamps[t]) for key, stamps in e.stream_stamps_ns.items()},
                decision=decision,
                executed=e.action[t],
                source=Source(int(e.source[t])),
                label=Label(int(e.label[t])),
                reasons=int(e.reasons[t]),
                is_terminated=is_end and e.is_terminated,
                is_truncated=is_end and e.is_truncated,
                is_aborted=is_end and e.is_aborted,
                is_success=is_end and e.is_success,
                timing=StepTiming(*map(int, e.timing_ns[t])),
                reward=float(e.reward[t]),
            )
        )
    writer.commit(FinalRecord(e.final_observation, e.final_stamp_ns, e.final_base_action, e.final_chunk_phase))


def main() -> None:
    is_quick = measure.quick(__doc__)
    measure.campaign("learner-ratio", parts(is_quick), is_quick)


if __name__ == "__main__":
    measure.run(main)
