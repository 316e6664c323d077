"""A base that is steered, and DSRL's update as plain loops in double precision: what the learner is compared with."""

from __future__ import annotations

import math

import numpy as np
import torch
from conftest import configured, small, toy_base, toy_batch
from plain_parts import AdamW, Layers, average, cut, leaves

from policies.actor import Actor
from policies.base import BasePolicy
from policies.chunks.model import Seen
from policies.steering import Steered, SteeringLearner

STEPS, CHUNK, AXES = 3, 4, 2
W = CHUNK * AXES
QUICK = {"updates": 2, "per_steps": 1, "schedule__start_steps": 6}
CONFIG = small("dsrl", learner__noise_own_share=0.25, **QUICK)


def flow(kind: str = "flow") -> BasePolicy:
    return toy_base(execute_steps=STEPS, kind=kind)


def states(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, 2)).astype(np.float32)


def learner(seed: int = 7, **config: object) -> SteeringLearner:
    chosen = configured({key.replace("__", "."): value for key, value in config.items()}, CONFIG)
    steered = Steered(flow())
    actor = Actor(chosen.actor, 2, steered.noise_size, judged_size=steered.action_size)
    return SteeringLearner(chosen.learner, actor, chosen.value_range, seed, "cpu", steered)


def batch(size: int = 16, seed: int = 0):
    g = torch.Generator().manual_seed(100 + seed)
    return toy_batch(2, size, seed, action=torch.rand(size, STEPS * AXES, generator=g) * 2 - 1)


class Plain:
    """DSRL-NA as loops over samples and members, in double precision, from the parameters of `learner`."""

    def __init__(self, learner: SteeringLearner) -> None:
        self.learner = learner
        self.online = {
            "critic": cut(learner.critic, learner.flat["critic"]),
            "noise": cut(learner.noise_critic, learner.flat["noise"]),
            "actor": cut(learner.actor.network, learner.flat["actor"]),
        }
        self.target = cut(learner.critic, learner.target_flat["critic"])
        self.log_temperature = torch.zeros(1, dtype=torch.float64, requires_grad=True)
        self.adam = {name: AdamW(3e-4, 0.0, math.inf) for name in (*self.online, "temperature")}
        self.decoder = learner.steered._decoder
        self.count = 0

    def run(self, layers: Layers, x: torch.Tensor) -> torch.Tensor:
        for i, (weight, bias) in enumerate(layers):
            x = x @ weight + bias
            if i < len(layers) - 1:
                x = torch.tanh((x - x.mean(1, keepdim=True)) / (x.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt())
        return x

    def drawn(self, state: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return w and its log p, of w / 1.5 within [-1, 1]."""
        mean, log_std = self.run(self.online["actor"][0], state).chunk(2, dim=1)
        std = log_std.clamp(-20, 2).exp()
        y = torch.tanh(mean + std * noise)
        normal = torch.distributions.Normal(mean, std).log_prob(mean + std * noise)
        return 1.5 * y, (normal - torch.log(1 - y**2)).sum(dim=1)

    def made(self, state: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return self.decoder(Seen(state.float()), noise.float())[:, :STEPS].flatten(1).double()

    def update(self, b) -> None:
        g = torch.Generator()
        g.set_state(self.learner.generator.get_state())
        b = type(b)(*(x.double() if x is not None and x.is_floating_point() else x for x in b))
        temperature = self.log_temperature.exp().detach()
        with torch.no_grad():
            w, log_p = self.drawn(b.next_state, torch.randn(len(b.ret), W, generator=g).double())
            a = self.made(b.next_state, w)
            q = torch.stack([self.run(c, torch.cat([b.next_state, a], 1))[:, 0] for c in self.target])
            torch.randperm(2, generator=g)
            y = b.ret + b.discount * (q.min(dim=0).values - temperature * log_p)
        errors = [(self.run(c, torch.cat([b.state, b.action], 1))[:, 0] - y) ** 2 for c in self.online["critic"]]
        self.adam["critic"].step(leaves(self.online["critic"]), (sum(errors) / 2 * b.weight).mean())
        average(self.target, self.online["critic"], 0.005)
        self.count += 1
        self.climb(b, torch.randn(len(b.ret), W, generator=g).double(), temperature)
        if self.count % 2 == 0:
            self.alias(b, torch.randn(len(b.ret), W, generator=g).double())

    def climb(self, b, noise: torch.Tensor, temperature: torch.Tensor) -> None:
        w, log_p = self.drawn(b.state, noise)
        q = torch.stack([self.run(c, torch.cat([b.state, w], 1))[:, 0] for c in self.online["noise"]])
        self.adam["actor"].step(leaves(self.online["actor"]), (temperature * log_p - q.min(dim=0).values).mean())
        gain = -(self.log_temperature.exp() * log_p.detach().mean()).sum()  # the target entropy is 0
        self.adam["temperature"].step([self.log_temperature], gain)

    def alias(self, b, noise: torch.Tensor) -> None:
        own = len(noise) // 4
        with torch.no_grad():
            noise[:own] = self.drawn(b.state[:own], noise[:own])[0]
            x = torch.cat([b.state, self.made(b.state, noise)], 1)
            wanted = [self.run(c, x)[:, 0] for c in self.online["critic"]]
        x = torch.cat([b.state, noise], 1)
        errors = [(self.run(c, x)[:, 0] - y) ** 2 for c, y in zip(self.online["noise"], wanted, strict=True)]
        self.adam["noise"].step(leaves(self.online["noise"]), (sum(errors) / 2).mean())

    def differences(self) -> dict[str, float]:
        flat = {name: torch.cat([t.detach().ravel() for t in leaves(part)]) for name, part in self.online.items()}
        theirs = {
            name: torch.cat([t.ravel() for t in leaves(cut(self._network(name), self.learner.flat[name]))])
            for name in flat
        }
        found = {name: float((flat[name] - theirs[name]).abs().max().detach()) for name in flat}
        found["temperature"] = float((self.log_temperature - self.learner.flat["temperature"]).abs().max().detach())
        return found

    def _network(self, name: str):
        return {"critic": self.learner.critic, "noise": self.learner.noise_critic, "actor": self.learner.actor.network}[
            name
        ]
