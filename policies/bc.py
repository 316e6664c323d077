"""Behaviour cloning of the base policy from demonstrations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from policies.base import ActionScaler, BasePolicy, base_eyes, chunk_model
from policies.base_config import BaseConfig
from policies.chunks.model import ChunkModel, Seen
from policies.features import Features, Standardiser
from policies.vision.eyes import Eyes, Pictures
from robot.errors import StoreError
from robot.settings import Settings, setting
from robot.specs import RobotSpec
from robot.store import Episode
from robot.types import Source

Progress = Callable[[int, int], None]
"""Called with (updates done, updates in all)."""

Part = tuple[Episode, NDArray[np.bool_]]
"""An episode, and which of its steps (T,) are cloned."""


@dataclass(frozen=True)
class BCConfig(Settings):
    """How the base policy is cloned."""

    base: BaseConfig = setting(BaseConfig, "shape of the base policy")
    updates: int = setting(2000, "gradient steps", low=1, high=1_000_000)
    batch: int = setting(256, "samples in a mini-batch", low=1, high=65536)
    learning_rate: float = setting(1e-3, "Adam's step size, with cosine decay to zero", low=0.0, high=1.0)
    weight_decay: float = setting(1e-3, "decoupled weight decay (AdamW)", low=0.0, high=1.0)
    noise: float = setting(0.02, "noise on the features while training, against overfitting", low=0.0, high=1.0)
    validation: float = setting(0.1, "share of the episodes kept for validation", low=0.0, high=0.5)


@dataclass(frozen=True)
class Chunks:
    """The steps that are cloned.

    Attributes:
        feature: (N, D) standardised features of the state.
        target: (N, chunk, A) scaled actions; mask: (N, chunk) 1 as long as the steps from there on are chosen without
            a gap, else 0.
        pictures: by key uint8 (N, size, size, 3); empty without eyes.
    """

    feature: Tensor
    target: Tensor
    mask: Tensor
    pictures: Pictures

    def __len__(self) -> int:
        return len(self.feature)

    def __getitem__(self, rows: Tensor) -> Chunks:
        pictures = {key: picture[rows] for key, picture in self.pictures.items()}
        return Chunks(self.feature[rows], self.target[rows], self.mask[rows], pictures)


def train_base(
    episodes: Sequence[Episode],
    spec: RobotSpec,
    config: BCConfig,
    seed: int,
    on_progress: Progress | None = None,
    corrections: Sequence[Episode] = (),
) -> tuple[BasePolicy, dict[str, float]]:
    """Clone the successful episodes; returns the policy and metrics.

    Actions that would lie after the episode's end are masked. Episodes, not steps, are split between training and
    validation, so that validation sees no neighbour of a training step.

    Args:
        corrections: episodes of a session. Of those that succeeded, the steps that a person commanded are cloned too,
            each chunk up to where the person let go; the policy's own steps never are.

    Raises:
        StoreError: no successful demonstration was given.
        ConfigError: the robot has not the cameras that it shall look at.
    """
    useful = [e for e in episodes if e.is_success and not e.is_aborted and e.length > 0]
    if not useful:
        raise StoreError(f"Behaviour cloning needs a successful demonstration; found {len(episodes)} without one.")
    order = np.random.default_rng(seed).permutation(len(useful))
    held = int(len(useful) * config.validation) if len(useful) > 1 else 0
    parts: list[Part] = [(episode, np.ones(episode.length, np.bool_)) for episode in (useful[i] for i in order[held:])]
    parts += [(e, e.source == Source.HUMAN) for e in corrections if e.is_success and e.interventions]
    features = Features(spec, config.base.features)
    scaler = ActionScaler.fit(np.concatenate([e.action[chosen] for e, chosen in parts]), config.base.head_room)
    seen = np.concatenate([features(e.observation)[chosen] for e, chosen in parts])
    standardiser = Standardiser.fit(seen, features.raw)
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        eyes = base_eyes(spec, config.base)
    if eyes is not None:
        eyes.begin()
    model = chunk_model(spec, config.base, generator, eyes)

    def chunks(of: Sequence[Part]) -> Chunks:
        return _chunks(of, features, standardiser, scaler, eyes, config.base.chunk)

    data = chunks(parts)
    loss = _fit(model, eyes, data, config, generator, on_progress)
    metrics = {"train_loss": loss, "episodes": float(len(parts)), "steps": float(len(data))}
    if held:
        kept = chunks([(useful[i], np.ones(useful[i].length, np.bool_)) for i in order[:held]])
        with torch.no_grad():
            metrics["validation_loss"] = float(model.loss(_seen(eyes, kept), kept.target, kept.mask, generator))
    whole = standardiser if eyes is None else standardiser.and_nothing(eyes.size)
    return BasePolicy(spec, config.base, model, scaler, whole, eyes), metrics


def _fit(
    model: ChunkModel,
    eyes: Eyes | None,
    data: Chunks,
    config: BCConfig,
    generator: torch.Generator,
    on_progress: Progress | None,
) -> float:
    modules = [model] if eyes is None else [model, eyes]
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.updates)
    recent = torch.zeros(())
    for update in range(config.updates):
        some = data[torch.randint(len(data), (config.batch,), generator=generator)]
        noise = config.noise * torch.randn(some.feature.shape, generator=generator)
        seen = _seen(eyes, some, noise, generator)
        loss = model.loss(seen, some.target, some.mask, generator)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no type for it
        optimiser.step()
        schedule.step()
        recent = torch.lerp(loss.detach(), recent, 0.99) if update else loss.detach()
        if on_progress and (update + 1) % 50 == 0:
            on_progress(update + 1, config.updates)
    return float(recent)


def _seen(eyes: Eyes | None, some: Chunks, noise: Tensor | None = None, shift: torch.Generator | None = None) -> Seen:
    """Return what the model is trained on; pictures are shifted where `shift` draws by how much."""
    feature = some.feature if noise is None else some.feature + noise
    if eyes is None:
        return Seen(feature)
    pictures = some.pictures if shift is None else eyes.shifted(some.pictures, shift)
    maps = eyes.maps(pictures)
    return Seen(torch.cat([feature, eyes.pooled(maps)], dim=1), tuple(maps))


def _chunks(
    parts: Sequence[Part],
    features: Features,
    standardiser: Standardiser,
    scaler: ActionScaler,
    eyes: Eyes | None,
    chunk: int,
) -> Chunks:
    rows: list[tuple[NDArray[np.float32], ...]] = []
    pictures: dict[str, list[Tensor]] = {key: [] for key in (eyes.keys if eyes is not None else ())}
    for episode, chosen in parts:
        length = episode.length
        index = np.arange(length)[:, None] + np.arange(chunk)
        inside = (index < length) & chosen[np.minimum(index, length - 1)]
        inside = np.logical_and.accumulate(inside, axis=1)
        action = scaler.scale(episode.action)[np.minimum(index, length - 1)]
        feature = standardiser(features(episode.observation))
        rows.append((feature[chosen], action[chosen], inside.astype(np.float32)[chosen]))
        if eyes is not None:
            for key, looked in eyes.lens({key: episode.images(key)[chosen] for key in eyes.keys}).items():
                pictures[key].append(looked)
    feature, target, mask = (np.concatenate(part).astype(np.float32) for part in zip(*rows, strict=True))
    whole = {key: torch.cat(found) for key, found in pictures.items()}
    return Chunks(torch.from_numpy(feature), torch.from_numpy(target), torch.from_numpy(mask), whole)
