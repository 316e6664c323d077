"""Episodes to measure with: two 128x128 cameras that look at a moving box, a state of 30 numbers, 60 steps."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from robot.specs import ArraySpec, RobotSpec
from robot.types import Decision, FinalRecord, Label, Observation, Source, StepRecord

SEED = 11
STEPS = 60
PERIOD_NS = 100_000_000
NOISE = 0.5
CAMERAS = ("images/front", "images/wrist")


def spec(size: int = 128) -> RobotSpec:
    """Return the robot: `size` is the side of its images."""
    image = ArraySpec((size, size, 3), "uint8")
    keys = {"state": ArraySpec((30,), "float32"), CAMERAS[0]: image, CAMERAS[1]: image}
    return RobotSpec("bench_arm/box", keys, ("x", "y", "z", "rz"), (0.02, 0.02, 0.02, 0.1), 0.1)


def picture(t: int, phase: float, size: int = 128) -> NDArray[np.float64]:
    """Return a shaded background with a box that moves a pixel a step, (size, size, 3), without noise."""
    y, x = np.mgrid[:size, :size] * (128 / size)
    shade = [100 + 60 * np.sin(x / 40 + phase), 90 + 50 * np.cos(y / 50), 80 + (x + y) / 4]
    image = np.stack(shade, -1)
    left, top, side = (30 + t) % 100 * size // 128, 40 * size // 128, max(1, 20 * size // 128)
    image[top : top + side, left : left + side] = (200, 50, 60)
    return image


@cache
def images(noise: float = 0.0, size: int = 128) -> dict[str, NDArray[np.uint8]]:
    """Return the images of an episode and of what followed it, by camera uint8 (STEPS + 1, size, size, 3).

    `noise` is its standard deviation in grey levels: rendered images have none. A camera's of 2, averaged from 640x480
    pixels to 128x128, is NOISE.
    """
    rng = np.random.default_rng(SEED)
    found = {}
    for phase, key in enumerate(CAMERAS):
        clean = np.stack([picture((1 + phase) * t, phase, size) for t in range(STEPS + 1)])
        noisy = clean + rng.normal(0.0, noise, clean.shape) if noise else clean
        found[key] = np.clip(noisy, 0, 255).astype(np.uint8)
    return found


def observation(t: int, rng: np.random.Generator, noise: float = 0.0, size: int = 128) -> Observation:
    """Return the observation at step `t`; its state is random."""
    seen: Observation = {"state": rng.normal(size=30).astype(np.float32)}
    return seen | {key: frames[t] for key, frames in images(noise, size).items()}


def step(t: int, rng: np.random.Generator, noise: float = 0.0, size: int = 128) -> StepRecord:
    """Return step `t` of an episode; the last one succeeds."""
    action, absent = rng.uniform(-1, 1, 4).astype(np.float32), np.full(4, np.nan, np.float32)
    is_last = t == STEPS - 1
    return StepRecord(
        observation=observation(t, rng, noise, size),
        stamp_ns=(t + 1) * PERIOD_NS,
        stream_stamps_ns=dict.fromkeys(("state", *CAMERAS), (t + 1) * PERIOD_NS),
        decision=Decision(action, action, absent, t % 8, 3),
        executed=action,
        source=Source.HUMAN if t % 20 == 7 else Source.POLICY,
        label=Label.SUCCESS if is_last else Label.NONE,
        reasons=0,
        is_terminated=is_last,
        is_truncated=False,
        is_aborted=False,
        is_success=is_last,
    )


def final(rng: np.random.Generator, noise: float = 0.0, size: int = 128) -> FinalRecord:
    """Return what followed the last step."""
    seen = observation(STEPS, rng, noise, size)
    return FinalRecord(seen, (STEPS + 1) * PERIOD_NS, np.zeros(4, np.float32))
