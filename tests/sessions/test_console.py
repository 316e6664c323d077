"""The console in a session: its link is for its user alone, from one that is alive; its curves are the phase's."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from robot.errors import RobotError
from sessions import build, console
from sessions.cli import main
from sessions.console import FILE, Curves, LinkFile, link_of
from sessions.robot_config import RobotConfig
from sessions.run import Run
from sessions.run_config import RunConfig
from teleop.console.config import ConsoleConfig
from teleop.device_config import DeviceConfig

LINK = "http://console.test/?link=once"


def test_a_link_is_readable_by_its_user_alone_and_counts_the_visits(tmp_path: Path) -> None:
    links = LinkFile(tmp_path / FILE)
    links.write(LINK)
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    told = link_of(tmp_path)
    assert told is not None
    assert (told["link"], told["visits"], told["pid"]) == (LINK, 0, os.getpid())
    links.write(LINK + "2")
    told = link_of(tmp_path)
    assert told is not None
    assert (told["link"], told["visits"]) == (LINK + "2", 1)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def _dead_pid() -> int:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"link": LINK})])
def test_what_is_no_word_of_a_console_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert link_of(tmp_path) is None


def test_the_word_of_a_console_that_has_died_is_none(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps({"link": LINK, "visits": 0, "pid": _dead_pid()}))
    assert link_of(tmp_path) is None


def test_nudge_console_tells_the_link_or_how_to_get_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["console", "--run", str(tmp_path)]) == 1
    assert "start the session with console.is_on=true" in capsys.readouterr().err
    assert main(["console"]) == 1
    assert "--run DIR" in capsys.readouterr().err
    LinkFile(tmp_path / FILE).write(LINK)
    assert main(["console", "--run", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["link"] == LINK


def test_a_session_waits_for_its_driver_and_ends_with_a_process_that_died(tmp_path: Path) -> None:
    run = Run(tmp_path, RunConfig())
    links = LinkFile(tmp_path / FILE)
    links.write(LINK)
    looks = []

    def come() -> None:
        looks.append(1)
        if len(looks) == 3:
            links.write(LINK)

    console.wait_for_driver(run, come)
    assert len(looks) == 3

    def die() -> None:
        raise RobotError("teleop has died")

    (tmp_path / FILE).unlink()
    with pytest.raises(RobotError, match="teleop has died"):
        console.open_console(run, die)
    with pytest.raises(RobotError, match="teleop has died"):
        console.wait_for_driver(run, die)


def _line(phase: str, index: int, **more: Any) -> dict[str, Any]:
    return {"phase": phase, "index": index, "success": True, "human_steps": 5, "steps": 20} | more


def test_curves_are_those_of_the_phase_under_way_the_newest_of_each_episode(tmp_path: Path) -> None:
    run = Run(tmp_path, RunConfig())
    curves = Curves(tmp_path)
    assert curves() == []
    run.log("episodes", _line("record", 0))
    run.log("episodes", _line("record", 1, success=False, human_steps=20))
    first = {"index": 0, "success": 1, "human": 0.25, "steps": 20}
    assert curves() == [first, {"index": 1, "success": 0, "human": 1.0, "steps": 20}]
    run.log("episodes", _line("record", 1))
    assert curves() == [first, first | {"index": 1}]
    run.log("episodes", _line("finetune", 7))
    assert curves() == [first | {"index": 7}]


@pytest.mark.parametrize(
    ("config", "has_console"),
    [
        (RobotConfig(), False),
        (RobotConfig(console=ConsoleConfig(is_on=True)), True),
        (RobotConfig(teleop=DeviceConfig(device="browser")), True),
    ],
)
def test_there_is_a_console_where_somebody_asked_for_one(config: RobotConfig, has_console: bool) -> None:
    assert ("console" in build.node_names(config)) == has_console
    assert "console" not in build.node_names(config, is_direct=True)
