"""The sections of a report about time and about stops: how long a step's path took, and why the robot stopped."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path

from robot.timing import MISSED_SHARE
from sessions import plots
from sessions.report_parts import clock, picture, section, table
from sessions.run_data import RunData, steps_s

LOCKSTEP = (
    "In lockstep time stands still while the robot thinks: all stamps of a step are simulated and equal, so that there "
    "is nothing to measure; --realtime measures."
)


def timing(run: RunData, pictures: Path) -> str:
    """Return the section about the control steps, and about the path from capture to motion in real time."""
    if not run.episodes:
        return section("Timing", "", "")
    body = picture(run, "timing", plots.timing, pictures) + _wall_table(run)
    about = "A control step is everything from one observation to the next."
    if run.real_time:
        body += picture(run, "path", plots.path, pictures) + _path_table(run) + _deadline_table(run)
        about += (
            " Captured: the stamp of the oldest stream of the observation; executed: the first control tick that "
            "followed the target. A tick has missed its deadline when it comes more than "
            f"{MISSED_SHARE:.0%} of the control period late."
        )
    if len(run.real_time) < len(run.times):
        about += f" {LOCKSTEP}"
    return section("Timing", about, body)


def stops(run: RunData) -> str:
    """Return the section about every stop: when, in which step, and its cause."""
    title = "Stops and their causes"
    if not run.stops:
        calm = "<p>None: no episode was stopped, and no process of a session died.</p>"
        return section(title, "", calm if run.episodes else "")
    rows = [
        [
            _moment(row.get("stamp_ns")),
            plots.PHASE_NAMES.get(str(row.get("phase")), str(row.get("phase", ""))),
            *(_cell(row.get(key)) for key in ("episode", "step", "mode", "event")),
            str(row.get("cause") or "not known"),
        ]
        for row in run.stops
    ]
    about = "The arm holds at a stop. What was acknowledged until then is in the store."
    head = ["when", "phase", "episode", "step", "mode", "event", "cause"]
    return section(title, about, table(head, rows, numbers=(2, 3)))


def _wall_table(run: RunData) -> str:
    rows = []
    for phase, name in plots.PHASE_NAMES.items():
        lines = run.episodes.get(phase)
        if lines:
            reset, wait = (sum(line.get(key) or 0.0 for line in lines) for key in ("reset_s", "wait_s"))
            rows.append([name, str(len(lines)), clock(steps_s(lines)), clock(reset), clock(wait)])
    return table(["phase", "episodes", "in steps", "in resets", "waiting for the learner"], rows, numbers=(1, 2, 3, 4))


def _path_table(run: RunData) -> str:
    rows = []
    for phase, times in run.real_time.items():
        for index, (way, found) in enumerate(times.spreads().items()):
            numbers = [_ms(value) for value in (found.p50, found.p99, found.max)]
            unknown = times.steps - found.samples
            rows.append([plots.PHASE_NAMES[phase] if index == 0 else "", way, *numbers, str(unknown)])
    head = ["phase", "way", "p50, ms", "p99, ms", "max, ms", "steps not told"]
    return table(head, rows, numbers=(2, 3, 4, 5))


def _deadline_table(run: RunData) -> str:
    rows = [
        [
            plots.PHASE_NAMES[phase],
            f"{times.period_s * 1e3:g}",
            f"{times.steps:,}",
            f"{times.missed:,}",
            f"{times.missed_share:.3%}",
            _ms(times.latest_ms),
        ]
        for phase, times in run.real_time.items()
    ]
    head = ["phase", "control period, ms", "steps", "deadlines missed", "rate", "latest tick, ms late"]
    return table(head, rows, numbers=(1, 2, 3, 4, 5))


def _ms(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"


def _cell(value: object) -> str:
    return "-" if value in (None, "") else str(value).replace("_", " ")


def _moment(stamp_ns: object) -> str:
    if not isinstance(stamp_ns, int):
        return "-"
    return datetime.fromtimestamp(stamp_ns * 1e-9).strftime("%Y-%m-%d %H:%M:%S")
