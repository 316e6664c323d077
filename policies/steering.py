"""Steering a frozen base by its noise (DSRL, Wagenmaker et al. 2025): which noise is learnt, not what becomes of it."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from policies.actor import Actor
from policies.base import BasePolicy
from policies.batch import Batch
from policies.chunks.model import Seen
from policies.critics import aggregated
from policies.external import Base
from policies.learner import Learner, Report
from policies.learner_config import LearnerConfig
from policies.networks import Views
from policies.training_config import TrainingConfig
from robot.errors import ConfigError

NOISE = "noise"


class Steered:
    """A frozen base policy as a function G(s, w): the actions that it executes before it plans again.

    States are what the base sees, standardised as it has them; noises w are standard normal to the base.

    Args:
        base: a policy with noise.

    Raises:
        ConfigError: nothing of it could be steered.
    """

    def __init__(self, base: Base) -> None:
        if not isinstance(base, BasePolicy) or not base.model.noise_size:
            found = f"bc.base.kind={base.config.kind}" if isinstance(base, BasePolicy) else "an external policy"
            raise ConfigError(
                "actor.composer=steering chooses the noise of a base that has some: bc.base.kind=flow or diffusion; "
                f"found {found}."
            )
        if base.config.ensembling >= 0.0 or base.perception.gives_maps:
            raise ConfigError(
                "actor.composer=steering needs a base whose plan is made of one noise and its state alone: without "
                "bc.base.ensembling, and of kind flow or diffusion where it sees."
            )
        self._decoder, self.steps, self.standardiser = base.decoder, base.phases, base.standardiser
        self.noise_size = base.model.noise_size
        self.action_size = self.steps * base.spec.action_size

    def to(self, device: torch.device) -> Steered:
        """Return it on a device; the base's own stays where it is."""
        moved = copy.copy(self)
        moved._decoder = copy.deepcopy(self._decoder).to(device)
        return moved

    def actions(self, state: Tensor, noise: Tensor) -> Tensor:
        """Return (B, `action_size`) for states (B, S) and noises (B, `noise_size`): step by step, all axes of each."""
        chunks: Tensor = self._decoder(Seen(state), noise)
        return chunks[:, : self.steps].flatten(1)


class SteeringLearner(Learner):
    """Learns what noise w a frozen base is to draw; a decision lasts as long as one of its plans.

        y      = R + discount * min over a random subset of Q'_k(s', G(s', w')),  w' ~ actor(s')
        critic:  mean (Q_k(s, a) - y)^2                    a: the actions that were executed, whoever's
        noise:   mean (N_k(s, w) - Q_k(s, G(s, w)))^2      w ~ N(0, 1), and a share of the actor's own
        actor: - mean agg_k N_k(s, w) + temperature * log p

    The critics N of noises are asked in place of the Q so that no gradient goes through the base ("noise aliasing",
    DSRL-NA, algorithm 2). Since Q judges whole plans of whatever was executed, demonstrations and a person's steps
    are learnt from like all else, without a correction (Li et al. 2025, "Reinforcement Learning with Action Chunking").

    Args:
        steered: the base; for all others see Learner.
    """

    def __init__(
        self,
        config: LearnerConfig,
        actor: Actor,
        value_range: tuple[float, float],
        seed: int,
        device: str,
        steered: Steered,
    ) -> None:
        super().__init__(config, actor, value_range, seed, device)
        self.steered = steered.to(self.device)
        self.noise_critic = self.critics.perceptrons(config.members, actor.state_size + len(actor.axes), 1)
        begin = torch.Generator().manual_seed(seed + 1)  # or the Q's and the N's weights were the same numbers
        self.parameters.add(NOISE, self.noise_critic, self.noise_critic.initial(begin).to(self.device))

    def composed(self, state: Tensor, base: Tensor, u: Tensor) -> Tensor:
        return self.steered.actions(state, u)

    def update(
        self, batch: Batch, *, train_actor: bool = True, is_told: bool = True, holds_eyes: bool = False
    ) -> Report:
        """Do one update, see `Learner.update`, and every `noise_every`-th time one of the critics of noises."""
        report = super().update(batch, train_actor=train_actor, is_told=is_told, holds_eyes=holds_eyes)
        if self.updates % self.config.noise_every == 0:
            report |= self.noise_step(batch)
        return report

    def noise_step(self, batch: Batch) -> Report:
        """Move the critics of noises towards what the critics say of what the base makes of them."""
        with torch.no_grad():
            noise = self._noise(len(batch.state))
            own = round(self.config.noise_own_share * len(noise))
            if own:
                views = self.actor.network.constants(self.flat["actor"])
                noise[:own] = self.actor.sample(views, batch.state[:own], noise[:own])[0]
            critics = self.critic.constants(self.flat["critic"])
            action = self.composed(batch.state, batch.base, noise)
            wanted = self.critics.all_values(critics, batch.state, batch.base, action)
        views = self.noise_critic.leaves(self.flat[NOISE])
        loss = ((self.of_noise(views, batch.state, noise) - wanted) ** 2).mean()
        self._descend(loss, noise=views)
        return {"noise_loss": loss.detach()}

    def of_noise(self, views: Views, state: Tensor, noise: Tensor) -> Tensor:
        """Return the values (K, B) of noises (B, W) in states (B, S)."""
        return self.noise_critic.forward(views, torch.cat([state, noise], dim=1))[..., 0]

    def actor_loss(self, actor: Views, batch: Batch, noise: Tensor) -> tuple[Tensor, Tensor, Report]:
        u, log_p = self.actor.sample(actor, batch.state, noise)
        views = self.noise_critic.constants(self.flat[NOISE])
        q = aggregated(self.of_noise(views, batch.state, u), self.config.actor_value)
        loss, report = self.regularised(-q.mean(), u, log_p)
        return loss, log_p.detach(), report | {"actor_loss": loss.detach()}


def steered(base: Base | None, config: TrainingConfig) -> Steered | None:
    """Return the base as what is steered; None where it is not.

    Raises:
        ConfigError: it cannot be.
    """
    if config.actor.composer != "steering":
        return None
    if base is None:
        raise ConfigError("actor.composer=steering needs a base policy: nudge pretrain bc.base.kind=flow.")
    return Steered(base)
