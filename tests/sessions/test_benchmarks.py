"""Every benchmark can be imported and started; the shortest is run to its end."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

from benchmarks import bench_law
from robot.gains import GAIN_SETS
from sessions import bench

NAMES = bench.names(Path(__file__).resolve().parents[2] / "benchmarks")


@pytest.mark.parametrize("name", NAMES)
def test_every_benchmark_has_a_main(name: str) -> None:
    assert callable(importlib.import_module(f"benchmarks.bench_{name}").main)


def test_the_law_tells_metrics_and_nothing_else(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench_law", "--quick"])
    monkeypatch.setattr(bench_law, "QUICK_SEQUENCES", len(GAIN_SETS))
    monkeypatch.setattr(bench_law, "REPEATS", 1)
    bench_law.main()
    told = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert len(told) == 1 + 5 * len(GAIN_SETS)
    for line in told:
        assert {"bench", "metric", "value", "unit", "n"} <= line.keys()
        assert line["bench"] == "law"
