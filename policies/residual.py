"""The residual: a bounded correction of a frozen base policy, and the policy that executes their sum."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from policies.base import BasePolicy
from policies.networks import EnsembleMlp, Views
from policies.sampler import state_of
from policies.weights import WeightsDirectory
from robot.errors import ConfigError
from robot.settings import Settings, setting
from robot.types import NO_VERSION, Decision, Observation


@dataclass(frozen=True)
class ResidualConfig(Settings):
    """What the residual may do."""

    bound: tuple[float, ...] = setting(
        (0.5, 0.5, 0.5, 0.5), "largest |u| per action axis, in action units", low=0.0, high=2.0
    )
    hidden: tuple[int, ...] = setting((128, 128), "width of each hidden layer of the actor", low=1, high=4096)
    noise: float = setting(0.2, "exploration noise (standard deviation) as a share of the bound", low=0.0, high=2.0)


class Actor:
    """The deterministic residual u = bound * tanh(f(state)) (ResFiT, equation 2; TD3).

    The last layer begins at zero, weights and bias, so that an untrained residual is exactly zero. Inputs are
    features, base action and chunk phase: without the last two a chunked base is not Markov.
    """

    def __init__(self, config: ResidualConfig, state_size: int, action_size: int) -> None:
        if len(config.bound) != action_size:
            raise ConfigError(
                f"ResidualConfig.bound needs one number per action axis ({action_size}); found {len(config.bound)}."
            )
        self.network = EnsembleMlp(1, state_size, config.hidden, action_size)
        self.bound = torch.tensor(config.bound)

    def initial(self, generator: torch.Generator) -> Tensor:
        """Return fresh flat parameters that give u = 0."""
        return self.network.initial(generator, zero_last=True)

    def __call__(self, views: Views, state: Tensor) -> Tensor:
        """Return u (B, A) for states (B, S); |u| <= bound for any weights."""
        return self.bound * torch.tanh(self.network.forward(views, state)[0])


def compose(base: Tensor, residual: Tensor) -> Tensor:
    """Return the action a = clip(b + u, -1, 1) that is executed, stored and learnt from alike."""
    return (base + residual).clamp(-1.0, 1.0)


def actor_for(base: BasePolicy, config: ResidualConfig) -> Actor:
    """Return the actor that corrects `base`."""
    size = base.spec.action_size
    return Actor(config, base.features.size + size + base.phases, size)


class ResidualPolicy:
    """Executes base plus residual: `robot.interfaces.Policy`.

        policy = ResidualPolicy(base, config, WeightsDirectory(path))
        policy.load_weights(version)      # at an episode's start
        policy.deterministic = True       # evaluation: no exploration noise

    Before the first `load_weights` the residual is zero and the policy is the base, bit for bit, but for
    exploration noise. Noise is drawn from the seed given to `reset`, and the sum stays within the bound.

    Args:
        base: frozen base policy; its queue is this policy's queue.
        config: must equal the learner's.
        weights: where `load_weights` reads.
        deterministic: whether to leave out exploration noise.
    """

    def __init__(
        self,
        base: BasePolicy,
        config: ResidualConfig,
        weights: WeightsDirectory | None = None,
        *,
        deterministic: bool = False,
    ) -> None:
        self.base, self.config, self.weights = base, config, weights
        self.deterministic = deterministic
        self.version = NO_VERSION
        self.actor = actor_for(base, config)
        self._views = self.actor.network.views(self.actor.initial(torch.Generator()))
        self._bound = np.asarray(config.bound, np.float32)
        self._rng = np.random.default_rng(0)

    def reset(self, seed: int) -> None:
        self.base.reset(seed)
        self._rng = np.random.default_rng(seed)

    def replan(self) -> None:
        self.base.replan()

    def act(self, observation: Observation) -> Decision:
        feature = self.base.features.one(observation)
        plan = self.base.act_on(feature)
        b = plan.base_action
        u = self._residual(feature, b, plan.chunk_phase)
        a = np.clip(b + u, -1.0, 1.0).astype(np.float32)
        return dataclasses.replace(plan, action=a, residual=u, weights_version=self.version)

    def load_weights(self, version: int) -> None:
        """Take the weights published as `version` from the next step on.

        Raises:
            StoreError: that version is not there.
            SpecError: the weights are for another robot or another shape of actor.
        """
        if self.weights is None:
            raise ConfigError("This residual policy was built without a weights directory; pass one to load weights.")
        tensors = self.weights.load(version, self.base.spec.digest(), self.actor.network.shapes)
        self._views = tensors
        self.version = version

    def _residual(self, feature: NDArray[np.float32], b: NDArray[np.float32], phase: int) -> NDArray[np.float32]:
        state = state_of(feature[None], b[None], np.array([phase]), self.base.phases)
        with torch.no_grad():
            u: NDArray[np.float32] = self.actor(self._views, torch.from_numpy(state))[0].numpy()
        if self.deterministic or self.config.noise == 0.0:
            return u
        noise = self.config.noise * self._bound * self._rng.standard_normal(len(u), dtype=np.float32)
        return np.clip(u + noise, -self._bound, self._bound)
