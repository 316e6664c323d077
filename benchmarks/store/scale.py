"""Large stores: the memory that learning from 100,000 steps takes, and how soon a million steps are open.

    python -m benchmarks.store.scale PATH MEMORY_GB BATCHES

opens a store in a process of its own, draws, and prints what that took.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import measure
from benchmarks.store import scenes
from robot.errors import StoreError
from robot.store import StoreReader, StoreWriter
from robot.store.builder import StoreBuilder
from robot.store.replay_memory import Replay, ReplayConfig
from sessions.progress import Progress

MEMORY_LIMIT_GB = 12.0
OPEN_LIMIT_S = 1.0
MILLION = 1_000_000


def trains(folder: Path, steps: int, noise: float = scenes.NOISE) -> list[dict[str, Any]]:
    """Draw from `steps` steps whose images, with a camera's noise, do not fit into the memory for images."""
    found = _drawn(folder / "large.zarr", steps, 128, noise, memory_gb=4.0, batches=max(20, steps // 500))
    note = f"images held to 4 GB of {found['store_gb']:.1f} GB on the disk; take-in {found['refresh_s']:.1f} s"
    memory = measure.line(
        "store", "memory_100k_gb", found["memory_gb"], "GB", steps, at_most=MEMORY_LIMIT_GB, note=note
    )
    note = "images are packed in memory, or come from the disk, where sixteen share a chunk"
    return [memory, measure.line("store", "sample_100k_ms", found["draw_ms"], "ms", found["batches"], note=note)]


def opens(folder: Path, steps: int) -> list[dict[str, Any]]:
    """Open a store of a million steps (`steps` of them where it is quick), with images of 16x16, and draw from it."""
    found = _drawn(folder / "million.zarr", steps, 16, 0.0, memory_gb=1.0, batches=50)
    note = f"store of {found['store_gb']:.2f} GB"
    return [
        measure.line("store", "open_1m_s", found["open_s"], "s", steps, at_most=OPEN_LIMIT_S, note=note),
        measure.line("store", "take_in_1m_s", found["refresh_s"], "s", steps, note="all but images into memory, once"),
        measure.line("store", "sample_1m_ms", found["draw_ms"], "ms", found["batches"]),
        measure.line(
            "store", "memory_1m_gb", found["memory_gb"], "GB", steps, at_most=3.0, note="images held to 1 GB of it"
        ),
    ]


def mends(folder: Path, steps: int) -> list[dict[str, Any]]:
    """Open a store whose writer left an episode of `steps` steps with noisy images behind, as one that died does."""
    path = folder / "left.zarr"
    rng = np.random.default_rng(scenes.SEED)
    some = [scenes.step(t, rng, scenes.NOISE) for t in range(scenes.STEPS - 1)]
    with StoreWriter.open(path, scenes.spec(), {}) as writer:
        writer.begin(0, {})
        for t in range(steps):
            writer.append(some[t % len(some)])
    started = time.perf_counter()
    StoreReader.open(path)
    read = time.perf_counter()
    StoreWriter.open(path, scenes.spec(), {}).close()
    note = f"an episode of {steps} steps with two 128x128 cameras; to read, {read - started:.2g} s"
    return [
        measure.line("store", "mend_long_s", time.perf_counter() - read, "s", steps, at_most=OPEN_LIMIT_S, note=note)
    ]


def _drawn(path: Path, steps: int, size: int, noise: float, memory_gb: float, batches: int) -> dict[str, Any]:
    build(path, steps, size, noise)
    command = [sys.executable, "-m", "benchmarks.store.scale", str(path), str(memory_gb), str(batches)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StoreError(f"Drawing from {path} failed: {done.stderr[-500:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    found["store_gb"] = 1e-9 * sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    shutil.rmtree(path)
    return found


def build(path: Path, steps: int, size: int, noise: float) -> None:
    """Write a store of episodes of 600 steps: ten times the same images, and states that are all different."""
    rng = np.random.default_rng(scenes.SEED)
    with StoreBuilder.open(path, scenes.spec(size), {}) as builder:
        rows = _rows(builder.row, size, noise)
        count = -(-steps // len(rows))
        with Progress(path.stem, total=count) as progress:
            for index in range(count):
                rows["state"] = rng.normal(size=rows["state"].shape)
                rows["stamp_ns"] = (index * len(rows) + np.arange(1, len(rows) + 1)) * scenes.PERIOD_NS
                builder.add(index, {}, rows, None)
                progress.advance()
        builder.finish()


def _rows(row: np.dtype[np.void], size: int, noise: float) -> NDArray[np.void]:
    rows = np.zeros(10 * scenes.STEPS, row)
    for key, frames in scenes.images(noise, size).items():
        rows[key] = np.tile(frames[: scenes.STEPS], (10, 1, 1, 1))
    rows["is_truncated"][-1] = True
    return rows


def main() -> None:
    path, memory_gb, batches = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    started = time.perf_counter()
    reader = StoreReader.open(path)
    reader.episode(len(reader) - 1)
    opened = time.perf_counter()
    replay = Replay(
        {"all": reader},
        {"all": 1.0},
        lambda episode: np.zeros(episode.length, np.float32),
        ReplayConfig(memory_gb=memory_gb),
    )
    replay.refresh()
    taken_in = time.perf_counter()
    draws = []
    for _ in range(batches):
        begun = time.perf_counter()
        replay.draw()
        draws.append(time.perf_counter() - begun)
    found = {
        "open_s": opened - started,
        "refresh_s": taken_in - opened,
        "draw_ms": 1e3 * float(np.median(draws)),
        "batches": batches,
        "memory_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024e-9,
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
