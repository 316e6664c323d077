"""Behaviour cloning of the base policy from demonstrations."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from policies.base import ActionScaler, BasePolicy, base_eyes, chunk_model
from policies.base_config import BaseConfig
from policies.cloning_data import Chunks, Part, chunks_of, seen_of
from policies.features import Features, Standardiser
from policies.finite import DivergedError
from robot.errors import ConfigError, StoreError
from robot.settings import Settings, setting
from robot.specs import RobotSpec
from robot.store import Episode
from robot.types import Source

Progress = Callable[[int, int], None]
"""Called with (updates done, updates in all)."""

Judge = Callable[[Episode], NDArray[np.bool_]]
"""Says which steps (T,) of an episode were at least as good as what the base would have done."""

Trial = Callable[[BasePolicy], float]
"""Plays a policy in simulation; returns the share of its episodes that succeed."""

POINTS = 20
"""Of the learning curve."""


@dataclass(frozen=True)
class BCConfig(Settings):
    """How the base policy is cloned."""

    base: BaseConfig = setting(BaseConfig, "shape of the base policy")
    updates: int = setting(2000, "gradient steps", low=1, high=1_000_000)
    batch: int = setting(256, "samples in a mini-batch", low=1, high=65536)
    learning_rate: float = setting(1e-3, "Adam's step size, with cosine decay to zero", low=0.0, high=1.0)
    weight_decay: float = setting(1e-3, "decoupled weight decay (AdamW)", low=0.0, high=1.0)
    noise: float = setting(0.02, "noise on the features while training, against overfitting", low=0.0, high=1.0)
    validation: float = setting(0.1, "share of the episodes kept for validation", low=0.0, high=0.5)
    select: str = setting(
        "last",
        "which policy of the training is taken: the last; the one of smallest error on the episodes kept for "
        "validation; or the one of most successes in simulation (env local or gym)",
        choices=("last", "error", "success"),
    )
    failed_weight: float = setting(
        0.0,
        "what a person's corrections count in episodes that did not succeed, where those of one that did count 1",
        low=0.0,
        high=1.0,
    )
    filters_corrections: bool = setting(
        False, "of corrections clone only what the session's critics rate at least as high as the base's own action"
    )
    trials: int = setting(5, "select=success: policies that are tried, the last among them", low=1, high=1000)
    trial_episodes: int = setting(20, "select=success: episodes of each", low=1, high=10_000)


class Cloned(NamedTuple):
    """What came of cloning.

    Attributes:
        policy: the one that was chosen; last: the one at the end.
        metrics: by name.
        curve: points with "updates", "train_loss" and, where there are any, "error" and "success".
    """

    policy: BasePolicy
    metrics: dict[str, float]
    last: BasePolicy
    curve: list[dict[str, float]]


def train_base(
    episodes: Sequence[Episode],
    spec: RobotSpec,
    config: BCConfig,
    seed: int,
    on_progress: Progress | None = None,
    corrections: Sequence[Episode] = (),
    trial: Trial | None = None,
    judge: Judge | None = None,
) -> Cloned:
    """Clone the successful episodes.

    Episodes, not steps, are split between training and validation, so that validation sees no neighbour of a training
    step. The error is that of the actions that would be executed, in units of the action.

    Args:
        corrections: episodes of a session. Of those that succeeded, the steps that a person commanded are cloned too,
            each chunk up to where the person let go; the policy's own steps never are.
        trial: needed where `config.select` is "success".
        judge: needed where corrections are filtered.

    Raises:
        StoreError: no successful demonstration was given.
        ConfigError: the robot has not the cameras that it shall look at, or there is nothing to select by.
    """
    useful = [e for e in episodes if e.is_success and not e.is_aborted and e.length > 0]
    if not useful:
        raise StoreError(f"Behaviour cloning needs a successful demonstration; found {len(episodes)} without one.")
    order = np.random.default_rng(seed).permutation(len(useful))
    held = int(len(useful) * config.validation) if len(useful) > 1 else 0
    _require_choice(config, held, trial)
    parts: list[Part] = [(useful[i], np.ones(useful[i].length, np.float32)) for i in order[held:]]
    weighed = ((episode, correction_weight(episode, config, judge)) for episode in corrections)
    corrected = [(episode, weight) for episode, weight in weighed if weight.any()]
    parts += corrected
    kept: list[Part] = [(useful[i], np.ones(useful[i].length, np.float32)) for i in order[:held]]
    cloned = _Cloning(spec, config, seed, parts, kept).run(on_progress, trial)
    steps = float(sum((weight > 0).sum() for _, weight in corrected))
    return cloned._replace(metrics=cloned.metrics | ({"corrections": steps} if corrections else {}))


def correction_weight(episode: Episode, config: BCConfig, judge: Judge | None) -> NDArray[np.float32]:
    """Return what each step (T,) of a session's episode counts: a person's by the outcome, the policy's own nothing.

    Raises:
        ConfigError: corrections are to be filtered, and nobody judges them.
    """
    chosen = episode.source == Source.HUMAN
    if config.filters_corrections:
        if judge is None:
            raise ConfigError(
                "bc.filters_corrections asks the critics of the session: take its corrections with nudge pretrain "
                "--from, and a method with a gate (gated, ibrl), whose critics are published."
            )
        chosen = chosen & judge(episode)
    weight = 1.0 if episode.is_success else config.failed_weight
    weighed: NDArray[np.float32] = np.where(chosen, 0.0 if episode.is_aborted else weight, 0.0).astype(np.float32)
    return weighed


def _require_choice(config: BCConfig, held: int, trial: Trial | None) -> None:
    if config.select == "error" and not held:
        raise ConfigError(
            "bc.select=error needs an episode for validation: record more demonstrations, raise bc.validation, or set "
            "bc.select=last."
        )
    if config.select == "success" and trial is None:
        raise ConfigError(
            "bc.select=success plays the policy in simulation, in this process: begin the run with --env local or "
            "--env gym:<id>, or set bc.select=last."
        )


class _Cloning:
    def __init__(
        self, spec: RobotSpec, config: BCConfig, seed: int, parts: Sequence[Part], kept: Sequence[Part]
    ) -> None:
        self._spec, self._config, base = spec, config, config.base
        features = Features(spec, base.features)
        self._scaler = ActionScaler.fit(np.concatenate([e.action[weight > 0] for e, weight in parts]), base.head_room)
        seen = np.concatenate([features(e.observation)[weight > 0] for e, weight in parts])
        self._standardiser = Standardiser.fit(seen, features.raw)
        self._generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._eyes = base_eyes(spec, base)
        if self._eyes is not None:
            self._eyes.begin()
        self._model = chunk_model(spec, base, self._generator, self._eyes)

        def chunks(of: Sequence[Part]) -> Chunks:
            return chunks_of(of, features, self._standardiser, self._scaler, self._eyes, base.chunk)

        self._data, self._kept = chunks(parts), chunks(kept) if kept else None
        self._metrics = {"episodes": float(len(parts)), "steps": float(len(self._data))}
        self._curve: list[dict[str, float]] = []
        self._best: tuple[float, BasePolicy, dict[str, float]] | None = None

    def run(self, on_progress: Progress | None, trial: Trial | None) -> Cloned:
        config, data = self._config, self._data
        modules = [self._model] if self._eyes is None else [self._model, self._eyes]
        parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
        optimiser = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.updates)
        recent = torch.zeros(())
        for update in range(1, config.updates + 1):
            some = data[torch.randint(len(data), (config.batch,), generator=self._generator)]
            noise = config.noise * torch.randn(some.feature.shape, generator=self._generator)
            seen = seen_of(self._eyes, some, noise, self._generator)
            loss = self._model.loss(seen, some.target, some.mask, self._generator)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no type for it
            optimiser.step()
            schedule.step()
            recent = torch.lerp(loss.detach(), recent, 0.99) if update > 1 else loss.detach()
            if self._is_point(update):
                self._note(update, float(recent), trial)
            if on_progress and (update % 50 == 0 or update == config.updates):
                on_progress(update, config.updates)
        last = self._policy()
        chosen = last if self._best is None else self._best[1]
        return Cloned(chosen, self._metrics | self._told(), last, self._curve)

    def _is_point(self, update: int) -> bool:
        every = max(1, self._config.updates // POINTS)
        return update % every == 0 or update == self._config.updates or self._is_trial(update)

    def _is_trial(self, update: int) -> bool:
        c = self._config
        return c.select == "success" and (update * c.trials) % c.updates < c.trials

    def _note(self, update: int, loss: float, trial: Trial | None) -> None:
        """Add a point to the curve, and keep the policy where it is the best so far; raises where there is none."""
        if not math.isfinite(loss):
            raise DivergedError(
                f"Cloning diverged: its loss is {loss} after {update} updates, and nothing was saved. Lower "
                f"bc.learning_rate ({self._config.learning_rate})."
            )
        point = {"updates": float(update), "train_loss": loss}
        if self._kept is not None:
            point["error"] = self._error(self._kept)
        if trial is not None and self._is_trial(update):
            point["success"] = trial(self._policy())
        self._curve.append(point)
        if self._config.select in point:
            value = point[self._config.select] * (-1.0 if self._config.select == "error" else 1.0)
            if self._best is None or value >= self._best[0]:
                self._best = value, self._policy(), point

    def _error(self, kept: Chunks) -> float:
        """Return the mean error of the actions that would be executed, in units of the action."""
        steps = self._config.base.execute_steps
        draw = torch.Generator().manual_seed(0)
        noise = torch.randn(len(kept), self._model.noise_size, generator=draw)
        with torch.no_grad():
            found = self._model.predict(seen_of(self._eyes, kept), noise)
        error = ((found - kept.target).abs() * torch.from_numpy(self._scaler.half))[:, :steps]
        mask = kept.mask[:, :steps, None].expand_as(error)
        return float((error * mask).sum() / mask.sum())

    def _told(self) -> dict[str, float]:
        last = self._curve[-1]
        found = {"train_loss": last["train_loss"]}
        if "error" in last:
            found["validation_error"] = last["error"]
        selected = {} if self._best is None else self._best[2]
        return found | {f"selected_{name}": value for name, value in selected.items()}

    def _policy(self) -> BasePolicy:
        model, eyes = copy.deepcopy((self._model, self._eyes))  # a policy's are frozen, and these go on learning
        whole = self._standardiser if eyes is None else self._standardiser.and_nothing(eyes.size)
        return BasePolicy(self._spec, self._config.base, model, self._scaler, whole, eyes)
