"""Adam over one flat vector, in one fused step, and the Polyak average."""

from __future__ import annotations

import torch
from torch import Tensor


class Adam:
    """AdamW (Loshchilov and Hutter 2019) in place on one flat vector, with its gradient clipped by norm.

    Clipping is the fused kernel's `grad_scale`: the gradient is read once, and no copy is made of it.

    Args:
        parameters: (P,), changed in place by `step`.
        rate: step size.
        decay: decoupled weight decay.
        clip_norm: largest norm of a gradient; 0 for no limit.
    """

    BETAS = (0.9, 0.999)
    EPSILON = 1e-8

    def __init__(self, parameters: Tensor, rate: float, decay: float = 0.0, clip_norm: float = 0.0) -> None:
        self.parameters, self.rate, self.decay, self.clip_norm = parameters, rate, decay, clip_norm
        self.mean = torch.zeros_like(parameters)
        self.square = torch.zeros_like(parameters)
        self.count = torch.zeros((), device=parameters.device)
        self.norm = torch.zeros((), device=parameters.device)
        """Of the last gradient, before it was clipped."""

    @torch.no_grad()
    def step(self, gradient: Tensor) -> None:
        """Take one step down the gradient (P,), whose content is used up."""
        scale = None
        if self.clip_norm > 0.0:
            self.norm = torch.linalg.vector_norm(gradient)
            scale = ((self.norm + 1e-6) / self.clip_norm).clamp(min=1.0)
        self.count += 1
        torch._fused_adamw_(
            [self.parameters],
            [gradient],
            [self.mean],
            [self.square],
            [],
            [self.count],
            lr=self.rate,
            beta1=self.BETAS[0],
            beta2=self.BETAS[1],
            weight_decay=self.decay,
            eps=self.EPSILON,
            amsgrad=False,
            maximize=False,
            grad_scale=scale,
            found_inf=None,
        )

    def state(self) -> dict[str, Tensor]:
        return {"mean": self.mean, "square": self.square, "count": self.count}

    def restore(self, state: dict[str, Tensor]) -> None:
        for name, tensor in self.state().items():
            tensor.copy_(state[name])


@torch.no_grad()
def polyak(target: Tensor, online: Tensor, tau: float) -> None:
    """Move `target` in place to (1 - tau) target + tau online."""
    target.lerp_(online, tau)
