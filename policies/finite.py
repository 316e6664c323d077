"""Whether everything that a learner consists of is a number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from robot.errors import NudgeError


class DivergedError(NudgeError):
    """A parameter became NaN or infinite."""


class Named(Protocol):
    """Cuts a flat vector into named tensors."""

    def views(self, flat: Tensor) -> dict[str, Tensor]: ...


def require_finite(state: Mapping[str, Tensor], networks: Mapping[str, Named], updates: int) -> None:
    """Raise DivergedError unless every tensor of a learner's state is finite.

    Args:
        state: flat tensors by name, "part", "target.part" or "part.moment".
        networks: by part; what is in none is one value.
        updates: done so far.
    """
    for owner, flat in state.items():
        if bool(torch.isfinite(flat).all()):
            continue
        network = networks.get(owner.removeprefix("target.").split(".")[0])
        views = {"value": flat} if network is None or owner.endswith(".fixed") else network.views(flat)
        bad = [name for name, view in views.items() if not bool(torch.isfinite(view).all())]
        raise DivergedError(
            f"{owner}.{bad[0]} is not finite after update {updates} (also: {bad[1:]}); the last good checkpoint is "
            "kept. Take episodes with huge numbers out of the store (nudge store drop), or begin a run with smaller "
            "steps (training.learner.critic_rate, actor_rate)."
        )
