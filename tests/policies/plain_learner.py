"""The updates of the presets' papers as plain loops in double precision: what the learner is compared with.

Nothing here is the learner's: layers are loops over members and layers, targets are loops over samples, Adam, clipping
and averages are written out, densities are torch.distributions', and what tells methods apart is said in a `Method`
by whoever uses it. Only the random numbers are the learner's, in the order that its docstrings give.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from plain_parts import AdamW, Layers, average, cut, leaves
from torch import Tensor
from torch.distributions import Normal, TanhTransform, TransformedDistribution

from policies.batch import Batch


@dataclass(frozen=True)
class Method:
    """What a paper says. Rates are Adam's; noises are shares of `bound`; entropies are per axis."""

    head: str = "gaussian"
    bound: float | None = None  # of a residual; None for a policy
    actor_norm: bool = False
    critic_norm: bool = False
    activation: str = "relu"
    log_std: tuple[float, float] = (-20.0, 2.0)
    members: int = 2
    subset: int = 2
    critic_rate: float = 3e-4
    actor_rate: float = 3e-4
    temperature_rate: float = 3e-4
    every: int = 1
    climbs: str = "min"
    tau: float = 0.005
    smoothing: tuple[float, float] = (0.0, 0.0)
    clip_norm: float = math.inf
    decay: float = 0.0
    entropy: float = -1.0
    temperature: float = 1.0
    soft_target: bool = True
    returns: tuple[float, float] = (-math.inf, math.inf)
    is_gated: bool = False
    imitation: float = 0.0
    filters: bool = False
    penalty: float = 0.0
    conservative: float = 0.0
    gripper: int = -1
    grip_penalty: float = 0.0


