"""From a key in the browser to the target on the wire; from a tab that closes, dies or freezes to an arm that holds."""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import sync_playwright

from benchmarks import measure
from benchmarks.console.driver import Driver, until
from benchmarks.console.wire import Wire
from benchmarks.control.witness import Witness
from sessions.config import load
from sessions.console import link_of
from sessions.processes import Processes
from sessions.progress import Progress
from sessions.run import Run
from sessions.run_config import RunConfig

KEYS, QUICK_KEYS = 400, 12
RELEASES, QUICK_RELEASES = 20, 2
KEY_LIMIT_MS, RELEASE_LIMIT_MS = 50.0, 200.0
LATE_S = 0.01
PATIENT = ("camera_max_age_s=2", "state_max_age_s=2", "frozen_after_s=2", "heartbeat_timeout_s=2", "command_expiry_s=2")
"""Limits of the mux's watch that end no trial: what is measured is the way of the hand, whose own limits stay."""
SETTINGS = (
    "teleop.device=browser",
    "console.port=0",
    "cameras.rate_hz=15",
    "cameras.image_size=64",
    "console.picture_rate_hz=15",
    "task.max_steps=100000",
    *(f"safety.{limit}" for limit in PATIENT),
)


def main() -> None:
    is_quick = measure.quick(__doc__)
    keys, releases = (QUICK_KEYS, QUICK_RELEASES) if is_quick else (KEYS, RELEASES)
    with tempfile.TemporaryDirectory() as name:
        for metric in _measured(Path(name), keys, releases):
            measure.tell(metric)


def _measured(folder: Path, keys: int, releases: int) -> list[dict[str, Any]]:
    run = Run(folder, load(RunConfig, overrides=list(SETTINGS)))
    run.save_config()
    with Processes(folder / "logs") as processes:
        words = ("record", "--realtime", "--run", str(folder), "--episodes", "1")
        session = processes.start("session", "sessions.cli", *words)
        until(lambda: link_of(folder) is not None or session.process.poll() is not None, "the console")
        processes.check()
        domain_id = int(_environment(session.process.pid)["ROS_DOMAIN_ID"])
        with Wire(domain_id, run.config.control.arm) as wire, sync_playwright() as playwright:
            with Witness(LATE_S) as witness:
                ages_ms, missed = _keys(playwright, folder, wire, keys)
                machine = witness.tell()
            rate = f"two cameras of 64 x 64, 15 pictures a second each; {missed} presses without a target; {machine}"
            found = [
                measure.line(
                    "console",
                    "key_to_target_p99_ms",
                    float(np.quantile(ages_ms, 0.99)),
                    "ms",
                    len(ages_ms),
                    at_most=KEY_LIMIT_MS,
                    note=f"median {np.median(ages_ms):.1f}, max {np.max(ages_ms):.1f} ms; {rate}",
                )
            ]
            period_ms = 1e3 * run.config.control.period_s
            for how, do in HOW.items():
                held_ms = _releases(playwright, folder, wire, releases, how, do)
                found.append(
                    measure.line(
                        "console",
                        f"{how}_to_release_max_ms",
                        float(np.max(held_ms)),
                        "ms",
                        len(held_ms),
                        at_most=RELEASE_LIMIT_MS + period_ms,
                        note=f"median {np.median(held_ms):.0f} ms; 200 ms and one control period of {period_ms:.0f} ms",
                    )
                )
    return found


def _keys(playwright: Any, folder: Path, wire: Wire, presses: int) -> tuple[list[float], int]:
    """Press a key again and again while driving; returns the ways to the first target that moved [ms], and misses."""
    ages_ms: list[float] = []
    missed = 0
    driver = Driver(playwright, folder)
    rng = np.random.default_rng(0)
    with Progress("keys", total=presses) as progress:
        for index in range(presses):
            driver.takes_over(lambda: wire.mode)
            key = "KeyW" if index % 2 else "KeyS"
            time.sleep(0.25 + 0.1 * rng.random())  # at rest, and at any moment of the mux's and the device's ticks
            driver.page.keyboard.down(key)
            time.sleep(0.2)
            driver.page.keyboard.up(key)
            pressed_s = driver.pressed_s()
            moved_s = wire.first_move(pressed_s, pressed_s + 0.2)
            if moved_s is None or wire.mode != "human":
                missed += 1
            else:
                ages_ms.append(1e3 * (moved_s - pressed_s))
            progress.advance(1)
    driver.end()
    return ages_ms, missed


HOW: dict[str, Callable[[Driver], None]] = {
    "closed_tab": Driver.close_tab,
    "killed_browser": lambda driver: driver.signal(signal.SIGKILL),
    "frozen_browser": lambda driver: driver.signal(signal.SIGSTOP),
}


def _releases(
    playwright: Any, folder: Path, wire: Wire, times: int, how: str, do: Callable[[Driver], None]
) -> list[float]:
    """Drive, lose the page, and wait until the dead-man counts as released; returns how long that took [ms]."""
    found = []
    with Progress(how.replace("_", " "), total=times) as progress:
        for _ in range(times):
            driver = Driver(playwright, folder)
            driver.takes_over(lambda: wire.mode)
            driver.page.keyboard.down("KeyS")
            time.sleep(0.15)
            lost_s = time.time()
            do(driver)
            until(partial(wire.has_left_human, lost_s), "the release")
            found.append(1e3 * (wire.left_human(lost_s) - lost_s))
            driver.signal(signal.SIGCONT)
            driver.end()
            progress.advance(1)
    return found


def _environment(pid: int) -> dict[str, str]:
    """Return the environment of a node of the session `pid`, which tells its ROS domain."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            pairs = (entry / "environ").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        variables = dict(pair.partition("=")[::2] for pair in pairs)
        if variables.get("NUDGE_PARENT") == str(pid) and "ROS_DOMAIN_ID" in variables:
            return variables
    raise RuntimeError("the session has no nodes")


if __name__ == "__main__":
    sys.exit(measure.run(main))
