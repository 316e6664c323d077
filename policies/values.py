"""What a critic's output means: a number (squared error), or a distribution over a fixed support.

y      = values.target(ret, discount, out)       # what the loss compares with
loss   = values.loss(outputs, y)                 # (B,) a sample, mean over the members
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from robot.errors import ConfigError

KINDS = ("mse", "c51", "hl_gauss")

HL_GAUSS_WIDTH = 0.75
"""Standard deviation of a target's histogram in bins (Farebrother et al. 2024, "Stop Regressing", section 3.2)."""


class Values(Protocol):
    """`outputs` numbers O a critic; K members, B samples."""

    outputs: int

    def value(self, out: Tensor) -> Tensor:
        """Return the values (...) of outputs (..., O)."""
        ...

    def target(self, ret: Tensor, discount: Tensor, out: Tensor) -> Tensor:
        """Return the target of returns (B,) that go on, discounted (B,), with the outputs (B, O)."""
        ...

    def loss(self, out: Tensor, target: Tensor) -> Tensor:
        """Return the loss (B,) of outputs (K, B, O), the mean over members."""
        ...


def values_for(kind: str, atoms: int, low: float, high: float) -> Values:
    """Return the `kind` of values for returns in [low, high].

    Raises:
        ConfigError: a distribution needs a finite support.
    """
    if kind == "mse":
        return SquaredError(low, high)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ConfigError(
            f"critic={kind} needs a known range of returns; found [{low}, {high}]: set training.rewards.low and high, "
            "or take critic=mse."
        )
    return C51(atoms, low, high) if kind == "c51" else HlGauss(atoms, low, high)


class SquaredError:
    """A number; targets are clipped to the possible returns."""

    outputs = 1

    def __init__(self, low: float = -math.inf, high: float = math.inf) -> None:
        self.low, self.high = low, high

    def value(self, out: Tensor) -> Tensor:
        return out[..., 0]

    def target(self, ret: Tensor, discount: Tensor, out: Tensor) -> Tensor:
        return (ret + discount * out[..., 0]).clamp(self.low, self.high)

    def loss(self, out: Tensor, target: Tensor) -> Tensor:
        """The mean of squares, not the square of the mean error (a defect of the released ResFiT code)."""
        return ((out[..., 0] - target) ** 2).mean(dim=0)


class C51:
    """Probabilities of `atoms` returns, equally spaced (Bellemare et al. 2017, algorithm 1)."""

    def __init__(self, atoms: int, low: float, high: float) -> None:
        self.outputs, self.low, self.high = atoms, low, high
        self.support = torch.linspace(low, high, atoms)

    def value(self, out: Tensor) -> Tensor:
        return torch.softmax(out, dim=-1) @ self.support.to(out)

    def target(self, ret: Tensor, discount: Tensor, out: Tensor) -> Tensor:
        """Return (B, O): the probabilities of `out`, moved by the return and shrunk by the n-step discount."""
        moved = ret[:, None] + discount[:, None] * self.support.to(out)
        return self.project(moved, torch.softmax(out, dim=-1))

    def project(self, moved: Tensor, probability: Tensor) -> Tensor:
        """Return (B, O): probability at the places `moved` (B, O), shared out between the two atoms beside each."""
        place = (moved.clamp(self.low, self.high) - self.low) / (self.high - self.low) * (self.outputs - 1)
        left = place.floor().clamp(0, self.outputs - 2)
        share = place - left
        index = left.long()
        projected = torch.zeros_like(probability).scatter_add_(1, index, probability * (1.0 - share))
        return projected.scatter_add_(1, index + 1, probability * share)

    def loss(self, out: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(out, target)


class HlGauss:
    """A histogram that is asked to be a narrow Gaussian round the target (Farebrother et al. 2024, equation 3)."""

    def __init__(self, bins: int, low: float, high: float) -> None:
        self.outputs, self.low, self.high = bins, low, high
        # beyond the range, so that a target at its end loses none of its Gaussian: 3 standard deviations
        margin = 3.0 * HL_GAUSS_WIDTH
        width = (high - low) / (bins - 2.0 * margin)
        if width <= 0.0:
            raise ConfigError(f"critic=hl_gauss needs more than {2 * margin} atoms; found {bins}.")
        self.sigma = HL_GAUSS_WIDTH * width
        self.edges = low - margin * width + width * torch.arange(bins + 1)
        self.centers = (self.edges[1:] + self.edges[:-1]) / 2.0

    def value(self, out: Tensor) -> Tensor:
        return torch.softmax(out, dim=-1) @ self.centers.to(out)

    def target(self, ret: Tensor, discount: Tensor, out: Tensor) -> Tensor:
        return self.histogram((ret + discount * self.value(out)).clamp(self.low, self.high))

    def histogram(self, y: Tensor) -> Tensor:
        """Return (B, O) probabilities of numbers (B,)."""
        below = torch.erf((self.edges.to(y) - y[:, None]) / (math.sqrt(2.0) * self.sigma))
        mass = below[:, 1:] - below[:, :-1]
        return mass / mass.sum(dim=1, keepdim=True)

    def loss(self, out: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(out, target)


def cross_entropy(out: Tensor, target: Tensor) -> Tensor:
    """Return (B,): the mean over members of -sum of target (B, O) times log softmax of `out` (K, B, O)."""
    return -(target * F.log_softmax(out, dim=-1)).sum(dim=-1).mean(dim=0)
