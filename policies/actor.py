"""What acts: a network for the action, or for a bounded correction of the base policy's; how they are put together."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from policies.gate import GATES
from policies.networks import ACTIVATIONS, EnsembleMlp, Views
from robot.errors import ConfigError
from robot.settings import Settings, setting

COMPOSERS = ("residual", "policy", "steering")
HEADS = ("deterministic", "gaussian")
MOST = 2.0
"""Largest bound of a residual: from one end of an axis to the other."""
GRIPPER_CHOICES = 3
"""Of the discrete gripper head: close, stay, open; the actions -1, 0, 1 (HIL-SERL)."""

_LOG_2 = math.log(2.0)


@dataclass(frozen=True)
class ActorConfig(Settings):
    """What acts, and how far it may go. Noise and deviations are shares of the bound."""

    composer: str = setting(
        "residual",
        "residual: a = clip(base + u); policy: a = u, whatever a base policy does; steering: a = what the base makes "
        "of the noise u (DSRL)",
        choices=COMPOSERS,
    )
    head: str = setting(
        "deterministic",
        "deterministic: one u, with noise to explore (TD3); gaussian: a squashed normal (SAC)",
        choices=HEADS,
    )
    bound: tuple[float, ...] = setting(
        (0.5,),
        "largest |u| of a residual: one number, or one an action axis, in action units; or of a noise that steers: one",
        low=1e-6,
        high=5.0,
    )
    hidden: tuple[int, ...] = setting((128, 128), "width of each hidden layer", low=1, high=4096)
    has_norm: bool = setting(True, "normalise the hidden layers (LayerNorm)")
    activation: str = setting("relu", "activation of the hidden layers", choices=ACTIVATIONS)
    begins_at_zero: bool = setting(
        True, "the last layer begins at zero, so that a residual does (ResFiT), or the mean of a noise that steers"
    )
    noise: float = setting(0.2, "noise of a deterministic head while exploring, standard deviation", low=0.0, high=2.0)
    noise_clip: float = setting(1.0, "largest such noise", low=0.0, high=10.0)
    log_std_low: float = setting(-5.0, "lower bound of a Gaussian head's log standard deviation", low=-20.0, high=0.0)
    log_std_high: float = setting(2.0, "its upper bound", low=-5.0, high=5.0)
    acts_on_average: bool = setting(
        True, "publish the actor's Polyak average rather than the actor itself (docs/decisions/0005)"
    )
    gripper_axis: int = setting(
        -1, "action axis of the gripper; -1: the one that the robot calls gripper, if any", low=-1, high=100
    )
    gripper_bound: float = setting(
        2.0,
        "largest |u| of a residual on that axis where `bound` is one number: 2 opens a gripper that the base shuts",
        low=1e-6,
        high=2.0,
    )
    has_gripper_head: bool = setting(
        False, "the gripper has a head of its own with three choices: close, stay or open (HIL-SERL)"
    )
    gate: str = setting(
        "lower_bound",
        "when the base acts instead: never; where its smallest value is larger (greedy, IBRL); where the critics are "
        "not sure that u is no worse (lower_bound)",
        choices=GATES,
    )
    gate_confidence: float = setting(
        1.0, "standard deviations over the critics by which u must be no worse", low=0.0, high=10.0
    )
    gate_margin: float = setting(0.0, "how much worse u may be, in units of return", low=0.0, high=1e3)
    gate_trials: float = setting(
        0.25, "share of a training session's episodes that are played as if there were no gate", low=0.0, high=1.0
    )
    proof: float = setting(
        0.5,
        "share of a training session's episodes that the base plays until what was learnt gets by without a person as "
        "often as the base; evaluations are the base's until then. 0: it acts at once",
        low=0.0,
        high=0.95,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.is_steering and max(self.bound) > MOST:
            raise ConfigError(
                f"ActorConfig.bound must be at most {MOST} where u is no noise that steers: an action is within "
                f"[-1, 1]; found {max(self.bound)}."
            )

    @property
    def is_steering(self) -> bool:
        """Whether u is the noise that a base draws."""
        return self.composer == "steering"

    @property
    def sees_base(self) -> bool:
        """Whether the base's action is part of the state."""
        return self.composer == "residual" or self.gate != "none"

    @property
    def needs_base(self) -> bool:
        """Whether what is learnt refers to a base policy."""
        return self.sees_base or self.is_steering


