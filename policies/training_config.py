"""A finetuning run as the learner and the acting policy see it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import reduce

import torch

from policies.actor import ActorConfig
from policies.health import AlarmConfig
from policies.learner_config import LearnerConfig
from policies.mirror import MirrorConfig
from policies.rewards import RewardConfig
from policies.sampler import SamplerConfig
from policies.schedule import ScheduleConfig
from policies.vision.config import VisionConfig
from robot.errors import ConfigError
from robot.settings import Settings, setting

UNSTEERED = {
    "actor.gate": "none",
    "actor.has_gripper_head": False,
    "learner.imitation": 0.0,
    "learner.conservative": 0.0,
    "schedule.start_noise": 0.0,
    "schedule.clone_updates": 0,
    "schedule.offline_updates": 0,
    "eyes": "base",
    "privileged": False,
}
"""What a noise leaves no choice of."""


@dataclass(frozen=True)
class TrainingConfig(Settings):
    """A finetuning run as the learner sees it."""

    total_steps: int = setting(6000, "robot steps after which learning ends", unit="steps", low=1, high=10**9)
    updates: int = setting(4, "critic updates per `per_steps` robot steps", low=0, high=1000)
    per_steps: int = setting(1, "robot steps to which `updates` refers", unit="steps", low=1, high=1000)
    checkpoint_every: int = setting(
        1, "episodes between checkpoints; a death repeats their updates", unit="episodes", low=1, high=10**6
    )
    seed: int = setting(0, "seed of weights, mini-batches and noise", low=0, high=2**31)
    device: str = setting("cpu", "what the learner computes on: cpu, cuda, cuda:1 ...")
    threads: int = setting(1, "cores that the learner may use; the actor needs one of its own", low=1, high=256)
    eyes: str = setting(
        "base",
        "whose eyes the learner has: base: the base policy's, which do not learn any more; tuned: they go on learning, "
        "with the critics; own: new ones (vision), learnt with the critics",
        choices=("base", "tuned", "own"),
    )
    privileged: bool = setting(
        False,
        "critics are told what only a simulation knows (truth/* in the log, env.tells_truth); what acts never is",
    )
    vision: VisionConfig = setting(VisionConfig, "the learner's own eyes, where eyes=own")
    schedule: ScheduleConfig = setting(ScheduleConfig, "stages")
    actor: ActorConfig = setting(ActorConfig, "what acts")
    learner: LearnerConfig = setting(LearnerConfig, "critics and actor")
    sampler: SamplerConfig = setting(SamplerConfig, "mini-batches")
    rewards: RewardConfig = setting(RewardConfig, "reward terms")
    alarms: AlarmConfig = setting(AlarmConfig, "when the base acts alone")
    mirror: MirrorConfig = setting(MirrorConfig, "mirror of the metrics")

    def __post_init__(self) -> None:
        super().__post_init__()
        if re.fullmatch(r"cpu|cuda(:\d+)?", self.device) is None:
            raise ConfigError(f"TrainingConfig.device must be cpu, cuda or cuda:N; found {self.device!r}.")
        if self.privileged and (self.actor.gate != "none" or self.learner.conservative > 0.0):
            raise ConfigError(
                "training.privileged tells critics what is not known while acting, and training.actor.gate="
                f"{self.actor.gate} asks them then; set training.actor.gate=none, and training.learner.conservative=0."
            )
        if self.vision.cameras and self.eyes != "own":
            raise ConfigError(
                f"training.vision is about eyes of the learner's own; found training.eyes={self.eyes}. Set "
                "training.eyes=own, or leave training.vision.cameras out."
            )
        if self.actor.is_steering:
            self._require_nothing_but_noise()

    def _require_nothing_but_noise(self) -> None:
        """Raise ConfigError where something is asked for that only an action has, and no noise."""
        for key, wanted in UNSTEERED.items():
            found = reduce(getattr, key.split("."), self)
            if found != wanted:
                raise ConfigError(
                    f"actor.composer=steering learns which noise the base draws, and {key}={found} means nothing for a "
                    f"noise; set training.{key}={wanted}, or begin from --preset dsrl."
                )
        if len(self.actor.bound) > 1:
            raise ConfigError(f"actor.bound of a noise that steers is one number; found {len(self.actor.bound)}.")

    @property
    def value_range(self) -> tuple[float, float]:
        """Lowest and highest possible return."""
        return self.rewards.bounds(self.sampler.gamma)

    @property
    def needs_base(self) -> bool:
        """Whether a base policy takes part in what acts or learns."""
        is_starter = self.schedule.start_steps > 0 and self.schedule.starter == "base"
        return self.actor.needs_base or is_starter or self.schedule.guide_steps > 0


def require_device(name: str) -> None:
    """Raise ConfigError unless this machine has the device."""
    wanted, count = torch.device(name), torch.cuda.device_count()
    if wanted.type == "cuda" and (wanted.index or 0) >= count:
        raise ConfigError(
            f"TrainingConfig.device is {name}; this machine has {count} CUDA devices that torch can use. Use cpu."
        )
