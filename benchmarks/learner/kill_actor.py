"""`kill -9` of the process that plays and learns, `nudge finetune` in a gymnasium environment, at random moments.

Each step that its store has acknowledged is told on a pipe the moment `append` returns; after a death it is also read
from the files, before anybody mends them. All of them must be in the store that is left in the end, and a fresh learner
over that store must come to the very bits of the one that was killed.
"""

from __future__ import annotations

import os
import random
import select
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from benchmarks.learner.kill_learner import LATE, Deaths
from benchmarks.learner.lives import Life, living, torn
from benchmarks.learner.same import compare
from benchmarks.learner.small_run import nudge, unlearnt
from benchmarks.learner.told_session import Step, steps_in_journal, steps_of
from policies import checkpoint
from robot.errors import NudgeError
from robot.store import StoreReader

ACTS = ("append", "import", "learn", "commit", "publish", "append", "checkpoint", "restore")
"""What a session is killed in, in turn; "learn" is after a commit, "restore" while it mends its store."""
FIRST_GUESS_S = {"restore": 6.0, "append": 0.005, "commit": 0.02, "learn": 0.2}

Key = tuple[int, int]


def run(begun: Path, folder: Path, points: int, total_steps: int, seed: int, progress: Callable[[str], None]) -> Deaths:
    """Kill the session of a copy of `begun`, a run with a base policy, until it has played `total_steps`."""
    path = unlearnt(begun, folder / "killed", ("online.zarr", "learner", "weights", "metrics"))
    campaign = _Campaign(path, folder / "session.log", seed)
    targets = sorted(campaign.rng.randint(0, round(0.9 * total_steps)) for _ in range(points))
    for number, steps in enumerate(targets):
        campaign.kill_once(ACTS[number % len(ACTS)], steps)
        progress(f"{len(campaign.acknowledged)} of {total_steps} steps")
    campaign.live_on()
    campaign.judge_store()
    fresh = unlearnt(path, folder / "fresh")
    with living(Life(folder / "learner.log", "sessions.learner", "--run", str(fresh))) as life:
        life.finish()
    campaign.deaths.comparison.add(compare(path, fresh))
    return campaign.deaths


class _Campaign:
    def __init__(self, path: Path, log: Path, seed: int) -> None:
        self.path, self._log = path, log
        self._store = path / "online.zarr"
        self.rng = random.Random(seed)
        self.deaths = Deaths()
        self.acknowledged: dict[Key, int] = {}
        """Checksums of the steps, by seed and place."""
        self._usual_s = dict(FIRST_GUESS_S)

    def kill_once(self, act: str, steps: int) -> None:
        """Let a session live until the store has so many steps and it is in the act; kill it, and look at the files."""
        with closing(_Told(self.path, self._log)) as told, living(told.life) as life:
            if act == "import":
                life.rest(self.rng.uniform(0.0, self._usual_s["restore"]), told.hear)
            elif act == "restore":
                life.wait_for(lambda: told.count(">open") > 0, told.hear)
                life.rest(self.rng.uniform(0.0, 0.1), told.hear)
            else:
                life.wait_for(lambda: bool(told.steps) and len(self.acknowledged | told.steps) >= steps, told.hear)
                self._come_to(told, act)
            if life.kill():
                self.deaths.points += 1
                self.deaths.hit[act] += 1
            told.hear()
            self._judge(told, act)
        self._read_files(act)

    def live_on(self) -> None:
        """Let a session live to its end."""
        with closing(_Told(self.path, self._log)) as told, living(told.life) as life:
            life.finish(told.hear)
            told.hear()
            self._judge(told, "the end")
        self.deaths.wrong += [f"{name} was left half-written" for name in torn(self.path)]

    def judge_store(self) -> None:
        """Look whether everything acknowledged is there, as it was, and nothing is wrong with the store."""
        reader = StoreReader.open(self._store)
        there = {(s.seed, s.number): s.digest for index in range(len(reader)) for s in steps_of(reader.episode(index))}
        for key, digest in self.acknowledged.items():
            if there.get(key) != digest:
                self.deaths.lost += 1
                self.deaths.wrong.append(f"step {key[1]} of seed {key[0]} is {'other' if key in there else 'missing'}")
        self.deaths.acknowledged = len(self.acknowledged)
        try:
            nudge("store", "check", str(self._store))
        except NudgeError as error:
            self.deaths.wrong.append(str(error))

    def _come_to(self, told: _Told, act: str) -> None:
        life, begins = told.life, {"append": ">append", "commit": ">commit", "learn": "<commit"}
        if act in begins:
            word = begins[act]
            wanted = told.count(word) + 1
            life.wait_for(lambda: told.count(word) >= wanted, told.hear)
            life.rest(self.rng.uniform(0.0, LATE * self._usual_s[act]), told.hear)
        elif act == "publish":
            life.wait_for(lambda: life.is_writing(self.path / "weights", "v"), told.hear)
        else:
            life.wait_for(lambda: life.is_writing(self.path / "learner", checkpoint.FILE), told.hear)

    def _judge(self, told: _Told, act: str) -> None:
        self.deaths.paused_s += told.life.clock.paused_s
        self._take(told.steps, f"told before the death in {act}")
        if told.first_step_s:
            if told.is_resume:
                self.deaths.resumed_s.append(told.first_step_s)
            self._usual_s["restore"] += 0.3 * (told.first_step_s - self._usual_s["restore"])

    def _read_files(self, act: str) -> None:
        """Take in what the files hold that nobody has mended yet."""
        if not self._store.exists():
            return
        reader = StoreReader.open(self._store)
        found = [step for index in range(len(reader)) for step in steps_of(reader.episode(index))]
        self._take(_by_place([*found, *steps_in_journal(self._store)]), f"in the files after the death in {act}")

    def _take(self, steps: dict[Key, int], where: str) -> None:
        for key, digest in steps.items():
            if self.acknowledged.setdefault(key, digest) != digest:
                self.deaths.wrong.append(f"step {key[1]} of seed {key[0]} is another one, {where}")


class _Told:
    """A session, and what it has told so far."""

    def __init__(self, run: Path, log: Path) -> None:
        self._output, theirs = os.pipe()
        self.is_resume = (run / "online.zarr").exists()
        resume = ["--resume"] if self.is_resume else []
        words = ["finetune", "--run", str(run), *resume]
        self.life = Life(log, "benchmarks.learner.told_session", str(theirs), *words, descriptors=(theirs,))
        os.close(theirs)
        self.steps: dict[Key, int] = {}
        self.first_step_s = 0.0
        self._counts: dict[str, int] = {}
        self._torn = b""

    def count(self, word: str) -> int:
        """Return how often a word has been told."""
        return self._counts.get(word, 0)

    def hear(self) -> None:
        """Take in what has been told since the last call."""
        while select.select([self._output], [], [], 0.0)[0]:
            text = os.read(self._output, 65536)
            if not text:
                return
            *lines, self._torn = (self._torn + text).split(b"\n")
            for line in lines:
                word, *rest = line.decode().split()
                self._counts[word] = self._counts.get(word, 0) + 1
                if word == "<step":
                    seed, number, digest = map(int, rest)
                    self.steps[seed, number] = digest
                    self.first_step_s = self.first_step_s or self.life.age_s

    def close(self) -> None:
        os.close(self._output)


def _by_place(steps: list[Step]) -> dict[Key, int]:
    return {(step.seed, step.number): step.digest for step in steps}
