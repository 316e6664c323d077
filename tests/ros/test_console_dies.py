"""A console that is killed is started again: the session goes on, and a new link is told."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from conftest import SMALL, Nudge

from robot.store import StoreReader
from sessions.console import link_of

pytestmark = [pytest.mark.ros, pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_session_goes_on_without_its_console_and_gets_another(nudge: Nudge, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ("record", "--run", str(run), "--episodes", "6", *SMALL, "console.is_on=true", "console.port=0")
    session = nudge.start(*words)
    nudge.wait_in(session, lambda: (run / "metrics" / "episodes.jsonl").exists(), "an episode")
    first = link_of(run)
    assert first is not None
    os.kill(first["pid"], signal.SIGKILL)
    output, _ = session.communicate(timeout=300)
    assert session.returncode == 0, output
    assert "The console was killed by SIGKILL" in output
    assert "nudge console --run" in output
    assert len(StoreReader.open(run / "demos.zarr")) == 6
    stops = [json.loads(line) for line in (run / "metrics" / "stops.jsonl").read_text().splitlines()]
    assert [stop["event"] for stop in stops] == ["console_restarted"]
    assert not (run / "console.json").exists()
