"""An optional mirror of the learner's metrics in Weights & Biases; the JSONL file stays the record."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from robot.settings import Settings, setting


@dataclass(frozen=True)
class MirrorConfig(Settings):
    """Whether and how metrics are mirrored; nothing leaves the machine unless `mode` is "online"."""

    enabled: bool = setting(False, "mirror the metrics with wandb")
    mode: str = setting("offline", "wandb's mode", choices=("offline", "online"))
    project: str = setting("nudge", "wandb's project name")


class Mirror:
    """Logs dictionaries of numbers and words; does nothing at all while disabled, not even import wandb."""

    def __init__(self, config: MirrorConfig, directory: Path) -> None:
        self._run: Any = None
        if config.enabled:
            import wandb  # here, since at the top every learner would pay seconds for a library it does not use

            directory.mkdir(parents=True, exist_ok=True)
            mode: Literal["online", "offline"] = "online" if config.mode == "online" else "offline"
            quiet = wandb.Settings(silent=True)
            self._run = wandb.init(project=config.project, mode=mode, dir=str(directory), settings=quiet)

    def log(self, metrics: dict[str, float | str], step: int) -> None:
        if self._run is not None:
            self._run.log(metrics, step=step)

    def close(self) -> None:
        """May be called twice."""
        if self._run is not None:
            self._run.finish()
            self._run = None
