"""In real time a reset that was stopped by what may pass is tried again; in lockstep, or too often, it is the end."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy")

from robot.errors import ResetStoppedError, RobotError
from robot.labels import Heard
from robot.local import LocalRobot
from robot.nodes.stops import Stop
from robot.store import StoreReader
from robot.types import Decision, Outcome
from sessions import build
from sessions.actor import STOPS_IN_A_ROW, UNDO_S, Actor
from sessions.phases import PHASES
from sessions.run import Run
from sessions.run_config import RunConfig
from teleop.console.config import ConsoleConfig

NO_CONSOLE = ConsoleConfig()
CONSOLE = ConsoleConfig(is_on=True)
LATE = "Reset failed: the mux went to soft_stop (camera front is late)."


class Mux:
    """A mux in a fault that somebody clears after it has been looked at `looks` times."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    @property
    def needs_person(self) -> bool:
        self.looks -= 1
        return self.looks >= 0


class LateRobot:
    """The simulated robot in this process, whose first resets are stopped: by a camera, or by a fault."""

    def __init__(self, robot: LocalRobot, late_resets: int, looks: int) -> None:
        self._robot, self._late = robot, late_resets
        self._is_fault = looks > 0
        self.mux = Mux(looks)
        self.idled_s = 0.0
        self.stop: Stop | None = None
        self.role, self.guard = "watch", str
        self.on_remark: Callable[[Heard], None] = lambda said: None
        self.seeds: list[int] = []

    def reset(self, seed: int) -> Outcome:
        self.seeds.append(seed)
        self.stop = None
        if len(self.seeds) <= self._late:
            self.stop = Stop("fault" if self._is_fault else "soft_stop", "sensor_stale", "camera front is late")
            raise ResetStoppedError(LATE, needs_person=self._is_fault)
        return self._robot.reset(seed)

    def step(self, decision: Decision) -> Outcome:
        return self._robot.step(decision)

    def end(self) -> None:
        self._robot.end()

    def close(self) -> None:
        self._robot.close()

    def idle(self, duration_s: float) -> None:
        self.idled_s += duration_s

    def wait_until_ready(self) -> None: ...

    def publish_event(self, event: str, **parts: Any) -> None: ...


def played(
    monkeypatch: pytest.MonkeyPatch,
    path: Path,
    late_resets: int,
    is_realtime: bool = True,
    looks: int = 0,
    console: ConsoleConfig = NO_CONSOLE,
) -> LateRobot:
    config = RunConfig(console=console)
    config = dataclasses.replace(config, task=dataclasses.replace(config.task, max_steps=3))
    run = Run(path, config)
    robot = LateRobot(build.local_robot(config, has_images=True), late_resets, looks)
    monkeypatch.setattr(build, "ros_robot", lambda *_, **__: robot)
    Actor(run, PHASES["record"], is_realtime).play(1)
    return robot


def _stops(path: Path) -> list[dict[str, Any]]:
    file = path / "metrics" / "stops.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_the_episode_begins_once_the_camera_is_there_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    robot = played(monkeypatch, tmp_path, late_resets=2)
    assert len(robot.seeds) == 3
    assert len(set(robot.seeds)) == 1
    assert len(StoreReader.open(tmp_path / "demos.zarr")) == 1
    told = [(s["cause"], s["event"], s["mode"], s["episode"], s["step"]) for s in _stops(tmp_path)]
    assert told == [(LATE, "sensor_stale", "soft_stop", 0, 0)] * 2


def test_a_camera_that_does_not_come_back_ends_the_session(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(RobotError, match=f"{STOPS_IN_A_ROW} episodes in a row were stopped, .*camera front is late"):
        played(monkeypatch, tmp_path, late_resets=STOPS_IN_A_ROW)
    assert len(StoreReader.open(tmp_path / "demos.zarr")) == 0


def test_in_simulated_time_nothing_passes_by_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ResetStoppedError, match="camera front is late"):
        played(monkeypatch, tmp_path, late_resets=1, is_realtime=False)


def test_a_fault_is_waited_for_where_somebody_can_clear_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    robot = played(monkeypatch, tmp_path, late_resets=1, looks=20, console=CONSOLE)
    assert robot.idled_s == pytest.approx(2.0 + UNDO_S)
    assert len(StoreReader.open(tmp_path / "demos.zarr")) == 1


def test_a_fault_that_nobody_clears_ends_the_session(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    soon = dataclasses.replace(CONSOLE, clear_timeout_s=1.0)
    with pytest.raises(RobotError, match=r"Nobody has cleared the fault .* for 1 s: .*camera front is late"):
        played(monkeypatch, tmp_path, late_resets=1, looks=10**9, console=soon)


def test_without_a_console_a_fault_ends_the_session(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ResetStoppedError, match="camera front is late"):
        played(monkeypatch, tmp_path, late_resets=1, looks=1)
