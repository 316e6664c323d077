"""Adam over one flat vector, in one fused step, and the Polyak average."""

from __future__ import annotations

from collections.abc import Iterable

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
        sizes: lengths of the parts that gradients come in, one after the other; the whole by default. Parts save
            putting them together.
    """

    BETAS = (0.9, 0.999)
    EPSILON = 1e-8

    def __init__(
        self,
        parameters: Tensor,
        rate: float,
        decay: float = 0.0,
        clip_norm: float = 0.0,
        sizes: Iterable[int] | None = None,
    ) -> None:
        self.rate, self.decay, self.clip_norm = rate, decay, clip_norm
        self.mean = torch.zeros_like(parameters)
        self.square = torch.zeros_like(parameters)
        self.count = torch.zeros((), device=parameters.device)
        self.norm = torch.zeros((), device=parameters.device)
        """Of the last gradient, before it was clipped."""
        lengths = [len(parameters)] if sizes is None else list(sizes)
        self._parts = [list(torch.split(flat, lengths)) for flat in (parameters, self.mean, self.square)]
        self._counts = [self.count] * len(lengths)

    @torch.no_grad()
    def step(self, *gradient: Tensor) -> None:
        """Take one step down the gradient, (n,) or of any shape a part, whose content is used up."""
        scale = None
        gradients = [part.reshape(-1).float() for part in gradient]
        if self.clip_norm > 0.0:
            self.norm = torch.nn.utils.get_total_norm(gradients)
            scale = ((self.norm + 1e-6) / self.clip_norm).clamp(min=1.0)
        self.count += 1
        parameters, means, squares = self._parts
        torch._fused_adamw_(
            parameters,
            gradients,
            means,
            squares,
            [],
            self._counts,
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
        """Return the moments and the count of steps; they share memory with it."""
        return {"mean": self.mean, "square": self.square, "count": self.count}


@torch.no_grad()
def polyak(target: Tensor, online: Tensor, tau: float) -> None:
    """Move `target` in place to (1 - tau) target + tau online."""
    target.lerp_(online, tau)
