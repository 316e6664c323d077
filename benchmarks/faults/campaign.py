"""The campaign: which faults, when, in which order; each one done, judged, written down, and cleared away again."""

from __future__ import annotations

import dataclasses
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.faults.cell import Cell
from benchmarks.faults.controls import Controls
from benchmarks.faults.judge import HOLD_LIMIT_S, WATCHED_S, judge
from benchmarks.faults.kinds import KINDS, Kind
from benchmarks.faults.learnt import prepare_finetuning
from robot.errors import ConfigError, NudgeError, RobotError
from robot.store import StoreReader, repair
from sessions.run import Run

PLAN, RESULTS = "plan.json", "injections.jsonl"
STORES = {"weave": "weave", "finetune": "online"}
BEFORE_S = 0.3
"""Motion that is seen before a fault."""
LONGEST_WAIT_S = 1.2
LONGEST_RESET_WAIT_S = 0.5
"""A reset takes two seconds or so; a fault is to fall into it."""
TRIES = 10
RECORD_S = 12.0
"""How long after the watch an actor may take to write down why it stopped: one that resets waits for its time-outs."""


@dataclass(frozen=True)
class Injection:
    """Fault `kind` during `activity`, `wait_s` after that began; `seed` is for what else is left to chance."""

    index: int
    kind: str
    activity: str
    wait_s: float
    seed: int


