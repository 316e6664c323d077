"""`nudge replay`: a recorded episode once more in simulation, and how far the two lie apart."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from robot.errors import StoreError
from robot.replay import ReplayResult, replay_episode
from robot.store import Episode
from sessions import build
from sessions.result import tell
from sessions.run import Run, open_run

STORES = ("eval_final", "online", "eval_base", "demos")
"""Where an episode is taken from when none is named: the first of these that is there."""


def choose(this: Run, store: Path | None, index: int | None) -> tuple[Path, Episode]:
    """Return the store and the episode that the command line means.

    Raises:
        StoreError: there is no such store or episode.
    """
    path = store or next((this.store(name) for name in STORES if this.store(name).exists()), this.store("demos"))
    reader = build.sound_store(path, build.robot_spec(this.config))
    count = len(reader)
    if index is None:
        successes = [i for i in range(count) if reader.episode(i).is_success]
        index = successes[0] if successes else 0
    if not 0 <= index < count:
        raise StoreError(f"{path} has no episode {index}: it holds {count}, numbered from 0.")
    return path, reader.episode(index)


def replay(this: Run, store: Path | None = None, index: int | None = None) -> dict[str, Any]:
    """Replay an episode, write `replay/replay.json`; returns what came of it."""
    started = time.monotonic()
    path, episode = choose(this, store, index)
    seed = int(episode.attributes["seed"])
    result = replay_episode(build.local_robot(this.config), episode, seed)
    worst = float(result.position_error_mm.max())
    folder = this.path / "replay"
    folder.mkdir(exist_ok=True)
    text = {
        "store": path.name,
        "episode": episode.index,
        "seed": seed,
        "stamps_s": result.stamps_s.tolist(),
        "recorded_position_m": result.recorded_position_m.tolist(),
        "replayed_position_m": result.replayed_position_m.tolist(),
        "position_error_mm": result.position_error_mm.tolist(),
        "rotation_error_deg": result.rotation_error_deg.tolist(),
        "max_error_mm": worst,
        "verdict": verdict(result, episode),
    }
    (folder / "replay.json").write_text(json.dumps(text) + "\n")
    return {
        "phase": "replay",
        "what": f"episode {episode.index} of {path.name} replayed: {text['verdict']}",
        "seed": seed,
        "max_error_mm": worst,
        "wall_s": time.monotonic() - started,
    }


def verdict(result: ReplayResult, episode: Episode) -> str:
    """Return one sentence on how the replay went."""
    ended = "ends in success" if result.is_success else "does not end in success"
    recorded = "did" if episode.is_success else "did not"
    if not result.position_error_mm.any():
        return f"it repeats the record exactly and {ended}, as the record {recorded}"
    if result.first_apart is None:
        return f"it stays within 1 mm of the record and {ended}, as the record {recorded}"
    at_s = result.stamps_s[result.first_apart]
    return f"it parts from the record by more than 1 mm after {at_s:.1f} s and {ended}; the record {recorded}"


def run(arguments: argparse.Namespace) -> int:
    if arguments.run is None and arguments.store is not None:
        arguments.run = arguments.store.parent
    this = open_run(arguments, "replay")
    result = replay(this, arguments.store, arguments.episode)
    return tell(arguments, result, f"The errors by time are in {this.path / 'replay' / 'replay.json'}.")
