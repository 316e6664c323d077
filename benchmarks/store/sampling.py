"""How fast mini-batches with images come out of the store, beside a replay as in diffusion policy and a plain copy.

The baseline keeps every image as a chunk of its own (Blosc, zstd level 5) in zarr arrays in memory, and reads the rows
that a window needs: its layout and codec are those of diffusion policy's ReplayBuffer, on the zarr that we use.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numcodecs.blosc import Blosc
from numpy.typing import NDArray

from benchmarks import measure
from benchmarks.store import scenes
from benchmarks.store.videos import Videos
from robot.store import StoreReader, StoreSettings, StoreWriter, info
from robot.store.replay_memory import Replay, ReplayConfig
from sessions.progress import Progress

BATCH, WINDOW = 256, 3
TIMES_AS_FAST = 3.0
TIMES_AS_FAST_LEROBOT = 10.0
BARE = "the images of that layout decoded, without zarr"
VIDEOS = "LeRobot's video layout, frames found and decoded by PyAV"


class Chunked:
    """Images in zarr arrays in memory, one to a chunk; `draw` reads both ends of random windows."""

    def __init__(self, episodes: int, noise: float) -> None:
        self._store: Any = zarr.storage.MemoryStore()
        root = zarr.create_group(self._store, zarr_format=2)
        self._length = episodes * scenes.STEPS
        self._arrays = []
        self._low_dim_bytes = 4.0 * (30 + 4)
        """State and action, which random numbers do not let it compress."""
        for key, frames in scenes.images(noise).items():
            array = root.create_array(
                key.partition("/")[2],
                shape=(self._length, *frames.shape[1:]),
                chunks=(1, *frames.shape[1:]),
                dtype="u1",
                compressors=Blosc("zstd", 5, Blosc.NOSHUFFLE),
            )
            for episode in range(episodes):
                array[episode * scenes.STEPS : (episode + 1) * scenes.STEPS] = frames[: scenes.STEPS]
            self._arrays.append(array)
        self._rng = np.random.default_rng(scenes.SEED)

    @property
    def bytes_per_step(self) -> float:
        chunks = (value for key, value in self._store._store_dict.items() if not key.endswith((".zarray", ".zattrs")))
        return sum(len(value) for value in chunks) / self._length + self._low_dim_bytes

    def rows(self) -> NDArray[np.int64]:
        return self._rng.integers(0, self._length - WINDOW, BATCH)

    def draw_ends(self) -> list[NDArray[np.uint8]]:
        """Read the first and the last image of each window, one by one."""
        rows = self.rows()
        return [
            np.stack([np.asarray(array[int(row)]) for row in np.concatenate([rows, rows + WINDOW])])
            for array in self._arrays
        ]

    def draw_decoded(self) -> list[NDArray[np.uint8]]:
        """Decode those images, and do nothing else that a replay does: the least that this layout can take."""
        firsts = self.rows()
        rows = np.concatenate([firsts, firsts + WINDOW])
        codec = Blosc("zstd", 5, Blosc.NOSHUFFLE)
        chunks = self._store._store_dict
        return [
            np.stack(
                [np.frombuffer(codec.decode(chunks[f"{a.path}/{row}.0.0.0"].to_bytes()), np.uint8) for row in rows]
            )
            for a in self._arrays
        ]

    def draw_slices(self) -> list[NDArray[np.uint8]]:
        """Read each window in one go, as the sequence sampler does."""
        return [
            np.stack([np.asarray(array[int(row) : int(row) + WINDOW + 1])[[0, -1]] for row in self.rows()])
            for array in self._arrays
        ]


def write(path: Path, episodes: int, noise: float) -> None:
    rng = np.random.default_rng(scenes.SEED)
    with StoreWriter.open(path, scenes.spec(), {}, StoreSettings(is_commit_synced=False)) as writer:
        for episode in range(episodes):
            writer.begin(episode, {})
            for t in range(scenes.STEPS):
                writer.append(scenes.step(t, rng, noise))
            writer.commit(scenes.final(rng, noise))


def sampling(folder: Path, episodes: int, rounds: int, noise: float) -> list[dict[str, Any]]:
    """Draw from the same data in turns: ours from the disk, ours from memory, the baseline, and a plain copy."""
    suffix = "_with_noise" if noise else ""
    path = folder / f"sampling{suffix}.zarr"
    write(path, episodes, noise)
    replay = Replay(
        {"all": StoreReader.open(path)},
        {"all": 1.0},
        lambda episode: np.zeros(episode.length, np.float32),
        ReplayConfig(batch=BATCH, n_step=WINDOW, memory_gb=8.0),
        scenes.SEED,
    )
    replay.refresh()
    chunked = Chunked(episodes, noise)
    raw = np.concatenate([scenes.images(noise)[key][: scenes.STEPS] for key in scenes.CAMERAS] * episodes)
    picked, out = np.random.default_rng(1), np.empty((4 * BATCH, *raw.shape[1:]), np.uint8)

    def copy() -> None:
        np.take(raw, picked.integers(0, len(raw), 4 * BATCH), axis=0, out=out, mode="clip")  # else it is copied twice

    cold_ms = median_ms(replay.draw, 1)
    for _ in range(20 * episodes * scenes.STEPS // BATCH // 10):
        replay.draw()  # until all images are in memory
    (folder / f"videos{suffix}").mkdir()
    videos = Videos(folder / f"videos{suffix}", episodes, noise, WINDOW)
    taken: dict[str, list[float]] = {n: [] for n in ("ours", "ends", "slices", "decoded", "videos", "copy")}
    calls: dict[str, Callable[[], object]] = {
        "ours": replay.draw,
        "ends": chunked.draw_ends,
        "slices": chunked.draw_slices,
        "decoded": chunked.draw_decoded,
        "videos": lambda: videos.draw(BATCH),
        "copy": copy,
    }
    with Progress(f"sampling{suffix}", total=rounds) as progress:
        for _ in range(rounds):
            for name, call in calls.items():
                taken[name].append(median_ms(call, 1))
            progress.advance()
    ours, ends, slices, decoded, video, copied = (float(np.median(times)) for times in taken.values())
    theirs = min(ends, slices)
    stored = float(info(path)["bytes_per_step"])
    replay.close()
    videos.close()
    n = rounds * BATCH
    note = f"{BATCH} windows of {WINDOW} steps, two 128x128 cameras: {4 * BATCH} images"
    return [
        measure.line("store", f"sample{suffix}_ms", ours, "ms", n, baseline=theirs, note=note),
        measure.line("store", f"sample_vs_dp_zarr{suffix}", theirs / ours, "x", n, at_least=TIMES_AS_FAST),
        measure.line("store", f"sample_vs_bare_decode{suffix}", decoded / ours, "x", n, note=BARE),
        measure.line(
            "store", f"sample_vs_lerobot{suffix}", video / ours, "x", n, at_least=TIMES_AS_FAST_LEROBOT, note=VIDEOS
        ),
        measure.line(
            "store", f"sample_vs_copy{suffix}", ours / copied, "x", n, note=f"a raw copy takes {copied:.1f} ms"
        ),
        measure.line("store", f"sample_first{suffix}_ms", cold_ms, "ms", BATCH, note="from the disk"),
        measure.line(
            "store",
            f"bytes_per_step{suffix}",
            stored,
            "B",
            episodes * scenes.STEPS,
            baseline=chunked.bytes_per_step,
            at_most=chunked.bytes_per_step,
            note=f"the same as mp4, with loss: {videos.bytes_per_step:.0f} B",
        ),
    ]


def median_ms(call: Callable[[], object], times: int) -> float:
    """Return the median time of a call [ms]."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        taken.append(1e3 * (time.perf_counter() - started))
    return float(np.median(taken))