class PlainLearner:
    """Goes through the same updates as a `policies.learner.Learner` whose parameters and generator it copies."""

    def __init__(self, method: Method, learner, axes: int) -> None:
        self.method, self.learner = method, learner
        self.arm = [axis for axis in range(axes) if axis != method.gripper]
        networks = {"critic": learner.critic, "actor": learner.actor.network}
        if method.gripper >= 0:
            networks["gripper"] = learner.gripper
        self.networks = networks
        self.online = {name: cut(network, learner.flat[name]) for name, network in networks.items()}
        self.target = {name: cut(network, learner.target_flat[name]) for name, network in networks.items()}
        self.log_temperature = torch.tensor(math.log(method.temperature), dtype=torch.float64, requires_grad=True)
        rates = {"actor": method.actor_rate}
        self.adam = {
            name: AdamW(rates.get(name, method.critic_rate), method.decay, method.clip_norm)
            for name in ("critic", "actor", "gripper")
        }
        self.adam["temperature"] = AdamW(method.temperature_rate, 0.0, math.inf)  # one number has no norm to clip
        self.count = 0
        self.generator = torch.Generator()

    # networks

    def run(self, layers: Layers, x: Tensor, has_norm: bool) -> Tensor:
        for i, (weight, bias) in enumerate(layers):
            x = x @ weight + bias
            if i == len(layers) - 1:
                return x
            if has_norm:
                centred = x - x.mean(dim=-1, keepdim=True)
                x = centred / (centred**2).mean(dim=-1, keepdim=True).add(1e-5).sqrt()
            x = torch.tanh(x) if self.method.activation == "tanh" else x * (x > 0)
        raise AssertionError

    def q(self, layers: Layers, state: Tensor, base: Tensor, action: Tensor) -> Tensor:
        """Return Q(s, a) of one critic, (B,): it sees state, action, and of a residual (a - b) / bound."""
        parts = [state, action[:, self.arm]]
        if self.method.bound is not None:
            parts.append(((action - base)[:, self.arm] / self.method.bound).clamp(-3, 3))
        return self.run(layers, torch.cat(parts, dim=1), self.method.critic_norm)[:, 0]

    def act(self, layers: Layers, state: Tensor, base: Tensor, noise: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Return u, log p(u / bound) and the action; without noise the mode."""
        m, out = self.method, self.run(layers, state, self.method.actor_norm)
        scale = 1.0 if m.bound is None else m.bound
        log_p = torch.zeros(len(state), dtype=torch.float64)
        size = len(self.arm)
        if m.head == "gaussian" and noise is not None:
            normal = Normal(out[:, :size], out[:, size:].clamp(*m.log_std).exp())
            squashed = TransformedDistribution(normal, [TanhTransform(cache_size=1)])
            x = normal.loc + normal.scale * noise
            y = squashed.transforms[0](x)
            log_p = squashed.log_prob(y).sum(dim=1)
        else:
            y = torch.tanh(out[:, :size])
        return scale * y, log_p, self.compose(base, scale * y)

    def compose(self, base: Tensor, u: Tensor) -> Tensor:
        action = torch.zeros_like(base)  # a gripper's own axis stays: the critics of the arm do not see it
        for i, axis in enumerate(self.arm):
            action[:, axis] = u[:, i] if self.method.bound is None else (base[:, axis] + u[:, i]).clamp(-1, 1)
        return action

    # one update

    def update(self, batch: Batch, *, is_offline: bool = False) -> None:
        """Do what `Learner.update` is about to do; `is_offline` for critic_step(is_offline=True) and actor_step."""
        self.generator.set_state(self.learner.generator.get_state())
        b = Batch(*(column.double() if column.is_floating_point() else column for column in batch[:10]))
        self.critic_update(b, is_offline)
        if self.method.gripper >= 0:
            self.gripper_update(b)
        self.count += not is_offline
        if is_offline or self.count % self.method.every == 0:
            self.actor_update(b)

    def normals(self, count: int) -> Tensor:
        return torch.randn((count, len(self.arm)), generator=self.generator).double()

    def critic_update(self, b: Batch, is_offline: bool) -> None:
        m = self.method
        y = self.targets(b)
        loss = torch.zeros((), dtype=torch.float64)
        for layers in self.online["critic"]:
            error = self.q(layers, b.state, b.base, b.action) - y
            loss = loss + (b.weight * error**2).mean() / m.members
        if is_offline and m.conservative:
            loss = loss + m.conservative * self.calibrated(b)
        self.adam["critic"].step(leaves(self.online["critic"]), loss)
        average(self.target["critic"], self.online["critic"], m.tau)

    @torch.no_grad()
    def targets(self, b: Batch) -> Tensor:
        m = self.method
        noise = self.normals(len(b.ret))
        members = torch.randperm(m.members, generator=self.generator)[: m.subset].tolist()
        y = []
        for i in range(len(b.ret)):
            state, base = b.next_state[i : i + 1], b.next_base[i : i + 1]
            if m.head == "gaussian":
                _, log_p, action = self.act(self.online["actor"][0], state, base, noise[i : i + 1])
            else:
                u, log_p, _ = self.act(self.target["actor"][0], state, base, None)
                scale = 1.0 if m.bound is None else m.bound
                std, clip = m.smoothing
                u = (u + scale * (std * noise[i : i + 1]).clamp(-clip, clip)).clamp(-scale, scale)
                action = self.compose(base, u)
            value = min(float(self.q(self.target["critic"][k], state, base, action)) for k in members)
            entropy = -float(self.log_temperature.exp()) * float(log_p) if m.soft_target else 0.0
            if m.is_gated:
                other = min(float(self.q(self.target["critic"][k], state, base, base)) for k in members)
                value, entropy = (other, 0.0) if other > value else (value, entropy)
            soft = value + (entropy if m.head == "gaussian" else 0.0)
            y.append(min(max(float(b.ret[i] + b.discount[i] * soft), m.returns[0]), m.returns[1]))
        return torch.tensor(y, dtype=torch.float64)

    def gripper_update(self, b: Batch) -> None:
        """Double DQN over close, stay, open, with a price on what is not stay (HIL-SERL)."""
        m, loss = self.method, torch.zeros((), dtype=torch.float64)
        online, target = self.online["gripper"][0], self.target["gripper"][0]
        for i in range(len(b.ret)):
            choice = round(float(b.action[i, m.gripper]))
            best = int(self.run(online, b.next_state[i : i + 1], m.critic_norm)[0].argmax())
            after = self.run(target, b.next_state[i : i + 1], m.critic_norm)[0, best].detach()
            y = b.ret[i] - m.grip_penalty * (choice != 0) + b.discount[i] * after
            q = self.run(online, b.state[i : i + 1], m.critic_norm)[0, choice + 1]
            loss = loss + b.weight[i] * (q - y) ** 2 / len(b.ret)
        self.adam["gripper"].step(leaves(self.online["gripper"]), loss)
        average(self.target["gripper"], self.online["gripper"], m.tau)

    def actor_update(self, b: Batch) -> None:
        m = self.method
        u, log_p, action = self.act(self.online["actor"][0], b.state, b.base, self.normals(len(b.ret)))
        temperature = self.log_temperature.exp().detach()
        q = self.climbed(b, action)
        loss = -q.mean()
        if m.head == "gaussian":
            loss = loss + (temperature * log_p).mean()
        if m.imitation:
            loss = loss + m.imitation * self.imitated(b, u, q.detach())
        if m.penalty:
            loss = loss + m.penalty * ((u / m.bound) ** 2).mean()
        self.adam["actor"].step(leaves(self.online["actor"]), loss)
        average(self.target["actor"], self.online["actor"], m.tau)
        if m.head == "gaussian" and m.temperature_rate:
            lacking = log_p.detach() + m.entropy * len(self.arm)
            self.adam["temperature"].step([self.log_temperature], -(self.log_temperature.exp() * lacking).mean())

    def climbed(self, b: Batch, action: Tensor) -> Tensor:
        every = [self.q(layers, b.state, b.base, action) for layers in self.online["critic"]]
        if self.method.climbs == "first":
            return every[0]
        total = torch.stack(every)
        return total.min(dim=0).values if self.method.climbs == "min" else total.sum(dim=0) / len(every)

    def imitated(self, b: Batch, u: Tensor, q: Tensor) -> Tensor:
        """Squared distance to a person's steps; with the filter of Nair et al. 2018, equation 4."""
        scale = 1.0 if self.method.bound is None else self.method.bound
        shown = (b.action if self.method.bound is None else b.action - b.base)[:, self.arm].clamp(-scale, scale)
        theirs = self.climbed(b, self.compose(b.base, shown)).detach()
        total = torch.zeros((), dtype=torch.float64)
        people = [i for i in range(len(q)) if b.is_human[i]]
        for i in people:
            if theirs[i] >= q[i] or not self.method.filters:
                total = total + (((u[i] - shown[i]) / scale) ** 2).mean()
        return total / max(1, len(people))

    def calibrated(self, b: Batch) -> Tensor:
        """Nakamoto et al. 2023: logsumexp of uniform, present and next actions, the policy's raised to the return."""
        size, count = len(self.arm), len(b.ret)
        anywhere = torch.rand((10 * count, size), generator=self.generator).double() * 2 - 1
        drawn = [self.normals(10 * count) for _ in range(2)]
        total = torch.zeros((), dtype=torch.float64)
        for layers in self.online["critic"]:
            for i in range(count):
                rows = slice(i, 10 * count, count)
                state, base = b.state[i].expand(10, -1), b.base[i].expand(10, -1)
                scores = [self.q(layers, state, base, self.compose(base, anywhere[rows])) + size * math.log(2.0)]
                for noise, seen in zip(drawn, (b.state, b.next_state), strict=True):
                    _, log_p, action = self.act(self.online["actor"][0], seen[i].expand(10, -1), base, noise[rows])
                    value = self.q(layers, state, base, action.detach())
                    scores.append(torch.maximum(value, b.to_go[i]) - log_p.detach())
                seen_value = self.q(layers, b.state[i : i + 1], b.base[i : i + 1], b.action[i : i + 1])[0]
                total = total + torch.cat(scores).exp().sum().log() - seen_value
        return total / (count * self.method.members)

    def clone(self, batch: Batch) -> None:
        """Behaviour cloning: the mean squared distance of the mode to what was executed."""
        m = self.method
        b = Batch(*(column.double() if column.is_floating_point() else column for column in batch[:10]))
        u, _, _ = self.act(self.online["actor"][0], b.state, b.base, None)
        scale = 1.0 if m.bound is None else m.bound
        shown = (b.action if m.bound is None else b.action - b.base)[:, self.arm].clamp(-scale, scale)
        self.adam["actor"].step(leaves(self.online["actor"]), ((u - shown) ** 2).mean())
        average(self.target["actor"], self.online["actor"], 1.0)

    @torch.no_grad()
    def differences(self) -> dict[str, float]:
        """Return the largest difference from the learner's parameters, by network."""
        found = {"temperature": abs(self.log_temperature.item() - self.learner.flat["temperature"].item())}
        for kind, mine, theirs in (
            ("", self.online, self.learner.flat),
            ("target.", self.target, self.learner.target_flat),
        ):
            for name, network in self.networks.items():
                pairs = zip(leaves(mine[name]), leaves(cut(network, theirs[name])), strict=True)
                found[kind + name] = max(float((a - b).abs().max()) for a, b in pairs)
        return found

    def gradient_differences(self) -> dict[str, float]:
        """Return how far the running means of the gradients are apart, by network, as shares of the largest one.

        A step of Adam hardly tells a gradient's size, and a small rate hides all of it.
        """
        found = {}
        for name, adam in self.adam.items():
            if not adam.t:
                continue
            flat = self.learner.optimisers[name].mean
            theirs = [flat] if name == "temperature" else leaves(cut(self.networks[name], flat))
            largest = max(m.detach().abs().max().item() for m in adam.m)
            gaps = [(m - other).detach().abs().max().item() for m, other in zip(adam.m, theirs, strict=True)]
            found[name] = max(gaps) / max(largest, 1e-12)
        return found
