"""How critics and actor learn: every number of an update."""

from __future__ import annotations

from dataclasses import dataclass

from policies.networks import ACTIVATIONS
from policies.values import KINDS
from robot.errors import ConfigError
from robot.settings import Settings, setting


@dataclass(frozen=True)
class LearnerConfig(Settings):
    """How critic and actor learn. Shares are of the actor's bound."""

    members: int = setting(5, "critics in the ensemble (K)", low=1, high=100)
    subset: int = setting(2, "random critics whose minimum is the target (REDQ)", low=1, high=100)
    hidden: tuple[int, ...] = setting((128, 128), "width of each hidden layer of a critic", low=1, high=4096)
    has_norm: bool = setting(True, "normalise the hidden layers of a critic (LayerNorm)")
    activation: str = setting("relu", "activation of the hidden layers of a critic", choices=ACTIVATIONS)
    critic: str = setting("mse", "what a critic gives: a number, or a distribution", choices=KINDS)
    atoms: int = setting(51, "atoms or bins of a distribution", low=8, high=1001)
    critic_rate: float = setting(3e-4, "Adam's step size of the critics", low=0.0, high=1.0)
    eyes_rate: float = setting(3e-4, "Adam's step size of eyes that learn with the critics", low=0.0, high=1.0)
    actor_rate: float = setting(1e-4, "Adam's step size of the actor", low=0.0, high=1.0)
    actor_every: int = setting(2, "critic updates per actor update (TD3)", low=1, high=1000)
    actor_value: str = setting(
        "mean",
        "what of the critics the actor climbs: their mean, minimum, or the first (TD3)",
        choices=("mean", "min", "first"),
    )
    tau: float = setting(0.005, "share of the online network that a target takes per update", low=0.0, high=1.0)
    target_noise: float = setting(0.2, "smoothing noise on the target's action (TD3)", low=0.0, high=2.0)
    target_noise_clip: float = setting(0.5, "largest smoothing noise (TD3)", low=0.0, high=10.0)
    clip_norm: float = setting(1.0, "largest norm of a gradient; 0 for no limit", low=0.0, high=1e6)
    weight_decay: float = setting(0.0, "decoupled weight decay (AdamW)", low=0.0, high=1.0)
    initial_temperature: float = setting(1.0, "weight of the entropy of a Gaussian head at first", low=0.0, high=100.0)
    temperature_rate: float = setting(
        3e-4, "Adam's step size of the temperature; 0 leaves it as it began", low=0.0, high=1.0
    )
    target_entropy: float = setting(
        -0.5, "entropy that the temperature holds, per axis of the actor", unit="nat", low=-10.0, high=10.0
    )
    backs_up_entropy: bool = setting(True, "count the entropy to come in the critics' target (SAC)")
    imitation: float = setting(1.0, "weight of the imitation of a person's actions", low=0.0, high=1e3)
    filters_imitation: bool = setting(
        False, "imitate only what the critics rate at least as high as the actor's own action (Q-filter)"
    )
    residual_penalty: float = setting(0.03, "weight of the mean squared u / bound (ResFiT's l2)", low=0.0, high=1e3)
    grip_penalty: float = setting(
        0.02, "what the gripper's head pays for each command that is not 'stay' (HIL-SERL)", low=0.0, high=1e3
    )
    noise_every: int = setting(
        2, "critic updates per update of the critics of noises, where a base is steered (DSRL)", low=1, high=1000
    )
    noise_own_share: float = setting(
        0.5, "share of their samples whose noise is the actor's own; the others' is standard normal", low=0.0, high=1.0
    )
    precision: str = setting(
        "float32",
        "what the networks' products are computed in; parameters, losses and optimisers are float32 whatever it is",
        choices=("float32", "bfloat16"),
    )
    is_compiled: bool = setting(
        False, "compile the update with torch.compile: faster from the second minute on; needs a C++ compiler"
    )
    conservative: float = setting(
        0.0, "weight of Cal-QL's regulariser while learning from demonstrations alone", low=0.0, high=1e3
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.subset > self.members:
            raise ConfigError(f"LearnerConfig.subset must be at most members ({self.members}); found {self.subset}.")
