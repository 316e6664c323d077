"""The baseline in torch: RLPD's update as it is usually written, a module a critic and a loop over them.

python -m benchmarks.learner.plain_loop --size 10
"""

from __future__ import annotations

import copy
import itertools
import random

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.learner import serve
from benchmarks.learner.sizes import SIZES, SUBSET, Size

GAMMA, TAU, RATE = 0.99, 0.005, 3e-4
LOG_STD = (-20.0, 2.0)
Batch = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
"""State, action, reward, mask and next state."""


class Critic(nn.Module):
    def __init__(self, size: Size) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        *hidden, last = itertools.pairwise(size.critic_widths)
        for fan_in, fan_out in hidden:
            layers += [nn.Linear(fan_in, fan_out), nn.LayerNorm(fan_out), nn.ReLU()]
        self.network = nn.Sequential(*layers, nn.Linear(*last))

    def forward(self, state: Tensor, action: Tensor) -> Tensor:
        q: Tensor = self.network(torch.cat([state, action], dim=-1))
        return q.squeeze(-1)


class Actor(nn.Module):
    def __init__(self, size: Size) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        *hidden, last = itertools.pairwise(size.actor_widths)
        for fan_in, fan_out in hidden:
            layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
        self.network = nn.Sequential(*layers, nn.Linear(*last))

    def forward(self, state: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.network(state).chunk(2, dim=-1)
        normal = torch.distributions.Normal(mean, log_std.clamp(*LOG_STD).exp())
        before = normal.rsample()
        squash = 2.0 * (torch.log(torch.tensor(2.0)) - before - F.softplus(-2.0 * before))
        log_p: Tensor = normal.log_prob(before)  # type: ignore[no-untyped-call]
        return torch.tanh(before), (log_p - squash).sum(dim=-1)


class PlainLoop:
    """SAC with an ensemble of critics, high update-to-data ratio and LayerNorm (RLPD, algorithm 1)."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.actor = Actor(size)
        self.critics = nn.ModuleList(Critic(size) for _ in range(size.members))
        self.targets = copy.deepcopy(self.critics)
        self.log_temperature = torch.zeros((), requires_grad=True)
        self.actor_optimiser = torch.optim.Adam(self.actor.parameters(), lr=RATE)
        self.critic_optimiser = torch.optim.Adam(self.critics.parameters(), lr=RATE)
        self.temperature_optimiser = torch.optim.Adam([self.log_temperature], lr=RATE)

    def update(self, batches: list[Batch]) -> None:
        """Do a critic update on each batch, then one of actor and temperature on the last."""
        for batch in batches:
            self.critic_step(batch)
        self.actor_step(batches[-1])

    def critic_step(self, batch: Batch) -> None:
        state, action, reward, mask, next_state = batch
        with torch.no_grad():
            next_action, log_p = self.actor(next_state)
            q_next = torch.stack([target(next_state, next_action) for target in self.targets])
            q_next = q_next[random.sample(range(self.size.members), SUBSET)].min(dim=0).values
            y = reward + GAMMA * mask * (q_next - self.log_temperature.exp() * log_p)
        q = torch.stack([critic(state, action) for critic in self.critics])
        loss: Tensor = F.mse_loss(q, y.expand_as(q))
        self.critic_optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.critic_optimiser.step()
        with torch.no_grad():
            for target, online in zip(self.targets.parameters(), self.critics.parameters(), strict=True):
                target.mul_(1.0 - TAU).add_(online, alpha=TAU)

    def actor_step(self, batch: Batch) -> None:
        state = batch[0]
        action, log_p = self.actor(state)
        q = torch.stack([critic(state, action) for critic in self.critics]).mean(dim=0)
        loss = (self.log_temperature.detach().exp() * log_p - q).mean()
        self.actor_optimiser.zero_grad()
        loss.backward()
        self.actor_optimiser.step()
        entropy = -log_p.detach().mean()
        warmth = self.log_temperature.exp() * (entropy + self.size.action / 2)
        self.temperature_optimiser.zero_grad()
        warmth.backward()
        self.temperature_optimiser.step()


def rows(size: Size) -> list[Batch]:
    """Return random batches, one a critic update of a block."""
    b = size.batch
    return [
        (
            torch.randn(b, size.state),
            torch.tanh(torch.randn(b, size.action)),
            (torch.rand(b) < 0.1).float(),
            torch.ones(b),
            torch.randn(b, size.state),
        )
        for _ in range(size.utd)
    ]


def main() -> None:
    given = serve.arguments(__doc__)
    size = SIZES[given.size]
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    loop, batches = PlainLoop(size), rows(size)

    def block() -> int:
        loop.update(batches)
        return size.utd

    serve.serve(given, block)


if __name__ == "__main__":
    main()
