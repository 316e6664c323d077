"""What learns in a run, and what acts by it: every use of a learner's or a policy's class is here or in `build`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sessions.build import base_policy, robot_spec

if TYPE_CHECKING:  # torch is loaded only by the processes that need it
    from policies.acting import LearntPolicy
    from policies.external import Base
    from policies.process import Progress
    from policies.weights import WeightsDirectory
    from robot.interfaces import Policy
    from sessions.run_config import RunConfig


def base_or_none(config: RunConfig, run: Path) -> Base | None:
    """Return the run's base policy; None where there is none and the method refers to none."""
    is_optional = not config.training.needs_base and not (run / "base").is_dir()
    return None if is_optional else base_policy(config, run)


def policy(config: RunConfig, run: Path, kind: str) -> Policy:
    """Return who acts in a phase: "hold" (a person does everything), "base", "residual" (learning) or "final"."""
    from robot.loop import HoldPolicy

    if kind == "hold":
        return HoldPolicy(robot_spec(config).action_size)
    return base_policy(config, run) if kind == "base" else learnt_policy(config, run, is_final=kind == "final")


def learnt_policy(config: RunConfig, run: Path, is_final: bool) -> LearntPolicy:
    """Return the policy that finetuning improves; the final one is deterministic and has the newest weights."""
    from policies.acting import LearntPolicy

    base, published = base_or_none(config, run), weights(run)
    learnt = LearntPolicy(robot_spec(config), base, config.training, published, deterministic=is_final)
    if is_final:
        learnt.load_weights(published.latest())
    return learnt


def weights(run: Path) -> WeightsDirectory:
    """Return the run's published weights."""
    from policies.weights import WeightsDirectory

    return WeightsDirectory(run / "weights")


def load_weights(policy: Policy, version: int) -> None:
    """Let a policy that learns act by the weights published as `version`; others stay as they are."""
    from policies.acting import LearntPolicy

    if isinstance(policy, LearntPolicy):
        policy.load_weights(version)


def held_back(run: Path) -> str:
    """Return why the base acts in place of what was learnt last, or ""."""
    from policies.schedule import Directions

    published = weights(run)
    newest = published.latest()
    said = Directions.from_header(published.words(newest)) if newest >= 0 else Directions()
    return said.alarm or said.doubt


def check_settings(config: RunConfig) -> None:
    """Raise ConfigError where settings ask for what this robot or this machine has not, before anything moves."""
    from policies.actor import Actor
    from policies.critics import Critics
    from policies.training_config import require_device

    training, spec = config.training, robot_spec(config)
    require_device(training.device)
    actor = Actor(training.actor, 1, spec.action_size, gripper_axis=spec.gripper_axis)
    Critics(training.learner, actor, training.value_range)


def check_base(config: RunConfig, base: Base | None) -> None:
    """Raise ConfigError where the learner is to have what base or robot lack (eyes, noise, truth), before all moves."""
    from policies.sight import learning_sight
    from policies.states import truth_features
    from policies.steering import steered

    learning_sight(robot_spec(config), base, config.training)
    steered(base, config.training)
    if config.training.privileged:
        truth_features(robot_spec(config))


def check_checkpoint(run: Path, base: Base | None) -> None:
    """Raise StoreError where the checkpoint of a run cannot be read, ConfigError where it is of another base policy."""
    from policies.checkpoint import require_base

    require_base(run / "learner", base)


def learn(config: RunConfig, run: Path, stop: Callable[[], bool]) -> Progress:
    """Learn from the run's stores until its steps are reached, or `stop()`; goes on from a checkpoint."""
    from policies.process import Paths, run_learner

    base_or_none(config, run)
    paths = Paths(
        demos=run / "demos.zarr",
        online=run / "online.zarr",
        base=run / "base",
        weights=run / "weights",
        checkpoint=run / "learner",
        metrics=run / "metrics" / "learner.jsonl",
    )
    return run_learner(robot_spec(config), paths, config.training, stop)
