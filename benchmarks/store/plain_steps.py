"""A small robot with two cameras, and steps whose content a number tells, the same in every process."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.store.model import FLAGS
from robot.specs import ArraySpec, RobotSpec
from robot.types import Decision, FinalRecord, Label, Observation, Source, StepRecord, StepTiming

PERIOD_NS = 100_000_000
AXES = 3


def robot(image_size: int = 6) -> RobotSpec:
    """A robot with two state keys and two cameras of `image_size` pixels square."""
    picture = ArraySpec((image_size, image_size, 3), "uint8", "RGB")
    keys = {
        "tool_pose": ArraySpec((7,), "float32", "m", "base"),
        "images/front": picture,
        "wrench": ArraySpec((6,), "float32", "N", "base"),
        "images/wrist": picture,
    }
    return RobotSpec("bench_arm/lists", keys, ("x", "y", "rz"), (0.02, 0.02, 0.1), 0.1)


def observation(spec: RobotSpec, rng: np.random.Generator) -> Observation:
    """Noise, so that no two pictures are alike."""
    values: Observation = {}
    for key, array in spec.observation.items():
        size = int(np.prod(array.shape))
        if array.dtype == "uint8":
            values[key] = np.frombuffer(rng.bytes(size), np.uint8).reshape(array.shape)
        else:
            values[key] = rng.random(array.shape, np.float32)
    return values


def step(spec: RobotSpec, number: int, source: Source = Source.POLICY, end: str = "") -> StepRecord:
    """Step `number`, which ends its episode where `end` is one of `model.ENDS`; later numbers have later stamps."""
    rng = np.random.default_rng(number)
    stamp_ns = (number + 1) * PERIOD_NS
    has_base = bool(rng.integers(2))
    is_terminated, is_truncated, is_aborted, is_success = FLAGS.get(end, (False,) * 4)
    return StepRecord(
        observation=observation(spec, rng),
        stamp_ns=stamp_ns,
        stream_stamps_ns={key: stamp_ns - int(rng.integers(10**7)) for key in spec.observation if rng.integers(4)},
        decision=Decision(
            _action(rng),
            _action(rng) if has_base else _absent(),
            _action(rng) if has_base else _absent(),
            int(rng.integers(8)),
            int(rng.integers(-1, 1000)),
        ),
        executed=_action(rng),
        source=source,
        label=Label(int(rng.integers(8))),
        reasons=int(rng.integers(2**32)),
        is_terminated=is_terminated,
        is_truncated=is_truncated,
        is_aborted=is_aborted,
        is_success=is_success,
        timing=_timing(stamp_ns, rng),
        reward=(float("nan"), 0.0, 1.0)[int(rng.integers(3))],
    )


def final(spec: RobotSpec, number: int) -> FinalRecord:
    """What followed an episode's last action; `number` is the next after that of its last step."""
    rng = np.random.default_rng((number, 1))
    return FinalRecord(observation(spec, rng), (number + 1) * PERIOD_NS, _action(rng), int(rng.integers(8)))


def _timing(stamp_ns: int, rng: np.random.Generator) -> StepTiming:
    captured, observed, decided, commanded, executed = (stamp_ns + np.cumsum(rng.integers(0, 10**7, 5))).tolist()
    return StepTiming(captured, observed, decided, commanded, executed, int(rng.integers(10**6)))


def _action(rng: np.random.Generator) -> NDArray[np.float32]:
    return rng.random(AXES, np.float32) * np.float32(2.0) - np.float32(1.0)


def _absent() -> NDArray[np.float32]:
    return np.full(AXES, np.nan, np.float32)
