"""`loop_idle_p99_ms`, `loop_loaded_p99_ms`: the real arm node's control thread at 1 kHz, alone and among learners.

With all measures, and against the same node without any; the whole campaign also takes them away one by one.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

from benchmarks.control.arm import MEASURES
from benchmarks.control.rig import SETTLE_S, Rig
from benchmarks.measure import line
from robot import priority, wake
from sessions.progress import Progress

START_S = 3.0
"""Rough time that a process of the arm takes to be up; for the progress line alone."""
IDLE_LIMIT_MS = 0.15
LOADED_LIMIT_MS = 1.5


def measure(folder: Path, duration_s: float, is_each_taken_away: bool) -> list[dict[str, Any]]:
    """Return the metrics of the loop, each over `duration_s`; `folder` is empty."""
    rounds = 5 + (len(MEASURES) + 1 if is_each_taken_away else 0)
    with Progress("loop", rounds * (duration_s + SETTLE_S + START_S)) as progress, Rig(folder) as rig:

        def one(without: tuple[str, ...] = ()) -> dict[str, Any]:
            with rig.arm(without) as arm:
                progress.advance(START_S)
                return arm.measure(duration_s, progress.advance)

        idle, idle_asleep, idle_bare = one(), one(("kept_awake",)), one(MEASURES)
        with rig.load() as busy:
            loaded, loaded_bare = one(), one(MEASURES)
            less = {name: one((name,)) for name in MEASURES} if is_each_taken_away else {}
        if is_each_taken_away:
            with rig.load(is_nice=False):
                less["learner_nice"] = one()
    learners = f"{os.cpu_count()} learners, one thread each, nice {priority.NICE_LEARNER}, kept {busy:.1f} cores busy"
    bare = "baseline: the same node without any of this"
    idle_note = f"{_what_was_needed(idle)}; {bare}"
    lines = [
        _line("loop_idle_p99_ms", idle, idle_bare, f"{idle_note}; {_rest(idle)}", IDLE_LIMIT_MS),
        _line("loop_loaded_p99_ms", loaded, loaded_bare, f"{learners}; {_rest(loaded)}", LOADED_LIMIT_MS),
    ]
    note = f"idle processors may sleep; baseline: kept awake; {_rest(idle_asleep)}"
    lines.append(_line("loop_idle_no_kept_awake_p99_ms", idle_asleep, idle, note))
    note = "loaded, one measure taken away; baseline: with all of them"
    return lines + [_line(f"loop_loaded_no_{name}_p99_ms", found, loaded, note) for name, found in less.items()]


def _line(
    metric: str, found: dict[str, Any], other: dict[str, Any], note: str, at_most: float | None = None
) -> dict[str, Any]:
    value, baseline = (math.nan if f["p99"] is None else f["p99"] for f in (found, other))
    return line("control", metric, value, "ms", found["samples"], baseline=baseline, at_most=at_most, note=note)


def _what_was_needed(found: dict[str, Any]) -> str:
    turn_us = priority.SWITCH_INTERVAL_S * 1e6
    return (
        f"needed: control thread {found['scheduling'].rstrip('.')}, executor thread of its process SCHED_FIFO "
        f"{priority.LEVEL_EXECUTOR}, switch interval {turn_us:.0f} us, "
        f"awake {wake.LEAST_NS / 1000:.0f} to {wake.MOST_NS / 1000:.0f} us early, "
        f"process nice {priority.NICE_ROBOT}, heap frozen, processors kept awake by spinners at SCHED_IDLE; no affinity"
    )


def _rest(found: dict[str, Any]) -> str:
    share = found["missed"] / max(found["samples"], 1)
    return (
        f"median {found['p50']:.3f} ms, largest {found['max']:.1f} ms, {share:.2%} of the ticks late by half a period, "
        f"the machine {found['idle']:.0%} idle"
    )
