"""Imitation of a person's actions by what acts."""

from __future__ import annotations

from torch import Tensor

from policies.actor import Actor
from policies.batch import Batch


def shown(actor: Actor, batch: Batch) -> Tensor:
    """Return the u (B, U) nearest to what the executed actions needed, within its bound."""
    needed = actor.arm(batch.action - batch.base if actor.is_residual else batch.action)
    return needed.clamp(-actor.bound, actor.bound)


def distance(actor: Actor, batch: Batch, u: Tensor, is_chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean squared distance of u (B, U) to what a person showed, and the share of human steps that count.

    Args:
        is_chosen: (B,) which of the human steps are imitated.
    """
    chosen = is_chosen.float()
    error = (((u - shown(actor, batch)) / actor.bound) ** 2).mean(dim=1)
    count = batch.is_human.sum().clamp(min=1)
    return (error * chosen).sum() / count, chosen.sum() / count
