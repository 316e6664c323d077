"""Parts of the plain reference: perceptrons as lists of layers, Adam and averages written out."""

from __future__ import annotations

import math

import torch
from torch import Tensor

Layers = list[tuple[Tensor, Tensor]]
"""One perceptron: weights (in, out) and biases (out,) of each layer."""


class AdamW:
    """Kingma and Ba 2015, algorithm 1, with Loshchilov and Hutter's decay, over all layers of a network."""

    def __init__(self, rate: float, decay: float, clip_norm: float) -> None:
        self.rate, self.decay, self.clip_norm = rate, decay, clip_norm
        self.t = 0
        self.m: list[Tensor] = []
        self.v: list[Tensor] = []

    def step(self, parameters: list[Tensor], loss: Tensor) -> None:
        gradients = torch.autograd.grad(loss, parameters)
        norm = math.sqrt(sum(float((g**2).sum()) for g in gradients))
        if norm > self.clip_norm:
            gradients = [g * self.clip_norm / (norm + 1e-6) for g in gradients]
        if not self.t:
            self.m = [torch.zeros_like(p) for p in parameters]
            self.v = [torch.zeros_like(p) for p in parameters]
        self.t += 1
        for i, (p, g) in enumerate(zip(parameters, gradients, strict=True)):
            self.m[i] = 0.9 * self.m[i] + 0.1 * g
            self.v[i] = 0.999 * self.v[i] + 0.001 * g * g
            mean, square = self.m[i] / (1 - 0.9**self.t), self.v[i] / (1 - 0.999**self.t)
            with torch.no_grad():
                p -= self.rate * self.decay * p + self.rate * mean / (square.sqrt() + 1e-8)


def cut(network, flat: Tensor) -> list[Layers]:
    """Return a flat vector's perceptrons, one a member, as doubles that take gradients."""
    views = network.views(flat.detach().double())
    return [
        [
            (views[f"weight{i}"][k].clone().requires_grad_(), views[f"bias{i}"][k, 0].clone().requires_grad_())
            for i in range(network.depth + 1)
        ]
        for k in range(network.members)
    ]


def leaves(perceptrons: list[Layers]) -> list[Tensor]:
    return [tensor for layers in perceptrons for pair in layers for tensor in pair]


def average(targets: list[Layers], online: list[Layers], tau: float) -> None:
    with torch.no_grad():
        for target, new in zip(leaves(targets), leaves(online), strict=True):
            target.copy_((1 - tau) * target + tau * new)
