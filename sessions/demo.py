"""`nudge demo`: the whole story on the simulated arm, and a report of it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

from robot.errors import ConfigError
from sessions.config import load
from sessions.evaluate import clear_old, evaluate
from sessions.finetune import finetune
from sessions.pretrain import pretrain
from sessions.record import record
from sessions.replay import replay
from sessions.reporting import reported
from sessions.run import Run, open_run
from sessions.run_config import RunConfig
from sessions.session import Session


def quick(config: RunConfig) -> RunConfig:
    """Return `config` with the sizes of `--quick`.

    Every phase, in about three minutes on two cores; too few episodes for a verdict.
    """
    sizes = ("session.demonstrations=10", "session.evaluation_episodes=10")
    learning = ("training.total_steps=800", "training.schedule.warmup_steps=150")
    return load(RunConfig, overrides=(*sizes, *learning), base=config)


def phases(this: Run, session: Session) -> dict[str, Callable[[], dict[str, Any]]]:
    """Return the phases of the story by name, in order."""
    sizes = this.config.session
    return {
        "record": lambda: record(this, session, sizes.demonstrations),
        "pretrain": lambda: pretrain(this),
        "evaluate_base": lambda: evaluate(this, session, "base", sizes.evaluation_episodes),
        "finetune": lambda: finetune(this, session),
        "evaluate_final": lambda: evaluate(this, session, "final", sizes.evaluation_episodes),
        "replay": lambda: replay(this),
    }


def run(arguments: argparse.Namespace) -> int:
    started = time.monotonic()
    if arguments.resume and arguments.run is None:
        raise ConfigError("Say which run to go on with: nudge demo --resume --run DIR")
    this = open_run(arguments, "demo", base=quick(RunConfig()) if arguments.quick else None)
    finished = {line["phase"] for line in this.lines("phases")}
    if finished and not arguments.resume:
        raise ConfigError(f"{this.path} already holds a run; add --resume to go on, or name another --run.")
    with reported(this), Session(this, arguments.realtime) as session:
        session.go_on = "demo --resume"
        _say(f"run {this.path}, seed {this.config.task.seed}, ROS domain {session.domain_id}")
        for name, play in phases(this, session).items():
            if name in finished:
                continue
            if name.startswith("evaluate") and not arguments.resume:
                clear_old(this, name.removeprefix("evaluate_"))
            result = play()
            this.log("phases", result)
            _say(str(result["what"]))
    _say(f"done in {time.monotonic() - started:.0f} s; open {this.path / 'report.html'}")
    if arguments.json:
        sys.stdout.write((this.path / "summary.json").read_text())
    return 0


def _say(text: str) -> None:
    sys.stderr.write(f"nudge demo: {text}\n")
    sys.stderr.flush()
