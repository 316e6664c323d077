"""Exact resume: everything that a training run consists of, in one file with one commit point."""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from policies.external import Base
from policies.sampler import DEMO
from policies.tensorfile import read_tensors, write_tensors
from robot.errors import ConfigError, SpecError, StoreError

if TYPE_CHECKING:
    from policies.training import Training

FILE = "checkpoint.safetensors"
NOTHING = "none"
"""Stands for the digest of a base policy where there is none."""


def save(directory: Path, training: Training) -> Path:
    """Write weights, targets, optimisers, random states, normalisers and counters; returns the file.

    The episodes are not in it: they are in the stores, and a prefix of the online store is named by its length.
    """
    learner, sampler = training.learner, training.sampler
    tensors = {name: tensor.cpu() for name, tensor in _tensors(training).items()}
    tensors["generator"] = learner.generator.get_state()
    priorities = sampler.pools.priorities()
    tensors |= {f"priorities.{name}": torch.from_numpy(values) for name, values in priorities.items()}
    header = {
        "config": training.config_json(),
        "spec_digest": training.spec.digest(),
        "base": _digest(training.base),
        "counters": json.dumps(
            {
                "updates": learner.updates,
                "ratio": training.ratio.total,
                "robot_steps": training.robot_steps,
                "episodes": training.version,
                "demos": training.buffer.episodes[DEMO],
                "has_begun": training.has_begun,
                "opened_at": training.opened_at,
                "alarms": training.alarms.state(),
            }
        ),
        "sampler": json.dumps(sampler.pools.state()),
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
        ConfigError: it was made with another config or base policy, so going on would not be the same run.
    """
    path = Path(directory) / FILE
    tensors, header = read_tensors(path)
    _require_whole(path, header, {"config", "spec_digest", "counters", "sampler"})
    _require_whole(path, tensors, {"generator"} | _tensors(training).keys())
    if header["spec_digest"] != training.spec.digest():
        raise SpecError(
            f"Checkpoint {path} is for robot {header['spec_digest']}, this one is {training.spec.digest()}; "
            "resume in the run directory of this robot."
        )
    if header["config"] != training.config_json():
        raise ConfigError(
            f"Checkpoint {path} was made with another config; found {header['config']}, asked for "
            f"{training.config_json()}. Resume with the saved config, or start a new run."
        )
    _require_base(path, header, training.base)
    counters = json.loads(header["counters"])
    if counters["demos"] != training.buffer.episodes[DEMO]:
        raise StoreError(
            f"Checkpoint {path} was made with {counters['demos']} demonstrations; found "
            f"{training.buffer.episodes[DEMO]}. Resume with the same store."
        )
    for name, tensor in _tensors(training).items():
        tensor.copy_(tensors[name])
    training.learner.generator.set_state(tensors["generator"])
    priorities = {n.removeprefix("priorities."): t.numpy() for n, t in tensors.items() if n.startswith("priorities.")}
    training.sampler.pools.restore(json.loads(header["sampler"]), priorities)
    training.learner.updates = counters["updates"]
    training.ratio.total = counters["ratio"]
    training.has_begun, training.opened_at = counters["has_begun"], counters["opened_at"]
    training.alarms.restore(counters["alarms"])
    return int(counters["episodes"])


def require_base(directory: Path, base: Base | None) -> None:
    """Raise ConfigError where the checkpoint in `directory` was made with another base policy than `base`.

    Raises:
        StoreError: it cannot be read. Where there is none, all is well.
    """
    path = Path(directory) / FILE
    if path.exists():
        _require_base(path, read_tensors(path)[1], base)


def _require_base(path: Path, header: Mapping[str, str], base: Base | None) -> None:
    there = _digest(base)
    if header.get("base", there) != there:  # those from before it was noted have none
        raise ConfigError(
            f"Checkpoint {path} was made with base policy {header['base']}; found {there}. "
            "Put the run's own base policy back, or start a new run."
        )


def _require_whole(path: Path, found: Mapping[str, object], needed: Set[str]) -> None:
    missing = sorted(needed - found.keys())
    if missing:
        raise StoreError(
            f"{path} is no checkpoint of such a run: it lacks {missing}. Put the run's own back, or start a new run."
        )


def _digest(base: Base | None) -> str:
    """Return which base policy it is."""
    return base.digest() if base is not None else NOTHING


def _tensors(training: Training) -> dict[str, Tensor]:
    """Return every tensor of the state by name; they share memory with the training."""
    standardiser = training.buffer.standardiser
    return {
        **training.learner.state(),
        "standardiser.mean": torch.from_numpy(standardiser.mean),
        "standardiser.scale": torch.from_numpy(standardiser.scale),
    }
