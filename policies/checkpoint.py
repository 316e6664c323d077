"""Exact resume: everything that a training run consists of, in one file with one commit point."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from policies.tensorfile import read_tensors, write_tensors
from robot.errors import ConfigError, SpecError, StoreError

if TYPE_CHECKING:
    from policies.training import Training

FILE = "checkpoint.safetensors"


def save(directory: Path, training: Training) -> Path:
    """Write weights, targets, optimisers, random states and counters; returns the file.

    The episodes are not in it: they are in the stores, and a prefix of the online store is named by its length.
    """
    learner = training.learner
    tensors = {
        "critic": learner.critic_flat,
        "actor": learner.actor_flat,
        "critic_target": learner.critic_target,
        "actor_target": learner.actor_target,
        "generator": learner.generator.get_state(),
    }
    for name, optimiser in _optimisers(training).items():
        for key, value in optimiser.state_dict()["state"].get(0, {}).items():
            tensors[f"{name}.{key}"] = value
    header = {
        "config": training.config_json(),
        "spec_digest": training.base.spec.digest(),
        "counters": json.dumps(
            {
                "updates": learner.updates,
                "ratio": training.ratio.total,
                "robot_steps": training.robot_steps,
                "episodes": training.version,
                "demos": training.sampler.demo.episodes,
            }
        ),
        "sampler": json.dumps(training.sampler.state()),
    }
    path = Path(directory) / FILE
    write_tensors(path, tensors, header)
    return path


def restore(directory: Path, training: Training) -> int:
    """Put a fresh `training` into the saved state; returns how many online episodes it had taken.

    The caller must then `replay` exactly that many episodes into its buffer.

    Raises:
        StoreError: no checkpoint, a damaged one, or other demonstrations than it was made with.
        SpecError: it belongs to another robot.
        ConfigError: it was made with another config, so going on would not be the same run.
    """
    path = Path(directory) / FILE
    tensors, header = read_tensors(path)
    if header["spec_digest"] != training.base.spec.digest():
        raise SpecError(
            f"Checkpoint {path} is for robot {header['spec_digest']}, this one is {training.base.spec.digest()}; "
            "resume in the run directory of this robot."
        )
    if header["config"] != training.config_json():
        raise ConfigError(
            f"Checkpoint {path} was made with another config; found {header['config']}, asked for "
            f"{training.config_json()}. Resume with the saved config, or start a new run."
        )
    counters = json.loads(header["counters"])
    if counters["demos"] != training.sampler.demo.episodes:
        raise StoreError(
            f"Checkpoint {path} was made with {counters['demos']} demonstrations; found "
            f"{training.sampler.demo.episodes}. Resume with the same store."
        )
    _load(training, tensors)
    training.sampler.restore(json.loads(header["sampler"]))
    training.learner.updates = counters["updates"]
    training.ratio.total = counters["ratio"]
    return int(counters["episodes"])


def _load(training: Training, tensors: dict[str, Tensor]) -> None:
    learner = training.learner
    with torch.no_grad():
        learner.critic_flat.copy_(tensors["critic"])
        learner.actor_flat.copy_(tensors["actor"])
        learner.critic_target.copy_(tensors["critic_target"])
        learner.actor_target.copy_(tensors["actor_target"])
    learner.generator.set_state(tensors["generator"])
    for name, optimiser in _optimisers(training).items():
        own = {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}
        state = optimiser.state_dict()
        state["state"] = {0: own} if own else {}
        optimiser.load_state_dict(state)


def _optimisers(training: Training) -> dict[str, torch.optim.Optimizer]:
    return {
        "critic_optimiser": training.learner.critic_optimiser,
        "actor_optimiser": training.learner.actor_optimiser,
    }
