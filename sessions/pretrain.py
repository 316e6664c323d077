"""`nudge pretrain`: behaviour cloning of the base policy from the run's demonstrations."""

from __future__ import annotations

import argparse
import time
from typing import Any

from robot.errors import ConfigError
from sessions.build import robot_spec, sound_store
from sessions.progress import Progress
from sessions.result import tell
from sessions.run import Run, open_run


def pretrain(this: Run) -> dict[str, Any]:
    """Train and save the run's base policy; returns what came of it."""
    from policies.bc import train_base

    started = time.monotonic()
    store = sound_store(this.store("demos"), robot_spec(this.config))
    episodes = [store.episode(index) for index in range(len(store))]
    config = this.config.bc
    with Progress("pretrain", total=config.updates) as progress:
        done = 0

        def advance(updates: int, _total: int) -> None:
            nonlocal done
            progress.advance(updates - done)
            done = updates

        base, metrics = train_base(episodes, store.spec, config, this.config.task.seed, advance)
    base.save(this.path / "base")
    return {
        "phase": "pretrain",
        "what": f"base policy cloned from {len(episodes)} demonstrations",
        "seed": this.config.task.seed,
        "wall_s": time.monotonic() - started,
        **metrics,
    }


def run(arguments: argparse.Namespace) -> int:
    this = open_run(arguments, "pretrain")
    if this.store("online").exists():
        raise ConfigError(
            f"{this.store('online')} was played on the base policy that is there, and its steps carry that one's "
            "actions: pretrain in another run directory (copy demos.zarr into it)."
        )
    result = pretrain(this)
    this.log("phases", result)
    return tell(arguments, result, f"The base policy is in {this.path / 'base'}.")
