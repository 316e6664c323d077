"""What the runs of the learning benchmark came to: per task and method, over seeds."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import trim_mean

from benchmarks import measure

GOOD = 0.9
RESAMPLES = 10_000
Result = dict[str, Any]


class Interval(NamedTuple):
    """An interquartile mean and its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float


def interquartile(values: Sequence[float], seed: int = 0) -> Interval:
    """Return the interquartile mean over runs with a percentile bootstrap interval (Agarwal et al. 2021)."""
    data = np.asarray(values, np.float64)
    draws = np.random.default_rng(seed).choice(data, (RESAMPLES, len(data)))
    means = trim_mean(draws, 0.25, axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return Interval(float(trim_mean(data, 0.25)), float(low), float(high))


def of(results: Sequence[Result], task: str, method: str) -> list[Result]:
    """Return the runs of a method on a task."""
    return [result for result in results if (result["task"], result["method"]) == (task, method)]


def share(point: dict[str, Any]) -> float:
    return float(point["successes"]) / float(point["episodes"])


def first_good(result: Result) -> dict[str, Any] | None:
    """Return the first evaluation after learning began in which success reached `GOOD`; None where none did."""
    return next((point for point in result["curve"][1:] if share(point) >= GOOD), None)


def lines(task: str, method: str, results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return the metrics of all runs of a method on a task."""
    n = sum(point["episodes"] for result in results for point in result["curve"])
    good = [point for result in results if (point := first_good(result)) is not None]
    reached = f"{len(good)} of {len(results)} seeds reached {GOOD:.0%}"

    def line(metric: str, values: Sequence[float], unit: str, note: str) -> dict[str, Any]:
        if not values:
            return measure.line("learning", f"{task}_{method}_{metric}", math.nan, unit, n, note=note)
        found = interquartile(values)
        text = f"{note}; 95% [{found.low:.3g}, {found.high:.3g}], {len(values)} seeds"
        return measure.line("learning", f"{task}_{method}_{metric}", found.mean, unit, n, note=text)

    base = [share(result["curve"][0]) for result in results]
    lowest = [min(map(share, result["curve"][1:])) for result in results]
    final = [share(result["curve"][-1]) for result in results]
    cycles = [
        result["curve"][-1]["cycle_steps"] / result["demo_steps"]
        for result in results
        if result["curve"][-1]["cycle_steps"]
    ]
    return [
        line("base_success", base, "share", "before learning"),
        line("steps_to_90", [point["steps"] for point in good], "steps", reached),
        line("interventions_to_90", [point["interventions"] for point in good], "take-overs", reached),
        line("lowest_success", lowest, "share", "lowest evaluation after learning began"),
        line("lowest_below_base", [low - b for low, b in zip(lowest, base, strict=True)], "share", "lowest less base"),
        line("final_success", final, "share", "at the end"),
        line("cycle_vs_operator", cycles, "times", "steps of a success at the end over those of a demonstration"),
    ]


def read(path: Path) -> list[Result]:
    """Return the results in a file of JSON lines; a line that was torn is left out."""
    if not path.exists():
        return []
    found = []
    for text in path.read_text().splitlines():
        try:
            found.append(json.loads(text))
        except json.JSONDecodeError:
            continue
    return found
