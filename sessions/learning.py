"""What learns in a run, and what acts by it: every use of a learner's or a policy's class is here or in `build`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from robot.errors import ConfigError
from sessions.build import base_policy, robot_spec

if TYPE_CHECKING:  # torch is loaded only by the processes that need it
    from policies.base import BasePolicy
    from policies.training import Progress
    from policies.weights import WeightsDirectory
    from robot.interfaces import Policy
    from sessions.robot_config import RobotConfig
    from sessions.run_config import RunConfig


def base_or_none(config: RobotConfig, run: Path) -> BasePolicy | None:
    """Return the run's base policy; None where a gymnasium run has none, so that all is learnt from its reward."""
    is_optional = bool(config.env.gym_id) and not (run / "base").is_dir()
    return None if is_optional else base_policy(config, run)


def policy(config: RunConfig, run: Path, kind: str) -> Policy:
    """Return who acts in a phase: "hold" (a person does everything), "base", "residual" (learning) or "final"."""
    from robot.loop import HoldPolicy

    if kind == "hold":
        return HoldPolicy(robot_spec(config).action_size)
    return base_policy(config, run) if kind == "base" else learnt_policy(config, run, is_final=kind == "final")


def learnt_policy(config: RunConfig, run: Path, is_final: bool) -> Policy:
    """Return the policy that finetuning improves; the final one is deterministic and has the newest weights."""
    from policies.residual import ResidualPolicy

    base, published = _needed(base_or_none(config, run)), weights(run)
    learnt = ResidualPolicy(base, config.training.residual, published, deterministic=is_final)
    if is_final:
        learnt.load_weights(published.latest())
    return learnt


def weights(run: Path) -> WeightsDirectory:
    """Return the run's published weights."""
    from policies.weights import WeightsDirectory

    return WeightsDirectory(run / "weights")


def load_weights(policy: Policy, version: int) -> None:
    """Let a policy that learns act by the weights published as `version`; others stay as they are."""
    from policies.residual import ResidualPolicy

    if isinstance(policy, ResidualPolicy):
        policy.load_weights(version)


def learn(config: RunConfig, run: Path, stop: Callable[[], bool]) -> Progress:
    """Learn from the run's stores until its steps are reached, or `stop()`; goes on from a checkpoint."""
    from policies.checkpoint import FILE
    from policies.training import run_learner

    _needed(base_or_none(config, run))
    checkpoint = run / "learner"
    return run_learner(
        run / "demos.zarr",
        run / "online.zarr",
        run / "base",
        run / "weights",
        checkpoint,
        run / "metrics" / "learner.jsonl",
        config.training,
        stop,
        resume=(checkpoint / FILE).exists(),
    )


def _needed(base: BasePolicy | None) -> BasePolicy:
    """Return `base`.

    Raises:
        ConfigError: there is none, and today's learner is a residual, which corrects one.
    """
    if base is None:
        raise ConfigError(
            "Learning without a base policy is not there yet: the learner corrects one. Record demonstrations and "
            "pretrain first, in an environment that has an expert (env.expert)."
        )
    return base
