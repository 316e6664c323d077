"""What a learner's state consists of: flat parameters, their averages, and the optimisers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from policies.finite import require_finite
from policies.learner_config import LearnerConfig
from policies.networks import Views
from policies.optimiser import Adam

EYES = "eyes"


class Network(Protocol):
    """Cuts a flat vector into named tensors of so many numbers."""

    sizes: list[int]

    def views(self, flat: Tensor) -> Views: ...


class Parameters:
    """The parameters of several networks, each one flat vector, with targets and optimisers.

    Args:
        config: step sizes, and the temperature at first, the logarithm of which is a parameter (1,).
        networks: by name.
        flat: fresh parameters, of some or all of the networks.
        fixed: what does not learn of the eyes.
    """

    def __init__(
        self,
        config: LearnerConfig,
        networks: Mapping[str, Network],
        flat: Mapping[str, Tensor],
        fixed: Tensor,
    ) -> None:
        self.config = config
        self.networks: dict[str, Network] = dict(networks)
        self.flat: dict[str, Tensor] = {}
        self.optimisers: dict[str, Adam] = {}
        self.target = {name: parameters.clone() for name, parameters in flat.items() if name != EYES}
        for name, parameters in flat.items():
            self.add(name, networks[name], parameters)
        device = next(iter(flat.values())).device
        temperature = torch.tensor([math.log(max(config.initial_temperature, 1e-8))], device=device)
        self.flat["temperature"] = temperature
        self.optimisers["temperature"] = Adam(temperature, config.temperature_rate)
        self.fixed = fixed

    def add(self, name: str, network: Network, flat: Tensor) -> None:
        """Add a network without a target, with its fresh parameters."""
        c = self.config
        rate = {"actor": c.actor_rate, EYES: c.eyes_rate}.get(name, c.critic_rate)
        self.networks[name], self.flat[name] = network, flat
        self.optimisers[name] = Adam(flat, rate, c.weight_decay, c.clip_norm, network.sizes)

    def state(self) -> dict[str, Tensor]:
        """Return every parameter, target and optimiser's tensor by name; they share memory with this."""
        targets = {f"target.{name}": flat for name, flat in self.target.items()}
        adams = {f"{name}.{key}": t for name, adam in self.optimisers.items() for key, t in adam.state().items()}
        fixed = {f"{EYES}.fixed": self.fixed} if EYES in self.flat else {}
        return self.flat | targets | adams | fixed

    def check(self, updates: int) -> None:
        """Raise DivergedError unless every parameter, target and moment of the optimisers is finite."""
        require_finite(self.state(), self.networks, updates)
