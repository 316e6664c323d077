"""A run directory: where everything of one run lives, and the lines of its metrics."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

from policies.presets import preset
from robot.errors import ConfigError
from robot.filelock import FileLock
from sessions.begun import FOLDERS, LOCK, UP_LOCK, Begun
from sessions.config import flat_values, from_mapping, load, nested
from sessions.config_yaml import to_yaml
from sessions.environments import paid
from sessions.robot_config import RobotConfig
from sessions.run_config import RunConfig

STORES = {"record": "demos", "evaluate_base": "eval_base", "finetune": "online", "evaluate_final": "eval_final"}
"""Which store the steps of a phase go to."""


class Tail:
    """Reads a file of JSON lines while another process appends to it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new(self) -> list[dict[str, Any]]:
        """Return the complete lines that came since the last call."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            text = file.read()
        complete = text[: text.rfind(b"\n") + 1]
        self._offset += len(complete)
        return [parsed for line in complete.splitlines() if (parsed := _parsed(line)) is not None]


def _parsed(line: bytes) -> dict[str, Any] | None:
    """Return a line's content; None for one that a crash tore."""
    try:
        found = json.loads(line)
    except json.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


@dataclasses.dataclass(frozen=True)
class Run:
    """Paths and configuration of a run; `lock` keeps other commands from changing it as long as this object lives."""

    path: Path
    config: RunConfig
    lock: FileLock | None = None
    begun: Begun | None = None

    def __post_init__(self) -> None:
        for name in FOLDERS:
            (self.path / name).mkdir(parents=True, exist_ok=True)

    @staticmethod
    def read(path: Path) -> Run:
        """Return the run at `path` with the configuration saved there, as the processes of a session see it."""
        return Run(path, load(RunConfig, path / "config.yaml"))

    def works(self) -> None:
        """Say that the command's checks have passed: its settings stay from here on, whatever comes of it."""
        if self.begun is not None:
            self.begun.is_at_work = True

    @property
    def config_file(self) -> Path:
        return self.path / "config.yaml"

    def store(self, name: str) -> Path:
        """Return the path of the store `name`: demos, online, eval_base or eval_final."""
        return self.path / f"{name}.zarr"

    def log(self, metric: str, line: dict[str, Any]) -> None:
        """Append one JSON line to `metrics/<metric>.jsonl`."""
        path = self.path / "metrics" / f"{metric}.jsonl"
        with path.open("ab+") as file:
            is_torn = False
            if file.tell() > 0:
                file.seek(-1, os.SEEK_END)
                is_torn = file.read(1) != b"\n"
            file.write((b"\n" if is_torn else b"") + json.dumps(line).encode() + b"\n")

    def log_stop(
        self, phase: str, cause: str, event: str, mode: str = "", episode: int | None = None, step: int | None = None
    ) -> None:
        """Append one line to `metrics/stops.jsonl`: what stopped, in which step of which episode, and why."""
        line = {"stamp_ns": time.time_ns(), "phase": phase, "episode": episode, "step": step}
        self.log("stops", line | {"mode": mode, "event": event, "cause": cause})

    def tail(self, metric: str) -> Tail:
        """Return a reader of the lines of a metric, from its first on."""
        return Tail(self.path / "metrics" / f"{metric}.jsonl")

    def lines(self, metric: str) -> list[dict[str, Any]]:
        """Return the lines of a metric so far; a line that is being written is left out."""
        return self.tail(metric).new()

    @property
    def learner_file(self) -> Path:
        """The beacon of the run's learner: which process it is, and when it last stirred."""
        return self.path / "learner.pid"

    @property
    def robot_file(self) -> Path:
        return self.path / "robot.yaml"

    def save_config(self) -> None:
        """Write `config.yaml`, the part of it that nodes read, and the safety limits on their own."""
        _replace(self.config_file, to_yaml(self.config))
        names = [field.name for field in dataclasses.fields(RobotConfig)]
        robot = RobotConfig(**{name: getattr(self.config, name) for name in names})
        _replace(self.robot_file, to_yaml(robot))
        _replace(self.path / "safety.yaml", to_yaml(self.config.safety))


GOES_ON = frozenset({"pretrain", "finetune", "evaluate", "replay"})
"""Verbs that need a run directory that is already there."""


OVER_ROS = frozenset({"demo", "up"})
"""Verbs that play on the robot over ROS 2 only."""

SIMULATES = frozenset({"demo", "replay"})
"""Verbs that replay in simulated time, also what was recorded in real time."""

MAY_MOVE = (
    "training.total_steps",
    "training.checkpoint_every",
    "training.mirror.",
    "session.",
    "teleop.",
    "operator.",
    "person.",
    "safety.",
    "recorder.",
)
"""What a run may change on its way; as long as nothing has been learnt, how to learn may change as well."""


