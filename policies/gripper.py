"""The loss of a gripper's own head: the values of close, stay and open."""

from __future__ import annotations

import torch
from torch import Tensor

from policies.batch import Batch
from policies.critics import Critics
from policies.networks import Views


def gripper_loss(critics: Critics, online: Views, target: Views, batch: Batch) -> Tensor:
    """Return the loss towards a double-DQN target (HIL-SERL; van Hasselt et al. 2016, equation 4).

    The choice that was executed is the nearest of close, stay and open; every command other than stay is paid for.

    Args:
        online: parameters of `critics.gripper`, which are differentiated by; target: their average.
    """
    executed = batch.action[:, critics.actor.gripper_axis].round()
    with torch.no_grad():
        choice = critics.gripper.forward(online, batch.next_state)[0].argmax(dim=1, keepdim=True)
        value = critics.gripper.forward(target, batch.next_state)[0].gather(1, choice)[:, 0]
        y = batch.ret - critics.config.grip_penalty * executed.abs() + batch.discount * value
    q = critics.gripper.forward(online, batch.state)[0].gather(1, (executed.long() + 1)[:, None])[:, 0]
    return ((q - y) ** 2 * batch.weight).mean()
