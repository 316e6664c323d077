"""What is left of a store after a death, against what its writer had said: opened, mended, checked and compared."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.store.compare import reader_differences
from benchmarks.store.life import Expected
from benchmarks.store.model import PlainEpisode
from benchmarks.store.told import EDITS, edited, merged, told
from robot.errors import NudgeError
from robot.store import StoreReader, check, repair


@dataclass
class Verdicts:
    """What many deaths came to; `hit` counts the acts they fell into ("" is between two)."""

    points: int = 0
    acknowledged: int = 0
    lost: int = 0
    wrong: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    half: list[str] = field(default_factory=list)
    seen: int = 0
    """Episodes that a reader beside it has looked at."""
    open_s: list[float] = field(default_factory=list)
    read_s: list[float] = field(default_factory=list)
    """Opening with the repair, and without it."""
    hit: Counter[str] = field(default_factory=Counter)

    def judge(self, path: Path, expected: Expected) -> None:
        """Look at a store before it is mended and after; `expected` then is what it holds."""
        self.points += 1
        name = f"point {self.points} in {expected.doing or 'nothing'}"
        self.hit[expected.doing.partition(" ")[0]] += 1
        try:
            self._judge(path, expected, name)
        except NudgeError as error:
            self.wrong.append(f"{name}: {error}")
            self.lost += min(sum(len(one.steps) for one in want) for want in expected.possible())

    def _judge(self, path: Path, expected: Expected, name: str) -> None:
        started_s = time.monotonic()
        early = StoreReader.open(path)
        opened_s = time.monotonic() - started_s
        if all(reader_differences(early, want) for want in _visible(expected)):
            self.half.append(f"{name}: what a reader sees before the repair")
        started_s = time.monotonic()
        repair(path)
        reader = StoreReader.open(path)
        self.read_s.append(opened_s)
        self.open_s.append(opened_s + time.monotonic() - started_s)
        self.problems += [f"{name}: {what}" for what in check(path)]
        possible = expected.possible()
        found = [reader_differences(reader, want) for want in possible]
        least = min(range(len(found)), key=lambda i: len(found[i]))
        if found[least]:
            self.wrong.append(f"{name}: {'; '.join(found[least][:3])}")
            self.lost += _lacking(reader, possible)
        self._judge_merged(path, expected, name)
        for left in path.parent.glob(f"{path.name}.b*"):  # .before-1, .building-2
            shutil.rmtree(left)
        expected.settle(possible[least])

    def _judge_merged(self, path: Path, expected: Expected, name: str) -> None:
        out = merged(path)
        if out.exists():
            # one that was there after its merge was being deleted, and is not judged
            wrong = reader_differences(StoreReader.open(out), expected.episodes * 2)
            if expected.doing == "merge" and wrong:
                self.wrong.append(f"{name}: merged: {'; '.join(wrong[:3])}")
            shutil.rmtree(out)
        for left in path.parent.glob(f"{out.name}.building-*"):
            shutil.rmtree(left)


def _visible(expected: Expected) -> list[list[PlainEpisode]]:
    """Return what a reader may see before anything is mended."""
    act, running = expected.doing.partition(" ")[0], expected.running
    found = [expected.episodes]
    if act == "commit" and running is not None:
        found.append([*expected.episodes, told(running.seed)])
    if act == "open":
        found += expected.possible()
    if act in EDITS:
        found.append(edited(expected.episodes, act))
    return found


def _lacking(reader: StoreReader, possible: list[list[PlainEpisode]]) -> int:
    """Return how many steps are not there that should be, by the most lenient view."""
    there = Counter(int(stamp) for index in range(len(reader)) for stamp in reader.episode(index).stamp_ns)
    wanted = [Counter(step.stamp_ns for episode in want for step in episode.steps) for want in possible]
    return min(sum((want - there).values()) for want in wanted)
