"""One episode over time: who commanded, what was done, what was measured, what was said."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from numpy.typing import NDArray

from robot.reasons import Reason
from robot.specs import RobotSpec
from robot.store import Episode
from robot.types import Label, Source
from sessions.plots import Theme, new_figure, put_legend

ROW_INCHES = 1.25
BAND_INCHES = 0.75
MOST_LINES = 16
"""Components of one array that are drawn; of longer ones the first so many."""
COLOURS = ("#3b82c4", "#e07a26", "#1f9d6b", "#c2453b", "#8a63c7", "#b08a1e", "#4a9fae", "#8792a6")
SOURCE_COLOURS = {
    Source.POLICY: "#3b82c4",
    Source.HUMAN: "#e07a26",
    Source.RESET: "#8a63c7",
    Source.HOLD: "#8792a6",
    Source.UNKNOWN: "#c9ced8",
}


def draw_episode(episode: Episode, spec: RobotSpec, theme: Theme) -> Figure:
    """Return the figure: a band of sources and events, the actions, every state key, and rewards where there are any.

    Time is counted from the first step in control periods, so that logs without stamps are drawn as well.
    """
    t = np.arange(episode.length, dtype=np.float64) * np.float64(spec.period_s)
    keys = [key for key in spec.state_keys if np.issubdtype(episode.observation[key].dtype, np.number)]
    has_reward = bool(np.isfinite(episode.reward).any())
    has_residual = bool(np.isfinite(episode.residual).any())
    rows = 2 + has_residual + has_reward + len(keys)
    heights = [BAND_INCHES, *[ROW_INCHES] * (rows - 1)]
    figure, axes = new_figure(theme, sum(heights) + 0.6, rows, 1, sharex=True, height_ratios=heights)
    rest = iter(axes)
    _band(next(rest), episode, t, spec.period_s, theme)
    title = "executed action; dashed: as requested"
    _lines(next(rest), t, episode.action, title, theme, spec.action_axes, episode.requested)
    if has_residual:
        _lines(next(rest), t, episode.residual, "residual", theme, spec.action_axes)
    for key in keys:
        unit = spec.observation[key].unit
        _lines(next(rest), t, episode.observation[key], f"{key} [{unit}]" if unit else key, theme)
    if has_reward:
        _lines(next(rest), t, episode.reward, "reward", theme)
    axes[-1].set_xlabel("time since the first step [s]")
    axes[-1].set_xlim(-0.5 * spec.period_s, (episode.length + 0.5) * spec.period_s)
    return figure


def _band(axis: Axes, episode: Episode, t: NDArray[np.floating[Any]], period_s: float, theme: Theme) -> None:
    """Draw who commanded each step as a coloured band, above it labels, below it what safety changed."""
    colours = [to_rgba(SOURCE_COLOURS[Source(int(source))]) for source in episode.source]
    edges = np.append(t, t[-1] + period_s)
    axis.imshow(
        np.array([colours]), extent=(edges[0], edges[-1], 0.0, 1.0), aspect="auto", interpolation="nearest", zorder=2
    )
    for source in sorted(set(episode.source.tolist())):
        axis.plot([], [], color=SOURCE_COLOURS[Source(source)], linewidth=6, label=Source(source).name.lower())
    for step in np.flatnonzero(episode.label):
        said = Label(int(episode.label[step]))
        names = ", ".join(str(one.name).lower() for one in Label if one & said)
        axis.annotate(names, (t[step], 1.05), fontsize=8, color=theme.text, annotation_clip=False)
    changed = np.flatnonzero(episode.reasons)
    if len(changed):
        axis.plot(t[changed], np.full(len(changed), -0.25), "|", color="#c2453b", label="changed by safety", zorder=3)
    axis.set_ylim(-0.5, 1.6)
    axis.set_yticks([])
    axis.set_title("who commanded, what was said", loc="left", fontsize=9.5, color=theme.faint, pad=9)
    put_legend(axis, theme, "upper left", is_outside=True)


def _lines(
    axis: Axes,
    t: NDArray[np.floating[Any]],
    values: NDArray[np.generic],
    name: str,
    theme: Theme,
    components: tuple[str, ...] = (),
    asked: NDArray[np.generic] | None = None,
) -> None:
    """Draw the components of an array (T, ...) over time; those of an action with their names, and held for a period.

    `asked` (T, ...) is drawn dashed.
    """
    style = "steps-post" if components else "default"
    for column, line in enumerate(_flat(values)):
        label = components[column] if column < len(components) else None
        axis.plot(t, line, color=COLOURS[column % len(COLOURS)], linewidth=1.2, label=label, drawstyle=style)
    for column, line in enumerate([] if asked is None else _flat(asked)):
        axis.plot(t, line, "--", color=COLOURS[column % len(COLOURS)], linewidth=0.8, alpha=0.6, drawstyle=style)
    axis.set_title(name, loc="left", fontsize=9.5, color=theme.faint, pad=3)
    if components:
        put_legend(axis, theme, "upper left", is_outside=True)


def _flat(values: NDArray[np.generic]) -> NDArray[np.floating[Any]]:
    """Return the first components of an array (T, ...), time last."""
    return np.asarray(values, np.float64).reshape(len(values), -1)[:, :MOST_LINES].T


def reasons_of(episode: Episode) -> list[tuple[str, int]]:
    """Return what safety changed or refused in the episode, in words, with the number of steps; most often first."""
    counts = {reason: int(np.count_nonzero(episode.reasons & np.uint32(reason))) for reason in Reason if reason}
    found = [(reason.sentence(), count) for reason, count in counts.items() if count]
    return sorted(found, key=lambda item: -item[1])