class Actor:
    """The networks' shapes and the composition of the action; parameters are the caller's, as flat vectors.

        residual:  a = clip(b + bound * tanh(f(s)), -1, 1)        (ResFiT, equation 2)
        policy:    a = tanh(f(s))                                 (SAC, TD3)
        steering:  a = G(s, bound * tanh(f(s)))                   (DSRL; `policies.steering` has G)

    Inputs s are features, and with a base policy its action and chunk phase: without these two a chunked base is not
    Markov. A residual's last layer begins at zero, weights and bias, so that an untrained residual is exactly zero.

    With a gripper's own head, f has no output for that axis; `grip` (B,) in {-1, 0, 1} is put there.

    Args:
        config: see ActorConfig.
        state_size, action_size: S, A; of what steers, A is the size of the noise.
        dtype: what the network's products are computed in; that of who acts is float32.
        gripper_axis: what the robot calls its gripper, -1 for none; `config.gripper_axis` goes before it.
        judged_size: numbers of an action that the critics judge; 0: all that the network decides.
    """

    def __init__(
        self,
        config: ActorConfig,
        state_size: int,
        action_size: int,
        dtype: torch.dtype = torch.float32,
        gripper_axis: int = -1,
        judged_size: int = 0,
    ) -> None:
        self.config, self.state_size, self.action_size = config, state_size, action_size
        if config.gripper_axis >= action_size:
            raise ConfigError(
                f"ActorConfig.gripper_axis must be below the {action_size} axes of the action; "
                f"found {config.gripper_axis}."
            )
        self.gripper_axis = config.gripper_axis if config.gripper_axis >= 0 else gripper_axis
        self.has_gripper = config.has_gripper_head and self.gripper_axis >= 0
        """Whether there is a gripper with a head of its own."""
        self.axes = tuple(axis for axis in range(action_size) if not self.has_gripper or axis != self.gripper_axis)
        self.judged_size = judged_size or len(self.axes)
        self.bound = self._bounds()
        is_gaussian = config.head == "gaussian"
        outputs = len(self.axes) * (2 if is_gaussian else 1)
        self.network = EnsembleMlp(
            1, state_size, config.hidden, outputs, has_norm=config.has_norm, activation=config.activation, dtype=dtype
        )
        self.is_gaussian, self.is_residual = is_gaussian, config.composer == "residual"
        self.is_steering = config.is_steering

    def _bounds(self) -> Tensor:
        bound = self.config.bound
        if len(bound) not in (1, self.action_size):
            raise ConfigError(
                f"ActorConfig.bound needs one number, or one per action axis ({self.action_size}); found {len(bound)}."
            )
        if self.config.composer == "policy":
            return torch.ones(len(self.axes))
        grip = self.config.gripper_bound
        all_axes = range(self.action_size)
        whole = [grip if axis == self.gripper_axis else bound[0] for axis in all_axes] if len(bound) == 1 else bound
        return torch.tensor([whole[axis] for axis in self.axes])

    def to(self, device: torch.device) -> Actor:
        self.bound = self.bound.to(device)
        return self

    def initial(self, generator: torch.Generator) -> Tensor:
        """Return fresh flat parameters; where `begins_at_zero`, a residual's give u = 0, a noise's the mean 0."""
        refers = self.is_residual or self.is_steering
        return self.network.initial(generator, zero_last=refers and self.config.begins_at_zero)

    def mode(self, views: Views, state: Tensor) -> Tensor:
        """Return u (B, U) for states (B, S) without any noise; |u| <= bound for any weights."""
        return self.bound * torch.tanh(self._split(views, state)[0])

    def sample(self, views: Views, state: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return u (B, U) drawn by standard normal `noise` (B, U), and log p (B,), of a Gaussian head.

        log p is that of u / bound, the number within [-1, 1] (SAC, appendix C, in the stable form of its tanh), so
        that entropies do not depend on units. A deterministic head gives its mode and zeros.
        """
        mean, log_std = self._split(views, state)
        if log_std is None:
            return self.bound * torch.tanh(mean), torch.zeros_like(mean[:, 0])
        x = mean + log_std.exp() * noise
        normal = -0.5 * noise**2 - log_std - 0.5 * math.log(2.0 * math.pi)
        # log(1 - tanh(x)^2)
        squash = 2.0 * (_LOG_2 - x - torch.nn.functional.softplus(-2.0 * x))
        return self.bound * torch.tanh(x), (normal - squash).sum(dim=1)

    def _split(self, views: Views, state: Tensor) -> tuple[Tensor, Tensor | None]:
        out = self.network.forward(views, state)[0]
        if not self.is_gaussian:
            return out, None
        mean, log_std = out.chunk(2, dim=1)
        return mean, log_std.clamp(self.config.log_std_low, self.config.log_std_high)

    def compose(self, base: Tensor, u: Tensor, grip: Tensor | None = None) -> Tensor:
        """Return the action (B, A) that is executed, stored and learnt from alike, from bases (B, A) and u (B, U)."""
        return self.wanted(base, u, grip).clamp(-1.0, 1.0)

    def wanted(self, base: Tensor, u: Tensor, grip: Tensor | None = None) -> Tensor:
        """Return (B, A) before it is clipped."""
        if not self.has_gripper:
            return base + u if self.is_residual else u
        if grip is None:
            raise ConfigError("An action with a gripper's own head needs that head's choice.")
        action = torch.empty_like(base)
        axes = list(self.axes)
        action[:, axes] = base[:, axes] + u if self.is_residual else u
        action[:, self.gripper_axis] = grip
        return action

    def idle_grip(self, u: Tensor) -> Tensor | None:
        """Return what stands for the choice of a gripper's own head where it does not count; None without one."""
        return u.new_zeros(len(u)) if self.has_gripper else None

    def deviation(self, action: Tensor, base: Tensor) -> Tensor:
        """Return (B, U): by how many bounds an action (B, A) deviates from the base's, within [-3, 3]."""
        axes = list(self.axes)
        difference = action - base if not self.has_gripper else action[:, axes] - base[:, axes]
        return (difference / self.bound).clamp(-3.0, 3.0)

    def arm(self, action: Tensor) -> Tensor:
        """Return the part (B, J) of actions (B, A) that the critics judge: all but a gripper with a head of its own."""
        return action if not self.has_gripper else action[:, list(self.axes)]
