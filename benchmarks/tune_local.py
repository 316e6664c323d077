"""Runs the demo's learning in one process, without ROS 2: demonstrations, cloning, finetuning, evaluation.

    python benchmarks/tune_local.py --seed 0 --out runs/tune training.total_steps=4000

takes the run's own config and episode seeds, and prints one JSON line a phase.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from policies.acting import LearntPolicy
from policies.base import BasePolicy
from policies.bc import train_base
from policies.training import Training
from policies.weights import WeightsDirectory
from robot.env import RobotEnv
from robot.interfaces import Policy
from robot.loop import EpisodeSummary, HoldPolicy, run_episode
from robot.store import Episode, StoreReader, StoreSettings, StoreWriter
from sessions import build
from sessions.config import load
from sessions.run_config import RunConfig
from sessions.statistics import wilson

Each = Callable[[int, EpisodeSummary], bool]


class Cell:
    """The robot in process, and its stores under one folder."""

    def __init__(self, config: RunConfig, out: Path) -> None:
        blind = dataclasses.replace(config, cameras=dataclasses.replace(config.cameras, names=()))
        self.config, self.out = blind, out
        self.spec = build.robot_spec(blind)
        self.robot = build.local_robot(blind)

    def play(
        self, store: str, phase: str, role: str, policy: Policy, episodes: int, judge: str, each: Each | None = None
    ) -> list[EpisodeSummary]:
        """Play `episodes` episodes into `store`, fewer when `each(index, summary)` returns True."""
        self.robot.role = role
        env = RobotEnv(self.robot, self.spec, self.config.task.max_steps, judge)
        summaries: list[EpisodeSummary] = []
        unsynced = StoreSettings(is_commit_synced=False)
        with StoreWriter.open(self.out / store, self.spec, {}, unsynced) as sink:
            for index in range(episodes):
                seed = build.episode_seed(self.config, phase, index)
                summaries.append(run_episode(env, policy, sink, seed, {"phase": phase}))
                if each is not None and each(index, summaries[-1]):
                    break
        return summaries

    def episodes(self, store: str) -> list[Episode]:
        reader = StoreReader.open(self.out / store)
        return [reader.episode(i) for i in range(len(reader))]


class Finetuning:
    """Strictly alternates an episode and the updates owed for it; the actor's weights lag as in a session."""

    def __init__(self, cell: Cell, base: BasePolicy, every: int) -> None:
        self._cell, self._every = cell, every
        self._training = Training(cell.spec, base, cell.episodes("demos.zarr"), cell.config.training)
        self._training.prepare()
        self._weights = WeightsDirectory(cell.out / "weights")
        self._publish()
        self.policy = LearntPolicy(cell.spec, base, cell.config.training, self._weights)
        self.policy.load_weights(0)
        self._begun = time.monotonic()
        self._window: list[EpisodeSummary] = []
        self.learning_s = 0.0

    def run(self) -> None:
        self._cell.play("online.zarr", "finetune", "supervise", self.policy, 10**6, "operator", self._each)
        self.policy.load_weights(self._weights.latest())
        self.policy.deterministic = True

    def _each(self, index: int, summary: EpisodeSummary) -> bool:
        reader = StoreReader.open(self._cell.out / "online.zarr")
        started = time.monotonic()
        metrics = self._training.take(reader.episode(index))
        self.learning_s += time.monotonic() - started
        self._publish()
        self.policy.load_weights(max(0, index + 1 - self._cell.config.session.version_lag))
        self._window.append(summary)
        if len(self._window) == self._every or self._training.is_finished:
            alone = sum(s.is_success and not s.human_steps for s in self._window)
            passed_s = time.monotonic() - self._begun
            rounded = {k: round(v, 4) if isinstance(v, float) else v for k, v in metrics.items()}
            say(phase="finetune", **outcome(self._window, passed_s), alone=alone, **rounded)
            self._window = []
        return self._training.is_finished

    def _publish(self) -> None:
        training = self._training
        words = training.directions().to_header()
        self._weights.publish(training.version, training.published(), self._cell.spec.digest(), words)


def say(**what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def outcome(summaries: list[EpisodeSummary], wall_s: float) -> dict[str, Any]:
    rate = wilson(sum(s.is_success for s in summaries), len(summaries))
    human = sum(s.human_steps for s in summaries) / sum(s.steps for s in summaries)
    return {
        "successes": rate.successes,
        "episodes": rate.episodes,
        "low": round(rate.low, 3),
        "high": round(rate.high, 3),
        "steps": round(float(np.mean([s.steps for s in summaries])), 1),
        "human_share": round(human, 3),
        "interventions": sum(s.interventions for s in summaries),
        "wall_s": round(wall_s, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="settings of the run, key=value")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="new folder for stores and weights")
    parser.add_argument("--until", choices=("base", "all"), default="all", help="last phase")
    parser.add_argument("--every", type=int, default=10, help="episodes per printed line of the finetuning")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    seeds = [f"task.seed={arguments.seed}", f"training.seed={arguments.seed}"]
    config = load(RunConfig, overrides=[*seeds, *arguments.overrides])
    cell, count = Cell(config, arguments.out), config.session.evaluation_episodes
    started = time.monotonic()

    def report(phase: str, summaries: list[EpisodeSummary]) -> None:
        nonlocal started
        say(phase=phase, seed=arguments.seed, **outcome(summaries, time.monotonic() - started))
        started = time.monotonic()

    nobody = HoldPolicy(cell.spec.action_size)
    demos = config.session.demonstrations
    report("record", cell.play("demos.zarr", "record", "demonstrate", nobody, demos, "operator"))
    base, metrics, *_ = train_base(cell.episodes("demos.zarr"), cell.spec, config.bc, arguments.seed)
    say(phase="pretrain", wall_s=round(time.monotonic() - started, 1), **metrics)
    started = time.monotonic()
    report("evaluate_base", cell.play("base.zarr", "evaluate", "watch", base, count, "truth"))
    if arguments.until == "base":
        return
    finetuning = Finetuning(cell, base, arguments.every)
    finetuning.run()
    say(phase="learner", wall_s=round(finetuning.learning_s, 1))
    started = time.monotonic()
    report("evaluate_final", cell.play("final.zarr", "evaluate", "watch", finetuning.policy, count, "truth"))


if __name__ == "__main__":
    main()
