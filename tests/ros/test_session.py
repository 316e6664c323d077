"""Sessions from the command line: the whole story in small, killed and resumed, interrupted, refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from conftest import DEADLINE_S, SMALL, Nudge, wait_until

from robot.store import StoreReader
from sessions.code_version import code_version

pytestmark = [pytest.mark.ros, pytest.mark.slow, pytest.mark.timeout(900)]


def _lines(run: Path, phase: str) -> list[dict]:
    path = run / "metrics" / "episodes.jsonl"
    text = path.read_text() if path.exists() else ""
    rows = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
    return [row for row in rows if row["phase"] == phase]


def _is_gone(nudge: Nudge, process: subprocess.Popen[str]) -> bool:
    return not nudge.descendants(process)


def test_a_killed_actor_is_named_and_the_session_resumes_with_every_acknowledged_step(
    nudge: Nudge, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert nudge.run("record", "--run", str(run), *SMALL)[0] == 0
    assert nudge.run("pretrain", "--run", str(run))[0] == 0
    session = nudge.start("finetune", "--run", str(run))
    nudge.wait_in(session, lambda: len(_lines(run, "finetune")) >= 1, "the first episode of finetuning")
    os.kill(nudge.child(session, "sessions.actor"), signal.SIGKILL)
    output, _ = session.communicate(timeout=DEADLINE_S)
    assert session.returncode == 1
    assert "The actor was killed by SIGKILL" in output
    assert f"nudge finetune --resume --run {run}" in output
    assert "The actor was killed by SIGKILL" in (run / "metrics" / "stops.jsonl").read_text()
    acknowledged = sum(row["steps"] for row in _lines(run, "finetune"))
    assert acknowledged > 0

    status, output = nudge.run("finetune", "--run", str(run))
    assert status == 1
    assert "--resume" in output
    status, output = nudge.run("finetune", "--resume", "--run", str(run))
    assert status == 0, output
    store = StoreReader.open(run / "online.zarr")
    assert store.attributes["code"] == code_version()
    episodes = [store.episode(index) for index in range(len(store))]
    assert sum(episode.length for episode in episodes) >= 120
    finished = _lines(run, "finetune")
    for row in finished:
        assert episodes[row["index"]].length == row["steps"]
        assert episodes[row["index"]].attributes["seed"] == row["seed"]


def test_the_demo_tells_the_whole_story(nudge: Nudge, tmp_path: Path) -> None:
    run = tmp_path / "run"
    status, output = nudge.run("demo", "--seed", "5", "--run", str(run), *SMALL)
    assert status == 0, output
    summary = json.loads((run / "summary.json").read_text())
    assert summary["seed"] == 5
    assert summary["base_success"]["episodes"] == summary["final_success"]["episodes"] == 2
    assert summary["robot_steps"] >= 120
    report = (run / "report.html").read_text()
    assert "<img" in report or "<svg" in report
    assert "http://" not in report.replace("http://www.w3.org", "")
    finals = _lines(run, "evaluate_final")
    bases = _lines(run, "evaluate_base")
    assert [row["seed"] for row in finals] == [row["seed"] for row in bases]
    assert sum(row["human_steps"] for row in finals + bases) == 0


@pytest.mark.parametrize("moment", ["starting", "recording"])
def test_ctrl_c_ends_every_process_and_says_how_to_go_on(nudge: Nudge, tmp_path: Path, moment: str) -> None:
    run = tmp_path / "run"
    session = nudge.start("demo", "--run", str(run), *SMALL, "session.demonstrations=50")
    nudge.wait_in(session, lambda: len(nudge.descendants(session)) >= 6, "the nodes to start")
    if moment == "recording":
        nudge.wait_in(session, lambda: len(_lines(run, "record")) >= 1, "a demonstration")
    os.killpg(session.pid, signal.SIGINT)
    output, _ = session.communicate(timeout=DEADLINE_S)
    assert session.returncode == 130
    assert f"nudge demo --resume --run {run}" in output
    assert "Traceback" not in output
    wait_until(lambda: _is_gone(nudge, session), "all children to end")


def test_no_child_survives_a_killed_session(nudge: Nudge, tmp_path: Path) -> None:
    session = nudge.start("up", "--run", str(tmp_path / "run"))
    nudge.wait_in(session, lambda: len(nudge.descendants(session)) >= 6, "the nodes to start")
    session.kill()
    session.wait()
    wait_until(lambda: _is_gone(nudge, session), "the orphans to end")
