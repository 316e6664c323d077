"""What the store costs the control loop, and the disk."""

from __future__ import annotations

import multiprocessing
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import measure
from benchmarks.store import scenes
from robot import priority
from robot.store import StoreReader, StoreWriter
from sessions.progress import Progress

RATE_HZ = 50.0
"""Faster than a policy's 10 to 20 Hz, to be done in time; slow enough that caches go cold between two steps."""
LIMIT_MS = 1.0


def append(folder: Path, episodes: int, is_loaded: bool) -> list[dict[str, Any]]:
    """Append paced steps with two images each, in a thread with the actor's priority.

    Where it `is_loaded`, beside a process that computes on every core.
    """
    name = "append_loaded" if is_loaded else "append"
    os.sync()  # what other programs wrote before is not what a step costs
    hogs = _hogs() if is_loaded else []
    try:
        with ThreadPoolExecutor(1, initializer=priority.raise_thread, initargs=(priority.LEVEL_ACTOR,)) as actor:
            append_s, commit_s = actor.submit(_paced, folder / f"{name}.zarr", episodes, name).result()
    finally:
        for hog in hogs:
            hog.kill()
    n = len(append_s)
    p50, p99 = (1e3 * float(np.quantile(append_s, q)) for q in (0.5, 0.99))
    lines = [
        measure.line("store", f"{name}_p50_ms", p50, "ms", n),
        measure.line("store", f"{name}_p99_ms", p99, "ms", n, at_most=LIMIT_MS),
    ]
    if not is_loaded:
        note = "between episodes, flushed to the disk"
        lines.append(
            measure.line("store", "commit_p50_ms", 1e3 * float(np.median(commit_s)), "ms", episodes, note=note)
        )
    return lines


def _paced(path: Path, episodes: int, name: str) -> tuple[list[float], list[float]]:
    rng = np.random.default_rng(scenes.SEED)
    append_s, commit_s = [], []
    with StoreWriter.open(path, scenes.spec(), {}) as writer, Progress(name, total=episodes) as progress:
        for episode in range(episodes):
            writer.begin(episode, {"phase": "bench"})
            steps = [scenes.step(t, rng, noise=scenes.NOISE) for t in range(scenes.STEPS)]
            due = time.perf_counter()
            for step in steps:
                due += 1.0 / RATE_HZ
                time.sleep(max(0.0, due - time.perf_counter()))
                started = time.perf_counter()
                writer.append(step)
                append_s.append(time.perf_counter() - started)
            started = time.perf_counter()
            writer.commit(scenes.final(rng, noise=scenes.NOISE))
            commit_s.append(time.perf_counter() - started)
            progress.advance()
    return append_s, commit_s


def _hogs() -> list[multiprocessing.process.BaseProcess]:
    context = multiprocessing.get_context("spawn")
    hogs: list[multiprocessing.process.BaseProcess] = [
        context.Process(target=_compute, daemon=True) for _ in range(multiprocessing.cpu_count())
    ]
    for hog in hogs:
        hog.start()
    time.sleep(1.0)  # until they are at work
    return hogs


def _compute() -> None:
    matrix = np.random.default_rng(0).normal(size=(200, 200))
    while True:
        matrix = np.tanh(matrix @ matrix.T)


def reading(folder: Path) -> list[dict[str, Any]]:
    """Read what `append` wrote."""
    path = folder / "append.zarr"
    reader = StoreReader.open(path)
    count = len(reader)
    started = time.perf_counter()
    for index in range(count):
        reader.episode(index)
    low_dim_ms = 1e3 * (time.perf_counter() - started) / count
    started = time.perf_counter()
    for _ in range(1000):
        reader.refresh()
    refresh_us = 1e3 * (time.perf_counter() - started)
    return [
        measure.line("store", "read_episode_ms", low_dim_ms, "ms", count, note="all but its images"),
        measure.line("store", "refresh_us", refresh_us, "us", 1000, note="a look for new episodes"),
    ]
