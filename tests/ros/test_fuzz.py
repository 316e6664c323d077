"""Nonsense on every topic and service of a running robot, in small; the whole is `nudge bench fuzz`."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from conftest import DEADLINE_S, ROOT

pytestmark = [pytest.mark.ros, pytest.mark.slow, pytest.mark.timeout(900)]


def test_nonsense_crashes_nothing_and_moves_nothing() -> None:
    command = [sys.executable, "-m", "benchmarks.bench_fuzz", "--count", "25", "--requests", "2", "--seed", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=4 * DEADLINE_S, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    found = {line["metric"]: line["value"] for line in map(json.loads, done.stdout.splitlines())}
    assert found["lost_nodes"] == 0, done.stderr[-3000:]
    assert found["moved_mrad"] < 1.0
    assert found["moving_modes"] == 0
    assert found["messages"] > 25 * 30
