"""The store's campaigns as parts of a benchmark: sequences against lists, deaths, full disks, spoilt journals.

measure.campaign("store", crash.parts(is_quick), is_quick)
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any

from benchmarks import measure
from benchmarks.store import cut, full_disk, kill, sequences, torn
from sessions.progress import Progress
from sessions.statistics import percentile

SEED = 20_260
SEQUENCES, KILLS, FULL_DISKS, MENDS, CUTS = 3000, 200, 50, 200, 150
QUICK_SEQUENCES, QUICK_KILLS, QUICK_FULL_DISKS, QUICK_MENDS, QUICK_CUTS = 10, 4, 4, 4, 1
Metric = dict[str, Any]


def parts(is_quick: bool) -> Mapping[str, measure.Part]:
    """Return the campaigns by name; a quick one is a sample of each."""
    return {
        "sequences": lambda: sequences_part(QUICK_SEQUENCES if is_quick else SEQUENCES, is_quick),
        "kills": lambda: kills_part(QUICK_KILLS if is_quick else KILLS, is_quick),
        "full disks": lambda: full_disks_part(QUICK_FULL_DISKS if is_quick else FULL_DISKS, is_quick),
        "journals": lambda: journals_part(QUICK_MENDS if is_quick else MENDS, is_quick),
        "cuts": lambda: cuts_part(QUICK_CUTS if is_quick else CUTS),
    }


def sequences_part(count: int, is_quick: bool) -> list[Metric]:
    with Progress("sequences", count) as progress:
        result = sequences.run(count, SEED, lambda note: progress.advance(note=note))
    _show([str(failure) for failure in result.mismatches])
    return [
        _line("model_sequences", result.sequences, "", sum(result.operations.values()), _whole(is_quick, 1000)),
        _line("model_mismatches", len(result.mismatches), "", result.windows, {"at_most": 0}),
    ]


def kills_part(points: int, is_quick: bool) -> list[Metric]:
    with Progress("kills", points) as progress:
        result = kill.run(points, SEED, lambda note: progress.advance(note=note))
    _show([*result.wrong, *result.half, *result.problems])
    opening = f"median {percentile(result.open_s, 0.5):.2g} s; without the repair at most {max(result.read_s):.2g} s"
    return [
        _line("kill9_points", result.points, "", result.points, _whole(is_quick, 200), note=_acts(result.hit)),
        _line("kill9_steps_lost", result.lost, "steps", result.acknowledged, {"at_most": 0}),
        _line("kill9_stores_wrong", len(result.wrong), "", result.points, {"at_most": 0}),
        _line("kill9_half_episodes", len(result.half), "", result.seen, {"at_most": 0}),
        _line("open_after_kill_max_s", max(result.open_s), "s", len(result.open_s), {"at_most": 1.0}, note=opening),
        _line("check_problems", len(result.problems), "", result.points, {"at_most": 0}),
    ]


def full_disks_part(points: int, is_quick: bool) -> list[Metric]:
    if not full_disk.is_possible():
        note = "not measured: this machine gives no private mounts"
        return [_line("diskfull_points", math.nan, "", 0, {"at_least": 50}, note=note)]
    with Progress("full disks", points) as progress:
        result = full_disk.run(points, SEED, lambda note: progress.advance(note=note))
    wrong = [*result.wrong, *result.half, *result.problems]
    _show(wrong)
    return [
        _line("diskfull_points", result.points, "", result.points, _whole(is_quick, 50), note=_acts(result.hit)),
        _line("diskfull_steps_lost", result.lost, "steps", result.acknowledged, {"at_most": 0}),
        _line("diskfull_stores_wrong", len(wrong), "", result.points, {"at_most": 0}),
    ]


def journals_part(mends: int, is_quick: bool) -> list[Metric]:
    with Progress("journals", mends) as progress:
        result = torn.run(mends, SEED, lambda note: progress.advance(note=note), is_sampled=is_quick)
    _show(result.wrong)
    return [
        _line("torn_journals", result.read + result.mended, "", result.mended, {}),
        _line("torn_journals_wrong", len(result.wrong), "", result.read + result.mended, {"at_most": 0}),
    ]


def cuts_part(most: int) -> list[Metric]:
    with Progress("cuts", most * len(cut.ACTS)) as progress:
        result = cut.run(most, SEED, lambda note: progress.advance(note=note))
    wrong = [*result.wrong, *result.half, *result.problems]
    _show(wrong)
    return [
        _line("cut_acts", result.points, "", result.points, {}, note=_acts(result.hit)),
        _line("cut_acts_wrong", len(wrong), "", result.points, {"at_most": 0}),
    ]


def _line(metric: str, value: float, unit: str, n: int, target: Mapping[str, float], note: str = "") -> Metric:
    return measure.line("store", metric, value, unit, n, note=note, **target)


def _whole(is_quick: bool, least: float) -> dict[str, float]:
    return {} if is_quick else {"at_least": least}


def _acts(hit: Mapping[str, int]) -> str:
    return ", ".join(f"{name or 'between two acts'} {hit[name]}" for name in sorted(hit))


def _show(wrong: list[str]) -> None:
    for what in wrong:
        sys.stderr.write(f"{what}\n")
