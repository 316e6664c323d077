"""Demonstrations that go two ways around an obstacle: which kinds of base policies clone them, and which their mean.

    nudge bench cloning                 # 3 seeds of each kind; the picture is runs/cloning/ways.png

The same 40 demonstrations for all kinds of a seed, half of them above and half below; 50 episodes each.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle
from numpy.typing import NDArray

from benchmarks import measure
from benchmarks.cloning.ways import RADIUS
from robot.store import StoreReader
from sessions.evaluate import evaluate
from sessions.open_session import open_session
from sessions.plots import LIGHT, as_png, new_figure
from sessions.pretrain import pretrain
from sessions.record import record
from sessions.run import Run, open_run
from sessions.statistics import wilson

KINDS = {
    "mlp": ("bc.base.kind=mlp",),
    "act": ("bc.base.kind=act", "bc.base.act.has_chance=true", "bc.base.act.kl_weight=1.0"),
    "diffusion": ("bc.base.kind=diffusion",),
    "flow": ("bc.base.kind=flow",),
}
SEEDS = (0, 1, 2)
DEMONSTRATIONS = 40
SETTINGS = ("env.expert=benchmarks.cloning.ways:WaysExpert", "bc.base.execute_steps=4", "bc.updates=1000")
Path2 = NDArray[np.float32]
"""Points (T, 2) of an episode."""


def main() -> None:
    is_quick = measure.quick(__doc__)
    folder = measure.FOLDER / ("cloning-quick" if is_quick else "cloning")
    parts: dict[str, measure.Part] = {
        name: lambda name=name: kind(name, folder, is_quick)  # type: ignore[misc]
        for name in (("mlp",) if is_quick else KINDS)
    }
    measure.campaign("cloning", parts, is_quick)
    draw(folder)


def kind(name: str, folder: Path, is_quick: bool) -> list[dict[str, Any]]:
    """Clone with one kind of base policy, seed by seed; returns its metrics."""
    episodes, wins, above = (10 if is_quick else 50), [], []
    for seed in SEEDS[:1] if is_quick else SEEDS:
        run = cloned(name, folder, seed, is_quick)
        with open_session(run, is_realtime=False) as session:
            wins.append(int(evaluate(run, session, "base", episodes)["successes"]))
        above.append(float(np.mean([path[np.abs(path[:, 0]).argmin(), 1] > 0 for path in paths_of(run.path)])))
    rate = wilson(sum(wins), episodes * len(wins))
    note = f"by seed {wins} of {episodes}; 95% [{rate.low:.0%}, {rate.high:.0%}]"
    return [
        measure.line("cloning", f"{name}_success", rate.share, "share", rate.episodes, note=note),
        measure.line("cloning", f"{name}_above", float(np.mean(above)), "share", rate.episodes, note=f"{above}"),
    ]


def paths_of(run: Path) -> list[Path2]:
    """Return the points of every episode of a run's evaluation."""
    reader = StoreReader.open(run / "eval_base.zarr")
    return [np.asarray(reader.episode(index).observation["state"], np.float32) for index in range(len(reader))]


def cloned(name: str, folder: Path, seed: int, is_quick: bool) -> Run:
    """Return a fresh run with the seed's demonstrations and a base policy of this kind."""
    path = folder / f"{name}-{seed}"
    shutil.rmtree(path, ignore_errors=True)
    run = _open(path, seed, (*KINDS[name], *(("bc.updates=50",) if is_quick else ())))
    with open_session(run, is_realtime=False) as session:
        record(run, session, 10 if is_quick else DEMONSTRATIONS)
    pretrain(run)
    return run


def _open(path: Path, seed: int, overrides: tuple[str, ...]) -> Run:
    arguments = argparse.Namespace(
        run=path,
        config=None,
        overrides=[*SETTINGS, *overrides],
        seed=seed,
        env="gym:benchmarks.cloning.ways:Ways-v0",
        preset=None,
        realtime=False,
    )
    return open_run(arguments, "record")


def draw(folder: Path) -> None:
    """Leave a picture of every path of every kind that has been evaluated in `folder`."""
    runs = {name: sorted(folder.glob(f"{name}-*/eval_base.zarr")) for name in KINDS}
    paths = {
        name: [path for store in stores for path in paths_of(store.parent)] for name, stores in runs.items() if stores
    }
    figure, axes = new_figure(LIGHT, 2.7, 1, len(paths), sharey=True)
    for axis, (name, found) in zip(axes, paths.items(), strict=True):
        _draw(axis, name, found)
    (folder / "ways.png").write_bytes(as_png(figure, LIGHT))


def _draw(axis: Axes, name: str, found: list[Path2]) -> None:
    axis.add_patch(Circle((0.0, 0.0), RADIUS, color=LIGHT.grid))
    for path in found:
        is_lost = path[-1, 0] < 0.7
        axis.plot(path[:, 0], path[:, 1], linewidth=0.7, alpha=0.6, color=LIGHT.human if is_lost else LIGHT.final)
    axis.set_title(name, fontsize=10, color=LIGHT.text)
    axis.set_aspect("equal")
    axis.set_ylim(-0.9, 0.9)


if __name__ == "__main__":
    measure.run(main)
