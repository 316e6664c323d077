"""A short run: config, demonstrations, online episodes, and stores and folders as a run has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from conftest import configured, make_episode, toy_spec

from policies.process import Paths
from policies.training_config import TrainingConfig
from robot.store import Episode, StoreWriter
from robot.types import Decision, FinalRecord, Label, Source, StepRecord

CONFIG: TrainingConfig = configured(
    {
        "total_steps": 30,
        "updates": 3,
        "per_steps": 2,
        "checkpoint_every": 2,
        "seed": 5,
        "schedule.warmup_steps": 12,
        "actor.bound": (0.4, 0.4),
        "actor.hidden": (16,),
        "learner.members": 3,
        "learner.hidden": (16,),
        "learner.imitation": 0.5,
        "sampler.batch": 16,
    }
)
DEMOS = [make_episode(6, seed=i, human=tuple(range(6))) for i in range(3)]
ONLINE = [make_episode(5 + i % 3, seed=20 + i, human=(1,), end="timeout" if i % 2 else "success") for i in range(8)]


def write(path: Path, episodes: list[Episode]) -> None:
    """Append episodes to a store, through the store's own writer."""
    with StoreWriter.open(path, toy_spec(), {}) as sink:
        for e in episodes:
            sink.begin(int(e.attributes["seed"]), {})
            for t in range(e.length):
                is_end = t == e.length - 1
                decision = Decision(e.action[t], e.base_action[t], e.residual[t])
                observation = {"state": e.observation["state"][t]}
                flags = [is_end and f for f in (e.is_terminated, e.is_truncated, e.is_aborted, e.is_success)]
                source = Source(int(e.source[t]))
                sink.append(StepRecord(observation, t, {}, decision, e.action[t], source, Label.NONE, 0, *flags))
            sink.commit(FinalRecord(e.final_observation, e.length, e.final_base_action))


def paths(root: Path, online: str = "online.zarr", results: Path | None = None) -> Paths:
    """Where a run reads; and where it writes, unless `results` says otherwise."""
    written = results or root
    return Paths(
        demos=root / "demos.zarr",
        online=root / online,
        base=root / "base",
        weights=written / "weights",
        checkpoint=written / "learner",
        metrics=root / "metrics" / "learner.jsonl",
    )


def spoiled(name: str, row: int, value: float = np.nan, length: int = 5) -> Episode:
    """An episode with one number that is none."""
    rewards = {"reward": np.ones(length, np.float32)}
    good = make_episode(length, seed=3, **rewards)
    column = (good.observation["state"] if name == "state" else getattr(good, name)).copy()
    column[row] = value
    changed = {"observation": {"state": column}} if name == "state" else {name: column}
    return make_episode(length, seed=3, **rewards | changed)
