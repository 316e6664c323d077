"""Robots, steps and episodes for the store's tests; step `t` of episode `e` is the same in every process."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from robot.specs import ArraySpec, RobotSpec
from robot.store import Episode, StoreSettings, StoreWriter
from robot.types import Decision, FinalRecord, Label, Observation, Source, StepRecord, StepTiming

PERIOD_NS = 100_000_000
QUICK = StoreSettings(is_commit_synced=False)
ENDS = ("success", "failure", "truncated", "aborted")


def robot(image_size: int = 8, name: str = "test_arm/peg") -> RobotSpec:
    """A robot with two state keys and, unless `image_size` is 0, one camera."""
    keys = {"tool_pose": ArraySpec((7,), "float32", "m", "base")}
    if image_size:
        keys["images/front"] = ArraySpec((image_size, image_size, 3), "uint8", "RGB", "front_optical_frame")
    keys["wrench"] = ArraySpec((6,), "float32", "N", "base")
    return RobotSpec(name, keys, ("x", "y", "rz"), (0.02, 0.02, 0.1), 0.1)


@dataclass
class PlainEpisode:
    """What a store should give back: the records themselves in a list."""

    seed: int
    attributes: dict[str, str | int | float]
    steps: list[StepRecord] = field(default_factory=list)
    final: FinalRecord | None = None
    is_cut: bool = False


def observation(spec: RobotSpec, rng: np.random.Generator) -> Observation:
    values: Observation = {}
    for key, array in spec.observation.items():
        if array.dtype == "uint8":
            values[key] = rng.integers(0, 256, array.shape, dtype=np.uint8)
        else:
            values[key] = rng.normal(size=array.shape).astype(array.dtype)
    return values


def action(spec: RobotSpec, rng: np.random.Generator, is_absent: bool = False) -> np.ndarray:
    value = rng.uniform(-1.0, 1.0, spec.action_size).astype(np.float32)
    return np.full_like(value, np.nan) if is_absent else value


def step(spec: RobotSpec, episode: int, t: int, end: str = "") -> StepRecord:
    """Step `t`, the last of its episode where `end` is one of `ENDS`."""
    rng = np.random.default_rng((episode, t))
    stamp_ns = (episode * 10_000 + t + 1) * PERIOD_NS
    has_residual = bool(rng.integers(2))
    return StepRecord(
        observation=observation(spec, rng),
        stamp_ns=stamp_ns,
        stream_stamps_ns={key: stamp_ns - int(rng.integers(0, 10**7)) for key in spec.observation if rng.integers(4)},
        decision=Decision(
            action(spec, rng),
            action(spec, rng, not has_residual),
            action(spec, rng, not has_residual),
            int(rng.integers(8)),
            int(rng.integers(-1, 1000)),
        ),
        executed=action(spec, rng),
        source=Source(int(rng.integers(5))),
        label=Label(int(rng.integers(8))),
        reasons=int(rng.integers(2**32)),
        is_terminated=end in ("success", "failure"),
        is_truncated=end in ("truncated", "aborted"),
        is_aborted=end == "aborted",
        is_success=end == "success",
        timing=StepTiming(*(int(v) for v in stamp_ns + np.cumsum(rng.integers(0, 10**7, 5))), int(rng.integers(10**6))),
        reward=float(rng.choice([np.nan, 0.0, 1.0])),
    )


def plain_episode(spec: RobotSpec, number: int, length: int, end: str) -> PlainEpisode:
    """Episode `number` with `length` steps and its final record."""
    plain = PlainEpisode(seed=1000 + number, attributes={"phase": "record", "number": number, "skill": 0.5})
    plain.steps = [step(spec, number, t, end if t == length - 1 else "") for t in range(length)]
    rng = np.random.default_rng((number, 1_000_000))
    stamp_ns = (number * 10_000 + length + 1) * PERIOD_NS
    plain.final = FinalRecord(observation(spec, rng), stamp_ns, action(spec, rng), int(rng.integers(8)))
    return plain


def write(path: Path, spec: RobotSpec, episodes: list[PlainEpisode]) -> None:
    """Append whole episodes to the store at `path`."""
    with StoreWriter.open(path, spec, {}, QUICK) as writer:
        for plain in episodes:
            writer.begin(plain.seed, plain.attributes)
            for record in plain.steps:
                writer.append(record)
            assert plain.final is not None
            writer.commit(plain.final)


def cut(plain: PlainEpisode, length: int) -> PlainEpisode:
    """What is left of an episode whose session died after `length` steps."""
    return PlainEpisode(plain.seed, plain.attributes, plain.steps[:length], None, is_cut=True)


def assert_same(spec: RobotSpec, got: Episode, want: PlainEpisode) -> None:
    """Compare every number of an episode, images included, with the records that went in."""
    last = want.steps[-1]
    assert got.length == len(want.steps)
    assert got.attributes == {**want.attributes, "seed": want.seed}
    for key in spec.observation:
        values = got.images(key) if key in spec.image_keys else got.observation[key]
        np.testing.assert_array_equal(values, np.stack([s.observation[key] for s in want.steps]), strict=True)
    columns = {
        "action": np.stack([s.executed for s in want.steps]),
        "requested": np.stack([s.decision.action for s in want.steps]),
        "base_action": np.stack([s.decision.base_action for s in want.steps]),
        "residual": np.stack([s.decision.residual for s in want.steps]),
        "chunk_phase": np.array([s.decision.chunk_phase for s in want.steps], np.int32),
        "weights_version": np.array([s.decision.weights_version for s in want.steps], np.int64),
        "source": np.array([int(s.source) for s in want.steps], np.uint8),
        "label": np.array([int(s.label) for s in want.steps], np.uint8),
        "reasons": np.array([s.reasons for s in want.steps], np.uint32),
        "reward": np.array([s.reward for s in want.steps], np.float32),
        "stamp_ns": np.array([s.stamp_ns for s in want.steps], np.int64),
        "timing_ns": np.array([s.timing.as_row() for s in want.steps], np.int64),
    }
    for name, column in columns.items():
        np.testing.assert_array_equal(getattr(got, name), column, err_msg=name, strict=True)
    for key in spec.observation:
        assert got.stream_stamps_ns[key].tolist() == [s.stream_stamps_ns.get(key, -1) for s in want.steps]
    flags = (got.is_terminated, got.is_truncated, got.is_aborted, got.is_success)
    if want.is_cut:
        assert flags == (False, True, True, False)
    else:
        assert flags == (last.is_terminated, last.is_truncated, last.is_aborted, last.is_success)
    _assert_same_final(spec, got, want.final)


def _assert_same_final(spec: RobotSpec, got: Episode, want: FinalRecord | None) -> None:
    assert got.has_final == (want is not None)
    assert got.transitions == got.length - (want is None and not got.is_terminated)
    if want is None:
        assert all(np.all(np.isnan(value)) for value in got.final_observation.values())
        return
    for key in spec.observation:
        value = got.final_image(key) if key in spec.image_keys else got.final_observation[key]
        np.testing.assert_array_equal(value, want.observation[key], strict=True)
    np.testing.assert_array_equal(got.final_base_action, want.base_action, strict=True)
    assert (got.final_chunk_phase, got.final_stamp_ns) == (want.chunk_phase, want.stamp_ns)
