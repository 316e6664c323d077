"""The picture of a cloning: loss, error on held-out episodes, and success where it was tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from sessions.plots import Theme, new_figure, put_legend


def cloning_curve(curve: Sequence[dict[str, Any]], chosen: float, theme: Theme) -> Figure:
    """Return the learning curve of a base policy, with a line at the update whose policy was taken."""
    has_success = any("success" in point for point in curve)
    figure, axes = new_figure(theme, 5.6 if has_success else 3.4, 2 if has_success else 1, sharex=True)
    for name, label, colour in (
        ("train_loss", "training loss", theme.base),
        ("error", "error on held-out episodes, units of the action", theme.final),
    ):
        points = [(point["updates"], point[name]) for point in curve if name in point]
        if points:
            axes[0].plot(*zip(*points, strict=True), color=colour, linewidth=1.8, marker=".", label=label)
    axes[0].set_ylim(bottom=0.0)
    put_legend(axes[0], theme)
    if has_success:
        points = [(point["updates"], point["success"]) for point in curve if "success" in point]
        axes[1].plot(*zip(*points, strict=True), color=theme.final, linewidth=1.8, marker="o")
        axes[1].set_ylim(0.0, 1.04)
        axes[1].yaxis.set_major_formatter(PercentFormatter(1.0))
        axes[1].set_ylabel("success in trials")
    for axis in axes:
        axis.axvline(chosen, color=theme.human, linewidth=1.0, linestyle="--")
    axes[-1].set_xlabel("updates; dashed: the policy that was taken")
    return figure
