"""Multilayer perceptrons side by side: one batched implementation for every network of the learner."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

Views = dict[str, Tensor]
"""Parameters by name, each with the member as first axis."""

ACTIVATIONS = ("relu", "tanh")


class EnsembleMlp:
    """E perceptrons of equal shape, evaluated by batched products; there is no loop over members.

    A hidden layer is linear, LayerNorm (unless `has_norm` is False), activation. LayerNorm is what keeps Q from
    diverging on actions outside the data (RLPD, section 4.2; ResFiT, appendix). Every member has its own weights and
    its own bias per unit (IBRL's ensemble has one scalar bias a member and shares the LayerNorm gains between
    members). The LayerNorm has no gain and shift of its own: the next layer's weights can take their part, and
    without them an update is a third faster.

    All parameters live in one flat vector, so that an optimiser step and a Polyak step are single operations;
    `views` cuts it into named tensors [E, in, out] and [E, 1, out] without copying.

    Args:
        members: E.
        inputs, outputs: sizes of input and output.
        hidden: width of each hidden layer.
        has_norm: whether hidden layers are normalised.
        activation: one of `ACTIVATIONS`.
        dtype: what the products are computed in; parameters, inputs and outputs are float32 whatever it is.
    """

    def __init__(
        self,
        members: int,
        inputs: int,
        hidden: Sequence[int],
        outputs: int,
        *,
        has_norm: bool = True,
        activation: str = "relu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.members, self.inputs, self.outputs = members, inputs, outputs
        self.depth = len(hidden)
        self.has_norm, self.is_relu, self.dtype = has_norm, activation == "relu", dtype
        self.shapes: dict[str, tuple[int, ...]] = {}
        widths = [inputs, *hidden, outputs]
        for i, (fan_in, fan_out) in enumerate(itertools.pairwise(widths)):
            self.shapes[f"weight{i}"] = (members, fan_in, fan_out)
            self.shapes[f"bias{i}"] = (members, 1, fan_out)
        self.sizes = [math.prod(shape) for shape in self.shapes.values()]
        self.size = sum(self.sizes)

    def initial(self, generator: torch.Generator, *, zero_last: bool = False) -> Tensor:
        """Return fresh parameters (`size`,): uniform within 1/sqrt(fan_in) as in torch.nn.Linear, per member.

        With `zero_last` the last weight and bias are zero, so that the output is exactly zero (ResFiT).
        """
        flat = torch.zeros(self.size)
        for name, view in self.views(flat).items():
            layer = int(name.removeprefix("weight").removeprefix("bias"))
            if not (zero_last and layer == self.depth):
                bound = 1.0 / math.sqrt(self.shapes[f"weight{layer}"][1])
                view.uniform_(-bound, bound, generator=generator)
        return flat

    def views(self, flat: Tensor) -> Views:
        """Return the named tensors of the flat vector; gradients flow back into it."""
        parts = torch.split(flat, self.sizes)
        return {n: p.view(s) for (n, s), p in zip(self.shapes.items(), parts, strict=True)}

    def leaves(self, flat: Tensor) -> Views:
        """Return the named tensors of the flat vector to differentiate by, each on its own, in `dtype`."""
        return {name: view.detach().requires_grad_() for name, view in self.constants(flat).items()}

    def constants(self, flat: Tensor, members: Tensor | None = None) -> Views:
        """Return the named tensors of the flat vector in `dtype`, without gradients: of `members` (N,), or of all."""
        if members is None:
            return self.views(flat.detach().to(self.dtype))
        views = self.views(flat.detach())
        return {name: view.index_select(0, members).to(self.dtype) for name, view in views.items()}

    def flatten(self, views: Views) -> Tensor:
        """Return the flat vector of named tensors; inverse of `views`."""
        return torch.cat([views[name].reshape(-1) for name in self.shapes])

    def forward(self, views: Views, x: Tensor) -> Tensor:
        """Return the outputs (E, B, outputs) for inputs (B, inputs) that all members share."""
        return self._run(views, x)[-1]

    def hidden_outputs(self, views: Views, x: Tensor) -> list[Tensor]:
        """Return what each hidden layer gives, (E, B, width) each, for inputs (B, inputs)."""
        return self._run(views, x)[:-1]

    def _run(self, views: Views, x: Tensor) -> list[Tensor]:
        if views["weight0"].dtype != self.dtype:
            views = {name: view.to(self.dtype) for name, view in views.items()}
        x = x.to(self.dtype)
        # outputs lie member by member: what lies otherwise is copied for the next product, and for the gradient again
        layers = [x.expand(len(views["weight0"]), -1, -1)]
        for i in range(self.depth + 1):
            layers.append(self._activate(torch.baddbmm(views[f"bias{i}"], layers[-1], views[f"weight{i}"]), i))
        del layers[0]
        layers[-1] = layers[-1].float()
        return layers

    def _activate(self, h: Tensor, layer: int) -> Tensor:
        if layer == self.depth:
            return h
        if self.has_norm:
            h = F.layer_norm(h, h.shape[-1:])
        # in place: LayerNorm keeps its input for the gradient, ReLU its output; memory traffic is the cost here
        return F.relu_(h) if self.is_relu else torch.tanh(h)
