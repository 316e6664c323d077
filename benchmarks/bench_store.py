"""What the store costs the control loop and the disk, and whether it loses or mixes up anything.

The costs are those of append, commit, reading, and of image codecs. The losses are looked for by random sequences
against plain lists, deaths, full disks and spoilt journals.

Images are smooth and move slowly, like rendered ones; a real camera's noise does not compress.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numcodecs.blosc import Blosc
from numcodecs.zstd import Zstd

from benchmarks import measure
from benchmarks.store import crash
from robot.observe import observation_spec
from robot.specs import RobotSpec
from robot.store import StoreReader, StoreWriter, info
from robot.types import Decision, FinalRecord, Label, Observation, Source, StepRecord

SPEC = RobotSpec(
    "bench_arm/peg", observation_spec(("front", "wrist"), 128), ("x", "y", "z", "rz"), (0.02, 0.02, 0.02, 0.1), 0.1
)
STEPS = 60
PERIOD_NS = 100_000_000


def image(t: int, phase: float) -> np.ndarray:
    """A shaded background with a box that moves a pixel a step, uint8 (128, 128, 3)."""
    y, x = np.mgrid[:128, :128]
    shade = [100 + 60 * np.sin(x / 40 + phase), 90 + 50 * np.cos(y / 50), 80 + (x + y) / 4]
    picture = np.stack(shade, -1)
    left = (30 + t) % 100
    picture[40:70, left : left + 20] = np.array([200, 50, 60]) + np.arange(20)[None, :, None]
    return picture.astype(np.uint8)


def observations(rng: np.random.Generator) -> list[Observation]:
    """One episode's observations, and the final one."""
    found = []
    for t in range(STEPS + 1):
        values: Observation = {k: rng.normal(size=SPEC.observation[k].shape).astype("f4") for k in SPEC.state_keys}
        found.append({**values, "images/front": image(t, 0.0), "images/wrist": image(2 * t, 1.0)})
    return found


def record(observation: Observation, t: int, rng: np.random.Generator) -> StepRecord:
    action, absent = rng.uniform(-1, 1, 4).astype(np.float32), np.full(4, np.nan, np.float32)
    decision = Decision(action, action, absent, t % 8, 3)
    stamps = dict.fromkeys(SPEC.observation, t * PERIOD_NS)
    is_last = t == STEPS - 1
    return StepRecord(
        observation,
        t * PERIOD_NS,
        stamps,
        decision,
        action,
        Source.POLICY,
        Label.NONE,
        0,
        is_last,
        False,
        False,
        is_last,
    )


def seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def tell(metric: str, value: float, unit: str, n: int, baseline: float | None = None) -> None:
    measure.tell(measure.line("store", metric, value, unit, n, baseline=baseline))


def bench_store(path: Path, episodes: int) -> None:
    """Write `episodes` of 60 steps with two images, then read them."""
    rng = np.random.default_rng(0)
    seen = observations(rng)
    append_s, commit_s = [], []
    with StoreWriter.open(path, SPEC, {}) as writer:
        for episode in range(episodes):
            writer.begin(episode, {"phase": "bench"})
            for t in range(STEPS):
                step = record(seen[t], t, rng)
                append_s.append(seconds(lambda step=step: writer.append(step)))  # type: ignore[misc]
            final = FinalRecord(seen[STEPS], STEPS * PERIOD_NS, np.zeros(4, np.float32))
            commit_s.append(seconds(lambda final=final: writer.commit(final)))  # type: ignore[misc]
    for name, quantile in (("p50", 0.5), ("p99", 0.99)):
        tell(f"append_{name}_ms", 1e3 * float(np.quantile(append_s, quantile)), "ms", len(append_s))
        tell(f"commit_{name}_ms", 1e3 * float(np.quantile(commit_s, quantile)), "ms", len(commit_s))
    raw = sum(int(np.prod(a.shape)) * np.dtype(a.dtype).itemsize for a in SPEC.observation.values())
    tell("bytes_per_step", float(info(path)["bytes_per_step"]), "B", episodes * STEPS, float(raw))
    reader = StoreReader.open(path)
    tell("read_low_dim_ms", 1e3 * seconds(lambda: [reader.episode(i) for i in range(episodes)]), "ms", episodes)
    tell("refresh_ms", seconds(lambda: [reader.refresh() for _ in range(1000)]), "ms", 1000)
    tell("read_images_ms", 1e3 * seconds(lambda: reader.episode(1).images("images/front")), "ms", STEPS)


def bench_codecs() -> None:
    """Bytes and time per image of 64 images, by codec and images in a chunk; the baseline is an image raw."""
    stack = np.stack([image(t, 0.0) for t in range(64)])
    codecs = {"zstd1": Zstd(level=1), "blosc_zstd1": Blosc("zstd", 1, Blosc.NOSHUFFLE)}
    for name, codec in codecs.items():
        for rows in (1, 16, 64):
            started = time.perf_counter()
            size = sum(len(codec.encode(stack[i : i + rows].tobytes())) for i in range(0, 64, rows))
            encode_s = time.perf_counter() - started
            tell(f"{name}_{rows}_bytes_per_image", size / 64, "B", 64, float(stack[0].nbytes))
            tell(f"{name}_{rows}_encode_ms_per_image", 1e3 * encode_s / 64, "ms", 64)


def main() -> None:
    is_quick = measure.quick(__doc__)
    episodes = 20 if is_quick else 100
    with TemporaryDirectory() as folder:
        bench_store(Path(folder) / "bench.zarr", episodes)
    bench_codecs()
    measure.campaign("store", crash.parts(is_quick), is_quick)


if __name__ == "__main__":
    measure.run(main)
