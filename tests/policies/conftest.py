"""Episodes and a small robot for the tests of the policies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from policies.base import ActionScaler, BaseConfig, BasePolicy, base_network
from robot.specs import ArraySpec, RobotSpec
from robot.store import Episode
from robot.types import Source

torch.set_num_threads(1)

MakeEpisode = Callable[..., Episode]


def toy_spec() -> RobotSpec:
    """A robot with a two-dimensional state that no feature rule knows, and two action axes."""
    state = {"state": ArraySpec((2,), "float32", "m")}
    return RobotSpec("toy/point", state, ("x", "y"), (0.1, 0.1), 0.1)


def toy_base(execute_steps: int = 3, seed: int = 0) -> BasePolicy:
    """A base policy with random weights."""
    config = BaseConfig(hidden=(16,), chunk=4, execute_steps=execute_steps)
    flat = base_network(toy_spec(), config).initial(torch.Generator().manual_seed(seed))
    scaler = ActionScaler(np.zeros(2, np.float32), np.ones(2, np.float32))
    return BasePolicy(toy_spec(), config, flat, scaler)


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
        "_tables": None,
        "_start": 0,
    }
    return Episode(**(values | columns))


@pytest.fixture
def spec() -> RobotSpec:
    return toy_spec()


@pytest.fixture
def base() -> BasePolicy:
    return toy_base()


@pytest.fixture
def episode() -> MakeEpisode:
    return make_episode
