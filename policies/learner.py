"""The off-policy learner: a LayerNorm critic ensemble and a delayed deterministic residual actor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from policies.networks import EnsembleMlp, Views, subset
from policies.residual import Actor, compose
from policies.sampler import Batch, QuotaSampler
from robot.errors import ConfigError, NudgeError
from robot.settings import Settings, setting


class DivergedError(NudgeError):
    """A parameter became NaN or infinite."""


@dataclass(frozen=True)
class LearnerConfig(Settings):
    """How critic and actor learn. Shares are of the residual's bound."""

    members: int = setting(5, "critics in the ensemble (K)", low=1, high=100)
    subset: int = setting(2, "random critics whose minimum is the target (REDQ)", low=1, high=100)
    hidden: tuple[int, ...] = setting((128, 128), "width of each hidden layer of a critic", low=1, high=4096)
    critic_rate: float = setting(3e-4, "Adam's step size of the critics", low=0.0, high=1.0)
    actor_rate: float = setting(1e-4, "Adam's step size of the actor", low=0.0, high=1.0)
    actor_every: int = setting(2, "critic updates per actor update (TD3)", low=1, high=1000)
    tau: float = setting(0.005, "share of the online network that a target takes per update", low=0.0, high=1.0)
    target_noise: float = setting(0.2, "smoothing noise on the target's action (TD3)", low=0.0, high=2.0)
    target_noise_clip: float = setting(0.5, "largest smoothing noise (TD3)", low=0.0, high=2.0)
    clip_norm: float = setting(1.0, "largest norm of a gradient", low=1e-6, high=1e6)
    imitation: float = setting(0.1, "weight of the Q-filtered imitation of a person's actions", low=0.0, high=1e3)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.subset > self.members:
            raise ConfigError(f"LearnerConfig.subset must be at most members ({self.members}); found {self.subset}.")


class StoppedError(NudgeError):
    """Learning was told to stop between two updates; what it knows then is no state to go on from."""


class TensorBatch(NamedTuple):
    """A `policies.sampler.Batch` as tensors, column by column."""

    state: Tensor
    base: Tensor
    action: Tensor
    ret: Tensor
    discount: Tensor
    next_state: Tensor
    next_base: Tensor
    is_human: Tensor


