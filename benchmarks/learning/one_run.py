"""One run of the learning benchmark: demonstrations, base, and finetuning with an evaluation every so many steps.

    python -m benchmarks.learning.one_run --task peg --method gated --seed 10 --out runs/learning/peg-gated-10

A run that was cut goes on; the last line of standard output is its result as JSON.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from benchmarks import measure
from benchmarks.learning.plans import METHODS, QUICK, TASKS, Plan
from policies.base import FILE
from policies.jsonfile import read_json, write_json
from robot.errors import ConfigError
from sessions.config import load
from sessions.evaluate import clear_old, evaluate
from sessions.open_session import open_session
from sessions.pretrain import begin_from, pretrain
from sessions.record import record
from sessions.run import Run, open_run
from sessions.run_config import RunConfig

ALL_CORRECTIONS = "bc.failed_weight=1.0"
"""HG-DAgger clones what a person did whatever came of it."""


def play(plan: Plan, out: Path) -> dict[str, Any]:
    """Play the whole run, or what is missing of it; returns its result."""
    this = _open(plan, out)
    done = {line["phase"]: line for line in this.lines("phases")}
    if "record" not in done:
        with open_session(this, is_realtime=False) as session:
            this.log("phases", record(this, session, this.config.session.demonstrations))
    if "pretrain" not in done:
        this.log("phases", pretrain(this))
    this = _watched(this, plan)
    curve = this.lines("curve")
    if not curve:
        curve = [_point(this, this, "base", 0, plan.episodes)]
    now = this
    for number, steps in enumerate(range(plan.every, plan.steps + 1, plan.every), start=2):
        is_known = steps <= curve[-1]["steps"]
        if METHODS[plan.method].clones:
            now = _cloned_again(plan, now, out.with_name(f"{out.name}.{number}"))
            if not is_known:
                curve.append(_point(this, now, "base", steps, plan.episodes))
        elif not is_known:
            now = _until(this, steps)
            with open_session(now, is_realtime=False) as session:
                session.play("finetune", total_steps=steps)
            curve.append(_point(this, now, "final", steps, plan.episodes))
    return result(plan, this, curve)


def _watched(this: Run, plan: Plan) -> Run:
    """Return the run as the person of its task watches it."""
    config = load(RunConfig, this.config_file, overrides=list(TASKS[plan.task].person))
    return dataclasses.replace(this, config=config)


def _cloned_again(plan: Plan, before: Run, path: Path) -> Run:
    """Return the run at `path`, whose base is cloned from a session on that of the run before, too (HG-DAgger)."""
    if not (path / "base" / FILE).exists():
        stage = _until(before, plan.every)
        with open_session(stage, is_realtime=False) as session:
            session.play("finetune", total_steps=plan.every)
        shutil.rmtree(path, ignore_errors=True)  # half of one that was cut
        begin_from(before.path, path)
        pretrain(Run(path, load(RunConfig, path / "config.yaml", overrides=[ALL_CORRECTIONS])))
    return _watched(Run.read(path), plan)


def _open(plan: Plan, out: Path) -> Run:
    task = TASKS[plan.task]
    is_there = (out / "config.yaml").exists()
    require_same_plan(plan, out, is_there)
    arguments = argparse.Namespace(
        run=out,
        config=None,
        overrides=[] if is_there else [*plan.overrides, f"training.total_steps={plan.steps}"],
        seed=None if is_there else plan.seed,
        env=None if is_there else task.env,
        preset=None if is_there else METHODS[plan.method].preset,
        realtime=False,
    )
    return open_run(arguments, "record")


def require_same_plan(plan: Plan, out: Path, is_there: bool) -> None:
    """Note what a run was begun with, and refuse to go on with other settings under the same name."""
    file, asked = out.with_name(f"{out.name}.plan.json"), list(plan.overrides)  # a run directory begins empty
    found = read_json(file)
    if is_there and found is not None and found["overrides"] != asked:
        raise ConfigError(f"{out} was begun with {found['overrides']}; asked for {asked}. Move it away.")
    if not is_there:
        write_json(file, {"overrides": asked})


def _until(this: Run, steps: int) -> Run:
    training = dataclasses.replace(this.config.training, total_steps=steps)
    return dataclasses.replace(this, config=dataclasses.replace(this.config, training=training))


def _point(this: Run, now: Run, policy: str, steps: int, episodes: int) -> dict[str, Any]:
    """Evaluate the run `now`, and note the point of the curve of `this`; the base's is at 0 steps."""
    clear_old(now, policy)
    with open_session(now, is_realtime=False) as session:
        card = evaluate(now, session, policy, episodes)
    played = [line for path in _runs(this.path) for line in Run.read(path).lines("episodes")] if steps else []
    finetuned = [line for line in played if line["phase"] == "finetune"]
    point = {
        "steps": steps,
        "successes": card["successes"],
        "episodes": card["episodes"],
        "cycle_steps": card["mean_steps_of_success"],
        "interventions": sum(line["interventions"] for line in finetuned),
        "human_steps": sum(line["human_steps"] for line in finetuned),
        "alone": sum(line["success"] and not line["human_steps"] for line in finetuned),
        "played": len(finetuned),
    }
    this.log("curve", point)
    return point


def _runs(path: Path) -> list[Path]:
    """Return the run at `path` and those that were begun from it, one after the other."""
    return [path, *(later for later in path.parent.glob(f"{path.name}.*") if (later / "config.yaml").exists())]


def result(plan: Plan, this: Run, curve: list[dict[str, Any]]) -> dict[str, Any]:
    demos = [line for line in this.lines("episodes") if line["phase"] == "record"]
    learnt = this.lines("learner")
    return {
        "task": plan.task,
        "method": plan.method,
        "seed": plan.seed,
        "curve": curve,
        "demo_steps": sum(line["steps"] for line in demos) / max(1, len(demos)),
        "updates": learnt[-1]["updates"] if learnt else 0,
        "alarms": sum("alarm" in line for line in learnt),
        "overrides": list(plan.overrides),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="further settings of the run, key=value")
    parser.add_argument("--task", choices=TASKS, required=True)
    parser.add_argument("--method", choices=METHODS, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--episodes", type=int, default=50, help="of each evaluation")
    parser.add_argument("--quick", action="store_true", help="a few hundred steps")
    parser.add_argument("--out", type=Path, required=True, help="run directory")
    arguments = parser.parse_args()
    extra = (*(QUICK if arguments.quick else ()), *arguments.overrides)
    plan = Plan(arguments.task, arguments.method, arguments.seed, arguments.episodes, extra, arguments.quick)
    found = play(plan, arguments.out)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    measure.run(main)
