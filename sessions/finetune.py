"""`nudge finetune`: actor and learner on the robot, a person intervening."""

from __future__ import annotations

import argparse
import time
from typing import Any

from robot.errors import ConfigError
from robot.store import StoreReader
from robot.types import Source
from sessions.build import robot_spec, sound_store
from sessions.learning import base_or_none, check_base, check_checkpoint, check_settings, held_back
from sessions.open_session import Plays, open_session
from sessions.reporting import reported, time_summary
from sessions.result import tell
from sessions.run import Run, open_run


def finetune(this: Run, session: Plays) -> dict[str, Any]:
    """Play and learn until the online store holds the configured number of steps; returns what came of it."""
    started = time.monotonic()
    session.play("finetune", total_steps=this.config.training.total_steps)
    store = StoreReader.open(this.store("online"))
    episodes = [store.episode(index) for index in range(len(store))]
    robot_steps = sum(episode.length for episode in episodes)
    told = ", by critics that were told what only the simulation knows" if this.config.training.privileged else ""
    return {
        "phase": "finetune",
        "what": f"finetuned over {len(episodes)} episodes{told}",
        "seed": this.config.task.seed,
        "episodes": len(episodes),
        "robot_steps": robot_steps,
        **_warned(this, pace(this)),
        "interventions": sum(episode.interventions for episode in episodes),
        "human_share": sum(int((e.source == Source.HUMAN).sum()) for e in episodes) / max(1, robot_steps),
        "wall_s": time.monotonic() - started,
        **time_summary(this, "finetune"),
    }


def _warned(this: Run, found: dict[str, Any]) -> dict[str, Any]:
    """Return `found`, with a word on who acts by what was learnt where that is not itself."""
    said = " ".join(filter(None, (found.get("warning", ""), held_back(this.path))))
    return found | ({"warning": said} if said else {})


def pace(this: Run) -> dict[str, Any]:
    """Return how many updates were done, and how far the learner was behind the robot at worst.

    The ratio of updates to steps is held whatever the learner's speed: one that is too slow is late, and this says so.
    """
    lines = this.lines("learner")
    worst = max((int(line.get("behind", 0)) for line in lines), default=0)
    found: dict[str, Any] = {"updates": lines[-1]["updates"] if lines else 0, "episodes_behind": worst}
    if worst > this.config.session.version_lag:
        rates = sorted(line["updates_per_s"] for line in lines if line["updates_per_s"] > 0.0)
        found["warning"] = (
            f"The learner was up to {worst} episodes behind the robot, at {rates[len(rates) // 2]:.0f} updates a "
            "second: no update was left out, but the robot acted on old weights. Ask for fewer with training.updates, "
            "or give it more cores or a GPU (training.threads, training.device)."
        )
    return found


def check_ready(this: Run, is_resume: bool) -> None:
    """Refuse to finetune without demonstrations and base, or over an earlier session that is not resumed.

    In a gymnasium environment demonstrations may be missing: then all is learnt from its reward. A base policy is
    needed where the method refers to one.

    Raises:
        StoreError, ConfigError: one sentence about what is missing or in the way.
    """
    is_from_nothing = bool(this.config.env.gym_id)
    if not is_from_nothing or this.store("demos").exists():
        sound_store(this.store("demos"), robot_spec(this.config))
    schedule = this.config.training.schedule
    if (schedule.clone_updates or schedule.offline_updates) and not this.store("demos").exists():
        raise ConfigError(
            "This method learns from demonstrations first, and there are none: record them with nudge record, or set "
            "training.schedule.clone_updates=0 training.schedule.offline_updates=0."
        )
    check_settings(this.config)
    base = base_or_none(this.config, this.path)
    check_base(this.config, base)
    online = this.store("online")
    if online.exists() and not is_resume:
        raise ConfigError(
            f"{online} already holds a finetuning session: add --resume to go on with it, or name another --run."
        )
    if online.exists():
        sound_store(online, robot_spec(this.config))
    check_checkpoint(this.path, base)


def run(arguments: argparse.Namespace) -> int:
    this = open_run(arguments, "finetune")
    check_ready(this, arguments.resume)
    with reported(this), open_session(this, arguments.realtime) as session:
        result = finetune(this, session)
        this.log("phases", result)
    return tell(arguments, result, f"The weights are in {this.path / 'weights'}.")
