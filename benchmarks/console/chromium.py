"""Where Chromium is, and how it is started quietly: for the benchmark and the tests of the console."""

from __future__ import annotations

import os
import shutil

QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")


def found() -> str | None:
    """Return the path that NUDGE_CHROMIUM names, or that of an installed one; None where there is none."""
    return os.environ.get("NUDGE_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
