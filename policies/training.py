"""The learner's process: takes episodes from the online store in order, learns, publishes weights."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from policies import checkpoint
from policies.base import BasePolicy
from policies.jsonfile import append_json_line, read_json, write_json
from policies.learner import Learner, LearnerConfig, StoppedError
from policies.mirror import Mirror, MirrorConfig
from policies.ratio import UpdateRatio
from policies.residual import ResidualConfig, actor_for
from policies.rewards import RewardConfig
from policies.sampler import EpisodeBuffer, QuotaSampler, SamplerConfig
from policies.weights import WeightsDirectory
from robot.errors import StoreError
from robot.settings import Settings, setting
from robot.store import Episode, StoreReader

_POLL_S = 0.01  # an episode lasts seconds; a poll costs a stat of one file


@dataclass(frozen=True)
class TrainingConfig(Settings):
    """A finetuning run as the learner sees it."""

    total_steps: int = setting(6000, "robot steps after which learning ends", unit="steps", low=1, high=10**9)
    warmup_steps: int = setting(
        500, "robot steps in which only the critics learn and the residual stays zero", unit="steps", low=0, high=10**9
    )
    updates: int = setting(4, "critic updates per `per_steps` robot steps", low=0, high=1000)
    per_steps: int = setting(1, "robot steps to which `updates` refers", unit="steps", low=1, high=1000)
    checkpoint_every: int = setting(5, "episodes between checkpoints", unit="episodes", low=1, high=10**6)
    seed: int = setting(0, "seed of weights, mini-batches and noise", low=0, high=2**31)
    residual: ResidualConfig = setting(ResidualConfig, "the residual")
    learner: LearnerConfig = setting(LearnerConfig, "critics and actor")
    sampler: SamplerConfig = setting(SamplerConfig, "mini-batches")
    rewards: RewardConfig = setting(RewardConfig, "reward terms")
    mirror: MirrorConfig = setting(MirrorConfig, "mirror of the metrics")


@dataclass(frozen=True)
class Progress:
    """How far the learner is; a small JSON file beside the checkpoint, replaced atomically."""

    updates: int
    robot_steps: int
    version: int
    is_finished: bool

    FILE = "progress.json"

    def write(self, directory: Path) -> None:
        write_json(Path(directory) / self.FILE, dataclasses.asdict(self))

    @staticmethod
    def read(directory: Path) -> Progress | None:
        """Return the progress, or None before the learner has written any."""
        raw = read_json(Path(directory) / Progress.FILE)
        return None if raw is None else Progress(**raw)


class Training:
    """Learning episode by episode; the same object serves one process (tests, tuning) and `run_learner`.

        training = Training(base, demonstrations, config)
        metrics = training.take(episode)          # exactly the updates owed for its steps
        weights.publish(training.version, training.actor_tensors(), spec.digest())

    After the same episodes in the same order the weights are the same, bit for bit.
    """

    def __init__(self, base: BasePolicy, demonstrations: Iterable[Episode], config: TrainingConfig) -> None:
        self.base, self.config = base, config
        demo, online = (EpisodeBuffer(base, config.rewards) for _ in range(2))
        for episode in demonstrations:
            demo.add(episode)
        self.sampler = QuotaSampler(demo, online, config.sampler, config.seed)
        value_range = config.rewards.bounds(config.sampler.gamma)
        self.learner = Learner(config.learner, actor_for(base, config.residual), value_range, config.seed)
        self.ratio = UpdateRatio(config.updates, config.per_steps)
        self.robot_steps = 0

    @property
    def version(self) -> int:
        """Number of online episodes taken, which is the version of the weights learnt from them."""
        return self.sampler.online.episodes

    @property
    def is_finished(self) -> bool:
        return self.robot_steps >= self.config.total_steps

    def take(self, episode: Episode, stop: Callable[[], bool] = lambda: False) -> dict[str, float]:
        """Add one online episode and do exactly the updates that its steps oblige; returns metrics.

        Raises:
            StoppedError: `stop()` came true among the updates; this object is then of no further use.
        """
        self.replay(episode)
        owed = self.ratio.owed(self.robot_steps)
        begun = time.perf_counter()
        train_actor = self.robot_steps > self.config.warmup_steps
        metrics = self.learner.update(self.sampler, owed, train_actor=train_actor, stop=stop)
        self.ratio.done(owed)
        duration = max(time.perf_counter() - begun, 1e-9)
        counters = {
            "updates": self.learner.updates,
            "robot_steps": self.robot_steps,
            "version": self.version,
            "updates_per_s": owed / duration,
        }
        return counters | metrics

    def replay(self, episode: Episode) -> None:
        """Add an episode whose updates were done before (resume)."""
        self.sampler.online.add(episode)
        self.robot_steps += episode.length

    def actor_tensors(self) -> dict[str, torch.Tensor]:
        """Return by name the parameters that are published: the actor's Polyak average.

        It is the target actor of TD3, averaged over about 1 / tau = 200 actor updates. The average wanders less from
        version to version than the actor itself (docs/decisions/0005).
        """
        return self.learner.actor.network.views(self.learner.actor_target.detach())

    def config_json(self) -> str:
        """Return the parts of the config that decide what is learnt; the end of the run may be moved."""
        raw = dataclasses.asdict(self.config)
        for free in ("total_steps", "checkpoint_every", "mirror"):
            del raw[free]
        return json.dumps(raw, sort_keys=True)


def run_learner(
    demos_path: Path,
    online_path: Path,
    base_dir: Path,
    weights_dir: Path,
    checkpoint_dir: Path,
    metrics_path: Path,
    config: TrainingConfig,
    stop: Callable[[], bool],
    resume: bool,
) -> Progress:
    """Learn until `config.total_steps` robot steps are in the online store and learnt from, or `stop()`.

        version 0 (zero residual), or the checkpoint's version, is published at the start;
        episode j committed -> the updates owed for it, from episodes <= j only -> version j + 1 is published

    So an actor that waits for version j before it plays episode j gets a session that repeats exactly.
    A checkpoint is written every few episodes and at the end; with `resume` the run goes on from there and
    is the same, bit for bit, as if it had never stopped.

    Raises:
        StoreError, SpecError, ConfigError: as `StoreReader.open`, `BasePolicy.load` and `checkpoint.restore` say.
        DivergedError: the weights became NaN.
    """
    torch.set_num_threads(1)  # the actor's process needs the other core
    demos = StoreReader.open(Path(demos_path))
    base = BasePolicy.load(Path(base_dir), demos.spec)
    training = Training(base, (demos.episode(i) for i in range(len(demos))), config)
    weights = WeightsDirectory(Path(weights_dir))
    digest = demos.spec.digest()
    taken = checkpoint.restore(Path(checkpoint_dir), training) if resume else 0
    weights.publish(taken, training.actor_tensors(), digest)
    mirror = Mirror(config.mirror, Path(checkpoint_dir) / "mirror")
    log = _Log(Path(metrics_path), mirror)
    try:
        online = _wait_for_store(Path(online_path), stop)
        if online is None:
            return Progress.read(Path(checkpoint_dir)) or _report(training, Path(checkpoint_dir))
        _check_length(online, taken)
        for index in range(taken):
            training.replay(online.episode(index))
        progress = _report(training, Path(checkpoint_dir))
        while not training.is_finished and _wait_for_episode(online, training.version, stop):
            metrics = training.take(online.episode(training.version), stop)
            weights.publish(training.version, training.actor_tensors(), digest)
            log.write(metrics)
            if training.version % config.checkpoint_every == 0:
                checkpoint.save(Path(checkpoint_dir), training)
            progress = _report(training, Path(checkpoint_dir))
        checkpoint.save(Path(checkpoint_dir), training)
        return progress
    except StoppedError:
        return progress  # between two episodes there was a checkpoint, and the way from it is repeated exactly
    finally:
        mirror.close()


class _Log:
    """The metrics file and its mirror; versions that are there already (learnt again after a crash) are skipped."""

    def __init__(self, path: Path, mirror: Mirror) -> None:
        self._path, self._mirror = path, mirror
        text = path.read_bytes() if path.exists() else b""
        whole = text[: text.rfind(b"\n") + 1]
        if whole != text:
            path.write_bytes(whole)  # a crash tore the last line; what it told is learnt again
        lines = whole.splitlines()
        self._newest = max((int(json.loads(line)["version"]) for line in lines), default=0)

    def write(self, metrics: dict[str, float]) -> None:
        if metrics["version"] > self._newest:
            append_json_line(self._path, metrics)
            self._mirror.log(metrics, step=int(metrics["updates"]))


def _report(training: Training, directory: Path) -> Progress:
    progress = Progress(training.learner.updates, training.robot_steps, training.version, training.is_finished)
    progress.write(directory)
    return progress


def _wait_for_store(path: Path, stop: Callable[[], bool]) -> StoreReader | None:
    """Return the online store once the actor has made it, or None when `stop()` came first."""
    while not path.exists():
        if stop():
            return None
        time.sleep(_POLL_S)
    return StoreReader.open(path)


def _wait_for_episode(store: StoreReader, index: int, stop: Callable[[], bool]) -> bool:
    """Return True once episode `index` is committed, False when `stop()` came first."""
    while len(store) <= index and store.refresh() <= index:
        if stop():
            return False
        time.sleep(_POLL_S)
    return not stop()


def _check_length(store: StoreReader, taken: int) -> None:
    if store.refresh() < taken:
        raise StoreError(
            f"The checkpoint has learnt from {taken} online episodes, the store has {len(store)}; "
            "resume with the store of this run."
        )
