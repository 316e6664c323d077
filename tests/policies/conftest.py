"""Episodes, a small robot, configs and mini-batches for the tests of the policies."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from policies.base import ActionScaler, BasePolicy, chunk_model
from policies.base_config import BaseConfig
from policies.batch import Batch
from policies.chunks.denoiser import DenoiserConfig
from policies.chunks.diffusion import DiffusionConfig
from policies.chunks.flow import FlowConfig
from policies.learner import Learner
from policies.presets import preset
from policies.training import Training
from policies.training_config import TrainingConfig
from robot.specs import ArraySpec, RobotSpec
from robot.store import Episode
from robot.types import Source

torch.set_num_threads(1)


def toy_spec() -> RobotSpec:
    """A robot with a two-dimensional state that no feature rule knows, and two action axes."""
    state = {"state": ArraySpec((2,), "float32", "m")}
    return RobotSpec("toy/point", state, ("x", "y"), (0.1, 0.1), 0.1)


def toy_base(execute_steps: int = 3, seed: int = 0, kind: str = "mlp") -> BasePolicy:
    """A base policy with random weights."""
    network = DenoiserConfig(width=16, blocks=1)
    config = BaseConfig(
        kind=kind,
        hidden=(16,),
        chunk=4,
        execute_steps=execute_steps,
        flow=FlowConfig(network=network),
        diffusion=DiffusionConfig(steps=3, network=network),
    )
    model = chunk_model(toy_spec(), config, torch.Generator().manual_seed(seed))
    scaler = ActionScaler(np.zeros(2, np.float32), np.ones(2, np.float32))
    return BasePolicy(toy_spec(), config, model, scaler)


def make_episode(
    length: int = 5,
    *,
    seed: int = 0,
    end: str = "success",
    human: tuple[int, ...] = (),
    base_action: np.ndarray | None = None,
    has_final: bool = True,
    **columns: np.ndarray,
) -> Episode:
    """An episode of the toy robot with random columns; `end` is success, failure, timeout or abort."""
    rng = np.random.default_rng(seed)
    source = np.full(length, Source.POLICY, np.uint8)
    source[list(human)] = Source.HUMAN
    nan = np.full((length, 2), np.nan, np.float32)
    terminated = end in ("success", "failure")
    values = {
        "index": 0,
        "length": length,
        "observation": {"state": rng.uniform(-1, 1, (length, 2)).astype(np.float32)},
        "final_observation": {"state": rng.uniform(-1, 1, 2).astype(np.float32)},
        "action": rng.uniform(-1, 1, (length, 2)).astype(np.float32),
        "requested": nan,
        "base_action": nan if base_action is None else base_action[:length],
        "residual": nan,
        "chunk_phase": np.zeros(length, np.int32),
        "source": source,
        "label": np.zeros(length, np.uint8),
        "reasons": np.zeros(length, np.uint32),
        "reward": np.full(length, np.nan, np.float32),
        "weights_version": np.zeros(length, np.int64),
        "stamp_ns": np.arange(length, dtype=np.int64),
        "stream_stamps_ns": {},
        "timing_ns": np.zeros((length, 6), np.int64),
        "is_terminated": terminated,
        "is_truncated": not terminated,
        "is_aborted": end == "abort",
        "is_success": end == "success",
        "has_final": has_final,
        "final_base_action": np.full(2, np.nan, np.float32) if base_action is None else base_action[length],
        "final_chunk_phase": 0,
        "final_stamp_ns": length,
        "attributes": {"seed": seed},
        "remarks": (),
        "_tables": None,
        "_start": 0,
    }
    return Episode(**(values | columns))


def configured(values: dict[str, Any], start: Any = None) -> Any:
    """A config (by default `TrainingConfig`) with values laid over it by dotted keys."""
    config = TrainingConfig() if start is None else start
    laid: dict[str, Any] = {}
    for key, value in values.items():
        name, _, rest = key.partition(".")
        if rest:
            laid.setdefault(name, {})[rest] = value
        else:
            laid[name] = value
    whole = {n: configured(v, getattr(config, n)) if isinstance(v, dict) else v for n, v in laid.items()}
    return dataclasses.replace(config, **whole)


SMALL = {"actor.hidden": (8,), "learner.hidden": (8,), "sampler.batch": 16}


def small(name: str = "gated", **more: Any) -> TrainingConfig:
    """A preset with networks and mini-batches that take no time; `more` has two underscores for a dot."""
    values = {key.removeprefix("training."): value for key, value in preset(name).values.items()} | SMALL
    values["learner.members"] = min(values["learner.members"], 4)
    config: TrainingConfig = configured(values | {key.replace("__", "."): value for key, value in more.items()})
    return config


def toy_batch(state_size: int, size: int = 32, seed: int = 0, axes: int = 2, **columns: torch.Tensor) -> Batch:
    """A mini-batch of random numbers; some windows end in a terminal step, some in a clipped action."""
    g = torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> torch.Tensor:
        return 0.5 * torch.randn(*shape, generator=g)

    made = Batch(
        state=noise(size, state_size),
        base=noise(size, axes).clamp(-0.9, 0.9),
        action=noise(size, axes).clamp(-1, 1),
        ret=noise(size),
        discount=torch.full((size,), 0.9),
        next_state=noise(size, state_size),
        next_base=noise(size, axes).clamp(-0.9, 0.9),
        is_human=torch.rand(size, generator=g) < 0.5,
        weight=torch.ones(size),
        to_go=noise(size),
    )
    return made._replace(**columns)


def target_of(learner: Learner, batch: Batch) -> torch.Tensor:
    """The learner's target by random numbers that it draws anew."""
    return learner.target(batch, torch.randn(len(batch.ret), len(learner.actor.axes)), learner.draw_members())


def next_action_of(learner: Learner, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    return learner.next_action(batch, torch.randn(len(batch.ret), len(learner.actor.axes)))


def state_of(training: Training) -> dict[str, torch.Tensor]:
    """Copies of everything that learns: parameters, targets, optimisers."""
    learner = training.learner
    found = {name: flat.clone() for name, flat in learner.flat.items()}
    found |= {f"target.{name}": flat.clone() for name, flat in learner.target_flat.items()}
    for name, adam in learner.optimisers.items():
        found |= {f"{name}.{key}": tensor.clone() for key, tensor in adam.state().items()}
    return found


def assert_equal_states(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


@pytest.fixture(autouse=True)
def _the_same_random_numbers_in_every_order() -> None:
    torch.manual_seed(0)
