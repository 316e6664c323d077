"""Says in sentences where a store differs from plain lists: whole episodes, every window, and drawn batches."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import ArrayLike

from benchmarks.store.model import FLAGS, PlainEpisode, Reward, Transition, in_pool, shared_out, transitions
from robot.specs import RobotSpec
from robot.store import Episode, StoreReader
from robot.store.memory import Memory
from robot.store.replay_memory import ReplayConfig, Sample

TOLERANCE = 1e-4
"""Of returns, which are summed in single precision."""


def episode_differences(spec: RobotSpec, got: Episode, want: PlainEpisode) -> list[str]:
    """Compare everything that is kept of an episode, images by content."""
    steps = want.steps
    if got.length != len(steps):
        return [f"{got.length} steps for {len(steps)}"]
    found = []
    pairs: list[tuple[str, ArrayLike, ArrayLike]] = [
        ("action", got.action, [s.executed for s in steps]),
        ("requested", got.requested, [s.decision.action for s in steps]),
        ("base_action", got.base_action, [s.decision.base_action for s in steps]),
        ("residual", got.residual, [s.decision.residual for s in steps]),
        ("chunk_phase", got.chunk_phase, [s.decision.chunk_phase for s in steps]),
        ("weights_version", got.weights_version, [s.decision.weights_version for s in steps]),
        ("source", got.source, [int(s.source) for s in steps]),
        ("label", got.label, [int(s.label) for s in steps]),
        ("reasons", got.reasons, [s.reasons for s in steps]),
        ("reward", got.reward, np.array([s.reward for s in steps], np.float32)),
        ("stamp_ns", got.stamp_ns, [s.stamp_ns for s in steps]),
        ("timing_ns", got.timing_ns, [s.timing.as_row() for s in steps]),
        ("flags", [got.is_terminated, got.is_truncated, got.is_aborted, got.is_success], FLAGS[want.end]),
        ("has_final", got.has_final, want.final is not None),
    ]
    for key in spec.observation:
        values = got.images(key) if key in spec.image_keys else got.observation[key]
        pairs.append((key, values, [s.observation[key] for s in steps]))
        pairs.append((f"stamp of {key}", got.stream_stamps_ns[key], [s.stream_stamps_ns.get(key, -1) for s in steps]))
        if want.final is not None and got.has_final:
            value = got.final_image(key) if key in spec.image_keys else got.final_observation[key]
            pairs.append((f"final {key}", value, want.final.observation[key]))
    if want.final is not None:
        pairs.append(("final base_action", got.final_base_action, want.final.base_action))
        pairs.append(("final chunk_phase", got.final_chunk_phase, want.final.chunk_phase))
        pairs.append(("final stamp", got.final_stamp_ns, want.final.stamp_ns))
    found += [name for name, one, other in pairs if not _is_same(one, other)]
    if got.attributes != {**want.attributes, "seed": want.seed}:
        found.append(f"attributes {got.attributes} for {want.attributes} and seed {want.seed}")
    return found


def reader_differences(reader: StoreReader, want: list[PlainEpisode]) -> list[str]:
    """Compare all episodes of a reader, as of its last refresh."""
    if len(reader) != len(want):
        return [f"{len(reader)} episodes for {len(want)}"]
    found = []
    for index, episode in enumerate(want):
        found += [
            f"episode {index}: {what}" for what in episode_differences(reader.spec, reader.episode(index), episode)
        ]
    return found


def memory_differences(memory: Memory, want: list[PlainEpisode], config: ReplayConfig, reward: Reward) -> list[str]:
    """Compare every window that the memory of a replay can give, and its pools."""
    every = list(transitions(want, config.n_step, config.gamma, reward))
    rows = memory.pool("")
    if len(rows) != len(every):
        return [f"{len(rows)} windows for {len(every)}"]
    found = []
    for pool in ("human", "success"):
        if memory.pool(pool).tolist() != [row for row, one in zip(rows, every, strict=True) if in_pool(pool, one)]:
            found.append(f"pool {pool}")
    if not every:
        return found
    windows = memory.rows.windows(rows, config.n_step, config.gamma)
    columns = {
        name: memory.rows.column(name) for name in ("episode", "step", "action", "base_action", "chunk_phase", "source")
    }
    values: dict[str, Any] = {name: column[rows] for name, column in columns.items()}
    values["ret"], values["discount"] = windows.ret, windows.discount
    values["next_base_action"] = columns["base_action"][windows.after]
    values["next_chunk_phase"] = columns["chunk_phase"][windows.after]
    found += _window_differences(values, memory.observation(rows), memory.observation(windows.after), every)
    return found


def batch_differences(
    sample: Sample,
    shares: Mapping[str, float],
    wants: Mapping[str, list[PlainEpisode]],
    config: ReplayConfig,
    reward: Reward,
) -> list[str]:
    """Compare a batch that was drawn: how many windows of each pool, and each of them."""
    pools = {}
    for name in shares:
        store, _, kind = name.partition(":")
        every = transitions(wants[store], config.n_step, config.gamma, reward)
        pools[name] = [one for one in every if in_pool(kind, one)]
    filled = {name for name, members in pools.items() if members}
    counts = shared_out(config.batch, shares, filled)
    names = [list(shares)[number] for number in sample.pool]
    if names != [name for name in shares for _ in range(counts.get(name, 0))]:
        return [f"pools {dict.fromkeys(names)} for {counts}"]
    if np.any(sample.place < 0) or any(p >= len(pools[n]) for n, p in zip(names, sample.place, strict=True)):
        return ["a place outside of its pool"]
    if not (np.all(sample.weight > 0.0) and np.all(sample.weight <= 1.0)):
        return ["a weight outside of (0, 1]"]
    drawn = [pools[name][place] for name, place in zip(names, sample.place, strict=True)]
    return _window_differences(sample._asdict(), sample.observation, sample.next_observation, drawn)


def plain_zarr_differences(path: Path, want: list[PlainEpisode]) -> list[str]:
    """Compare what the zarr library alone finds in a store."""
    warnings.filterwarnings("ignore", "Numcodecs codecs are not")
    root = zarr.open_group(path, mode="r")
    steps = [step for episode in want for step in episode.steps]
    ends = np.cumsum([len(episode.steps) for episode in want], dtype=np.int64)

    def at(name: str) -> Any:
        array: Any = root[name]
        return array[:]

    found = [] if _is_same(at("meta/episode_ends"), ends) else ["zarr: meta/episode_ends"]
    if steps:
        found += [] if _is_same(at("data/action"), [s.executed for s in steps]) else ["zarr: data/action"]
        for key in steps[0].observation:
            found += [] if _is_same(at(f"data/{key}"), [s.observation[key] for s in steps]) else [f"zarr: data/{key}"]
            finals = at(f"meta/final/{key}")
            for index, episode in enumerate(want):
                if episode.final is not None and not _is_same(finals[index], episode.final.observation[key]):
                    found.append(f"zarr: meta/final/{key} {index}")
    return found


def _window_differences(
    values: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any], want: list[Transition]
) -> list[str]:
    pairs: list[tuple[str, ArrayLike, ArrayLike]] = [
        ("episode", values["episode"], [one.episode for one in want]),
        ("step", values["step"], [one.step for one in want]),
        ("action", values["action"], [one.first.executed for one in want]),
        ("base_action", values["base_action"], [one.first.decision.base_action for one in want]),
        ("chunk_phase", values["chunk_phase"], [one.first.decision.chunk_phase for one in want]),
        ("source", values["source"], [int(one.first.source) for one in want]),
        ("next_base_action", values["next_base_action"], [one.next_base_action for one in want]),
        ("next_chunk_phase", values["next_chunk_phase"], [one.next_chunk_phase for one in want]),
    ]
    if before.keys() != want[0].first.observation.keys() or after.keys() != before.keys():
        return ["keys of the observation"]
    for key in before:
        pairs.append((key, before[key], [one.first.observation[key] for one in want]))
        pairs.append((f"next {key}", after[key], [one.next_observation[key] for one in want]))
    found = [_where(name, one, other) for name, one, other in pairs if not _is_same(one, other)]
    for name, wanted in (("ret", [one.ret for one in want]), ("discount", [one.discount for one in want])):
        bad = np.abs(values[name] - np.array(wanted)) > TOLERANCE
        if np.any(bad) or not np.all(np.isfinite(values[name])):
            i = int(np.argmax(bad))
            found.append(f"{name} {values[name][i]} for {wanted[i]} of episode {want[i].episode} step {want[i].step}")
    return found


def _is_same(one: ArrayLike, other: ArrayLike) -> bool:
    a, b = np.asarray(one), np.asarray(other)
    return a.shape == b.shape and bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))


def _where(name: str, one: ArrayLike, other: ArrayLike) -> str:
    a, b = np.asarray(one), np.asarray(other)
    if a.shape != b.shape:
        return f"{name} of shape {a.shape} for {b.shape}"
    is_bad = ~((a == b) | ((a != a) & (b != b)))
    return f"{name} of window {int(np.argwhere(is_bad)[0][0])}"
