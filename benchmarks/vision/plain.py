"""The baseline on pictures: DrQ-v2's update as it is usually written, with the same networks and a residual actor.

Pictures are float32, shifts are drawn by grid_sample, critics are modules in a loop, each network has its own Adam.

python -m benchmarks.vision.plain --pixels 64
"""

from __future__ import annotations

import copy
import random

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.learner import serve
from benchmarks.vision.ours import batches
from benchmarks.vision.scene import PIXELS, Scene, scene_of
from policies.batch import Batch
from policies.vision.encoders import SmallCnn
from policies.vision.eyes import Eyes, Pictures
from policies.vision.pooling import Head

TAU, RATE, BOUND, PAD = 0.005, 3e-4, 0.5, 4


def mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for fan_in in (inputs, hidden):
        layers += [nn.Linear(fan_in, hidden), nn.LayerNorm(hidden), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(hidden, outputs))


def shifted(images: Tensor) -> Tensor:
    """Shift images (B, 3, H, H) at random by whole pixels, by a grid (DrQ-v2's RandomShiftsAug)."""
    n, _, side, _ = images.shape
    padded = F.pad(images, (PAD,) * 4, "replicate")
    step = 1.0 / (side + 2 * PAD)
    line = torch.linspace(-1.0 + step, 1.0 - step, side + 2 * PAD)[:side]
    grid = torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1)[None].repeat(n, 1, 1, 1)
    way = torch.randint(0, 2 * PAD + 1, (n, 1, 1, 2)) * (2.0 * step)
    return F.grid_sample(padded, grid + way, padding_mode="zeros", align_corners=False)


class Plain:
    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        config, shape = scene.vision, Eyes(scene.spec, scene.vision).shape
        self.encoders = nn.ModuleList(SmallCnn(config.width) for _ in config.keys)
        self.heads = nn.ModuleList(Head(config, shape) for _ in config.keys)
        inputs = scene.state + len(config.keys) * config.features
        self.actor = mlp(inputs, scene.hidden, scene.action)
        self.critics = nn.ModuleList(mlp(inputs + 2 * scene.action, scene.hidden, 1) for _ in range(scene.members))
        self.targets, self.actor_target = copy.deepcopy(self.critics), copy.deepcopy(self.actor)
        eyes = [*self.encoders.parameters(), *self.heads.parameters()]
        self.optimisers = [torch.optim.Adam(p, lr=RATE) for p in (eyes, self.critics.parameters())]
        self.actor_optimiser = torch.optim.Adam(self.actor.parameters(), lr=RATE)
        self.updates = 0

    def see(self, state: Tensor, pictures: Pictures) -> Tensor:
        found = [state]
        for encoder, head, images in zip(self.encoders, self.heads, pictures.values(), strict=True):
            found.append(head(encoder(shifted(images.float().permute(0, 3, 1, 2) / 127.5 - 1.0))))
        return torch.cat(found, dim=1)

    def act(self, actor: nn.Module, state: Tensor, base: Tensor) -> Tensor:
        u: Tensor = BOUND * torch.tanh(actor(state))
        return (base + u).clamp(-1.0, 1.0)

    def value(self, critic: nn.Module, state: Tensor, base: Tensor, action: Tensor) -> Tensor:
        q: Tensor = critic(torch.cat([state, action, (action - base) / BOUND], dim=1))
        return q[:, 0]

    def update(self, batch: Batch) -> None:
        assert batch.pictures is not None
        assert batch.next_pictures is not None
        state = self.see(batch.state, batch.pictures)
        with torch.no_grad():
            after = self.see(batch.next_state, batch.next_pictures)
            action = self.act(self.actor_target, after, batch.next_base)
            chosen = random.sample(range(self.scene.members), self.scene.subset)
            q = torch.stack([self.value(self.targets[k], after, batch.next_base, action) for k in chosen])
            y = batch.ret + batch.discount * q.min(dim=0).values
        values = [self.value(critic, state, batch.base, batch.action) for critic in self.critics]
        loss = torch.stack([F.mse_loss(value, y) for value in values]).mean()
        for optimiser in self.optimisers:
            optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        for optimiser in self.optimisers:
            optimiser.step()
        self.updates += 1
        if self.updates % self.scene.actor_every == 0:
            state = state.detach()
            action = self.act(self.actor, state, batch.base)
            loss = -torch.stack([self.value(c, state, batch.base, action) for c in self.critics]).mean()
            self.actor_optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.actor_optimiser.step()
        with torch.no_grad():
            for targets, online in ((self.targets, self.critics), (self.actor_target, self.actor)):
                for target, source in zip(targets.parameters(), online.parameters(), strict=True):
                    target.mul_(1.0 - TAU).add_(source, alpha=TAU)


def main() -> None:
    given = serve.arguments(__doc__, PIXELS)
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    scene = scene_of(given)
    plain, drawn = Plain(scene), batches(scene, True, 0)

    def block() -> int:
        for batch in drawn:
            plain.update(batch)
        return len(drawn)

    serve.serve(given, block)


if __name__ == "__main__":
    main()
