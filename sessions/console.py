"""The console in a session: its node, the link that lets a browser in, and `nudge console`, which tells it."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robot.errors import ConfigError, RobotError
from sessions.result import tell
from sessions.robot_config import RobotConfig
from sessions.run import Run, Tail

if TYPE_CHECKING:  # rclpy and aiohttp are loaded only by the processes that need them
    from robot.nodes.base import Graph, NudgeNode
    from robot.nodes.console import ConsoleNode

FILE = "console.json"
START_TIMEOUT_S = 120.0
POLL_S = 0.1


def console_node(config: RobotConfig, links: Graph, run: Path) -> NudgeNode:
    """Return the node that serves the page of the run at `run`."""
    from robot.nodes.console import ConsoleNode
    from teleop.coaching import advice
    from teleop.console.server import ConsoleServer

    def serve(node: ConsoleNode) -> ConsoleServer:
        def warn(sentence: str) -> None:
            node.get_logger().warning(sentence)

        return ConsoleServer(config.console, node, config.cameras.names, LinkFile(run / FILE).write, warn)

    return ConsoleNode(links, config.cameras.names, serve, Curves(run), config.teleop.device, advice)


class Curves:
    """What is known of the episodes of the phase that is under way: {index, success, human, steps} each."""

    def __init__(self, run: Path) -> None:
        self._tail = Tail(run / "metrics" / "episodes.jsonl")
        self._phase = ""
        self._known: dict[int, dict[str, Any]] = {}

    def __call__(self) -> list[dict[str, Any]]:
        for line in self._tail.new():
            if line.get("phase") != self._phase:
                self._phase, self._known = line.get("phase", ""), {}
            human = line["human_steps"] / max(1, line["steps"])
            told = {"index": line["index"], "success": int(line["success"]), "human": human, "steps": line["steps"]}
            self._known[line["index"]] = told
        return [self._known[index] for index in sorted(self._known)]


class LinkFile:
    """Where the console's process tells its session a link that is good for one visit; for its user alone to read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._links = 0

    def write(self, link: str) -> None:
        """Tell a new link: the first one, or the one that takes the place of a link that was used."""
        self._links += 1
        text = json.dumps({"link": link, "visits": self._links - 1, "pid": os.getpid()})
        new = self._path.with_suffix(".new")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        new.replace(self._path)


def link_of(path: Path) -> dict[str, Any] | None:
    """Return what the console's process that serves the run at `path` has told: link, visits, pid; None for none."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # none, or none of ours
        told = json.loads((path / FILE).read_text())
        os.kill(told["pid"], 0)
        return dict(told)
    return None


def open_console(run: Run, check: Callable[[], None]) -> None:
    """Tell where the console is, once it is there.

    Args:
        check: raises where a process of the session has died.

    Raises:
        RobotError: the console does not come up.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    while (told := link_of(run.path)) is None:
        check()
        if time.monotonic() > deadline:
            raise RobotError(
                f"The console did not come up in {START_TIMEOUT_S:.0f} s; see {run.path}/logs/console.log."
            )
        time.sleep(POLL_S)
    sys.stderr.write(f"The console, for one visit: {told['link']}\n")
    sys.stderr.flush()


def wait_for_driver(run: Run, check: Callable[[], None]) -> None:
    """Wait until somebody has opened the console who can teleoperate there; `check` as in `open_console`."""
    told = link_of(run.path)
    if told is not None and told["visits"] == 0:
        sys.stderr.write("Waiting for you to open the console: you teleoperate from there.\n")
        sys.stderr.flush()
    while told is None or told["visits"] == 0:
        check()
        time.sleep(POLL_S)
        told = link_of(run.path)


def forget(run: Run) -> None:
    """Take away the link of a console that has ended."""
    (run.path / FILE).unlink(missing_ok=True)


def run(arguments: argparse.Namespace) -> int:
    if arguments.run is None:
        raise ConfigError("nudge console needs the run whose session is under way: --run DIR.")
    told = link_of(arguments.run)
    if told is None:
        raise ConfigError(
            f"No console is served for {arguments.run}; start the session with console.is_on=true, or with --realtime "
            "teleop.device=browser."
        )
    if arguments.text:
        from teleop.console.text import show

        show(told["link"])
        return 0
    return tell(arguments, {"what": "the console", "link": told["link"]}, f"Good for one visit: {told['link']}")
