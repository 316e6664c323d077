"""A writer's life until it is killed: it says on a pipe what it begins (">") and, when that has returned, that it did
("<"); and what the parent concludes from that about the store."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from benchmarks.store.model import PlainEpisode, recovered
from benchmarks.store.told import EDITS, SPEC, STRIDE, edit, edited, merged, told
from robot.store import StoreReader, StoreSettings, StoreWriter

ACTS = ("append", "commit", "begin", "discard", "open", *EDITS)
MOST_EPISODES = 10


def live(path: Path, first: int, wish: str, seed: int, tell: Callable[[str], None]) -> None:
    """Write episodes from number `first` on, and do what is wished every few of them, until killed."""
    rng = random.Random(seed)
    settings = StoreSettings(is_commit_synced=bool(seed % 2))

    def act(text: str, call: Callable[[], object]) -> None:
        tell(f">{text}")
        call()
        tell(f"<{text}")

    def opened() -> StoreWriter:
        tell(">open")
        writer = StoreWriter.open(path, SPEC, {}, settings)
        tell("<open")
        return writer

    def episode(length: int | None = None) -> None:
        nonlocal first
        plain = told(first)
        act(f"begin {first}", lambda: writer.begin(plain.seed, dict(plain.attributes)))
        for number, step in enumerate(plain.steps[:length]):
            act(f"append {first + number}", partial(writer.append, step))
        first += STRIDE
        if length is None and plain.final is not None:
            act("commit", partial(writer.commit, plain.final))

    writer = opened()
    while True:
        for _ in range(rng.randint(1, 2)):
            episode()
        if wish == "discard":
            episode(rng.randint(1, 3))
            act("discard", writer.discard)
        if wish == "open":
            episode(rng.randint(0, 3))
            writer.close()
            writer = opened()
        crowded = len(StoreReader.open(path)) > MOST_EPISODES
        if wish in EDITS or crowded:
            kind = "drop" if crowded else wish
            writer.close()
            act(kind, partial(edit, path, kind))
            for old in (merged(path), *path.parent.glob(f"{path.name}.before-*")):
                shutil.rmtree(old, ignore_errors=True)
            writer = opened()


@dataclass
class Expected:
    """What a store should hold, from what its writers have said."""

    episodes: list[PlainEpisode] = field(default_factory=list)
    running: PlainEpisode | None = None
    doing: str = ""
    first: int = STRIDE
    """Number that the next episode may begin with."""
    acknowledged: int = 0
    """Steps that the store should hold for that (not those that were discarded or left out)."""

    def hear(self, line: str) -> None:
        """Take in one line of a writer."""
        act, _, number = line[1:].partition(" ")
        if act == "begin":
            self.first = max(self.first, int(number) + STRIDE)
        if line[0] == ">":
            self.doing = line[1:]
            return
        self.doing = ""
        if act == "begin":
            plain = told(int(number))
            self.running = replace(plain, steps=[], end="", final=None)
        elif act == "append":
            self.running = self._longer(int(number))
            self.acknowledged += 1
        elif act == "commit" and self.running is not None:
            self.episodes, self.running = [*self.episodes, told(self.running.seed)], None
        elif act == "discard":
            self.running = None
        elif act == "open":
            self.episodes, self.running = self._with(self.running), None
        elif act in EDITS:
            self.episodes = edited(self.episodes, act)

    def possible(self) -> list[list[PlainEpisode]]:
        """Return what a mended store may hold after death: what was being done is done or not, never half."""
        act, _, number = self.doing.partition(" ")
        running = self.running
        found = [self._with(running)]
        if act == "append":
            found.append(self._with(self._longer(int(number))))
        elif act == "commit" and running is not None:
            found.append(self._with(told(running.seed)))
        elif act == "discard":
            found.append(self.episodes)
        elif act in EDITS:
            found.append(edited(self.episodes, act))
        return found

    def settle(self, episodes: list[PlainEpisode]) -> None:
        self.episodes, self.running, self.doing = episodes, None, ""

    def _longer(self, number: int) -> PlainEpisode:
        assert self.running is not None
        plain = told(self.running.seed)
        steps = plain.steps[: number - plain.seed + 1]
        return replace(self.running, steps=steps, end=plain.end if len(steps) == len(plain.steps) else "")

    def _with(self, running: PlainEpisode | None) -> list[PlainEpisode]:
        last = None if running is None else recovered(running)
        return self.episodes if last is None else [*self.episodes, last]


def teller(descriptor: int) -> Callable[[str], None]:
    return lambda text: (os.write(descriptor, f"{text}\n".encode()), None)[1]
