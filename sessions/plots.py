"""The pictures of a report, drawn from a run's metrics; light or dark."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, PercentFormatter

from sessions.run_data import RunData, steps_s
from sessions.statistics import Rate, moving_rates, percentile

WINDOW = 20
"""Episodes in the moving success rate: as many as fit one Wilson interval of about +-20 points."""
PHASE_NAMES = {
    "record": "demonstrations",
    "evaluate_base": "evaluation, base",
    "finetune": "finetuning",
    "evaluate_final": "evaluation, final",
}


PATH_SHOWN = ("capture to observation", "capture to command", "capture to executed")


@dataclass(frozen=True)
class Theme:
    """Colours of a picture; the background is the report's card."""

    background: str
    text: str
    faint: str
    grid: str
    base: str
    final: str
    human: str


LIGHT = Theme("#ffffff", "#1d2430", "#667085", "#e6e9ef", "#8792a6", "#1f7a5c", "#e07a26")
DARK = Theme("#171b22", "#e7eaf0", "#98a2b3", "#2a303a", "#8f9bb0", "#4cc38a", "#f0a35e")


def draw(plot: Callable[[RunData, Theme], Figure], run: RunData, theme: Theme) -> bytes:
    """Return the picture as PNG."""
    return as_png(plot(run, theme), theme)


def as_png(figure: Figure, theme: Theme) -> bytes:
    """Return a figure in the colours of its theme as PNG."""
    figure.set_facecolor(theme.background)
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, metadata={"Software": ""})
    return buffer.getvalue()


def new_figure(theme: Theme, height: float, rows: int = 1, columns: int = 1, **grid: Any) -> tuple[Figure, list[Axes]]:
    """Return a figure of `rows` times `columns` axes in the colours of the theme; `height` in inches."""
    figure = Figure(figsize=(9.2, height), layout="constrained")
    axes = np.atleast_1d(np.asarray(figure.subplots(rows, columns, **grid))).ravel().tolist()
    for axis in axes:
        _style(axis, theme)
    return figure, axes


def _style(axis: Axes, theme: Theme) -> None:
    axis.set_facecolor(theme.background)
    axis.grid(True, color=theme.grid, linewidth=0.8)
    axis.set_axisbelow(True)
    axis.tick_params(which="both", colors=theme.faint, labelsize=9, length=0)
    for side, spine in axis.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(theme.grid)
    for label in (axis.xaxis.label, axis.yaxis.label):
        label.set_color(theme.faint)
        label.set_fontsize(9.5)


def put_legend(axis: Axes, theme: Theme, place: str = "best", is_outside: bool = False) -> None:
    """Add the legend of what is plotted; where it `is_outside`, to the right of the axes."""
    legend: Any = axis.legend  # its stubs know fewer keywords than it does
    anchor = {"bbox_to_anchor": (1.0, 1.08)} if is_outside else {}
    legend(loc=place, frameon=False, fontsize=9, labelcolor=theme.text, **anchor)


def success(run: RunData, theme: Theme) -> Figure:
    """Success against robot steps: a moving rate while learning, and both evaluations with their intervals."""
    figure, (axis,) = new_figure(theme, 4.1)
    rows = run.finetune
    steps = np.cumsum([row["steps"] for row in rows]) if rows else np.zeros(0)
    with_help = moving_rates([bool(row["success"]) for row in rows], WINDOW)
    alone = moving_rates([bool(row["success"]) and not row["human_steps"] for row in rows], WINDOW)
    if rows:
        low, high = [rate.low for rate in alone], [rate.high for rate in alone]
        axis.fill_between(steps, low, high, color=theme.final, alpha=0.14, linewidth=0)
        label = f"learning: won alone (last {WINDOW} episodes)"
        axis.plot(steps, [rate.share for rate in alone], color=theme.final, linewidth=1.8, label=label)
        label = "learning: won, with the person's help"
        axis.plot(steps, [rate.share for rate in with_help], color=theme.human, linewidth=1.4, label=label)
    last = float(steps[-1]) if rows else 1.0
    for name, x, colour in (("base", 0.0, theme.base), ("final", last, theme.final)):
        rate = run.rate(name)
        if rate is not None and rate.episodes:
            _point(axis, x, rate, colour, f"evaluation, {name} policy: {rate.share:.0%} of {rate.episodes}")
    axis.set_xlim(-0.03 * last, 1.03 * last)
    axis.set_ylim(0, 1.04)
    axis.yaxis.set_major_formatter(PercentFormatter(1.0))
    axis.set_xlabel("robot steps in finetuning")
    axis.set_ylabel("success")
    legend: Any = figure.legend
    legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9, labelcolor=theme.text)
    return figure


def _point(axis: Axes, x: float, rate: Rate, colour: str, label: str) -> None:
    bars = [[rate.share - rate.low], [rate.high - rate.share]]
    axis.errorbar([x], [rate.share], yerr=bars, fmt="o", color=colour, ms=8, capsize=5, lw=2.2, label=label, zorder=5)


def interventions(run: RunData, theme: Theme) -> Figure:
    """How much a person did: the share of human steps, and onsets an episode."""
    figure, (share, onsets) = new_figure(theme, 3.9, rows=2, sharex=True)
    rows = run.finetune
    steps = np.array([max(1, row["steps"]) for row in rows], float)
    human = np.array([row.get("human_steps", 0) for row in rows], float)
    episode = np.arange(1, len(rows) + 1)
    if rows:
        kernel = np.ones(min(WINDOW, len(rows)))
        moving = np.convolve(human, kernel)[: len(rows)] / np.convolve(steps, kernel)[: len(rows)]
        share.bar(episode, human / steps, color=theme.human, alpha=0.3, width=1.0, label="episode")
        share.plot(episode, moving, color=theme.human, linewidth=1.8, label=f"last {len(kernel)} episodes")
        onsets.bar(episode, [row.get("interventions", 0) for row in rows], color=theme.human, width=0.8)
        put_legend(share, theme, "upper right")
    share.set_ylim(0, 1.0)
    share.yaxis.set_major_formatter(PercentFormatter(1.0))
    share.set_ylabel("steps by the person")
    onsets.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    onsets.set_ylabel("take-overs")
    onsets.set_xlabel("episode of finetuning")
    return figure


