"""Reads a run directory, finished or not: what there is, and None or empty for what there is not yet."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robot.errors import NudgeError
from sessions.config_yaml import parse_yaml
from sessions.run import STORES
from sessions.statistics import Rate, wilson
from sessions.step_times import StepTimes

Row = dict[str, Any]


class RunError(NudgeError):
    """A run directory is missing or one of its files is damaged."""


@dataclass(frozen=True)
class RunData:
    """What a run directory holds.

    Attributes:
        config: the effective config, nested; config_text: as it stands in the file.
        episodes: lines of metrics/episodes.jsonl by phase, in order, one an episode even after a resume.
        learner, phases, stops: lines of metrics/learner.jsonl, metrics/phases.jsonl and metrics/stops.jsonl.
        evaluations: "base" and "final", as far as they are there.
        times: the timing of all steps by phase, from the stores.
        replay: replay/replay.json, empty where there is none.
    """

    path: Path
    config: Row = field(default_factory=dict)
    config_text: str = ""
    episodes: dict[str, list[Row]] = field(default_factory=dict)
    learner: list[Row] = field(default_factory=list)
    phases: list[Row] = field(default_factory=list)
    stops: list[Row] = field(default_factory=list)
    times: dict[str, StepTimes] = field(default_factory=dict)
    evaluations: dict[str, Row] = field(default_factory=dict)
    replay: Row = field(default_factory=dict)

    def rate(self, name: str) -> Rate | None:
        """Return the success rate of the evaluation `name` ("base" or "final"), None before it."""
        found = self.evaluations.get(name)
        return wilson(int(found["successes"]), int(found["episodes"])) if found else None

    @property
    def real_time(self) -> dict[str, StepTimes]:
        """Those of `times` that were measured, not simulated."""
        return {phase: times for phase, times in self.times.items() if not times.is_simulated}

    @property
    def finetune(self) -> list[Row]:
        return self.episodes.get("finetune", [])

    @property
    def seed(self) -> int | None:
        seed = self._task("seed")
        return seed if isinstance(seed, int) else None

    @property
    def task(self) -> str:
        env = self.config.get("env")
        gym_id = str(env.get("id", "")) if isinstance(env, dict) else ""
        return gym_id.removeprefix("gym:") if gym_id.startswith("gym:") else str(self._task("name") or "unknown")

    def _task(self, key: str) -> Any:
        section = self.config.get("task")
        return section.get(key) if isinstance(section, dict) else None


def read_run(path: Path) -> RunData:
    """Read the run directory `path`.

    Raises:
        RunError: there is no such directory, or a file in it is no JSON.
    """
    if not path.is_dir():
        raise RunError(f"There is no run directory {path}. Make one with: nudge demo --run {path}")
    config_file = path / "config.yaml"
    text = config_file.read_text(encoding="utf-8") if config_file.exists() else ""
    config = parse_yaml(text, str(config_file)) if text else {}
    evaluations = {name: _json(path / "evaluation" / f"{name}.json") for name in ("base", "final")}
    return RunData(
        path=path,
        config=config if isinstance(config, dict) else {},
        config_text=text,
        episodes=_by_phase(json_lines(path / "metrics" / "episodes.jsonl")),
        learner=json_lines(path / "metrics" / "learner.jsonl"),
        phases=json_lines(path / "metrics" / "phases.jsonl"),
        stops=json_lines(path / "metrics" / "stops.jsonl"),
        times={phase: times for phase, times in step_times(path).items() if times.steps},
        evaluations={name: value for name, value in evaluations.items() if value},
        replay=_json(path / "replay" / "replay.json"),
    )


def step_times(path: Path) -> dict[str, StepTimes]:
    """Return the timing of all steps of the run directory `path` by phase."""
    return {phase: StepTimes.read(path / f"{name}.zarr") for phase, name in STORES.items()}


def json_lines(file: Path) -> list[Row]:
    """Return the objects in `file`, one a line; a last line that a dead process left unfinished is not counted.

    Raises:
        RunError: another line is no JSON object.
    """
    if not file.exists():
        return []
    lines = file.read_text(encoding="utf-8").splitlines()
    rows: list[Row] = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except ValueError as error:
            if number == len(lines):
                break
            raise RunError(f"{file}, line {number} is no JSON ({error}). Remove the line.") from error
        if isinstance(row, dict):
            rows.append(row)
    return rows


def _json(file: Path) -> Row:
    if not file.exists():
        return {}
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunError(f"{file} is no JSON ({error}). Run the phase that writes it again.") from error
    return value if isinstance(value, dict) else {}


def _by_phase(rows: list[Row]) -> dict[str, list[Row]]:
    """Return rows by phase; where a phase has an index twice, the later line stands."""
    phases: dict[str, dict[int, Row]] = {}
    for row in rows:
        phases.setdefault(str(row.get("phase", "")), {})[int(row.get("index", -1))] = row
    return {phase: [found[index] for index in sorted(found)] for phase, found in phases.items()}


def steps_s(rows: list[Row]) -> float:
    """Return the wall time that `rows` spent in steps [s]: the robot acting, without resets and waiting."""
    return sum(sum(row.get("step_ms", ())) for row in rows) / 1e3


def summarise(run: RunData) -> Row:
    """Return what summary.json holds; None stands for what the run has not come to.

    `duty_cycle` is the share of the finetuning session's wall time in which the robot was acting.
    """
    rates = {name: run.rate(name) for name in ("base", "final")}
    session_s = sum(row.get("wall_s", 0.0) for row in run.phases if row.get("phase") == "finetune")
    if not session_s:
        names = ("wall_s", "wait_s")
        session_s = sum(row.get(name) or 0.0 for row in run.finetune for name in names)
    return {
        "task": run.task,
        "seed": run.seed,
        "base_success": rates["base"]._asdict() if rates["base"] else None,
        "final_success": rates["final"]._asdict() if rates["final"] else None,
        "robot_steps": sum(row.get("steps", 0) for row in run.finetune),
        "interventions": sum(row.get("interventions", 0) for row in run.finetune),
        "wall_s": round(sum(row.get("wall_s", 0.0) for row in run.phases), 3),
        "duty_cycle": round(min(1.0, steps_s(run.finetune) / session_s), 4) if session_s else None,
    }
