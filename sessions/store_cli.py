"""`nudge store`: lists stores, or shows what one holds and what is wrong with it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from robot.errors import StoreError
from robot.store import check, info

COLUMNS = ("path", "spec", "episodes", "steps", "successes", "interventions", "bytes")


def run(arguments: argparse.Namespace) -> int:
    """List the stores below a folder (ls), or show one (info; returns 1 where `check` finds problems)."""
    if arguments.action == "ls":
        return _ls(arguments.path, arguments.json)
    return _info(arguments.path, arguments.json)


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


def _ls(folder: Path, as_json: bool) -> int:
    rows: list[dict[str, Any]] = []
    for path in find_stores(folder):
        try:
            rows.append(dict(info(path)))
        except StoreError as error:
            rows.append({"path": str(path), "error": str(error)})
    if as_json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return 0
    table = Table(*COLUMNS, box=None, pad_edge=False)
    for row in rows:
        values = [str(row.get(column, "")) for column in COLUMNS]
        values[-1] = in_bytes(row["bytes"]) if "bytes" in row else ""
        table.add_row(*values)
        if "error" in row:
            table.add_row("", f"[red]{row['error']}[/]")
    Console().print(table if rows else f"No stores below {folder}.")
    return 0


def _info(path: Path, as_json: bool) -> int:
    facts: dict[str, Any] = dict(info(path))
    problems = check(path)
    if as_json:
        sys.stdout.write(json.dumps({**facts, "problems": problems}, indent=2) + "\n")
        return int(bool(problems))
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in facts.items():
        table.add_row(name, in_bytes(value) if name.startswith("bytes") else str(value))
    table.add_row("problems", "\n".join(problems) or "none")
    Console().print(table)
    return int(bool(problems))


def in_bytes(count: float) -> str:
    """Return a byte count as a person reads it."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
