"""`nudge store drop, trim, relabel, merge`: a changed store in place of the old one, which is kept."""

from __future__ import annotations

import argparse
from pathlib import Path

from robot.store import StoreReader
from robot.store.edit import drop, merge, relabel, trim
from sessions.progress import Progress
from sessions.result import tell


def drop_verb(arguments: argparse.Namespace) -> int:
    """Leave out episodes."""
    with _progress(arguments, "drop") as progress:
        made = drop(arguments.path, arguments.episodes, arguments.out, progress.advance)
    return _tell(arguments, "dropped", made)


def trim_verb(arguments: argparse.Namespace) -> int:
    """Cut one episode."""
    stop = arguments.stop
    with _progress(arguments, "trim") as progress:
        made = trim(arguments.path, arguments.episode, arguments.start, stop, arguments.out, progress.advance)
    return _tell(arguments, "trimmed", made)


def relabel_verb(arguments: argparse.Namespace) -> int:
    """Say otherwise how episodes ended."""
    ends = dict.fromkeys(arguments.episodes, arguments.end)
    with _progress(arguments, "relabel") as progress:
        made = relabel(arguments.path, ends, arguments.out, progress.advance)
    return _tell(arguments, "relabelled", made)


def merge_verb(arguments: argparse.Namespace) -> int:
    """Put stores together."""
    total = sum(len(StoreReader.open(path)) for path in arguments.paths)
    with Progress("merge", total=total) as progress:
        made = merge(arguments.paths, arguments.out, progress.advance)
    return _tell(arguments, "merged", made)


def _progress(arguments: argparse.Namespace, name: str) -> Progress:
    return Progress(name, total=len(StoreReader.open(arguments.path)))


def _tell(arguments: argparse.Namespace, done: str, made: Path) -> int:
    reader = StoreReader.open(made)
    result = {"what": done, "store": str(made), "episodes": len(reader), "steps": reader.steps}
    old = _newest_before(made) if arguments.verb != "store merge" and arguments.out is None else None
    kept = f"The old one is {old}; delete it when you no longer need it." if old else "The sources are as they were."
    return tell(arguments, result | ({"old": str(old)} if old else {}), kept)


def _newest_before(made: Path) -> Path | None:
    numbered = {int(old.name.rpartition("-")[2]): old for old in made.parent.glob(f"{made.name}.before-*")}
    return numbered[max(numbered)] if numbered else None
