"""What the compared updates have in common: the sizes of networks and batch, and the arithmetic of one update.

Only the standard library is needed here, since the JAX update may run in an environment of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

SUBSET = 2
"""Random critics whose minimum is the target (REDQ)."""


@dataclass(frozen=True)
class Size:
    """One setting of the comparison.

    Args:
        members: critics.
        hidden: width of each hidden layer of critics and actor.
        utd: critic updates per actor update.
        batch: rows of each update.
        state, action: numbers a row.
    """

    members: int
    hidden: tuple[int, ...]
    utd: int
    batch: int = 256
    state: int = 30
    action: int = 7

    @property
    def critic_widths(self) -> tuple[int, ...]:
        return (self.state + self.action, *self.hidden, 1)

    @property
    def actor_widths(self) -> tuple[int, ...]:
        """Mean and standard deviation of each axis."""
        return (self.state, *self.hidden, 2 * self.action)


SIZES = {"10": Size(10, (256, 256, 256), 20), "2": Size(2, (256, 256), 1)}
"""The ensemble of RLPD and REDQ with its high ratio, and the twin critics of SAC."""


def matmul_flops(size: Size) -> float:
    """Return the floating-point operations of the matrix products of one critic update and its share of the actor's.

    A product of (m, k) and (k, n) counts 2 m k n. Of a network's backward pass the products for the weights are as
    many as the forward's, those for the inputs as many less the first layer's, whose input needs no gradient.
    LayerNorm, activations, Adam and Polyak are not counted: they are what a good implementation hides.
    """
    critic, critic_first = _multiplies(size.critic_widths)
    actor, actor_first = _multiplies(size.actor_widths)
    target = actor + min(SUBSET, size.members) * critic
    descent = size.members * (3 * critic - critic_first)
    # the actor's loss needs the critics' input gradient down to the action, and none of their weights
    ascent = (3 * actor - actor_first) + size.members * 2 * critic
    return 2.0 * size.batch * (target + descent + ascent / size.utd)


def _multiplies(widths: Sequence[int]) -> tuple[int, int]:
    """Return the multiplications of a row's forward pass, and those of its first layer."""
    layers = [fan_in * fan_out for fan_in, fan_out in itertools.pairwise(widths)]
    return sum(layers), layers[0]
