"""`nudge record`: teleoperated demonstrations into a store."""

from __future__ import annotations

import argparse
import time
from typing import Any

from robot.errors import ConfigError
from robot.store import StoreReader
from sessions.build import robot_spec
from sessions.environments import has_expert
from sessions.open_session import Plays, open_session
from sessions.reporting import reported, time_summary
from sessions.result import tell
from sessions.run import Run, open_run


def record(this: Run, session: Plays, episodes: int) -> dict[str, Any]:
    """Record until the run's store of demonstrations holds `episodes` episodes; returns what came of it."""
    started = time.monotonic()
    lines = session.play("record", episodes)
    return {
        "phase": "record",
        "what": f"{len(lines)} demonstrations by the operator",
        "seed": this.config.task.seed,
        "episodes": len(lines),
        "successes": sum(line["success"] for line in lines),
        "robot_steps": sum(line["steps"] for line in lines),
        "wall_s": time.monotonic() - started,
        **time_summary(this, "record"),
    }


def run(arguments: argparse.Namespace) -> int:
    this = open_run(arguments, "record")
    spec = robot_spec(this.config)  # an environment that is not to be had is said first
    if not has_expert(this.config.env):
        raise ConfigError(
            f"Nobody can demonstrate in {this.config.env.id}: it has no scripted expert; name one with "
            f"env.expert=module:function, or learn without: nudge finetune --env {this.config.env.id} --run {this.path}"
        )
    if this.store("demos").exists():
        StoreReader.open(this.store("demos"), spec)  # of another robot: say so before it starts
    with reported(this), open_session(this, arguments.realtime) as session:
        result = record(this, session, arguments.episodes or this.config.session.demonstrations)
        this.log("phases", result)
    return tell(arguments, result, f"The demonstrations are in {this.store('demos')}.")