def plan(names: list[str], count: int, seed: int) -> list[Injection]:
    """Return `count` injections, every kind as often as the others (give or take one), in a seeded order by phase."""
    rng = random.Random(seed)
    rounds = [rng.sample(names, len(names)) for _ in range(-(-count // len(names)))]
    chosen = [name for names in rounds for name in names][:count]
    chosen.sort(key=lambda name: KINDS[name].phase != "weave")  # stable: the learner's cost nothing before its turn
    seen: Counter[str] = Counter()
    found = []
    for index, name in enumerate(chosen):
        activities = KINDS[name].activities
        activity = activities[seen[name] % len(activities)]
        seen[name] += 1
        longest_s = LONGEST_RESET_WAIT_S if activity == "resetting" else LONGEST_WAIT_S
        found.append(Injection(index, name, activity, rng.uniform(0.0, longest_s), rng.randrange(2**31)))
    return found


class Campaign:
    """Runs a plan in `folder` and keeps one line a finished injection there; what is done is not done again.

    Args:
        run: where the robot under test records.
        injections: the plan.
        tell: gets each line as soon as there is one.

    Raises:
        ConfigError: the run's folder holds another campaign.
    """

    def __init__(self, run: Run, injections: list[Injection], tell: Callable[[dict[str, Any]], None]) -> None:
        self._run, self._injections, self._tell = run, injections, tell
        self._file = run.path / RESULTS
        if not is_of(run.path, injections):
            raise ConfigError(f"{run.path} holds another campaign; name another folder with --out.")
        (run.path / PLAN).write_text(_text(injections))
        self._cell: Cell | None = None
        self._phase = ""

    def play(self) -> list[dict[str, Any]]:
        """Do the injections that have no line yet; returns the lines of all."""
        done = results(self._run.path)
        try:
            for injection in self._injections:
                if injection.index not in done:
                    done[injection.index] = line = self._one(injection)
                    with self._file.open("a") as file:
                        file.write(json.dumps(line) + "\n")
                    self._tell(line)
        finally:
            self._close()
        return [done[injection.index] for injection in self._injections]

    def steps_lost(self) -> tuple[int, int]:
        """Return how many acknowledged steps the stores lack, and how many were acknowledged; mends the stores."""
        lost = total = 0
        for phase, name in STORES.items():
            acknowledged = self._run.path / f"acknowledged_{phase}.jsonl"
            if not acknowledged.exists():
                continue
            repair(self._run.store(name))
            text = acknowledged.read_text()
            acks = Counter(json.loads(line)["stamp_ns"] for line in text[: text.rfind("\n") + 1].splitlines())
            reader = StoreReader.open(self._run.store(name))
            stored = Counter(int(s) for i in range(len(reader)) for s in reader.episode(i).stamp_ns)
            lost += sum((acks - stored).values())
            total += sum(acks.values())
        return lost, total

    def _one(self, injection: Injection) -> dict[str, Any]:
        """Do one injection; one that fails is a line as well."""
        kind = KINDS[injection.kind]
        line: dict[str, Any] = {"index": injection.index, "plan": dataclasses.asdict(injection), "error": ""}
        try:
            cell = self._ready_cell(kind.phase)
            line["bring_s"] = round(self._bring(cell, kind, injection), 3)
            return line | self._inject(cell, kind, injection)
        except NudgeError as error:
            self._close()  # what cannot be brought back is started anew
            return line | {"error": str(error)}

    def _bring(self, cell: Cell, kind: Kind, injection: Injection) -> float:
        """Bring the robot to the activity and to the moment, and where that passes it by, to one sooner.

        Raises:
            RobotError: it was never there.
        """
        started = time.monotonic()
        for number in range(1, TRIES + 1):
            cell.bring(injection.activity)
            time.sleep(injection.wait_s / number + (BEFORE_S if injection.activity != "resetting" else 0.0))
            is_there = cell.watcher.mux_mode == injection.activity
            if is_there and (cell.watcher.is_moving() or injection.activity in ("ready", "disabled")):
                return time.monotonic() - started
        raise RobotError(f"In {TRIES} tries {injection.activity} was over each time before the fault.")

    def _inject(self, cell: Cell, kind: Kind, injection: Injection) -> dict[str, Any]:
        watcher = cell.watcher
        stops_before = len(self._run.lines("stops"))
        begun_ns = time.monotonic_ns()
        was = {"mux_mode": watcher.mux_mode, "arm_mode": watcher.arm_mode, "speed_mm_s": round(1e3 * watcher.speed, 1)}
        injected_ns = kind.inject(cell, random.Random(injection.seed))
        period_s = self._run.config.control.period_s
        until_ns = injected_ns + round(1e9 * (HOLD_LIMIT_S + period_s + WATCHED_S))
        time.sleep(max(0.0, (until_ns - time.monotonic_ns()) / 1e9))
        seen = watcher.recording(begun_ns - 1_000_000_000)
        verdict = judge(seen, injected_ns, period_s, kind.is_by_target, kind.is_passing)
        why = verdict.why_unsafe
        if not why and kind.mode and watcher.mux_mode != kind.mode:
            why = f"the mux is in mode {watcher.mux_mode}, not {kind.mode}"
        causes = watcher.causes(begun_ns) | {"stops": self._stops(cell, stops_before)}
        named_in = [
            place
            for place, texts in causes.items()
            if any(word in _reason(text) for text in texts for word in kind.words)
        ]
        return {
            "before": was,
            "after": {"mux_mode": watcher.mux_mode, "arm_mode": watcher.arm_mode},
            "hold_ms": verdict.hold_ms,
            "was_holding": verdict.was_holding,
            "moved_mm": round(verdict.moved_mm, 2),
            "end_speed_mm_s": round(verdict.speed_mm_s, 1),
            "unsafe": why,
            "causes": causes,
            "named_in": named_in,
        }

    def _stops(self, cell: Cell, before: int) -> list[str]:
        """Return the causes in the run's record of stops since line `before`; waits for an actor that lives.

        One that was stopped goes on first: what it says then is what a session's report gets to know.
        """
        cell.resume("actor")
        cell.note_end_of_actor()
        deadline = time.monotonic() + RECORD_S
        while cell.is_alive("actor") and time.monotonic() < deadline and len(self._run.lines("stops")) == before:
            time.sleep(0.05)
        return [str(line.get("cause", "")) for line in self._run.lines("stops")[before:]]

    def _ready_cell(self, phase: str) -> Cell:
        if self._cell is None or self._phase != phase:
            self._close()
            controls = Controls(self._run.path / "controls.bin", is_new=True)
            if phase == "finetune":
                prepare_finetuning(self._run)
            self._phase = phase
            self._cell = Cell(self._run, controls, phase)
            self._cell.__enter__()
        return self._cell

    def _close(self) -> None:
        if self._cell is not None:
            self._cell.__exit__()
            self._cell = None


def _reason(text: str) -> str:
    """Return a cause without the words by which the arm says who has told it."""
    return re.sub(r"^the mux is in mode \w+: ", "", text.lower())


def results(folder: Path) -> dict[int, dict[str, Any]]:
    """Return the lines of a campaign's folder by index."""
    path = folder / RESULTS
    text = path.read_text() if path.exists() else ""
    lines = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
    return {line["index"]: line for line in lines}


def is_of(folder: Path, injections: list[Injection]) -> bool:
    """Whether a folder holds this campaign, or none."""
    path = folder / PLAN
    return not path.exists() or path.read_text() == _text(injections)


def _text(injections: list[Injection]) -> str:
    return json.dumps([dataclasses.asdict(injection) for injection in injections])
