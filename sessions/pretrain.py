"""`nudge pretrain`: behaviour cloning of the base policy from the run's demonstrations."""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robot.errors import ConfigError
from robot.store import Episode
from robot.types import Source
from sessions.build import robot_spec, sound_store
from sessions.cloning_plot import cloning_curve
from sessions.config import load
from sessions.learning import learnt_policy
from sessions.plots import LIGHT, as_png
from sessions.progress import Progress
from sessions.result import tell
from sessions.run import Run, open_run, require_run
from sessions.run_config import RunConfig
from sessions.trials import trials

CORRECTIONS = "corrections"
"""Folder of a run with the sessions, oldest first, whose corrections its base policy is cloned from."""

SELECTED = {
    "last": "the policy at the end",
    "error": "the policy of the smallest error on held-out episodes",
    "success": "the policy of the most successes in simulation",
}
"""What is said of `bc.select`."""


def pretrain(this: Run, source: Path | None = None) -> dict[str, Any]:
    """Train and save the run's base policy, from demonstrations and corrections; returns what came of it.

    Args:
        source: the run of the newest of its corrections, whose critics judge all of them where they are filtered.
    """
    from policies.base import FILE
    from policies.bc import train_base
    from policies.external import leave_only

    started = time.monotonic()
    store = sound_store(this.store("demos"), robot_spec(this.config))
    episodes = [store.episode(index) for index in range(len(store))]
    sessions = [sound_store(path, robot_spec(this.config)) for path in corrections_of(this.path)]
    played = (session.episode(index) for session in sessions for index in range(len(session)))
    corrected = [episode for episode in played if (episode.source == Source.HUMAN).any()]
    config = this.config.bc
    if not sessions and (config.filters_corrections or config.failed_weight > 0.0):
        raise ConfigError(
            "bc.filters_corrections and bc.failed_weight are about the corrections of a session: name it with --from, "
            "or leave them out."
        )
    with trials(this.config) as trial, Progress("pretrain", total=config.updates) as progress:
        done = 0

        def advance(updates: int, _total: int) -> None:
            nonlocal done
            progress.advance(updates - done)
            done = updates

        judge = None if source is None else critics_of(source, config.filters_corrections)
        cloned = train_base(episodes, store.spec, config, this.config.task.seed, advance, corrected, trial, judge)
    folder = this.path / "base"
    cloned.policy.save(folder)
    leave_only(folder, {FILE})
    if config.select != "last":
        cloned.last.save(folder, "last.safetensors")
    _draw(folder, cloned.curve, cloned.metrics.get("selected_updates", float(config.updates)))
    return {
        "phase": "pretrain",
        "what": f"base policy cloned from {sum(e.is_success for e in episodes)} demonstrations"
        + (f" and {int(cloned.metrics.get('corrections', 0))} steps of corrections" if sessions else ""),
        "seed": this.config.task.seed,
        "wall_s": time.monotonic() - started,
        "selected": SELECTED[config.select],
        **cloned.metrics,
    }


def critics_of(source: Path, is_asked: bool) -> Callable[[Episode], NDArray[np.bool_]] | None:
    """Return who judges a session's corrections: its own critics, of the run at `source`; None where nobody asks."""
    if not is_asked:
        return None
    policy = learnt_policy(load(RunConfig, source / "config.yaml"), source, is_final=True)
    return lambda episode: policy.advantages(episode) >= 0.0


def adopted(this: Run, place: str) -> dict[str, Any]:
    """Make somebody else's policy the run's base; returns what came of it."""
    from policies.external import adopt
    from sessions.formats.lerobot_policy import converted

    if not place:
        raise ConfigError("--external must name a file, a directory of LeRobot's, or module:callable; found nothing.")
    spec = robot_spec(this.config)
    with tempfile.TemporaryDirectory() as folder:
        is_lerobot = Path(place).is_dir()
        file = str(converted(Path(place), spec, Path(folder))) if is_lerobot else place
        policy = adopt(file, spec, this.path / "base")
    return {"phase": "pretrain", "what": f"base policy taken from {place}", "digest": policy.digest()}


def _draw(folder: Path, curve: list[dict[str, float]], chosen: float) -> None:
    """Leave the learning curve, as numbers and as a picture, beside the policy."""
    (folder / "curve.json").write_text(json.dumps(curve) + "\n")
    (folder / "curve.png").write_bytes(as_png(cloning_curve(curve, chosen, LIGHT), LIGHT))


def corrections_of(path: Path) -> list[Path]:
    """Return the stores of the sessions whose corrections the base policy of the run at `path` is cloned from."""
    return sorted((path / CORRECTIONS).glob("*.zarr"), key=lambda store: (len(store.name), store.name))


def begin_from(source: Path, path: Path) -> None:
    """Begin a run at `path` with demonstrations, corrections and session of the one at `source`, as its corrections.

    What earlier sessions corrected stays: without it a policy that no longer errs in one place would err there again
    (DAgger's aggregation, Ross et al. 2011).

    Raises:
        ConfigError: `source` is no run with demonstrations and a session, or there is something at `path`.
    """
    require_run(source, "pretrain")
    online = source / "online.zarr"
    if not online.exists():
        raise ConfigError(
            f"{source} has no session to take corrections from; play one with: nudge finetune --run {source}"
        )
    if path is None or path.exists():
        raise ConfigError(
            f"Name a run that is not there yet for the new base policy: nudge pretrain --from {source} --run DIR"
        )
    if not (source / "demos.zarr").exists():
        raise ConfigError(f"{source} has no demonstrations to clone; put its demos.zarr back.")
    try:
        path.mkdir(parents=True)
        shutil.copy(source / "config.yaml", path / "config.yaml")
        shutil.copytree(source / "demos.zarr", path / "demos.zarr")
        for number, store in enumerate([*corrections_of(source), online], start=1):
            shutil.copytree(store, path / CORRECTIONS / f"{number}.zarr")
    except BaseException:  # half of it would be taken for the whole, and be in the way of the next try
        shutil.rmtree(path, ignore_errors=True)
        raise


def run(arguments: argparse.Namespace) -> int:
    if arguments.source is not None and arguments.external is not None:
        raise ConfigError("--from clones a base policy, and --external takes one as it is: leave one of them out.")
    if arguments.external is not None and any(one.startswith("bc.") for one in arguments.overrides):
        raise ConfigError("bc.* is how a base policy is cloned, and --external takes one as it is: leave bc.* out.")
    if arguments.source is None:
        this, result = _trained(arguments, None)
    else:
        arguments.go_on = "nudge pretrain --from {source} --run {run}"
        begin_from(arguments.source, arguments.run)
        try:
            this, result = _trained(arguments, arguments.source)
        except BaseException:
            shutil.rmtree(arguments.run)
            raise
    return tell(arguments, result, f"The base policy is in {this.path / 'base'}.")


def _trained(arguments: argparse.Namespace, source: Path | None) -> tuple[Run, dict[str, Any]]:
    this = open_run(arguments, "pretrain")
    if this.store("online").exists():
        raise ConfigError(
            f"{this.store('online')} was played on the base policy that is there, and its steps carry that one's "
            "actions: pretrain in another run directory (copy demos.zarr into it)."
        )
    result = pretrain(this, source) if arguments.external is None else adopted(this, arguments.external)
    this.log("phases", result)
    return this, result
