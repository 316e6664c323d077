"""Runs small enough to be begun, killed and repeated by the hundred, made by nudge's own commands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.learner.point import EXPERT, GYM_ID
from robot.errors import NudgeError
from sessions.processes import ONE_THREAD

ROOT = Path(__file__).resolve().parents[2]

TINY: Mapping[str, object] = {
    "env.expert": EXPERT,
    "bc.updates": 100,
    "person.rule": "random",
    "person.onset": 0.05,
    "training.updates": 3,
    "training.checkpoint_every": 3,
    "training.schedule.warmup_steps": 100,
    "training.actor.hidden": "[16]",
    "training.learner.hidden": "[16]",
    "training.sampler.batch": 32,
}
"""The default method, `gated`, with networks whose updates take a millisecond."""

TINY_RLPD: Mapping[str, object] = {
    **TINY,
    "training.learner.members": 4,
    "training.learner.actor_every": 3,
    "training.sampler.priority": 0.6,
    "training.schedule.start_steps": 100,
    "training.schedule.unlock": "ranked",
}
"""SAC's squashed normal with a temperature, a start without updates, held-out episodes and priorities."""


def words(settings: Mapping[str, object]) -> list[str]:
    """Return settings as nudge's command line takes them."""
    return [f"{key}={value}" for key, value in settings.items()]


def nudge(*arguments: str) -> str:
    """Run a command of nudge's to its end; returns its standard output.

    Raises:
        NudgeError: it failed; says its last words.
    """
    command = [sys.executable, "-m", "sessions.cli", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | ONE_THREAD, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
        raise NudgeError(f"nudge {arguments[0]} ended with status {done.returncode}: {said}")
    return done.stdout


def pretrained(run: Path, settings: Mapping[str, object], preset: str = "", demonstrations: int = 6) -> Path:
    """Make a run with demonstrations and a base policy; returns its folder."""
    chosen = ["--preset", preset] if preset else []
    count = str(demonstrations)
    nudge("record", "--env", GYM_ID, "--run", str(run), "--episodes", count, *chosen, *words(settings))
    nudge("pretrain", "--run", str(run))
    return run


def unlearnt(run: Path, copy: Path, names: Sequence[str] = ("learner", "weights", "metrics/learner.jsonl")) -> Path:
    """Copy a run without what its learner has left; returns the copy's folder."""
    shutil.copytree(run, copy)
    for name in names:
        if (copy / name).is_dir():
            shutil.rmtree(copy / name)
        else:
            (copy / name).unlink(missing_ok=True)
    (copy / "learner.pid").unlink(missing_ok=True)
    return copy
