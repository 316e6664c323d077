"""A report tells what a run did, needs nothing from elsewhere, and comes for half a run too."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image
from synthetic_run import write_lines, write_run, write_store

from robot.store import StoreReader
from sessions.film import choose, seed_of
from sessions.report import clock, write_report
from sessions.run_data import RunError, json_lines, read_run, summarise


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_run(tmp_path_factory.mktemp("runs") / "whole")
    write_report(path)
    return path


def test_the_report_loads_nothing_from_elsewhere(finished: Path) -> None:
    text = (finished / "report.html").read_text()
    sources = re.findall(r'(?:src|srcset|href)="([^"]{0,30})', text)
    assert len(sources) >= 12
    assert all(source.startswith("data:image/") for source in sources)
    assert not re.search(r"https?://|url\(|@import|<script", text)


def test_the_report_has_every_section_and_both_rates_with_intervals(finished: Path) -> None:
    text = (finished / "report.html").read_text()
    assert "Not there yet" not in text
    assert "2 of 4; 95% interval 15% to 85%" in text
    assert "4 of 4; 95% interval 51% to 100%" in text
    assert "on the same seeds" in text


def test_text_of_the_run_cannot_break_the_page(finished: Path) -> None:
    text = (finished / "report.html").read_text()
    assert "20 demonstrations &lt;by&gt; the operator (steps 812)" in text
    assert "<by>" not in text


def test_pictures_are_saved_beside_the_report(finished: Path) -> None:
    for name in ("success", "interventions", "timing", "path", "replay", "before", "after"):
        with Image.open(finished / "report" / f"{name}.png") as picture:
            assert picture.width > 500
    with Image.open(io.BytesIO((finished / "report" / "after.webp").read_bytes())) as animation:
        assert animation.n_frames > 1


def test_the_films_show_a_seed_that_the_base_failed_and_the_final_policy_mastered(finished: Path) -> None:
    before, after = choose(*(StoreReader.open(finished / f"eval_{name}.zarr") for name in ("base", "final")))
    assert before is not None
    assert after is not None
    assert (before.is_success, after.is_success, seed_of(before), seed_of(after)) == (False, True, 101, 101)
    assert "The same start, before and after finetuning" in (finished / "report.html").read_text()


def test_a_failed_seed_that_was_mastered_goes_before_one_that_was_not(tmp_path: Path) -> None:
    write_store(tmp_path / "base.zarr", [False, False], 16, 2)
    write_store(tmp_path / "final.zarr", [False, True], 16, 2)
    before, after = choose(StoreReader.open(tmp_path / "base.zarr"), StoreReader.open(tmp_path / "final.zarr"))
    assert before is not None
    assert after is not None
    assert (seed_of(before), seed_of(after), after.is_success) == (101, 101, True)


def test_without_a_failed_base_episode_the_same_seed_is_shown_twice(tmp_path: Path) -> None:
    write_store(tmp_path / "base.zarr", [True, True], 16, 2)
    write_store(tmp_path / "final.zarr", [False, True], 16, 2)
    before, after = choose(StoreReader.open(tmp_path / "base.zarr"), StoreReader.open(tmp_path / "final.zarr"))
    assert before is not None
    assert after is not None
    assert seed_of(before) == seed_of(after) == 100
    assert choose(None, None) == (None, None)


def test_the_summary_has_the_keys_of_the_design_and_the_numbers_of_the_run(finished: Path) -> None:
    summary = json.loads((finished / "summary.json").read_text())
    keys = "task seed base_success final_success robot_steps interventions wall_s duty_cycle"
    assert list(summary) == keys.split()
    assert summary["base_success"].keys() == {"successes", "episodes", "low", "high"}
    assert (summary["task"], summary["seed"], summary["robot_steps"]) == ("peg_insertion", 0, 6 * 5)
    assert summary["wall_s"] == pytest.approx(61.2 + 24.8 + 300.5)


def test_the_duty_cycle_is_the_time_in_steps_over_the_time_of_the_session(tmp_path: Path) -> None:
    rows = [{"phase": "finetune", "index": i, "steps": 2, "success": True, "step_ms": [250, 250]} for i in range(3)]
    write_lines(tmp_path / "metrics" / "episodes.jsonl", rows)
    write_lines(tmp_path / "metrics" / "phases.jsonl", [{"phase": "finetune", "wall_s": 6.0}])
    assert summarise(read_run(tmp_path))["duty_cycle"] == 0.25


@pytest.mark.parametrize(
    "missing", [("config.yaml", "evaluation"), ("metrics/episodes.jsonl", "replay"), ("metrics", "eval_base.zarr")]
)
def test_a_run_that_lacks_parts_has_a_report_all_the_same(
    finished: Path, missing: tuple[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "partial"
    shutil.copytree(finished, path)
    for name in missing:
        shutil.rmtree(path / name) if (path / name).is_dir() else (path / name).unlink()
    assert write_report(path).stat().st_size > 10_000


def test_an_empty_run_has_a_report_that_says_so(tmp_path: Path) -> None:
    text = write_report(tmp_path).read_text()
    assert text.count("Not there yet: this phase has not run.") == 7
    assert json.loads((tmp_path / "summary.json").read_text())["base_success"] is None


def test_an_episode_that_was_logged_twice_counts_once(tmp_path: Path) -> None:
    rows = [{"phase": "finetune", "index": index, "steps": steps} for index, steps in ((0, 3), (1, 4), (1, 5))]
    write_lines(tmp_path / "metrics" / "episodes.jsonl", rows)
    assert [row["steps"] for row in read_run(tmp_path).finetune] == [3, 5]


def test_a_line_torn_by_a_kill_is_left_out_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / "episodes.jsonl"
    file.write_text('{"index": 0}\n{"index": 1')
    assert json_lines(file) == [{"index": 0}]
    file.write_text('{"index": 0\n{"index": 1}\n')
    with pytest.raises(RunError, match=r"episodes\.jsonl, line 1 is no JSON"):
        json_lines(file)


def test_a_missing_run_directory_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="There is no run directory"):
        write_report(tmp_path / "none")


@pytest.mark.parametrize(("seconds", "text"), [(3.14, "3.1 s"), (386.5, "6 min 26 s"), (7260.0, "2 h 01 min")])
def test_durations_read_as_a_person_says_them(seconds: float, text: str) -> None:
    assert clock(seconds) == text
