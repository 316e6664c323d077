"""How well a learner's critics and actor do on a few episodes: what alarms and stages are decided by."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from policies.batch import Batch
from policies.health import dormant_share, ranked
from policies.learner import Learner
from policies.sampler import ONLINE, EpisodeBuffer
from robot.store import Episode


class Measures:
    """Measures of a learner.

    Args:
        learner: whose target networks are looked at.
        buffer: what it learns from; its states, labels and standardiser are taken, nothing is added.
        value_range: lowest and highest possible return.
    """

    def __init__(self, learner: Learner, buffer: EpisodeBuffer, value_range: tuple[float, float]) -> None:
        self._learner, self._buffer, self._range = learner, buffer, value_range

    def ranked(self, episodes: Iterable[Episode]) -> float:
        """Return how well the critics rank episodes (`health.ranked`); 0 where that says nothing."""
        aside = self._aside(episodes)
        if not len(aside.pool(ONLINE)):
            return 0.0
        share = ranked(*self._values(aside))
        return 0.0 if math.isnan(share) else share

    def of(self, episodes: Iterable[Episode]) -> dict[str, float]:
        """Return what `Alarms` judges; nothing where there is no step."""
        episodes = list(episodes)
        aside = self._aside(episodes)
        if not len(aside.pool(ONLINE)):
            return {}
        batch, learner = self._batch(aside), self._learner
        actor = learner.actor
        found: dict[str, Tensor] = {}
        with torch.no_grad():
            views = actor.network.views(learner.target_flat["actor"])
            found["dormant"] = dormant_share(actor.network, views, batch.state)
            u = actor.mode(views, batch.state)
            if actor.is_residual or actor.is_steering:
                found["residual"] = (u / actor.bound).abs().mean()
            if not actor.is_steering:
                found["saturated"] = (actor.wanted(batch.base, u, actor.idle_grip(u)).abs() > 1.0).float().mean()
            if actor.config.gate != "none":
                critics = learner.critic.views(learner.target_flat["critic"])
                a = learner.composed(batch.state, batch.base, u)
                found["gate_open"] = learner.critics.gate(critics, batch.state, batch.base, a).float().mean()
        low, high = self._range
        ended = [episode for episode in episodes if episode.is_terminated]
        if ended and math.isfinite(high - low) and not learner.critics.is_soft:
            value, to_go = self._values(self._aside(ended))
            found["error"] = torch.tensor(abs(float((value - to_go).mean())) / (high - low))
        return {name: float(value) for name, value in found.items()}

    def _aside(self, episodes: Iterable[Episode]) -> EpisodeBuffer:
        """Return a buffer of a few episodes, to look at them and not to learn from."""
        aside = self._buffer.fresh()
        for episode in episodes:
            aside.add(episode, ONLINE)
        return aside

    def _batch(self, aside: EpisodeBuffer) -> Batch:
        """Return every step of a buffer on the learner's device, as its eyes see it."""
        return self._learner.seen(aside.windows(aside.pool(ONLINE), 1).on(self._learner.device))

    def _values(self, aside: EpisodeBuffer) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the critics' mean values (N,) of all steps, by the target networks, and their returns to go (N,)."""
        batch, learner = self._batch(aside), self._learner
        with torch.no_grad():
            views = learner.critic.views(learner.target_flat["critic"])
            value = learner.value(views, batch, batch.action)
        return value.cpu().numpy(), batch.to_go.cpu().numpy()
