"""In real time a reset that was stopped by what may pass is tried again; in lockstep, or too often, it is the end."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy")

from robot.errors import ResetStoppedError, RobotError
from robot.local import LocalRobot
from robot.nodes.stops import Stop
from robot.store import StoreReader
from robot.types import Decision, Outcome
from sessions import build
from sessions.actor import STOPS_IN_A_ROW, Actor
from sessions.phases import PHASES
from sessions.run import Run
from sessions.run_config import RunConfig

LATE = "Reset failed: the mux went to soft_stop (camera front is late)."


class LateRobot:
    """The simulated robot in this process, whose first resets are stopped by a camera."""

    def __init__(self, robot: LocalRobot, late_resets: int) -> None:
        self._robot, self._late = robot, late_resets
        self.stop: Stop | None = None
        self.role, self.guard = "watch", str
        self.remarks: list[dict[str, Any]] = []
        self.seeds: list[int] = []

    def reset(self, seed: int) -> Outcome:
        self.seeds.append(seed)
        self.stop = None
        if len(self.seeds) <= self._late:
            self.stop = Stop("soft_stop", "sensor_stale", "camera front is late")
            raise ResetStoppedError(LATE)
        return self._robot.reset(seed)

    def step(self, decision: Decision) -> Outcome:
        return self._robot.step(decision)

    def end(self) -> None:
        self._robot.end()

    def close(self) -> None:
        self._robot.close()

    def wait_until_ready(self) -> None: ...

    def publish_event(self, event: str, **parts: Any) -> None: ...


def played(monkeypatch: pytest.MonkeyPatch, path: Path, late_resets: int, is_realtime: bool = True) -> LateRobot:
    config = RunConfig()
    config = dataclasses.replace(config, task=dataclasses.replace(config.task, max_steps=3))
    run = Run(path, config)
    robot = LateRobot(build.local_robot(config, has_images=True), late_resets)
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
