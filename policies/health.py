"""Whether what was learnt can be trusted: how the critics rank, how large they err, and which units are dead."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from policies.networks import EnsembleMlp, Views
from robot.settings import Settings, setting

Float = NDArray[np.float32]

DORMANT = 0.025
"""A unit is dormant where its mean output is below this share of its layer's (Sokar et al. 2023; DrM)."""


@dataclass(frozen=True)
class AlarmConfig(Settings):
    """When what was learnt is not acted on any more, and the base acts alone: a measure above its limit."""

    is_on: bool = setting(True, "let alarms stop the learnt part")
    error: float = setting(
        0.5,
        "mean error of the critics about the returns of the last episodes, as a share of the possible range",
        low=0.0,
    )
    saturated: float = setting(0.9, "share of the action's axes that are clipped", low=0.0, high=1.0)
    dormant: float = setting(0.9, "share of the actor's units that are dormant", low=0.0, high=1.0)
    residual: float = setting(0.98, "mean |u| as a share of its bound", low=0.0, high=1.0)
    episodes: int = setting(3, "episodes in a row with an alarm, or without, until it counts", low=1, high=1000)


@dataclass
class Alarms:
    """Turns measures into one sentence that stands until they have been good for as long as they were bad."""

    config: AlarmConfig
    sentence: str = ""
    count: int = field(default=0)

    def take(self, measures: dict[str, float]) -> str:
        """Take one episode's measures (see `AlarmConfig`; those that are not there raise nothing)."""
        found = self._found(measures) if self.config.is_on else ""
        if bool(found) == bool(self.sentence):
            self.count = 0
            self.sentence = found or self.sentence
            return self.sentence
        self.count += 1
        if self.count >= self.config.episodes:
            self.sentence, self.count = found, 0
        return self.sentence

    def _found(self, measures: dict[str, float]) -> str:
        limits = {
            "error": (
                self.config.error,
                "the critics are wrong about the last episodes' returns by {:.0%} of their range",
            ),
            "saturated": (self.config.saturated, "{:.0%} of the action's axes are clipped"),
            "dormant": (self.config.dormant, "{:.0%} of the actor's units are dormant"),
            "residual": (self.config.residual, "the residual is at {:.0%} of its bound"),
        }
        for name, (limit, words) in limits.items():
            value = measures.get(name)
            if value is not None and value > limit:
                return f"The base acts alone: {words.format(value)} (limit {limit:.0%})."
        return ""

    def state(self) -> dict[str, Any]:
        return {"sentence": self.sentence, "count": self.count}

    def restore(self, state: dict[str, Any]) -> None:
        self.sentence, self.count = str(state["sentence"]), int(state["count"])


def ranked(value: Float, to_go: Float) -> float:
    """Return the share of pairs of steps whose values (N,) are in the order of their returns (N,); ties count half.

    With returns of two kinds, success and failure, it is the area under the ROC curve; 0.5 is chance. NaN where all
    returns are equal. (Harrell's concordance index, without its censoring.)
    """
    less = to_go[:, None] < to_go[None, :] - 1e-9
    pairs = int(less.sum())
    if not pairs:
        return float("nan")
    right = (value[:, None] < value[None, :]) + 0.5 * (value[:, None] == value[None, :])
    return float((right * less).sum() / pairs)


def dormant_share(network: EnsembleMlp, views: Views, state: Tensor) -> Tensor:
    """Return the share of hidden units whose mean |output| over states (B, S) is below `DORMANT` of their layer's."""
    shares = []
    for layer in network.hidden_outputs(views, state):
        mean = layer.abs().mean(dim=1)
        shares.append((mean < DORMANT * mean.mean(dim=1, keepdim=True)).float().mean())
    return torch.stack(shares).mean()
