"""`actor_miss_rate`, `capture_to_command_p99_ms`, `stopped_episodes`: a policy at 20 Hz over the graph in real time."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from benchmarks.control.witness import Witness
from benchmarks.faults.learnt import prepare_finetuning
from benchmarks.measure import line
from robot.timing import MISSED_SHARE
from sessions.config import load
from sessions.run import Run
from sessions.run_config import RunConfig
from sessions.session import Session
from sessions.step_times import StepTimes

PERIOD_S = 0.05
EPISODE_STEPS = 600
MISS_LIMIT = 0.001
AGE_LIMIT_MS = 60.0


def measure(folder: Path, steps: int, has_cameras: bool, kind: str = "") -> list[dict[str, Any]]:
    """Return the metrics of `steps` steps of the base policy, with two cameras of 128 x 128 or with none.

    With a `kind` of base policy it looks at both cameras; without, it is the default one, which acts by the state.

    The policy is hardly trained, so that it moves, and seldom ends an episode by success. An episode that a safety
    rule stopped has fewer steps, and is a failure of its own: nothing but lateness stops one here.
    """
    length = min(steps, EPISODE_STEPS)
    settings = [f"control.period_s={PERIOD_S}", f"task.max_steps={length}", "bc.updates=60"]
    if kind:
        settings += [f"bc.base.kind={kind}", "bc.base.vision.cameras=[front,wrist]", "bc.batch=32"]
    run = Run(folder, load(RunConfig, overrides=settings if has_cameras else [*settings, "cameras.names=[]"]))
    run.save_config()
    prepare_finetuning(run)
    with Session(run, is_realtime=True) as session, Witness(MISSED_SHARE * PERIOD_S) as witness:
        episodes = session.play("evaluate_base", math.ceil(steps / length))
        machine = witness.tell()
    times = StepTimes.read(run.store("eval_base"))
    found = times.line()
    age, executed = found["capture_to_command_ms"], found["capture_to_executed_ms"]
    suffix = f"seeing_{kind}" if kind else "cameras" if has_cameras else "low_dim"
    what = "two cameras of 128 x 128 at 30 Hz" if has_cameras else "no cameras"
    note = (
        f"20 Hz, {what}: to command p50 {age['p50']} max {age['max']} ms, to executed p99 {executed['p99']} ms, "
        f"{times.missed} deadlines missed, the latest by {times.latest_ms:.1f} ms, {age['unknown']} steps not told; "
        f"{machine}"
    )

    def one(metric: str, value: float | None, unit: str, at_most: float) -> dict[str, Any]:
        number = math.nan if value is None else value
        return line("control", f"{metric}_{suffix}", number, unit, times.steps, at_most=at_most, note=note)

    return [
        one("actor_miss_rate", times.missed_share, "", MISS_LIMIT),
        one("capture_to_command_p99_ms", age["p99"], "ms", AGE_LIMIT_MS),
        one("stopped_episodes", sum(bool(episode["aborted"]) for episode in episodes), "", 0.0),
    ]
