"""`kill -9` of the learner's process at random moments, over a store that somebody has played before.

lives: start .. import .. restored .. update .. publish .. checkpoint .. update .. publish ..
       each is killed somewhere there, and the next one goes on; the last one lives to the end
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.learner.lives import Life, living, torn
from benchmarks.learner.same import Comparison, compare
from benchmarks.learner.small_run import unlearnt
from policies import checkpoint
from policies.process import Progress

ACTS = ("update", "import", "publish", "update", "checkpoint", "restore")
"""What a learner is killed in, in turn."""
FIRST_GUESS_S = {"restore": 5.0, "update": 0.2}
LATE = 1.2


@dataclass
class Deaths:
    """What many deaths came to."""

    points: int = 0
    hit: Counter[str] = field(default_factory=Counter)
    resumed_s: list[float] = field(default_factory=list)
    """From the start after a death to the first progress beyond the checkpoint, or to the first step."""
    caught_up_s: list[float] = field(default_factory=list)
    """From the start to the first progress beyond all that had been there before the death."""
    acknowledged: int = 0
    lost: int = 0
    wrong: list[str] = field(default_factory=list)
    paused_s: float = 0.0
    """Time in which the machine stood still; no part of the others."""
    comparison: Comparison = field(default_factory=Comparison)


def run(played: Path, folder: Path, points: int, seed: int, progress: Callable[[str], None]) -> Deaths:
    """Kill the learner of a copy of `played`, whose online store is whole, and compare it with one that lives."""
    whole = unlearnt(played, folder / "whole")
    log = folder / "learner.log"
    with living(_learner(whole, log)) as life:
        life.finish()
    end = Progress.read(whole / "learner")
    if end is None or end.version < 10:
        raise ValueError(f"Expected a store of at least 10 episodes to kill a learner over; found {end}.")
    campaign = _Campaign(unlearnt(played, folder / "killed"), log, seed)
    # the last ones are left for the life that finishes
    targets = sorted(campaign.rng.randint(0, end.version - 4) for _ in range(points))
    for number, version in enumerate(targets):
        campaign.kill_once(ACTS[number % len(ACTS)], version)
        progress(f"version {campaign.newest} of {end.version}")
    campaign.live_on()
    campaign.deaths.comparison.add(compare(campaign.path, whole))
    campaign.deaths.comparison.add(compare(whole, played))  # the same code in a thread of the session that played
    return campaign.deaths


def _learner(run: Path, log: Path) -> Life:
    return Life(log, "sessions.learner", "--run", str(run))


class _Campaign:
    def __init__(self, path: Path, log: Path, seed: int) -> None:
        self.path, self._log = path, log
        self.rng = random.Random(seed)
        self.deaths = Deaths()
        self.newest = -1
        """Version that was reached by any life."""
        self._usual_s = dict(FIRST_GUESS_S)
        self._is_resume = False
        self._watch: _Watch | None = None

    def kill_once(self, act: str, version: int) -> None:
        """Let a learner live until it has come to `version` and is in the act, kill it, and look at what it left."""
        with living(self._start()) as life:
            if act == "import":
                life.rest(self.rng.uniform(0.0, self._usual_s["restore"]), self._look)
            elif act == "restore":
                life.rest(self.rng.uniform(0.7, LATE) * self._usual_s["restore"], self._look)
            else:
                self._come_to(life, act, version)
            if life.kill():
                self.deaths.points += 1
                self.deaths.hit[act] += 1
            self._judge(life)

    def live_on(self) -> None:
        """Let a learner live to the end."""
        with living(self._start()) as life:
            life.finish(self._look)
            self._judge(life)
        self.deaths.wrong += [f"{name} was left half-written" for name in torn(self.path)]

    def _start(self) -> Life:
        self._is_resume = self.deaths.points > 0
        life = _learner(self.path, self._log)
        self._watch = _Watch(self.path, self.newest, life)
        return life

    def _come_to(self, life: Life, act: str, version: int) -> None:
        watch = self._watch
        assert watch is not None
        life.wait_for(lambda: watch.is_resumed and watch.version >= version, self._look)
        if act == "publish":
            life.wait_for(lambda: life.is_writing(self.path / "weights", "v"), self._look)
        elif act == "checkpoint":
            life.wait_for(lambda: life.is_writing(self.path / "learner", checkpoint.FILE), self._look)
        else:
            life.rest(self.rng.uniform(0.0, LATE * self._usual_s["update"]), self._look)

    def _look(self) -> None:
        if self._watch is not None:
            self._watch.look()

    def _judge(self, life: Life) -> None:
        """Take in how far a life has come, and how soon."""
        self.deaths.paused_s += life.clock.paused_s
        watch = self._watch
        assert watch is not None
        if watch.restored_s:
            self._usual_s["restore"] += 0.3 * (watch.restored_s - self._usual_s["restore"])
        self._usual_s["update"] = watch.usual_s or self._usual_s["update"]
        if watch.resumed_s and self._is_resume:
            self.deaths.resumed_s.append(watch.resumed_s)
        if watch.caught_up_s:
            self.deaths.caught_up_s.append(watch.caught_up_s)
        found = Progress.read(self.path / "learner")
        version = -1 if found is None else found.version
        self.newest = max(self.newest, version, watch.version)


class _Watch:
    """Sees by `progress.json` how far a learner is."""

    def __init__(self, run: Path, newest: int, life: Life) -> None:
        self._file = run / "learner" / Progress.FILE
        self._newest, self._life = newest, life
        self._modified_ns = self._stamp()
        self._restored = -1
        self._last_s = 0.0
        self.version = -1
        self.restored_s = self.resumed_s = self.caught_up_s = self.usual_s = 0.0

    @property
    def is_resumed(self) -> bool:
        return self.resumed_s > 0.0

    def look(self) -> None:
        stamp = self._stamp()
        if stamp == self._modified_ns:
            return
        self._modified_ns = stamp
        progress = Progress.read(self._file.parent)
        if progress is None:
            return
        age_s = self._life.age_s
        if not self.restored_s:
            self.restored_s, self._restored = age_s, progress.version
        elif not self.resumed_s and progress.version > self._restored:
            self.resumed_s = age_s
        if not self.caught_up_s and progress.version > self._newest and self._newest >= 0:
            self.caught_up_s = age_s
        if self._last_s and progress.version > self.version:
            took_s = age_s - self._last_s
            self.usual_s += (0.3 if self.usual_s else 1.0) * (took_s - self.usual_s)
        self._last_s, self.version = age_s, progress.version

    def _stamp(self) -> int:
        try:
            return self._file.stat().st_mtime_ns
        except FileNotFoundError:
            return 0
