"""Which code wrote a store: the release, and the commit where it runs from a checkout."""

from __future__ import annotations

import importlib.metadata
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@cache
def code_version() -> str:
    """Return for example "0.1.0", or "0.1.0+g1f2e3d4c5b6a" from a checkout, with ".dirty" where it has changes."""
    try:
        release = importlib.metadata.version("nudge-robot")
    except importlib.metadata.PackageNotFoundError:
        release = "uninstalled"
    if not (ROOT / ".git").exists():
        return release
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=.dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10.0, check=True)
    except (OSError, subprocess.SubprocessError):
        return release
    return f"{release}+g{done.stdout.strip()}"