def require_run(path: Path | None, verb: str) -> None:
    """Raise ConfigError unless `path` is a folder that `nudge record` or `nudge demo` has begun."""
    begins = "demo" if verb == "demo" else "record"
    if path is None:
        raise ConfigError(f"Say which run to {verb}: nudge {verb} --run DIR, with a folder that nudge {begins} made.")
    if not path.is_dir():
        raise ConfigError(f"There is no run directory {path}; begin one with: nudge {begins} --run {path}")
    if not _is_run(path):
        raise ConfigError(
            f"{path} is no run directory: it holds neither a config.yaml nor a store; name one that nudge {begins} "
            "made."
        )


def _is_run(path: Path) -> bool:
    """Whether the folder holds a run, or the store of one that was copied there."""
    return any((path / name).exists() for name in ("config.yaml", *(f"{store}.zarr" for store in STORES.values())))


def _refuse_a_folder_of_others(path: Path) -> None:
    """Raise ConfigError where a run would begin among files that are none of its own."""
    if not path.is_dir() or _is_run(path):
        return
    others = sorted(entry.name for entry in path.iterdir() if entry.name not in (LOCK, UP_LOCK))
    if others:
        raise ConfigError(
            f"{path} is no run directory and not empty (it holds {others[0]!r}); name a new or an empty folder with "
            "--run."
        )


def open_run(arguments: Namespace, verb: str, base: RunConfig | None = None) -> Run:
    """Return the run that the command line means: an existing one goes on with its own configuration.

    `--config`, overrides and `--seed` are laid over the run's own `config.yaml` where there is one.

    Raises:
        ConfigError: a setting is wrong, or the folder holds something else.
    """
    path = arguments.run or Path("runs") / time.strftime(f"{verb}-%Y%m%d-%H%M%S")
    try:
        env = getattr(arguments, "env", None)
        is_begun = verb == "finetune" and env is not None and arguments.run is not None and not arguments.resume
        if not is_begun and (verb in GOES_ON or getattr(arguments, "resume", False)):
            require_run(arguments.run, verb)
        else:
            _refuse_a_folder_of_others(path)
    except OSError as error:
        raise ConfigError(
            f"The run directory {path} cannot be read ({error.strerror}); name another with --run."
        ) from error
    saved = path / "config.yaml"
    if saved.exists():
        if not saved.read_bytes().strip():
            raise ConfigError(f"{saved} is empty; put the run's config back, or name another --run.")
        base = load(RunConfig, saved)
    begun = _begun(arguments, env, base)
    config = load(RunConfig, arguments.config, arguments.overrides, base=begun)
    if arguments.seed is not None:
        config = dataclasses.replace(config, task=dataclasses.replace(config.task, seed=arguments.seed))
    config = dataclasses.replace(config, training=dataclasses.replace(config.training, seed=config.task.seed))
    if config.env.is_local and (verb in OVER_ROS or (verb == "replay" and config.env.gym_id)):
        raise ConfigError(f"nudge {verb} is for the robot over ROS 2; this run takes place in {config.env.id}.")
    if verb in SIMULATES or not (getattr(arguments, "realtime", True) or getattr(arguments, "direct", False)):
        config.check_lockstep()
    try:
        found = Begun(path, UP_LOCK if verb == "up" else LOCK)
        path.mkdir(parents=True, exist_ok=True)
        lock = _lock(path, verb)
    except OSError as error:
        raise ConfigError(
            f"The run directory {path} cannot be written ({error.strerror}); name another with --run."
        ) from error
    if base is not None and any(path.glob("*.zarr")):
        _refuse_another_run(path, base, config)
    run = Run(path, config, lock, found)
    run.save_config()
    arguments.run, arguments.begun = path, found
    return run


def _begun(arguments: Namespace, env: str | None, base: RunConfig | None) -> RunConfig:
    """Return what files and overrides are laid over: the run's own config, with `--env` and `--preset` in it."""
    config = RunConfig() if base is None else base
    if env is not None:
        config = dataclasses.replace(config, env=dataclasses.replace(config.env, id=env))
    if getattr(arguments, "preset", None) is not None:
        config = from_mapping(RunConfig, nested(preset(arguments.preset).values), "--preset", base=config)
    elif env is None:
        return config
    return paid(config)


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text)
    temporary.replace(path)


def _lock(path: Path, verb: str) -> FileLock:
    """Lock the run for `verb`; the nodes of `nudge up` may serve the sessions of one other command.

    Raises:
        ConfigError: another command is at work there; names its process.
    """
    lock = FileLock(path / (UP_LOCK if verb == "up" else LOCK))
    if not lock.try_acquire():
        raise ConfigError(f"Process {lock.holder} is at work in {path}; wait for it, or name another --run.")
    return lock


def _refuse_another_run(path: Path, before: RunConfig, now: RunConfig) -> None:
    """Raise ConfigError where `now` would make the data of a run another robot's, task's or learner's."""
    movable = MAY_MOVE if (path / "learner").exists() else (*MAY_MOVE, "training.", "bc.")
    old, new = (flat_values(config) for config in (before, now))
    for key, value in new.items():
        is_derived = key == "training.seed"  # follows task.seed, which is named instead
        if value != old[key] and not is_derived and not key.startswith(movable):
            raise ConfigError(
                f"{key} was {old[key]} when {path} began and cannot become {value}; leave it, or name another --run."
            )
