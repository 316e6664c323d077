"""The picture of the learning benchmark: success over robot steps, a panel a task, a line a method."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.learning.plans import METHODS, TASKS
from benchmarks.learning.results import GOOD, Result, interquartile, of, share
from sessions.plots import LIGHT, as_png, new_figure, put_legend

COLOURS = {
    "gated": "#1f7a5c",
    "resfit": "#3b82c4",
    "hil-serl": "#e07a26",
    "rlpd": "#8a63c7",
    "rlif": "#c2453b",
    "rlif-base": "#c2453b",
    "rlif-base-lag": "#e0a099",
    "rlif-base-q": "#3b82c4",
    "rlif-base-q-lag": "#9cc3e6",
    "hg-dagger": "#e07a26",
}


def save(results: Sequence[Result], path: Path) -> None:
    """Write the picture of all results as PNG."""
    path.write_bytes(as_png(draw(results), LIGHT))


def draw(results: Sequence[Result]) -> Figure:
    """Return the figure: interquartile means over seeds, the band is their 95 % bootstrap interval."""
    tasks = [task for task in TASKS if any(result["task"] == task for result in results)]
    figure, axes = new_figure(LIGHT, 3.0 * len(tasks), len(tasks))
    for task, axis in zip(tasks, axes, strict=True):
        for method in METHODS:
            of_both = of(results, task, method)
            if not of_both:
                continue
            steps, curves = _together(of_both)
            found = [interquartile(at) for at in curves]
            label = f"{method}, {len(of_both)} {'seed' if len(of_both) == 1 else 'seeds'}"
            axis.plot(steps, [one.mean for one in found], color=COLOURS[method], marker="o", markersize=3, label=label)
            low, high = [one.low for one in found], [one.high for one in found]
            axis.fill_between(steps, low, high, color=COLOURS[method], alpha=0.15, linewidth=0)
        axis.axhline(GOOD, color=LIGHT.faint, linewidth=0.8, linestyle=":")
        axis.set_ylim(-0.03, 1.03)
        axis.set_ylabel("success alone")
        axis.set_title(task, loc="left", fontsize=10, color=LIGHT.text)
        put_legend(axis, LIGHT, "upper left", is_outside=True)
    axes[-1].set_xlabel("robot steps")
    return figure


def _together(results: Sequence[Result]) -> tuple[list[int], list[list[float]]]:
    """Return the steps at which every run was evaluated, and what the runs came to at each."""
    every = [{point["steps"]: share(point) for point in result["curve"]} for result in results]
    steps = sorted(set.intersection(*(set(curve) for curve in every)))
    return steps, [[curve[step] for curve in every] for step in steps]
