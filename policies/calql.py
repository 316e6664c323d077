"""Cal-QL's regulariser: values of actions that are not in the data are held down, but not below what it earned."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from policies.batch import Batch
from policies.critics import Critics
from policies.networks import Views

ACTIONS = 10
"""Actions of each kind that are drawn for a state, as in CQL and Cal-QL."""


def cal_ql(critics: Critics, views: Views, actor: Views, batch: Batch, generator: torch.Generator) -> Tensor:
    """Return the calibrated conservative regulariser (Nakamoto et al. 2023, equation 3.1).

    mean over critics of logsumexp over actions of Q(s, .) - Q(s, a): the actions are `ACTIONS` uniform ones, and as
    many of the policy at s and at s'; values of the policy's are raised to the return that followed in the data. Each
    value is weighted by the density that its action was drawn with (CQL's importance sampling, Kumar et al. 2020,
    appendix F).

    Args:
        views: parameters of the critics, which are differentiated by.
        actor: parameters of the actor.
        generator: of the actions.
    """
    who, count, size = critics.actor, len(batch.state), len(critics.actor.axes)
    shape, device = (ACTIONS * count, size), batch.state.device
    rows = batch._replace(state=batch.state.repeat(ACTIONS, 1), base=batch.base.repeat(ACTIONS, 1))
    grip = torch.zeros(ACTIONS * count, device=device) if who.has_gripper else None

    def at(u: Tensor) -> Tensor:
        return critics.all_values(views, rows.state, rows.base, who.compose(rows.base, u, grip))

    anywhere = torch.rand(shape, generator=generator, device=device) * 2.0 - 1.0
    parts = [at(anywhere * who.bound) - size * math.log(0.5)]
    for state in (batch.state, batch.next_state):
        noise = torch.randn(shape, generator=generator, device=device)
        with torch.no_grad():
            u, log_p = who.sample(actor, state.repeat(ACTIONS, 1), noise)
        parts.append(torch.maximum(at(u), batch.to_go.repeat(ACTIONS)) - log_p)
    every = torch.cat([part.view(-1, ACTIONS, count) for part in parts], dim=1)
    shown = critics.all_values(views, batch.state, batch.base, batch.action)
    return (torch.logsumexp(every, dim=1) - shown).mean()