class Learner:
    """Critic ensemble, actor, their targets and optimisers; parameters are flat vectors.

        y      = clip(R_n + discount * min over a random subset of Q'_k(s', clip(b' + u')))     (REDQ, n-step)
        critic:  mean over k and batch of (Q_k(s, a) - y)^2
        actor:  -mean over k and batch of Q_k(s, clip(b + pi(s)))                                (ResFiT)

    with u' = pi'(s') plus clipped noise (TD3). b' is the stored base action: no target ever asks the base.

    Args:
        config: see LearnerConfig.
        actor: shape and bound of the residual.
        value_range: lowest and highest possible return; targets are clipped to it.
        seed: of the initial weights, the subsets and the noise.
    """

    def __init__(self, config: LearnerConfig, actor: Actor, value_range: tuple[float, float], seed: int) -> None:
        self.config, self.actor = config, actor
        self.generator = torch.Generator().manual_seed(seed)
        state, action = actor.network.inputs, actor.network.outputs
        self.critic = EnsembleMlp(config.members, state + 2 * action, config.hidden, 1)
        self.critic_flat = self.critic.initial(self.generator).requires_grad_()
        self.actor_flat = actor.initial(self.generator).requires_grad_()
        self.critic_target = self.critic_flat.detach().clone()
        self.actor_target = self.actor_flat.detach().clone()
        self.critic_optimiser = torch.optim.Adam([self.critic_flat], lr=config.critic_rate, fused=True)
        self.actor_optimiser = torch.optim.Adam([self.actor_flat], lr=config.actor_rate, fused=True)
        self.low, self.high = value_range
        self.updates = 0

    def update(
        self,
        sampler: QuotaSampler,
        n: int,
        *,
        train_actor: bool = True,
        stop: Callable[[], bool] = lambda: False,
    ) -> dict[str, float]:
        """Do `n` critic updates, each on its own mini-batch, and the actor updates that fall among them.

        With `train_actor` False (critic warm-up) actor and actor target stay as they are, bit for bit.
        Returns the means over the call of what `critic_step` and `actor_step` report.

        Raises:
            DivergedError: naming the tensor that is no longer finite.
            StoppedError: `stop()` came true before the last update.
        """
        sums: dict[str, Tensor] = {}
        counts: dict[str, int] = {}
        for _ in range(n):
            if stop():
                raise StoppedError(f"Learning was stopped after update {self.updates}; resume from the checkpoint.")
            batch = tensors(sampler.draw())
            report = self.critic_step(batch)
            self.updates += 1
            if train_actor and self.updates % self.config.actor_every == 0:
                report |= self.actor_step(batch)
            for name, value in report.items():
                sums[name] = sums[name] + value if name in sums else value
                counts[name] = counts.get(name, 0) + 1
        self.check()
        return {name: float(total) / counts[name] for name, total in sums.items()}

    def critic_step(self, batch: TensorBatch) -> dict[str, Tensor]:
        """Move the critics towards the n-step target, then their target towards them."""
        y = self.target(batch)
        views = self.critic.views(self.critic_flat)
        q = self.critic.forward(views, self.critic_input(batch.state, batch.base, batch.action))[..., 0]
        loss = td_loss(q, y)
        self._descend(loss, self.critic_flat, self.critic_optimiser)
        polyak(self.critic_target, self.critic_flat, self.config.tau)
        return {"critic_loss": loss.detach(), "q_mean": q.detach().mean(), "target_mean": y.mean()}

    @torch.no_grad()
    def target(self, batch: TensorBatch) -> Tensor:
        """Return y (B,)."""
        c = self.config
        bound = self.actor.bound
        noise = torch.randn(batch.next_base.shape, generator=self.generator) * c.target_noise
        noise = noise.clamp(-c.target_noise_clip, c.target_noise_clip) * bound
        u = self.actor(self.actor.network.views(self.actor_target), batch.next_state) + noise
        a = compose(batch.next_base, u.clamp(-bound, bound))
        drawn = subset(self.critic.views(self.critic_target), self.draw_members())
        q = self.critic.forward(drawn, self.critic_input(batch.next_state, batch.next_base, a))
        return (batch.ret + batch.discount * q[..., 0].amin(dim=0)).clamp(self.low, self.high)

    def draw_members(self) -> Tensor:
        """Return `config.subset` different members, each equally likely (WSRL's draw repeats members)."""
        return torch.randperm(self.config.members, generator=self.generator)[: self.config.subset]

    def actor_step(self, batch: TensorBatch) -> dict[str, Tensor]:
        """Move the actor up the mean of all critics, and towards a person's actions that they rate higher."""
        views = self.critic.views(self.critic_flat.detach())
        u = self.actor(self.actor.network.views(self.actor_flat), batch.state)
        wanted = batch.base + u
        q = self.value(views, batch, wanted.clamp(-1.0, 1.0))
        loss = -q.mean()
        report = {
            "residual": (u.detach().abs() / self.actor.bound).mean(),
            # where b + u leaves [-1, 1] the gradient is zero; a high share means a dead residual
            "saturated": (wanted.detach().abs() > 1.0).float().mean(),
        }
        if self.config.imitation > 0.0:
            imitation, share = self.imitation_loss(views, batch, u, q)
            loss = loss + self.config.imitation * imitation
            report["imitated"] = share
        self._descend(loss, self.actor_flat, self.actor_optimiser)
        polyak(self.actor_target, self.actor_flat, self.config.tau)
        return report | {"actor_loss": loss.detach()}

    def imitation_loss(self, views: Views, batch: TensorBatch, u: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
        """Return the Q-filtered imitation loss and the share of human steps that pass the filter.

        The residual is drawn to a person's action, clipped into its bound, wherever the critics rate that action
        at least as high as the residual's own (Nair et al. 2018, equation 4).
        """
        bound = self.actor.bound
        rows = torch.nonzero(batch.is_human)[:, 0]
        people = TensorBatch(*(column.index_select(0, rows) for column in batch))
        shown = (people.action - people.base).clamp(-bound, bound)
        with torch.no_grad():
            chosen = (self.value(views, people, compose(people.base, shown)) >= q[rows]).float()
        error = (((u[rows] - shown) / bound) ** 2).mean(dim=1)
        count = max(len(rows), 1)
        return (error * chosen).sum() / count, chosen.sum() / count

    def value(self, views: Views, batch: TensorBatch, action: Tensor) -> Tensor:
        """Return the ensemble's mean Q (B,) of `action` (B, A)."""
        return self.critic.forward(views, self.critic_input(batch.state, batch.base, action))[..., 0].mean(dim=0)

    def critic_input(self, state: Tensor, base: Tensor, action: Tensor) -> Tensor:
        """Return (B, S + 2A): the state, the action, and the deviation from the base in units of the bound.

        The last is redundant; it keeps the small residual from drowning beside the base (DAWN's scale mismatch).
        """
        deviation = ((action - base) / self.actor.bound).clamp(-3.0, 3.0)
        return torch.cat([state, action, deviation], dim=1)

    def check(self) -> None:
        """Raise DivergedError unless every parameter is finite."""
        for owner, network, flat in (
            ("critic", self.critic, self.critic_flat),
            ("actor", self.actor.network, self.actor_flat),
        ):
            if bool(torch.isfinite(flat).all()):
                continue
            bad = [n for n, v in network.views(flat.detach()).items() if not bool(torch.isfinite(v).all())]
            raise DivergedError(
                f"{owner}.{bad[0]} is not finite after update {self.updates} (also: {bad[1:]}); "
                "resume from the last checkpoint with a smaller step size, and look for NaN in the store."
            )

    def _descend(self, loss: Tensor, flat: Tensor, optimiser: torch.optim.Adam) -> None:
        (gradient,) = torch.autograd.grad(loss, [flat])
        norm = torch.linalg.vector_norm(gradient)
        flat.grad = gradient * (self.config.clip_norm / (norm + 1e-6)).clamp(max=1.0)
        optimiser.step()


def td_loss(q: Tensor, y: Tensor) -> Tensor:
    """Return the mean over members and batch of (q - y)^2, q (K, B), y (B,).

    The mean of squares, not the square of the mean error (a defect of the released ResFiT code).
    """
    return ((q - y) ** 2).mean()


@torch.no_grad()
def polyak(target: Tensor, online: Tensor, tau: float) -> None:
    """Move `target` in place to (1 - tau) target + tau online."""
    target.lerp_(online, tau)


def tensors(batch: Batch) -> TensorBatch:
    """Return the batch as tensors that share its memory."""
    return TensorBatch(*(torch.from_numpy(np.ascontiguousarray(column)) for column in batch))
