"""Learning episode by episode: what is owed for each, in which stage, and how good it is."""

from __future__ import annotations

import dataclasses
import json
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Tensor

from policies.acting import published
from policies.external import Base
from policies.health import Alarms
from policies.learner import Learner, Report
from policies.measures import Measures
from policies.proof import Proof
from policies.ratio import UpdateRatio
from policies.rewards import label
from policies.sampler import DEMO, ONLINE, EpisodeBuffer, QuotaSampler
from policies.schedule import OPEN, START, WARM_UP, Directions, Guide
from policies.sight import learning_sight
from policies.states import States
from policies.steering import SteeringLearner, steered
from policies.training_config import TrainingConfig, require_device
from robot.errors import NudgeError
from robot.specs import RobotSpec
from robot.store import Episode

Stop = Callable[[], bool]

NEVER = -1
TOLD_EVERY = 8
"""Of so many updates one is reported of in full."""

RECENT = 5
"""Online episodes that the measures are taken on."""


class StoppedError(NudgeError):
    """Learning was told to stop between two updates; what it knows then is no state to go on from."""


def never() -> bool:
    """Nobody asks to stop."""
    return False


class Training:
    """Learning episode by episode; the same object serves one process (tests, tuning) and `run_learner`.

        training = Training(spec, base, demonstrations, config)
        training.prepare()                        # what is learnt from the demonstrations alone
        metrics = training.take(episode)          # exactly the updates owed for its steps
        weights.publish(training.version, *training.published())

    After the same episodes in the same order the weights are the same, bit for bit.

    Args:
        spec: of the robot.
        base: frozen base policy; None for a learner that refers to none.
        demonstrations: may be empty; those that were aborted, discarded or taken back are none.
        config: see TrainingConfig.

    Raises:
        ConfigError: the actor refers to a base policy, and there is none.
        StoreError: an episode cannot be learnt from.
    """

    def __init__(
        self, spec: RobotSpec, base: Base | None, demonstrations: Iterable[Episode], config: TrainingConfig
    ) -> None:
        self.spec, self.base, self.config = spec, base, config
        require_device(config.device)
        sight, guided = learning_sight(spec, base, config), steered(base, config)
        states = States(
            spec, base, uses_base=config.actor.sees_base, sight=sight, steered=guided, tells_truth=config.privileged
        )
        self.buffer = EpisodeBuffer(states, partial(label, config=config.rewards), config.sampler.gamma)
        for episode in demonstrations:
            if not episode.is_aborted:
                self.buffer.add(episode, DEMO)
        self.sampler = QuotaSampler(self.buffer, config.sampler, config.seed, config.device)
        dtype = getattr(torch, config.learner.precision)
        actor = states.actor(config.actor, dtype)
        if guided is None:
            eyes = base.eyes if base is not None and config.eyes == "tuned" else None
            self.learner = Learner(
                config.learner, actor, config.value_range, config.seed, config.device, sight, eyes, states.truth_size
            )
        else:
            self.learner = SteeringLearner(
                config.learner, actor, config.value_range, config.seed, config.device, guided
            )
        self._measures = Measures(self.learner, self.buffer, config.value_range)
        self.ratio = UpdateRatio(config.updates, config.per_steps)
        self.guide = Guide(config.schedule)
        self.alarms = Alarms(config.alarms)
        self.robot_steps = 0
        self.has_begun = False
        """Whether the updates have begun."""
        self.opened_at = NEVER
        """Version from which on the actor moves."""
        self.proof = Proof(config.actor, is_on=config.rewards.success > 0.0)
        self._held: list[Episode] = []
        self._successes: list[bool] = []
        self._recent: deque[Episode] = deque(maxlen=RECENT)

    @property
    def version(self) -> int:
        """Number of online episodes taken, which is the version of the weights learnt from them."""
        return self.buffer.episodes[ONLINE] + len(self._held)

    @property
    def is_finished(self) -> bool:
        return self.robot_steps >= self.config.total_steps

    @property
    def stage(self) -> str:
        if self.robot_steps < self.config.schedule.start_steps:
            return START
        return WARM_UP if self.opened_at == NEVER else OPEN

    def prepare(self, stop: Stop = never) -> None:
        """Learn from the demonstrations what the schedule asks for before anything else; for a fresh start only.

        Raises:
            StoppedError, DivergedError: as `take`.
        """
        schedule = self.config.schedule
        if self.buffer.episodes[DEMO]:
            self.buffer.standardise()
        self._repeat(schedule.clone_updates, lambda: self.learner.clone_step(self.sampler.draw_demos()), stop)
        self._repeat(schedule.offline_updates, self._offline, stop)
        self.learner.check()

    def take(self, episode: Episode, stop: Stop = never) -> dict[str, float | str]:
        """Add one online episode and do exactly the updates that its steps oblige; returns metrics.

        Raises:
            StoppedError: `stop()` came true among the updates; this object is then of no further use.
            DivergedError: naming the tensor that is no longer finite.
            StoreError: the episode cannot be learnt from.
        """
        lag = self.version - int(episode.weights_version[-1]) if episode.length else 0
        self.replay(episode)
        begun, before = time.perf_counter(), self.learner.updates
        metrics = self._learn(stop) if self.stage != START and not self.sampler.is_empty else {}
        self.learner.check()
        duration, done = max(time.perf_counter() - begun, 1e-9), self.learner.updates - before
        measures = self.measure()
        alarm = self.alarms.take(measures)
        counters: dict[str, float | str] = {
            "updates": self.learner.updates,
            "robot_steps": self.robot_steps,
            "version": self.version,
            "policy_lag": lag,
            "stage": self.stage,
            "updates_per_s": done / duration,
            "owed": self.ratio.owed(self._counted_steps()),
        }
        words = {name: word for name, word in (("alarm", alarm), ("doubt", self.proof.doubt)) if word}
        return counters | metrics | measures | words

    def _learn(self, stop: Stop) -> dict[str, float]:
        schedule = self.config.schedule
        if not self.has_begun:
            self.has_begun = True
            if not self.buffer.episodes[DEMO]:
                self.buffer.standardise()
            self._repeat(schedule.critic_updates, lambda: self._update(is_open=False), stop)
        if self.opened_at == NEVER and self._counted_steps() > schedule.warmup_steps:
            self._open()
        owed = self.ratio.owed(self._counted_steps())
        metrics = self._repeat(owed, lambda: self._update(self.opened_at != NEVER), stop)
        self.ratio.done(owed)
        if self.opened_at == NEVER and schedule.unlock == "ranked":
            metrics["ranked"] = self.ranked_held()
            if metrics["ranked"] >= schedule.rank:
                self._open()
        return metrics

    def _counted_steps(self) -> int:
        return max(0, self.robot_steps - self.config.schedule.start_steps)

    def _update(self, is_open: bool) -> Report:
        is_told = (self.learner.updates + 1) % TOLD_EVERY == 0
        stands = (
            not is_open and self.config.schedule.clone_updates > 0
        )  # a cloned actor, on the eyes it was cloned with
        report = self.learner.update(self.sampler.draw(), train_actor=is_open, is_told=is_told, holds_eyes=stands)
        self.sampler.prioritise(self.learner.sample_errors)
        return report

    def _offline(self) -> Report:
        batch = self.sampler.draw_demos()
        return self.learner.critic_step(batch, is_offline=True) | self.learner.actor_step(batch)

    def _repeat(self, count: int, what: Callable[[], Report], stop: Stop) -> dict[str, float]:
        """Do something `count` times; returns the means of what it reports."""
        sums: dict[str, Tensor] = {}
        counts: dict[str, int] = {}
        for _ in range(count):
            if stop():
                raise StoppedError(
                    f"Learning was stopped after update {self.learner.updates}; resume from the checkpoint."
                )
            for name, value in what().items():
                sums[name] = sums[name] + value if name in sums else value
                counts[name] = counts.get(name, 0) + 1
        return {name: float(total) / counts[name] for name, total in sums.items()}

    def replay(self, episode: Episode) -> None:
        """Add an episode whose updates were done before (resume)."""
        is_held = self.config.schedule.unlock == "ranked" and not self._is_open_before(self.version)
        if is_held and self.version % self.config.schedule.hold_out == self.config.schedule.hold_out - 1:
            self.buffer.look(episode)  # what cannot be learnt from is refused now, not when it is let in
            self._held.append(episode)
        else:
            self.buffer.add(episode, ONLINE)
        self.robot_steps += episode.length
        self._successes.append(episode.is_success)
        self.guide.take(episode.is_success)
        self._recent.append(episode)
        self.proof.take(episode)
        self.proof.publish(self.version, self._is_open_before(self.version))
        if self.version == self.opened_at:
            self._release()

    def amend(self, episode: Episode) -> None:
        """Take in that an online episode ended otherwise than it was said at first, once it has been taken.

        What it has taught is not unlearnt; all else is as if it had been said at first.
        """
        if episode.index >= self.version:
            return
        self.buffer.amend(episode)
        self.sampler.pools.forget("success")
        self.proof.amend(episode.index, episode)
        self._successes[episode.index] = episode.is_success
        self.guide.amend(self._successes)
        self._held = [episode if held.index == episode.index else held for held in self._held]
        recent = [episode if one.index == episode.index else one for one in self._recent]
        self._recent = deque(recent, maxlen=RECENT)

    def _is_open_before(self, version: int) -> bool:
        return self.opened_at != NEVER and version >= self.opened_at

    def _open(self) -> None:
        self.opened_at = self.version
        self.proof.publish(self.version, is_open=True)
        self._release()

    def _release(self) -> None:
        held, self._held = self._held, []
        for episode in held:
            self.buffer.add(episode, ONLINE)

    def ranked_held(self) -> float:
        """Return how well the critics rank the held-out episodes; 0 where that says nothing."""
        return self._measures.ranked(self._held)

    def measure(self) -> dict[str, float]:
        """Return what `Alarms` judges, on the last online episodes; nothing before the updates begin."""
        return self._measures.of(self._recent) if self.has_begun else {}

    def published(self) -> dict[str, Tensor]:
        """Return the tensors that an acting policy takes, see `policies.acting.published`."""
        return published(self.learner, self.buffer.standardiser)

    def directions(self) -> Directions:
        """Return what goes with them."""
        return Directions(self.stage, self.guide.steps, self.alarms.sentence, self.proof.doubt)

    def config_json(self) -> str:
        """Return the parts of the config that decide what is learnt; the end of the run may be moved."""
        raw = dataclasses.asdict(self.config)
        for free in ("total_steps", "checkpoint_every", "mirror", "threads"):
            del raw[free]
        return json.dumps(raw, sort_keys=True)
