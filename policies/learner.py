"""The off-policy learner: a critic ensemble, an actor, their targets, and one update that all presets share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from policies.actor import Actor
from policies.batch import Batch
from policies.calql import cal_ql
from policies.critics import Critics, aggregated
from policies.gripper import gripper_loss
from policies.imitation import distance, shown
from policies.learner_config import LearnerConfig
from policies.networks import Views
from policies.optimiser import polyak
from policies.parameters import EYES, Network, Parameters
from policies.sight import Sight
from policies.vision.eyes import Eyes

Report = dict[str, Tensor]
"""Means over a mini-batch, on the device: reading them is the caller's."""

CriticLoss = Callable[[Views, Batch, Tensor, Tensor], tuple[Tensor, Tensor, Report]]
ActorLoss = Callable[[Views, Batch, Tensor], tuple[Tensor, Tensor, Report]]


class Learner:
    """Critic ensemble, actor, their targets and optimisers; parameters are flat vectors.

        y      = clip(R_n + discount * min over a random subset of Q'_k(s', a'))              (REDQ, n-step)
        critic:  mean over k and batch of (Q_k(s, a) - y)^2
        actor:  -mean over batch of agg_k Q_k(s, compose(b, u))  (+ temperature * log p)      (ResFiT, TD3; SAC)

    with a' = compose(b', u'), u' the target actor's with clipped noise (TD3), or drawn from the actor itself (SAC),
    and y less discount * temperature * log p where entropies are backed up. Where there is a gate, a' is the better of
    that action and b' by the target critics (IBRL). b' is the stored base action: no target ever asks the base.

    Args:
        config: see LearnerConfig.
        actor: shape and bound of what acts.
        value_range: lowest and highest possible return; targets are clipped to it.
        seed: of the initial weights, the subsets and the noise.
        device: "cpu" or a CUDA device.
        sight: eyes that learn with the critics, and by their loss alone (DrQ-v2); None for a learner without.
        eyes: whose weights they begin with; None for fresh ones.
        truth_size: of what critics are told besides (asymmetric critics, Pinto et al. 2018).
    """

    def __init__(
        self,
        config: LearnerConfig,
        actor: Actor,
        value_range: tuple[float, float],
        seed: int,
        device: str = "cpu",
        sight: Sight | None = None,
        eyes: Eyes | None = None,
        truth_size: int = 0,
    ) -> None:
        self.config, self.actor, self.device = config, actor, torch.device(device)
        begin = torch.Generator().manual_seed(seed)  # weights are the same on every device
        self.critics = Critics(config, actor, value_range, truth_size)
        self.values, self.critic, self.gripper = self.critics.values, self.critics.network, self.critics.gripper
        flat = {"critic": self.critic.initial(begin), "actor": actor.initial(begin)}
        if actor.has_gripper:
            flat["gripper"] = self.gripper.initial(begin)
        networks: dict[str, Network] = {"critic": self.critic, "actor": actor.network, "gripper": self.gripper}
        self.sight, fixed = None if sight is None else sight.to(self.device), torch.zeros(0)
        if sight is not None:
            networks[EYES] = sight
            flat[EYES], fixed = (tensor.to(self.device) for tensor in sight.initial(begin, eyes))
        flat = {name: parameters.to(self.device) for name, parameters in flat.items()}
        self.parameters = Parameters(config, networks, flat, fixed)
        self.flat, self.target_flat = self.parameters.flat, self.parameters.target
        self.optimisers = self.parameters.optimisers
        actor.to(self.device)
        self.generator = torch.Generator(self.device).manual_seed(seed)
        self._compile()
        self.updates = 0
        self._is_told = True
        self.sample_errors = torch.zeros(0, device=self.device)  # loss (B,) of each sample of the last mini-batch

    def _compile(self) -> None:
        """Choose how the two losses are computed: as they are written, or compiled with their gradients."""
        self._critic_loss: CriticLoss = self.critic_loss
        self._actor_loss: ActorLoss = self.actor_loss
        if self.config.is_compiled:
            self._critic_loss = torch.compile(self.critic_loss, dynamic=False)
            self._actor_loss = torch.compile(self.actor_loss, dynamic=False)

    def update(
        self, batch: Batch, *, train_actor: bool = True, is_told: bool = True, holds_eyes: bool = False
    ) -> Report:
        """Do one update on a mini-batch: the critics, and every `actor_every`-th time the actor.

        With `train_actor` False (critic warm-up) actor, temperature and actor's target stay as they are, bit for bit.
        With `is_told` False what is reported of it is left out; of small networks it is a tenth of the work.
        With `holds_eyes` eyes that learn stay as they are, and so what an actor does that does not move.
        """
        self._is_told = is_told
        batch, eyes = (self.seen(batch), {}) if holds_eyes else self.look(batch)
        report = self._critics_step(batch, eyes)
        batch = batch._replace(state=batch.state.detach())
        if self.actor.has_gripper:
            report |= self.gripper_step(batch)
        self.updates += 1
        if train_actor and self.updates % self.config.actor_every == 0:
            report |= self.actor_step(batch)
        return report

    def look(self, batch: Batch) -> tuple[Batch, Views]:
        """Return the batch as learning eyes see it, and their parameters to differentiate by; see `Sight.look`."""
        if self.sight is None:
            return batch, {}
        return self.sight.look(batch, self.flat[EYES], self.parameters.fixed, self.generator)

    def seen(self, batch: Batch) -> Batch:
        """Return the batch with what the eyes see in its states, as it is; see `Sight.seen`."""
        return batch if self.sight is None else self.sight.seen(batch, self.flat[EYES], self.parameters.fixed)

    def critic_step(self, batch: Batch, *, is_offline: bool = False) -> Report:
        """Move the critics, and eyes that learn, towards the n-step target, then the critics' target towards them."""
        return self._critics_step(*self.look(batch), is_offline=is_offline)

    def _critics_step(self, batch: Batch, eyes: Views, *, is_offline: bool = False) -> Report:
        noise, members = self._noise(len(batch.next_state)), self.draw_members()
        views = self.critic.leaves(self.flat["critic"])
        loss, error, report = self._critic_loss(views, batch, noise, members)
        if is_offline and self.config.conservative > 0.0:
            actor = self.actor.network.constants(self.flat["actor"])
            loss = loss + self.config.conservative * cal_ql(self.critics, views, actor, batch, self.generator)
        self._descend(loss, critic=views, **({EYES: eyes} if eyes else {}))
        polyak(self.target_flat["critic"], self.flat["critic"], self.config.tau)
        self.sample_errors = error
        return report

    def critic_loss(self, views: Views, batch: Batch, noise: Tensor, members: Tensor) -> tuple[Tensor, Tensor, Report]:
        """Return the critics' loss, that of each sample (B,), and what is reported."""
        y = self.target(batch, noise, members)
        out = self.critics.outputs(views, batch.judged, batch.base, batch.action)
        error = self.values.loss(out, y)
        loss = (error * batch.weight).mean()
        report = {"critic_loss": loss.detach()}
        if self._is_told:
            q = self.values.value(out.detach())
            report |= {"q_mean": q.mean(), "q_spread": q.std(dim=0, unbiased=False).mean()}
        return loss, error.detach(), report

    @torch.no_grad()
    def target(self, batch: Batch, noise: Tensor, members: Tensor) -> Tensor:
        """Return y, (B,) or (B, atoms), by standard normal noise (B, U) and the members whose minimum counts."""
        u, log_p = self.next_action(batch, noise)
        a = self.composed(batch.next_state, batch.next_base, u)
        is_some = len(members) < self.config.members  # the minimum of all is the same in any order
        chosen = self.critic.constants(self.target_flat["critic"], members if is_some else None)
        value, out = self._pessimistic(chosen, batch, a)
        if self.actor.config.gate != "none":
            base_value, base_out = self._pessimistic(chosen, batch, batch.next_base)
            is_base = base_value > value
            out = torch.where(is_base[:, None], base_out, out)
            log_p = torch.where(is_base, 0.0, log_p)
        ret = batch.ret
        if self.critics.is_soft:
            ret = ret - batch.discount * self.temperature() * log_p
        return self.values.target(ret, batch.discount, out)

    def next_action(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return u' (B, U) that follows the window, and its log p (B,), by standard normal noise (B, U)."""
        if self.actor.is_gaussian:
            return self.actor.sample(self.actor.network.constants(self.flat["actor"]), batch.next_state, noise)
        c, bound = self.config, self.actor.bound
        u = self.actor.mode(self.actor.network.constants(self.target_flat["actor"]), batch.next_state)
        noise = (c.target_noise * noise).clamp(-c.target_noise_clip, c.target_noise_clip) * bound
        return (u + noise).clamp(-bound, bound), torch.zeros_like(batch.ret)

    def _noise(self, count: int) -> Tensor:
        return torch.randn((count, len(self.actor.axes)), generator=self.generator, device=self.device)

    def _pessimistic(self, members: Views, batch: Batch, action: Tensor) -> tuple[Tensor, Tensor]:
        """Return the smallest value (B,) that the members give an action after the window, and its output (B, O)."""
        out = self.critics.outputs(members, batch.next_judged, batch.next_base, action)
        value, index = self.values.value(out).min(dim=0)
        return value, out.gather(0, index[None, :, None].expand(1, -1, out.shape[2]))[0]

    def _descend(self, loss: Tensor, **parts: Views) -> None:
        leaves = [tensor for views in parts.values() for tensor in views.values()]
        gradients = iter(torch.autograd.grad(loss, leaves))
        for name, views in parts.items():
            self.optimisers[name].step(*(next(gradients) for _ in views))

    def draw_members(self) -> Tensor:
        """Return `config.subset` different members, each equally likely (WSRL's draw repeats members)."""
        return torch.randperm(self.config.members, generator=self.generator, device=self.device)[: self.config.subset]

    def actor_step(self, batch: Batch) -> Report:
        """Move the actor up the critics, and towards a person's actions that they rate higher; then the temperature."""
        batch = self.seen(batch)
        views = self.actor.network.leaves(self.flat["actor"])
        loss, log_p, report = self._actor_loss(views, batch, self._noise(len(batch.state)))
        self._descend(loss, actor=views)
        polyak(self.target_flat["actor"], self.flat["actor"], self.config.tau)
        if self.actor.is_gaussian:
            report |= self._temperature_step(log_p)
        return report

    def actor_loss(self, actor: Views, batch: Batch, noise: Tensor) -> tuple[Tensor, Tensor, Report]:
        """Return the actor's loss, log p (B,) of its actions, and what is reported; `noise` (B, U) standard normal."""
        views = self.critic.constants(self.flat["critic"])
        u, log_p = self.actor.sample(actor, batch.state, noise)
        wanted = self.actor.wanted(batch.base, u, self.actor.idle_grip(u))
        q = self.value(views, batch, wanted.clamp(-1.0, 1.0), self.config.actor_value)
        loss, report = self.regularised(-q.mean(), u, log_p)
        if self._is_told:
            # where b + u leaves [-1, 1] the gradient is zero; a high share means a dead residual
            report["saturated"] = (wanted.detach().abs() > 1.0).float().mean()
        if self.config.imitation > 0.0:
            imitation, report["imitated"] = self.imitation_loss(views, batch, u, q)
            loss = loss + self.config.imitation * imitation
        return loss, log_p.detach(), report | {"actor_loss": loss.detach()}

    def regularised(self, loss: Tensor, u: Tensor, log_p: Tensor) -> tuple[Tensor, Report]:
        """Return an actor's loss with what its u (B, U) costs and its entropy gains, and what is reported of them."""
        share = u / self.actor.bound
        report: Report = {}
        if self._is_told:
            report = {"residual": share.detach().abs().mean(), "entropy": -log_p.detach().mean()}
        if self.actor.is_gaussian:
            loss = loss + (self.temperature() * log_p).mean()
        if self.config.residual_penalty > 0.0:
            loss = loss + self.config.residual_penalty * (share**2).mean()
        return loss, report

    def temperature(self) -> Tensor:
        """Return the weight of the entropy, (1,)."""
        return self.flat["temperature"].exp()

    def _temperature_step(self, log_p: Tensor) -> Report:
        """Raise the temperature where the entropy is below its target (Haarnoja et al. 2018b, equation 18)."""
        temperature = self.temperature()
        if self.config.temperature_rate > 0.0:
            lacking = log_p.mean() + self.config.target_entropy * len(self.actor.axes)
            # the gradient of -exp(log temperature) * (log p + target) by log temperature
            self.optimisers["temperature"].step(-temperature * lacking)
        return {"temperature": temperature[0]}

    def imitation_loss(self, views: Views, batch: Batch, u: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
        """Return the imitation loss, and the share of human steps that are imitated.

        u is drawn to a person's action, clipped into its bound; with a filter only where the critics rate that action
        at least as high as the actor's own (Nair et al. 2018, equation 4).
        """
        is_chosen = batch.is_human
        if self.config.filters_imitation:
            with torch.no_grad():
                a = self.composed(batch.state, batch.base, shown(self.actor, batch))
                is_chosen = is_chosen & (self.value(views, batch, a, self.config.actor_value) >= q)
        return distance(self.actor, batch, u, is_chosen)

    def gripper_step(self, batch: Batch) -> Report:
        """Move the gripper's values, then their target towards them."""
        batch = self.seen(batch)
        views = self.gripper.leaves(self.flat["gripper"])
        loss = gripper_loss(self.critics, views, self.gripper.views(self.target_flat["gripper"]), batch)
        self._descend(loss, gripper=views)
        polyak(self.target_flat["gripper"], self.flat["gripper"], self.config.tau)
        return {"gripper_loss": loss.detach()}

    def clone_step(self, batch: Batch) -> Report:
        """Move the actor's mode, and eyes that learn, towards the executed actions, as WSRL and PORL begin."""
        batch, eyes = self.look(batch)
        views = self.actor.network.leaves(self.flat["actor"])
        loss = ((self.actor.mode(views, batch.state) - shown(self.actor, batch)) ** 2).mean()
        self._descend(loss, actor=views, **({EYES: eyes} if eyes else {}))
        self.target_flat["actor"].copy_(self.flat["actor"])
        return {"clone_loss": loss.detach()}

    def value(self, views: Views, batch: Batch, action: Tensor, what: str = "mean") -> Tensor:
        """Return the ensemble's value (B,) of `action` (B, A): its mean, minimum, or the first critic's."""
        if what == "first":
            views = {name: view[:1] for name, view in views.items()}
        return aggregated(self.critics.all_values(views, batch.judged, batch.base, action), what)

    def composed(self, state: Tensor, base: Tensor, u: Tensor) -> Tensor:
        """Return the actions that the critics judge for states (B, S), bases (B, A) and u (B, U)."""
        return self.actor.compose(base, u, self.actor.idle_grip(u))

    def state(self) -> dict[str, Tensor]:
        """Return every parameter, target and optimiser's tensor by name; they share memory with the learner."""
        return self.parameters.state()

    def eyes(self) -> Views:
        """Return the named tensors of the eyes that learn; none without."""
        return {} if self.sight is None else self.sight.whole(self.flat[EYES], self.parameters.fixed)

    def check(self) -> None:
        """Raise DivergedError unless every parameter, target and moment of the optimisers is finite."""
        self.parameters.check(self.updates)
