"""The critics: what they see, what they give, and what the gate decides by them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from policies.actor import GRIPPER_CHOICES, Actor
from policies.gate import certainty, is_taken
from policies.learner_config import LearnerConfig
from policies.networks import EnsembleMlp, Views
from policies.values import values_for
from robot.errors import ConfigError


class Critics:
    """Shapes of the critics of an actor; parameters are the caller's, as `views` of `network` or of a subset.

    Args:
        config: see LearnerConfig.
        actor: whose actions are judged.
        value_range: lowest and highest possible return; of no consequence to numbers that count entropies too.
        truth_size: P, of what they are told of a state besides what the actor sees; at the state's end.
    """

    def __init__(
        self, config: LearnerConfig, actor: Actor, value_range: tuple[float, float], truth_size: int = 0
    ) -> None:
        self.config, self.actor = config, actor
        self.is_soft = actor.is_gaussian and config.backs_up_entropy
        """Whether values hold entropies as well as returns."""
        if self.is_soft and config.critic != "mse":
            raise ConfigError(
                f"critic={config.critic} gives returns of a known range, and values with entropies have none; set "
                "learner.backs_up_entropy=false, or take learner.critic=mse."
            )
        if self.is_soft:
            value_range = (-math.inf, math.inf)  # soft values are returns and the entropies to come (SAC, equation 3)
        self.values = values_for(config.critic, config.atoms, *value_range)
        inputs = actor.state_size + truth_size + actor.judged_size * (2 if actor.is_residual else 1)
        self.network = self.perceptrons(config.members, inputs, self.values.outputs)
        self.gripper = self.perceptrons(1, actor.state_size, GRIPPER_CHOICES)
        """Of a gripper axis with a head of its own: the values of close, stay and open."""

    def perceptrons(self, members: int, inputs: int, outputs: int) -> EnsembleMlp:
        """Return perceptrons of the critics' own widths and activation."""
        c = self.config
        kind = {"has_norm": c.has_norm, "activation": c.activation, "dtype": getattr(torch, c.precision)}
        return EnsembleMlp(members, inputs, c.hidden, outputs, **kind)

    def outputs(self, views: Views, state: Tensor, base: Tensor, action: Tensor) -> Tensor:
        """Return what the members in `views` give for states (B, S + P), bases and actions (B, A): (K, B, O)."""
        return self.network.forward(views, self.input(state, base, action))

    def all_values(self, views: Views, state: Tensor, base: Tensor, action: Tensor) -> Tensor:
        """Return the values (K, B)."""
        return self.values.value(self.outputs(views, state, base, action))

    def input(self, state: Tensor, base: Tensor, action: Tensor) -> Tensor:
        """Return (B, C): state, action, and of a residual the deviation from the base in units of the bound.

        The last is redundant; it keeps the small residual from drowning beside the base (DAWN's scale mismatch). An
        axis with a gripper's own head is left out (HIL-SERL's critic of the arm).
        """
        parts = [state, self.actor.arm(action)]
        if self.actor.is_residual:
            parts.append(self.actor.deviation(action, base))
        return torch.cat(parts, dim=1)

    @torch.no_grad()
    def judge(self, views: Views, state: Tensor, base: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """Return whether the gate lets actions (B, A) pass, (B,), and how certain the critics are of them, (B,)."""
        c = self.actor.config
        proposed, own = self.all_values(views, state, base, action), self.all_values(views, state, base, base)
        return is_taken(c.gate, proposed, own, c.gate_confidence, c.gate_margin), certainty(proposed, own)

    def gate(self, views: Views, state: Tensor, base: Tensor, action: Tensor) -> Tensor:
        """Return (B,) whether the gate lets actions (B, A) pass."""
        return self.judge(views, state, base, action)[0]


def aggregated(q: Tensor, what: str) -> Tensor:
    """Return the value (B,) of an ensemble's values (K, B): their mean, minimum, or the first critic's."""
    if what == "first":
        return q[0]
    return q.amin(dim=0) if what == "min" else q.mean(dim=0)