def timing(run: RunData, theme: Theme) -> Figure:
    """How long steps took, how fast lockstep ran against real time, and what the wall time went into."""
    figure, (histogram, speed) = new_figure(theme, 3.4, columns=2, width_ratios=[3, 2])
    phases = [name for name in PHASE_NAMES if run.episodes.get(name)]
    took = [ms for name in phases for row in run.episodes[name] for ms in row.get("step_ms", ()) if ms > 0]
    if took:
        edges = np.geomspace(min(took), max(max(took), min(took) * 1.01), 60)
        histogram.hist(took, bins=edges.tolist(), color=theme.final, alpha=0.75)
        histogram.set_xscale("log")
        histogram.xaxis.set_major_formatter("{x:g}")
        histogram.xaxis.set_minor_formatter("{x:g}")
        histogram.xaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        for quantile, label, height in ((0.5, "median", 0.97), (0.99, "99 of 100", 0.89)):
            value = percentile(took, quantile)
            histogram.axvline(value, color=theme.text, linewidth=1, linestyle=(0, (4, 3)))
            side = "right" if value > np.sqrt(edges[0] * edges[-1]) else "left"  # where there is room
            place = histogram.get_xaxis_transform()
            text = f" {label} {value:.3g} ms "
            histogram.text(value, height, text, transform=place, color=theme.text, fontsize=9, va="top", ha=side)
    histogram.set_xlabel("wall time of a control step, ms")
    histogram.set_ylabel("steps")
    speeds = [
        sum(row.get("sim_s", 0.0) for row in run.episodes[name]) / max(1e-9, steps_s(run.episodes[name]))
        for name in phases
    ]
    names = [PHASE_NAMES[name] for name in phases]
    bars = speed.barh(names, speeds, color=theme.base, height=0.55)
    speed.bar_label(bars, fmt="%.1f x", padding=4, color=theme.text, fontsize=9)
    speed.invert_yaxis()
    speed.grid(False, axis="y")
    speed.margins(x=0.18)
    speed.set_xlabel("simulated time / wall time in steps")
    return figure


def path(run: RunData, theme: Theme) -> Figure:
    """How old a picture is on its way to the motion, in real time: median to 99th percentile, and the largest."""
    figure, axes = new_figure(theme, 0.9 + 1.3 * len(run.real_time), rows=max(1, len(run.real_time)), sharex=True)
    for axis, (phase, times) in zip(axes, run.real_time.items(), strict=False):
        found = times.spreads()
        for place, name in enumerate(PATH_SHOWN):
            age = found[name]
            colour = theme.final if name.endswith("executed") else theme.base
            axis.barh(place, age.p99, color=colour, alpha=0.35, height=0.5)
            axis.barh(place, age.p50, color=colour, height=0.5)
            axis.plot([age.max], [place], "|", color=theme.human, markersize=12, markeredgewidth=2)
            if age.samples:
                axis.text(age.max, place, f"  {age.max:.1f}", color=theme.faint, fontsize=8.5, va="center")
        axis.set_yticks(range(len(PATH_SHOWN)), PATH_SHOWN)
        axis.invert_yaxis()
        axis.grid(False, axis="y")
        axis.margins(x=0.08)
        axis.set_title(PHASE_NAMES[phase], color=theme.text, fontsize=9.5, loc="left")
    axes[-1].set_xlim(left=0)
    axes[-1].set_xlabel("age since capture, ms: median (full), 99 of 100 (pale), largest (mark)")
    return figure


def replay(run: RunData, theme: Theme) -> Figure:
    """The recorded and the replayed path of the tool, and how far they lie apart."""
    stamps = np.asarray(run.replay.get("stamps_s", ()), float)
    error = np.asarray(run.replay.get("position_error_mm", ()), float)
    paths = {name: np.asarray(run.replay.get(f"{name}_position_m", ()), float) for name in ("recorded", "replayed")}
    has_paths = all(path.shape == (len(stamps), 3) for path in paths.values())
    figure, axes = new_figure(theme, 3.0, columns=2 if has_paths else 1)
    count = min(len(stamps), len(error))
    axes[-1].plot(stamps[:count], error[:count], color=theme.final, linewidth=1.8)
    axes[-1].fill_between(stamps[:count], 0, error[:count], color=theme.final, alpha=0.14, linewidth=0)
    largest = float(error.max(initial=0.0))
    axes[-1].set_ylim(0, largest * 1.15 if largest > 0 else 1.0)
    axes[-1].set_ylabel("distance of the tool, mm")
    if has_paths:
        for index, axis_name in enumerate("xyz"):
            start = paths["recorded"][0, index]
            colour = (theme.base, theme.human, theme.final)[index]
            moved = [1e3 * (paths[name][:, index] - start) for name in ("recorded", "replayed")]
            axes[0].plot(stamps, moved[0], color=colour, linewidth=1.8, label=f"{axis_name}, record")
            axes[0].plot(stamps, moved[1], "o", color=colour, markersize=3.5, label=f"{axis_name}, replay")
        axes[0].set_ylabel("way of the tool, mm")
        put_legend(axes[0], theme)
    for axis in axes:
        axis.set_xlabel("time in the episode, s")
    return figure
