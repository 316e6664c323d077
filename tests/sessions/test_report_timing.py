"""The report's account of time and of stops, from runs whose numbers are known."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import numpy as np
import pytest
from synthetic_run import timing, write_lines, write_run, write_store

from robot.errors import RobotError
from robot.types import StepTiming
from sessions.report import write_report
from sessions.reporting import reported, time_summary
from sessions.run import Run
from sessions.run_config import RunConfig
from sessions.run_data import read_run
from sessions.step_times import StepTimes

MS = 1_000_000


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_run(tmp_path_factory.mktemp("runs") / "timed")
    write_report(path)
    return path


def _rows(path: Path) -> list[list[str]]:
    """Return the cells of every table of the report, row by row."""
    text = (path / "report.html").read_text()
    rows = re.findall(r"<tr>(.*?)</tr>", text)
    return [[html.unescape(cell) for cell in re.findall(r"<t[dh] ?[^>]*>(.*?)</t[dh]>", row)] for row in rows]


def test_the_path_of_real_time_steps_stands_in_the_report_way_by_way(run: Path) -> None:
    rows = {row[1]: row[2:] for row in _rows(run) if len(row) == 6 and " to " in row[1]}
    # 4 episodes of 5 steps; executed after 35 + 1 .. 35 + 20 ms, but for step 1, of which nobody told
    assert rows == {
        "capture to observation": ["30.00", "30.00", "30.00", "0"],
        "observation to decision": ["2.00", "2.00", "2.00", "0"],
        "decision to command": ["3.00", "3.00", "3.00", "1"],
        "command to executed": ["11.00", "20.00", "20.00", "1"],
        "capture to command": ["35.00", "35.00", "35.00", "1"],
        "capture to executed": ["46.00", "55.00", "55.00", "1"],
    }


def test_missed_deadlines_are_counted_and_their_rate_told(run: Path) -> None:
    assert ["evaluation, final", "100", "20", "5", "25.000%", "11.00"] in _rows(run)


def test_phases_in_lockstep_are_said_to_be_simulated(run: Path) -> None:
    text = (run / "report.html").read_text()
    assert "all stamps of a step are simulated" in text
    assert set(read_run(run).times) == {"evaluate_base", "evaluate_final"}
    assert set(read_run(run).real_time) == {"evaluate_final"}


def test_every_stop_is_told_with_its_cause_and_cannot_break_the_page(run: Path) -> None:
    (row,) = [row for row in _rows(run) if len(row) == 7 and row[0] != "when"]
    assert row[1:] == [
        "finetuning",
        "2",
        "17",
        "soft stop",
        "sensor frozen",
        "camera_front <repeats> the same picture since 0.16 s.",
    ]
    assert "<repeats>" not in (run / "report.html").read_text()


def test_a_run_without_stops_says_so(tmp_path: Path) -> None:
    write_lines(tmp_path / "metrics" / "episodes.jsonl", [{"phase": "record", "index": 0, "steps": 2}])
    assert "None: no episode was stopped" in write_report(tmp_path).read_text()


def test_a_stop_of_which_little_is_known_is_told_all_the_same(tmp_path: Path) -> None:
    write_lines(tmp_path / "metrics" / "stops.jsonl", [{"phase": "record", "episode": None, "cause": ""}])
    write_report(tmp_path)
    assert ["-", "demonstrations", "-", "-", "-", "-", "not known"] in _rows(tmp_path)


def test_a_damaged_store_has_no_times_and_the_report_is_made(tmp_path: Path) -> None:
    write_store(tmp_path / "eval_final.zarr", [True], 16, 5, is_realtime=True)
    (tmp_path / "eval_final.zarr/data/timing_ns/c.0.0").write_bytes(b"short")
    assert StepTimes.read(tmp_path / "eval_final.zarr").steps == 0
    assert StepTimes.read(tmp_path / "none.zarr").steps == 0


def test_a_line_of_the_metrics_holds_every_way_and_what_was_not_told() -> None:
    line = StepTimes.of([timing(number) for number in range(20)], 0.1).line()
    json.dumps(line, allow_nan=False)
    assert line["clock"] == "real time"
    assert (line["steps"], line["period_ms"], line["missed_deadlines"], line["latest_ms"]) == (20, 100.0, 5, 11.0)
    assert line["capture_to_command_ms"] == {"p50": 35.0, "p99": 35.0, "max": 35.0, "unknown": 1}
    assert line["capture_to_executed_ms"] == {"p50": 46.0, "p99": 55.0, "max": 55.0, "unknown": 1}


def test_nobody_told_is_no_number_and_no_zero() -> None:
    untold = StepTiming(captured_ns=10 * MS, observed_ns=12 * MS, decided_ns=13 * MS)
    line = StepTimes.of([untold] * 3, 0.1).line()
    json.dumps(line, allow_nan=False)
    assert line["capture_to_executed_ms"] == {"p50": None, "p99": None, "max": None, "unknown": 3}
    assert line["capture_to_observation_ms"]["p50"] == 2.0


def test_a_deadline_that_was_left_out_is_missed_and_counts_as_one_that_was_there() -> None:
    late = np.zeros((8, 6), np.int64)
    late[:, :5] = np.arange(5) + 1
    late[3, 5] = 250 * MS
    times = StepTimes(late, 0.1)
    assert times.missed == 3
    assert times.missed_share == pytest.approx(3 / 10)
    assert times.latest_ms == 250.0


def test_in_lockstep_a_result_says_nothing_of_time_and_a_line_that_it_was_lockstep() -> None:
    times = StepTimes.of([StepTiming.simulated(5 * MS)] * 4, 0.1)
    assert times.brief() == {}
    assert times.line()["clock"] == "lockstep"
    real = StepTimes.of([timing(number) for number in range(20)], 0.1).brief()
    assert real == {"capture_to_command_p99_ms": 35.0, "capture_to_executed_p99_ms": 55.0, "missed_deadlines": 5}


def test_of_a_phase_that_went_on_in_lockstep_only_the_real_steps_count() -> None:
    real = [timing(number) for number in range(20)]
    mixed = StepTimes.of([*real, *[StepTiming.simulated(5 * MS)] * 40], 0.1)
    assert mixed.line() == StepTimes.of(real, 0.1).line()


def _run(path: Path) -> Run:
    return Run(path, RunConfig())


def test_every_run_ends_with_its_report_also_where_a_sentence_ends_it(tmp_path: Path) -> None:
    run = _run(tmp_path)
    with reported(run):
        run.log("episodes", {"phase": "record", "index": 0, "steps": 2})
    assert "None: no episode was stopped" in (tmp_path / "report.html").read_text()

    def fail() -> None:
        with reported(run):
            run.log_stop("record", "The mux was killed by SIGKILL.", "process_ended")
            raise RobotError("The mux was killed by SIGKILL.")

    with pytest.raises(RobotError, match="SIGKILL"):
        fail()
    assert ["demonstrations", "-", "-", "-", "process ended", "The mux was killed by SIGKILL."] in [
        row[1:] for row in _rows(tmp_path)
    ]


def test_a_report_that_cannot_be_written_hides_no_other_sentence(tmp_path: Path) -> None:
    run = _run(tmp_path)
    (tmp_path / "report.html.partial").mkdir()
    with pytest.raises(RobotError, match="the arm is away"), reported(run):
        raise RobotError("the arm is away")
    with reported(run):
        pass


def test_a_result_tells_of_time_in_real_time_and_of_stops_where_there_were_any(tmp_path: Path) -> None:
    run = _run(tmp_path)
    assert time_summary(run, "evaluate_final") == {}
    write_store(run.store("eval_final"), [True], 16, 5, is_realtime=True)
    run.log_stop("evaluate_final", "An emergency stop.", "e_stop", mode="fault", episode=0, step=3)
    run.log_stop("record", "Another phase.", "e_stop")
    assert time_summary(run, "evaluate_final") == {
        "capture_to_command_p99_ms": 35.0,
        "capture_to_executed_p99_ms": 40.0,
        "missed_deadlines": 1,
        "stops": 1,
    }
