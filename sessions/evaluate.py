"""`nudge evaluate`: intervention-free, deterministic, on fixed seeds, judged by simulation's truth."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from robot.errors import ConfigError
from sessions.build import base_policy
from sessions.learning import base_or_none, check_checkpoint, held_back
from sessions.open_session import Plays, open_session
from sessions.reporting import reported, time_summary
from sessions.result import tell
from sessions.run import Run, open_run
from sessions.statistics import wilson


def evaluate(this: Run, session: Plays, policy: str, episodes: int) -> dict[str, Any]:
    """Evaluate the run's "base" or "final" policy and write `evaluation/<policy>.json`; returns what came of it."""
    started = time.monotonic()
    lines = session.play(f"evaluate_{policy}", episodes)[:episodes]
    rate = wilson(sum(line["success"] for line in lines), len(lines))
    card = {
        "successes": rate.successes,
        "episodes": rate.episodes,
        "low": rate.low,
        "high": rate.high,
        "seed": this.config.task.seed,
        "episode_seeds": [line["seed"] for line in lines],
        "deterministic": True,
        "interventions": sum(line["interventions"] for line in lines),
        "mean_steps_of_success": _mean([line["steps"] for line in lines if line["success"]]),
        "weights_version": lines[-1]["weights_version"],
        "judge": "simulation truth",
    }
    if policy == "final" and (why := held_back(this.path)):
        card["warning"] = why
    (this.path / "evaluation" / f"{policy}.json").write_text(json.dumps(card, indent=2) + "\n")
    return {
        "phase": f"evaluate_{policy}",
        "what": f"{policy} policy: success {rate.successes}/{rate.episodes}, 95% [{rate.low:.0%}, {rate.high:.0%}]",
        "wall_s": time.monotonic() - started,
        **{k: v for k, v in card.items() if k != "episode_seeds"},
        **time_summary(this, f"evaluate_{policy}"),
    }


def clear_old(this: Run, policy: str) -> None:
    """Move an earlier evaluation of this policy aside, so that the new one is of the present weights alone."""
    store = this.store(f"eval_{policy}")
    number = 1
    while store.exists():
        aside = store.with_name(f"eval_{policy}.{number}.zarr")
        if not aside.exists():
            store.rename(aside)
        number += 1


def run(arguments: argparse.Namespace) -> int:
    this = open_run(arguments, "evaluate")
    if arguments.policy == "base":
        base_policy(this.config, this.path)
    else:
        check_checkpoint(this.path, base_or_none(this.config, this.path))
    if arguments.policy == "final" and not (this.path / "weights").is_dir():
        raise ConfigError(f"Nothing is finetuned in {this.path}; do it with: nudge finetune --run {this.path}")
    clear_old(this, arguments.policy)
    episodes = arguments.episodes or this.config.session.evaluation_episodes
    with reported(this), open_session(this, arguments.realtime) as session:
        result = evaluate(this, session, arguments.policy, episodes)
        this.log("phases", result)
    return tell(arguments, result, f"The report card is {this.path / 'evaluation' / arguments.policy}.json.")


def _mean(values: list[int]) -> float | None:
    return sum(values) / len(values) if values else None
