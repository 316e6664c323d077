"""The learner's process: takes episodes from the online store in order, learns, publishes weights."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from policies import checkpoint
from policies.allocator import keep_freed_memory
from policies.external import load_base
from policies.jsonfile import append_json_line, read_json, whole_lines, write_json
from policies.mirror import Mirror
from policies.tensorfile import remove_torn
from policies.training import Stop, StoppedError, Training, never
from policies.training_config import TrainingConfig
from policies.weights import WeightsDirectory
from robot.errors import StoreError
from robot.specs import RobotSpec
from robot.store import Episode, StoreReader

_POLL_S = 0.01  # an episode lasts seconds; a poll costs a stat of one file


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
        """Return the progress, or None before the learner has written any; StoreError where it is damaged."""
        path = Path(directory) / Progress.FILE
        raw = read_json(path)
        if raw is None:
            return None
        if raw.keys() != {field.name for field in dataclasses.fields(Progress)}:
            raise StoreError(f"{path} is damaged: it does not hold a learner's progress. Move it away.")
        return Progress(**raw)


@dataclass(frozen=True)
class Paths:
    """Where a run's learner reads and writes."""

    demos: Path
    online: Path
    base: Path
    weights: Path
    checkpoint: Path
    metrics: Path


class Learning:
    """A `Training` and what it leaves on the disk: weights, metrics, checkpoints, progress.

        with Learning(training, paths) as learning:
            learning.begin(online)        # version 0, or the checkpoint's, is published
            learning.take(online.episode(learning.training.version))

    A checkpoint is written every `checkpoint_every` episodes and at the end; resumed from one, the run goes on as if it
    had never stopped, bit for bit.
    """

    def __init__(self, training: Training, paths: Paths) -> None:
        self.training, self._paths = training, paths
        self.weights = WeightsDirectory(paths.weights)
        self._mirror = Mirror(training.config.mirror, paths.checkpoint / "mirror")
        self._log = _Log(paths.metrics, self._mirror)

    def begin(self, online: StoreReader | None, stop: Stop = never) -> Progress:
        """Prepare, or go on from the checkpoint where there is one, with the episodes that it had taken of `online`.

        Raises:
            StoreError, SpecError, ConfigError: as `checkpoint.restore` says.
            StoppedError, DivergedError: while preparing.
        """
        training = self.training
        for folder in (self._paths.weights, self._paths.checkpoint):
            remove_torn(folder)
        if has_checkpoint(self._paths):
            taken = checkpoint.restore(self._paths.checkpoint, training)
            _check_length(online, taken)
            for index in range(taken):
                training.replay(_known(online).episode(index))
        else:
            training.prepare(stop)
        self._publish()
        return self.report()

    def take(self, episode: Episode, stop: Stop = never, behind: int = 0) -> Progress:
        """Learn from one more episode, publish, and note it all; raises what `Training.take` does.

        Args:
            behind: how many more episodes are there already; noted, so that a learner that cannot keep up shows.
        """
        training = self.training
        metrics = training.take(episode, stop)
        self._publish()
        self._log.write(metrics | {"behind": behind})
        if training.version % training.config.checkpoint_every == 0:
            self.save()
        return self.report()

    def wait_for_next(self, online: StoreReader, stop: Stop) -> bool:
        """Return True once there is an episode to take, False when `stop()` came first.

        Meanwhile it takes in what is said of those that it took.
        """
        while True:
            there = online.refresh()
            for index in online.changed():
                self.training.amend(online.episode(index))
            if stop():
                return False
            if there > self.training.version:
                return True
            time.sleep(_POLL_S)

    def save(self) -> None:
        """Write a checkpoint."""
        checkpoint.save(self._paths.checkpoint, self.training)

    def report(self) -> Progress:
        """Write and return how far it is."""
        training = self.training
        progress = Progress(training.learner.updates, training.robot_steps, training.version, training.is_finished)
        progress.write(self._paths.checkpoint)
        return progress

    def _publish(self) -> None:
        training = self.training
        words = training.directions().to_header()
        self.weights.publish(training.version, training.published(), training.spec.digest(), words)

    def close(self) -> None:
        self._mirror.close()

    def __enter__(self) -> Learning:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def has_checkpoint(paths: Paths) -> bool:
    """Whether there is a state to go on from."""
    return (paths.checkpoint / checkpoint.FILE).exists()


def run_learner(spec: RobotSpec, paths: Paths, config: TrainingConfig, stop: Stop) -> Progress:
    """Learn until `config.total_steps` robot steps are in the online store and learnt from, or `stop()`.

        version 0 (zero residual), or the checkpoint's version, is published at the start;
        episode j committed -> the updates owed for it, from episodes <= j only -> version j + 1 is published

    So an actor that waits for version j before it plays episode j gets a session that repeats exactly. Demonstrations
    and base policy may be missing, where the method needs none.

    Raises:
        StoreError, SpecError, ConfigError: as `StoreReader.open`, `load_base` and `checkpoint.restore` say.
        DivergedError: the weights became NaN; the last checkpoint is kept.
    """
    torch.set_num_threads(config.threads)
    keep_freed_memory()
    base = load_base(paths.base, spec) if paths.base.is_dir() else None
    training = Training(spec, base, _demonstrations(spec, paths.demos), config)
    with Learning(training, paths) as learning:
        progress = Progress.read(paths.checkpoint) or Progress(0, 0, 0, is_finished=False)
        try:
            online = StoreReader.open(paths.online) if has_checkpoint(paths) else None
            progress = learning.begin(online, stop)
            online = online or _wait_for_store(paths.online, stop)
            while online is not None and not training.is_finished and learning.wait_for_next(online, stop):
                version = training.version
                progress = learning.take(online.episode(version), stop, behind=online.refresh() - version - 1)
            if online is not None:
                learning.save()
        except StoppedError:
            pass  # there was a checkpoint, and the way from it is repeated exactly
        return progress


class _Log:
    """The metrics file and its mirror; versions that are there already (learnt again after a crash) are skipped."""

    def __init__(self, path: Path, mirror: Mirror) -> None:
        self._path, self._mirror = path, mirror
        lines = whole_lines(path).splitlines()  # what a torn one told is learnt again
        self._newest = max((self._version(number, line) for number, line in enumerate(lines, 1)), default=0)

    def _version(self, number: int, line: bytes) -> int:
        try:
            return int(json.loads(line)["version"])
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(f"Line {number} of {self._path} is damaged; take it out, and go on.") from error

    def write(self, metrics: dict[str, float | str]) -> None:
        if int(metrics["version"]) > self._newest:
            append_json_line(self._path, metrics)
            self._mirror.log(metrics, step=int(metrics["updates"]))


def _demonstrations(spec: RobotSpec, path: Path) -> Iterator[Episode]:
    """Yield the demonstrations; none where there is no store."""
    if path.exists():
        demos = StoreReader.open(path, spec)
        yield from (demos.episode(index) for index in range(len(demos)))


def _wait_for_store(path: Path, stop: Stop) -> StoreReader | None:
    """Return the online store once the actor has made it, or None when `stop()` came first."""
    while not path.exists():
        if stop():
            return None
        time.sleep(_POLL_S)
    return StoreReader.open(path)


def _check_length(store: StoreReader | None, taken: int) -> None:
    there = store.refresh() if store is not None else 0
    if there < taken:
        raise StoreError(
            f"The checkpoint has learnt from {taken} online episodes, the store has {there}; "
            "resume with the store of this run."
        )


def _known(store: StoreReader | None) -> StoreReader:
    if store is None:
        raise StoreError("There is no online store to go on from; resume with the store of this run.")
    return store
