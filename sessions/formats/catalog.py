"""The formats that are known, and the two calls that use them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from robot.errors import StoreError, did_you_mean
from robot.store.builder import StoreBuilder
from robot.store.disk import disk_errors
from robot.store.tables import Tables
from sessions.formats import lerobot, lerobot_export, mcap_export, mcap_import, replay_zarr, robomimic, serl
from sessions.formats.draft import Plan, add
from sessions.formats.guard import one_error
from sessions.formats.keys import require_sane
from sessions.formats.options import ExportOptions, ImportOptions
from sessions.formats.outgoing import Export
from sessions.formats.report import Report

Progress = Callable[[int, int], None]
"""Is told how many episodes of how many are done."""


@dataclass(frozen=True)
class Format:
    """A foreign format.

    Attributes:
        title: for a person.
        matches: tells, from names alone, whether a path looks like this format.
        open: opens a source; gives a `Plan` for as long as it is open.
        write: writes a store to a path that is not there yet; None where the format can only be imported.
    """

    title: str
    matches: Callable[[Path], bool]
    open: Callable[[Path, ImportOptions], AbstractContextManager[Plan]]
    write: Callable[[Export], None] | None


FORMATS: dict[str, Format] = {
    "lerobot": Format("LeRobotDataset v3 (a folder)", lerobot.matches, lerobot.opened, lerobot_export.write),
    "robomimic": Format("robomimic HDF5", robomimic.matches, robomimic.opened, robomimic.write),
    "dp-zarr": Format("diffusion-policy zarr", replay_zarr.matches, replay_zarr.opened, replay_zarr.write),
    "mcap": Format("ROS 2 MCAP bag", mcap_import.matches, mcap_import.opened, mcap_export.write),
    "serl": Format("SERL or HIL-SERL pickle", serl.matches, serl.opened, None),
}


def recognise(source: Path) -> str:
    """Return the name of the format that `source` looks like.

    Raises:
        StoreError: it is missing, or none or several fit.
    """
    if not source.exists():
        raise StoreError(f"There is nothing at {source}; correct the path.")
    with disk_errors(source, "Nothing was read."):
        found = [name for name, one in FORMATS.items() if one.matches(source)]
    if len(found) != 1:
        known = "; ".join(f"{name}: {one.title}" for name, one in FORMATS.items())
        raise StoreError(f"{source} looks like none of the formats; name one with --format ({known}).")
    return found[0]


def import_store(
    source: Path,
    out: Path,
    format: str | None = None,
    options: ImportOptions | None = None,
    progress: Progress | None = None,
) -> Report:
    """Make a store at `out` of a foreign file or folder; an error leaves nothing there.

    Args:
        format: a key of `FORMATS`; None to recognise it.

    Raises:
        StoreError: unknown, damaged, hostile or too large, numbers that a store cannot hold, or `out` exists.
    """
    options = options or ImportOptions()
    if os.path.lexists(out):
        raise StoreError(f"{out} exists already; name another place.")
    name = _known(format) if format else recognise(source)
    if not source.exists():
        raise StoreError(f"There is nothing at {source}; correct the path.")
    with one_error(source):
        opened = FORMATS[name].open(source, options)
        plan = opened.__enter__()
    try:
        steps = _build(plan, name, source, out, options, progress)
    finally:
        opened.__exit__(None, None, None)
    left_out = (*plan.left_out, *plan.notes)
    return Report("import", name, str(source), str(out), plan.episodes, steps, plan.mapped, plan.missing, left_out)


def _build(plan: Plan, name: str, source: Path, out: Path, options: ImportOptions, progress: Progress | None) -> int:
    steps = 0
    require_sane(plan.spec, str(source))
    attributes = {**plan.attributes, "imported_from": str(source), "imported_format": name}
    with StoreBuilder.open(out, plan.spec, attributes) as builder:
        for index in range(plan.episodes):
            with one_error(source):
                draft = plan.read(index)
            steps += add(builder, plan.spec, draft, options.commanded_by)
            if progress:
                progress(index + 1, plan.episodes)
        builder.finish()
    return steps


def export_store(
    store: Path,
    out: Path,
    format: str,
    options: ExportOptions | None = None,
    progress: Progress | None = None,
) -> Report:
    """Write a store to `out` in a foreign format; an error leaves nothing there.

    Raises:
        StoreError: no store, an empty one, a format that can only be imported, a full disk, or `out` exists.
    """
    name = _known(format)
    write = FORMATS[name].write
    if write is None:
        raise StoreError(f"{FORMATS[name].title} can only be imported; export to lerobot, robomimic, dp-zarr or mcap.")
    if os.path.lexists(out):
        raise StoreError(f"{out} exists already; name another place.")
    tables = Tables.open(store)
    if not len(tables.ends()):
        raise StoreError(f"{store} has no episode; there is nothing to export.")
    building = out.with_name(f"{out.name}.building-{os.getpid()}")
    export = Export(tables, building, out.name, options or ExportOptions(), progress)
    with disk_errors(out, "Nothing was exported."):
        _remove(building)
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(export)
            os.sync()
            if os.path.lexists(out):
                raise StoreError(f"{out} has appeared meanwhile; name another place.")
            building.rename(out)
        finally:
            _remove(building)
    episodes, steps = len(tables.ends()), int(tables.ends()[-1])
    lists = (tuple(export.mapped), tuple(export.missing), tuple(export.left_out))
    return Report("export", name, str(store), str(out), episodes, steps, *lists)


def _known(name: str) -> str:
    if name not in FORMATS:
        raise StoreError(f"No format {name!r}.{did_you_mean(name, FORMATS)}")
    return name


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
