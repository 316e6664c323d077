"""`nudge bench` finds the benchmarks, reads their lines, and says plainly which targets do not hold."""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import measure
from robot.errors import NudgeError
from sessions import bench

ROOT = Path(__file__).resolve().parents[2]
LATE = measure.line("control", "loop_p99_ms", 0.2, "ms", 1000, baseline=0.8, at_most=0.15, note="ordinary scheduling")
SAFE = measure.line("faults", "unsafe", 0, "", 200, at_most=0)
PLAIN = measure.line("store", "bytes_per_step", 5193, "B", 1200)


def benchmark(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """Put a benchmark "toy", whose process runs `body`, where the verb looks for benchmarks."""
    (folder / "benchmarks").mkdir()
    (folder / "benchmarks" / "bench_toy.py").write_text(body)
    monkeypatch.setattr(bench, "ROOT", folder)


def telling(*lines: dict[str, object], status: int = 0) -> str:
    text = "\n".join(json.dumps(line) for line in lines)
    return f"import sys\nprint({text!r})\nsys.exit({status})\n"


def test_every_benchmark_of_the_checkout_is_found() -> None:
    found = set(bench.names(ROOT / "benchmarks"))
    assert {"control", "lockstep", "store"} <= found
    assert not {"measure", "tune_local"} & found


def test_an_unknown_name_gets_the_near_one() -> None:
    words = [sys.executable, "-m", "sessions.cli", "bench", "lockstp"]
    result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "nudge: 'lockstp' is no benchmark. Did you mean 'lockstep'?\n"


def test_without_a_checkout_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(NudgeError, match="run nudge from a checkout"):
        bench.names(tmp_path)


def test_a_metric_says_whether_its_target_holds() -> None:
    assert (LATE["target"], LATE["holds"], LATE["ratio"]) == ("<= 0.15", False, 0.25)
    assert (SAFE["target"], SAFE["holds"]) == ("<= 0", True)
    assert (PLAIN["target"], PLAIN["holds"]) == ("", None)
    assert measure.line("control", "speed", 9.0, "x", 1, at_least=5)["holds"] is True
    unknown = measure.line("control", "p99", math.nan, "ms", 0, at_most=1)
    assert (unknown["value"], unknown["holds"]) == (None, False)


def test_the_line_is_what_the_design_asks_for() -> None:
    keys = {"bench", "metric", "value", "unit", "baseline", "ratio", "n", "command"}
    assert keys <= LATE.keys()
    assert LATE["command"] == "nudge bench control"
    assert json.loads(json.dumps(LATE)) == LATE


def test_the_table_aligns_numbers_and_numbers_its_notes() -> None:
    head, late, safe, plain, note = bench.table([LATE, SAFE, PLAIN]).splitlines()
    assert late.split() == ["loop_p99_ms", "(1)", "0.2", "ms", "0.8", "0.25", "1000", "<=", "0.15", "NO"]
    assert safe.split() == ["unsafe", "0", "200", "<=", "0", "yes"]
    assert plain.split() == ["bytes_per_step", "5193", "B", "1200"]
    assert note == "(1) ordinary scheduling"
    assert late.index("1000") + 4 == safe.index("200") + 3 == head.index(" n ") + 2


def test_other_output_of_a_benchmark_is_no_metric() -> None:
    assert bench.metric("MuJoCo says hello\n") is None
    assert bench.metric("3\n") is None
    assert bench.metric('{"bench": "control"}\n') is None
    assert bench.metric(json.dumps(SAFE)) == SAFE


@pytest.mark.parametrize(
    ("lines", "status", "expected"),
    [([SAFE, PLAIN], 0, 0), ([SAFE, LATE], 0, 1), ([SAFE], 3, 1), ([], 0, 0)],
)
def test_the_exit_status_tells_whether_all_targets_hold(
    lines: list[dict[str, object]], status: int, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    benchmark(tmp_path, monkeypatch, telling(*lines, status=status))
    assert bench.run(argparse.Namespace(name="toy", quick=False, json=False)) == expected


def test_json_passes_the_lines_on_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark(tmp_path, monkeypatch, telling(SAFE, PLAIN) + "# and nothing else")
    bench.run(argparse.Namespace(name="all", quick=True, json=True))
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [SAFE, PLAIN]


def test_quick_reaches_the_benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = 'import sys\nprint(\'{"bench": "toy", "metric": "quick", "value": %d}\' % (\'--quick\' in sys.argv))'
    benchmark(tmp_path, monkeypatch, body)
    assert [bench.measure("toy", is_quick, lambda _: None)[0][0]["value"] for is_quick in (True, False)] == [1, 0]


def test_a_benchmark_that_fails_is_told_with_its_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark(tmp_path, monkeypatch, telling(SAFE, status=3))
    assert bench.run(argparse.Namespace(name="toy", quick=False, json=False)) == 1
    assert "The benchmark toy ended with status 3" in capsys.readouterr().err


def test_an_interrupted_benchmark_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = '\'{"bench": "toy", "metric": "pid", "value": %d}\' % os.getpid()'
    body = (
        f"import os, signal, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\nprint({told}, flush=True)"
    )
    benchmark(tmp_path, monkeypatch, body + "\ntime.sleep(60)\n")
    pids: list[int] = []

    def interrupt(text: str) -> None:
        pids.append(json.loads(text)["value"])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.measure("toy", False, interrupt)
    assert not Path(f"/proc/{pids[0]}").exists()


def campaign(folder: Path, parts: dict[str, int | None], is_quick: bool = False) -> list[str]:
    """Run a campaign whose parts count to their number, or are interrupted (None); returns which were measured."""
    measured: list[str] = []

    def part(name: str, number: int | None) -> list[dict[str, object]]:
        if number is None:
            raise KeyboardInterrupt
        measured.append(name)
        return [measure.line("toy", name, number, "", 1)]

    calls = {name: functools.partial(part, name, number) for name, number in parts.items()}
    with contextlib.suppress(KeyboardInterrupt):
        measure.campaign("toy", calls, is_quick, folder)
    return measured


def test_a_campaign_that_was_cut_off_goes_on_behind_its_last_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert campaign(tmp_path, {"a": 1, "b": None}) == ["a"]
    with (tmp_path / "bench-toy.unfinished.jsonl").open("a") as file:
        file.write('{"part": "b", "met')  # the disk was full
    capsys.readouterr()
    assert campaign(tmp_path, {"a": 1, "b": 2, "c": None}) == ["b"]
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["metric"], line["value"]) for line in told] == [("a", 1), ("b", 2)]
    assert campaign(tmp_path, {"a": 1, "b": 2, "c": 3}) == ["c"]


def test_a_finished_campaign_is_kept_and_the_next_begins_anew(tmp_path: Path) -> None:
    assert campaign(tmp_path, {"a": 1}) == ["a"]
    assert [path.name.startswith("bench-toy-") for path in tmp_path.iterdir()] == [True]
    assert campaign(tmp_path, {"a": 1}) == ["a"]


def test_a_quick_run_leaves_nothing_behind_and_takes_up_nothing(tmp_path: Path) -> None:
    assert campaign(tmp_path, {"a": 1, "b": None}, is_quick=True) == ["a"]
    assert list(tmp_path.iterdir()) == []
    assert campaign(tmp_path, {"a": 1, "b": None}) == ["a"]
    assert campaign(tmp_path, {"a": 1, "b": 2}, is_quick=True) == ["a", "b"]
