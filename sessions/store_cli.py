"""`nudge store ls, info, check, repair`: what there is, what is wrong with it, and what a dead session left."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from robot.errors import StoreError
from robot.store import check, info, repair

COLUMNS = ("path", "spec", "episodes", "steps", "successes", "interventions", "bytes")

PIPE_COLUMNS = 1000


def find_stores(folder: Path) -> list[Path]:
    """Return every zarr store at or below `folder`, without looking inside stores.

    Raises:
        StoreError: the folder does not exist.
    """
    if not folder.is_dir():
        raise StoreError(f"There is no folder {folder}. Name one that holds stores: nudge store ls DIR")
    if folder.suffix == ".zarr":
        return [folder]
    found: list[Path] = []
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            found += find_stores(entry)
    return found


def ls_verb(arguments: argparse.Namespace) -> int:
    """List the stores below a folder."""
    folder: Path = arguments.path
    rows: list[dict[str, Any]] = []
    for path in find_stores(folder):
        try:
            rows.append(dict(info(path)))
        except StoreError as error:
            rows.append({"path": str(path), "error": str(error)})
    if arguments.json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return 0
    table = Table(box=None, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, overflow="fold")
    for row in rows:
        values = [str(row.get(column, "")) for column in COLUMNS]
        values[-1] = in_bytes(row["bytes"]) if "bytes" in row else ""
        table.add_row(*map(escape, values))
        if "error" in row:
            table.add_row("", f"[red]{escape(row['error'])}[/]")
    _console().print(table if rows else escape(f"No stores below {folder}."))
    return 0


def check_verb(arguments: argparse.Namespace) -> int:
    """Print one line for every problem of a store; returns 1 where there is one."""
    problems = check(arguments.path)
    if arguments.json:
        sys.stdout.write(json.dumps({"path": str(arguments.path), "problems": problems}) + "\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in problems) or f"{arguments.path} is whole.\n")
    return int(bool(problems))


def repair_verb(arguments: argparse.Namespace) -> int:
    """Make an episode of what a dead session left."""
    done = repair(arguments.path)
    result = {"episode": done.episode, "steps": done.steps, "is_aborted": done.is_aborted, "message": done.message}
    sys.stdout.write(json.dumps(result) + "\n" if arguments.json else f"{done.message}\n")
    return 0


def info_verb(arguments: argparse.Namespace) -> int:
    """Show what a store holds; returns 1 where `check` finds problems."""
    problems = check(arguments.path)
    try:
        facts: dict[str, Any] = dict(info(arguments.path))
    except StoreError:
        if not problems:
            raise
        facts = {"path": str(arguments.path)}  # the problems say why there is no more to tell
    if arguments.json:
        sys.stdout.write(json.dumps({**facts, "problems": problems}, indent=2) + "\n")
        return int(bool(problems))
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in facts.items():
        table.add_row(name, in_bytes(value) if name.startswith("bytes") else escape(str(value)))
    table.add_row("problems", escape("\n".join(problems)) or "none")
    _console().print(table)
    return int(bool(problems))


def _console() -> Console:
    """Return the terminal; what goes into a file or a pipe is not folded to 80 columns."""
    return Console() if sys.stdout.isatty() else Console(width=PIPE_COLUMNS)


def in_bytes(count: float) -> str:
    """Return a byte count as a person reads it."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
