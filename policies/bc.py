"""Behaviour cloning of the base policy from demonstrations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from policies.base import ActionScaler, BaseConfig, BasePolicy, base_network
from policies.features import Features, Standardiser
from policies.networks import EnsembleMlp
from robot.errors import StoreError
from robot.settings import Settings, setting
from robot.specs import RobotSpec
from robot.store import Episode
from robot.types import Source

Progress = Callable[[int, int], None]
"""Called with (updates done, updates in all)."""


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


def train_base(
    episodes: Sequence[Episode],
    spec: RobotSpec,
    config: BCConfig,
    seed: int,
    on_progress: Progress | None = None,
    corrections: Sequence[Episode] = (),
) -> tuple[BasePolicy, dict[str, float]]:
    """Clone the successful episodes; returns the policy and metrics.

    The loss is the mean absolute error over the chunk (ACT), because demonstrators differ more than a square
    forgives; actions that would lie after the episode's end are masked. Episodes, not steps, are split between
    training and validation, so that validation sees no neighbour of a training step.

    Args:
        corrections: episodes of a session. Of those that succeeded, the steps that a person commanded are cloned too,
            each chunk up to where the person let go; the policy's own steps never are.

    Raises:
        StoreError: no successful demonstration was given.
    """
    useful = [e for e in episodes if e.is_success and not e.is_aborted and e.length > 0]
    if not useful:
        raise StoreError(f"Behaviour cloning needs a successful demonstration; found {len(episodes)} without one.")
    order = np.random.default_rng(seed).permutation(len(useful))
    held = int(len(useful) * config.validation) if len(useful) > 1 else 0
    parts = [(episode, np.ones(episode.length, np.bool_)) for episode in (useful[i] for i in order[held:])]
    parts += [(e, e.source == Source.HUMAN) for e in corrections if e.is_success and e.interventions]
    features = Features(spec, config.base.features)
    scaler = ActionScaler.fit(np.concatenate([e.action[chosen] for e, chosen in parts]), config.base.head_room)
    seen = np.concatenate([features(e.observation)[chosen] for e, chosen in parts])
    standardiser = Standardiser.fit(seen, features.raw)
    network = base_network(spec, config.base)
    generator = torch.Generator().manual_seed(seed)
    flat = network.initial(generator).requires_grad_()
    data = _chunks(parts, features, standardiser, scaler, config.base.chunk)
    losses = _fit(network, flat, data, config, generator, on_progress)
    metrics = {"train_loss": losses, "episodes": float(len(parts)), "steps": float(len(data[0]))}
    if held:
        whole = [(useful[i], np.ones(useful[i].length, np.bool_)) for i in order[:held]]
        kept = _chunks(whole, features, standardiser, scaler, config.base.chunk)
        with torch.no_grad():
            metrics["validation_loss"] = float(_loss(network, flat, *kept))
    return BasePolicy(spec, config.base, flat, scaler, standardiser), metrics


def _fit(
    network: EnsembleMlp,
    flat: Tensor,
    data: tuple[Tensor, Tensor, Tensor],
    config: BCConfig,
    generator: torch.Generator,
    on_progress: Progress | None,
) -> float:
    feature, target, mask = data
    optimiser = torch.optim.AdamW([flat], lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.updates)
    recent = torch.zeros(())
    for update in range(config.updates):
        rows = torch.randint(len(feature), (config.batch,), generator=generator)
        noise = config.noise * torch.randn(config.batch, feature.shape[1], generator=generator)
        loss = _loss(network, flat, feature[rows] + noise, target[rows], mask[rows])
        (flat.grad,) = torch.autograd.grad(loss, [flat])
        optimiser.step()
        schedule.step()
        recent = torch.lerp(loss.detach(), recent, 0.99) if update else loss.detach()
        if on_progress and (update + 1) % 50 == 0:
            on_progress(update + 1, config.updates)
    return float(recent)


def _loss(network: EnsembleMlp, flat: Tensor, feature: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    error = (network.forward(network.views(flat), feature)[0] - target).abs()
    return (error * mask).sum() / mask.sum()


def _chunks(
    parts: Sequence[tuple[Episode, NDArray[np.bool_]]],
    features: Features,
    standardiser: Standardiser,
    scaler: ActionScaler,
    chunk: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return features (N, D), scaled chunks (N, chunk*A) and their masks of the chosen steps of each episode.

    The mask is 1 for as long as the steps from there on are chosen without a gap, else 0.
    """
    rows: list[tuple[NDArray[np.float32], ...]] = []
    for episode, chosen in parts:
        length, size = episode.action.shape
        index = np.arange(length)[:, None] + np.arange(chunk)
        inside = (index < length) & chosen[np.minimum(index, length - 1)]
        inside = np.logical_and.accumulate(inside, axis=1)[..., None].repeat(size, axis=2)
        action = scaler.scale(episode.action)[np.minimum(index, length - 1)]
        rows.append(
            (
                standardiser(features(episode.observation))[chosen],
                action.reshape(length, -1)[chosen],
                inside.reshape(length, -1).astype(np.float32)[chosen],
            )
        )
    feature, target, mask = (np.concatenate(part).astype(np.float32) for part in zip(*rows, strict=True))
    return torch.from_numpy(feature), torch.from_numpy(target), torch.from_numpy(mask)
