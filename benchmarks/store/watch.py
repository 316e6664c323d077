"""A reader that is open all along beside the writers: it looks at each episode at the moment that it appears."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from benchmarks.store.told import what_is_wrong
from robot.errors import NudgeError
from robot.store import StoreReader


def watch(path: Path, is_over: Callable[[], bool], tell: Callable[[str], None]) -> None:
    """Read until it is over; tells "seen" for each episode, or what was wrong with it.

    An edit puts another store in the place of the one that is read; it is then read to its end, and the new one opened.
    """
    while not is_over():
        node = os.stat(path).st_ino
        try:
            reader = StoreReader.open(path)
            seen = 0
            while not is_over():
                is_there = os.stat(path).st_ino == node
                count = reader.refresh()
                for index in range(seen, count):
                    wrong = what_is_wrong(reader.episode(index))
                    tell(f"episode {index}: {'; '.join(wrong)}" if wrong else "seen")
                seen = count
                if not is_there:
                    break
        except (NudgeError, OSError, KeyError, ValueError) as error:
            if os.stat(path).st_ino == node:  # else it was replaced, and its writer has deleted it since
                tell(f"{type(error).__name__}: {error}")
