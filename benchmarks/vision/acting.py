"""How long each kind of base policy takes for a prediction, one observation at a time, on one core."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from benchmarks import measure
from benchmarks.vision.scene import Scene
from policies.base import ActionScaler, BasePolicy, base_eyes, chunk_model
from policies.base_config import BaseConfig
from policies.chunks.flow import FlowConfig
from sessions.progress import Progress
from sessions.statistics import percentile

AT_MOST_MS = {"mlp": 1.0, "act": 15.0, "flow": 8.0, "diffusion": None}
KINDS = {
    "mlp": BaseConfig(execute_steps=1),
    "act": BaseConfig(kind="act", execute_steps=1),
    "flow": BaseConfig(kind="flow", execute_steps=1, flow=FlowConfig(steps=1)),
    "diffusion": BaseConfig(kind="diffusion", execute_steps=1),
}


def policy(scene: Scene, config: BaseConfig) -> BasePolicy:
    eyes = base_eyes(scene.spec, config)
    model = chunk_model(scene.spec, config, torch.Generator().manual_seed(0), eyes)
    middle, half = np.zeros(scene.action, np.float32), np.ones(scene.action, np.float32)
    return BasePolicy(scene.spec, config, model, ActionScaler(middle, half), None, eyes)


def times_ms(act: Callable[[], object], count: int) -> list[float]:
    for _ in range(20):
        act()
    found = []
    for _ in range(count):
        start = time.perf_counter()
        act()
        found.append((time.perf_counter() - start) * 1e3)
    return found


def part(is_quick: bool) -> list[dict[str, Any]]:
    """Measure all kinds, by the state alone and with two cameras; each prediction is a whole act."""
    torch.set_num_threads(1)
    scene, rng, count = Scene(), np.random.default_rng(0), 200 if is_quick else 3000
    observation = {
        key: rng.integers(0, 255, s.shape, np.uint8) if s.dtype == "uint8" else rng.standard_normal(s.shape, np.float32)
        for key, s in scene.spec.observation.items()
    }
    lines = []
    with Progress("acting", total=2 * len(KINDS)) as progress:
        for name, config in KINDS.items():
            for where in ("state", "cameras"):
                chosen = config if where == "state" else replace(config, vision=scene.vision)
                acting = policy(scene, chosen)
                acting.reset(0)
                found = times_ms(lambda acting=acting: acting.act(observation), count)  # type: ignore[misc]
                note = f"median {percentile(found, 0.5):.2f} ms; {len(found)} acts, each a prediction; 1 thread"
                p99, most = percentile(found, 0.99), AT_MOST_MS[name]
                lines.append(
                    measure.line("vision", f"{name}_{where}_p99_ms", p99, "ms", count, at_most=most, note=note)
                )
                progress.advance(note=name)
    return lines
