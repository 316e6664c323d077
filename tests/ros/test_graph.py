"""The nodes as a second terminal sees them: names, types, and an arm that holds when its actor is killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import DEADLINE_S, SMALL, Nudge, wait_until

from robot.replay import replay_episode
from robot.store import StoreReader
from sessions import build
from sessions.config import load
from sessions.robot_config import RobotConfig

pytestmark = [pytest.mark.ros, pytest.mark.slow, pytest.mark.timeout(900)]


class Terminal:
    """The second terminal; `heard` is what it heard last."""

    def __init__(self, domain: str) -> None:
        environment = os.environ | {"ROS_DOMAIN_ID": domain, "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("listener.py"))],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.heard: dict[str, dict] = {}
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.heard = json.loads(line)

    def count(self, name: str) -> int:
        return self.heard.get(name, {}).get("count", 0)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._thread.join()
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture
def up(nudge: Nudge, tmp_path: Path) -> Iterator[tuple[Path, Terminal]]:
    """A robot that is up, and a second terminal in its domain."""
    run = tmp_path / "run"
    process = nudge.start("up", "--run", str(run), *SMALL)
    said = ""
    while "export ROS_DOMAIN_ID=" not in said:
        line = process.stdout.readline() if process.stdout else ""
        assert line, f"nudge up ended: {said}"
        said += line
    terminal = Terminal(re.findall(r"ROS_DOMAIN_ID=(\d+)", said)[0])
    yield run, terminal
    terminal.close()


def test_a_second_terminal_sees_the_topics_under_their_names_and_types(nudge: Nudge, up: tuple[Path, Terminal]) -> None:
    run, terminal = up
    status, output = nudge.run("record", "--run", str(run), "--episodes", "2")
    assert status == 0, output
    topics = ("target_pose", "current_pose", "joint_states")
    names = [f"/panda/{name}" for name in topics] + ["/front/policy/image", "/wrist/policy/image"]
    for name in names:
        assert terminal.count(name) >= 5, f"{name}: {terminal.heard.get(name)}"
    assert terminal.heard["/panda/target_pose"]["frame"] == "panda_base"
    assert terminal.heard["/panda/current_pose"]["frame"] == "panda_base"
    assert len(terminal.heard["/panda/joint_states"]["names"]) == 7
    assert terminal.heard["/front/policy/image"] | {"count": 0, "stamp": 0} == {
        "count": 0,
        "stamp": 0,
        "size": [128, 128],
        "encoding": "rgb8",
    }


def test_what_is_recorded_over_ros_replays_in_process_without_any_error(
    nudge: Nudge, up: tuple[Path, Terminal]
) -> None:
    run, _ = up
    status, output = nudge.run("record", "--run", str(run), "--episodes", "2")
    assert status == 0, output
    config = load(RobotConfig, run / "robot.yaml")
    store = StoreReader.open(run / "demos.zarr", build.robot_spec(config))
    for index in range(2):
        episode = store.episode(index)
        result = replay_episode(build.local_robot(config), episode, int(episode.attributes["seed"]))
        assert result.position_error_mm.max() == 0.0
        assert result.is_success == episode.is_success


def test_the_arm_holds_when_its_actor_is_killed_and_no_acknowledged_step_is_lost(
    nudge: Nudge, up: tuple[Path, Terminal]
) -> None:
    run, terminal = up
    session = nudge.start("record", "--run", str(run), "--episodes", "50")
    wait_until(lambda: terminal.count("/front/policy/image") > 40, "the session to be under way")
    os.kill(nudge.child(session, "sessions.actor"), signal.SIGKILL)
    output, _ = session.communicate(timeout=DEADLINE_S)
    assert session.returncode == 1
    assert "killed by SIGKILL" in output
    assert f"nudge record --run {run}" in output
    wait_until(lambda: terminal.heard["status"]["message"] == "hold", "the arm to hold")
    before = terminal.heard["/panda/current_pose"]
    time.sleep(1.0)
    after = terminal.heard["/panda/current_pose"]
    assert np.linalg.norm(np.subtract(after["position"], before["position"])) < 1e-3
    status, output = nudge.run("record", "--run", str(run), "--episodes", "1")
    assert status == 0, output
    store = StoreReader.open(run / "demos.zarr")
    aborted = [store.episode(i) for i in range(len(store)) if store.episode(i).is_aborted]
    assert len(aborted) <= 1  # none when it was killed between two episodes
    for episode in aborted:
        assert np.all(np.diff(episode.stamp_ns) == 100_000_000)
