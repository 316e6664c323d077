"""The configuration of a run: the robot's, and what is learnt on it; nothing else knows all sections."""

from __future__ import annotations

from dataclasses import dataclass

from policies.bc import BCConfig
from policies.training_config import TrainingConfig
from robot.settings import Settings, setting
from sessions.robot_config import RobotConfig


@dataclass(frozen=True)
class SessionConfig(Settings):
    """How much is recorded, evaluated and learnt, and how actor and learner keep step."""

    demonstrations: int = setting(20, "demonstrations that `record` takes", unit="episodes", low=1, high=100_000)
    evaluation_episodes: int = setting(50, "episodes of an evaluation", low=1, high=100_000)
    version_lag: int = setting(
        1, "in lockstep episode i is played with weights version i minus this, exactly", low=0, high=1000
    )
    learner_timeout_s: float = setting(
        120.0, "the actor gives up when the learner has been silent for this long", unit="s", low=1.0, high=3600.0
    )


@dataclass(frozen=True)
class RunConfig(RobotConfig):
    """Everything that a run can be told; saved with the run as `config.yaml`."""

    bc: BCConfig = setting(BCConfig, "the base policy")
    training: TrainingConfig = setting(TrainingConfig, "the learner")
    session: SessionConfig = setting(SessionConfig, "sizes of the session's phases")
