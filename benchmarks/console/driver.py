"""Somebody at the console's page, in headless Chromium; can close the tab, kill the browser, or freeze it."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Error

from benchmarks.console.chromium import QUIET, found
from robot.errors import RobotError
from sessions.console import link_of

TIMEOUT_S = 180.0


def chromium() -> str:
    """Return where Chromium is.

    Raises:
        RobotError: nowhere.
    """
    path = found()
    if path is None:
        raise RobotError("The benchmark of the console needs Chromium: make browser-setup, or NUDGE_CHROMIUM=...")
    return path


def until(is_done: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not is_done():
        if time.monotonic() > deadline:
            raise RobotError(f"Waited {TIMEOUT_S:.0f} s in vain for {what}.")
        time.sleep(0.01)


class Driver:
    """One browser with one page, that came in by the run's link."""

    def __init__(self, playwright: Any, run: Path) -> None:
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        context = playwright.chromium.launch_persistent_context(
            self._folder.name, executable_path=chromium(), args=list(QUIET), viewport={"width": 1280, "height": 800}
        )
        self._context = context
        self.page = context.new_page()
        told = link_of(run)
        if told is None:
            raise RobotError(f"No console is served for {run}.")
        self.page.goto(told["link"])
        until(lambda: self.page.evaluate("typeof state === 'object' && state !== null && state.drives"), "the wheel")
        # when a key went down, by the page's own clock, which is the host's
        self.page.evaluate(
            "addEventListener('keydown', e => { window.pressed = performance.timeOrigin + e.timeStamp }, true)"
        )

    def pressed_s(self) -> float:
        """Return when the last key went down [s, wall clock]."""
        return 1e-3 * float(self.page.evaluate("window.pressed"))

    def takes_over(self, mode: Callable[[], str]) -> None:
        """Hold the dead-man until `mode()` is "human", whatever stops it on the way."""

        def drives() -> bool:
            if mode() == "human":
                return True
            self.page.keyboard.up("Space")
            time.sleep(0.1)
            self.page.keyboard.down("Space")
            time.sleep(0.3)
            return mode() == "human"

        until(drives, "control")

    def pids(self) -> list[int]:
        """Return the processes of this browser."""
        pids = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    command = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if self._folder.name.encode() in command:
                    pids.append(int(entry.name))
        return pids

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all processes of the browser."""
        for pid in self.pids():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def close_tab(self) -> None:
        self.page.close()

    def end(self) -> None:
        """End the browser, in whatever state it is."""
        self.signal(signal.SIGKILL)
        with contextlib.suppress(Error):  # a browser that was killed cannot be closed
            self._context.close()
        self._folder.cleanup()
