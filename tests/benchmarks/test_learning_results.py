"""The learning benchmark: what its runs come to, over seeds, and the picture of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import matplotlib.image
import pytest

from benchmarks.bench_learning import Campaign
from benchmarks.learning import picture, results, table
from benchmarks.learning.one_run import require_same_plan
from benchmarks.learning.plans import METHODS, TASKS, Plan, plans
from robot.errors import ConfigError


def result(method: str, seed: int, *successes: int, task: str = "peg") -> results.Result:
    curve = [
        {"steps": 500 * i, "successes": n, "episodes": 50, "cycle_steps": 20.0, "interventions": 3 * i}
        for i, n in enumerate(successes)
    ]
    return {"task": task, "method": method, "seed": seed, "curve": curve, "demo_steps": 40.0}


def test_the_interquartile_mean_leaves_out_a_quarter_at_each_end() -> None:
    found = results.interquartile([0.0, 0.4, 0.6, 1.0])
    assert found.mean == pytest.approx(0.5)
    assert 0.0 <= found.low < found.mean < found.high <= 1.0
    assert results.interquartile([0.7]) == (0.7, 0.7, 0.7)


def test_steps_to_90_count_from_the_first_good_evaluation_after_learning_began() -> None:
    one, two, never = result("gated", 10, 45, 20, 44, 45), result("gated", 11, 10, 5, 46, 50), result("gated", 12, 0, 0)
    assert results.first_good(one)["steps"] == 1500  # the base's own is none
    assert results.first_good(never) is None
    found = {line["metric"]: line for line in results.lines("peg", "gated", [one, two])}
    assert found["peg_gated_steps_to_90"]["value"] == pytest.approx(1250.0)
    assert "2 of 2 seeds" in found["peg_gated_steps_to_90"]["note"]
    assert found["peg_gated_interventions_to_90"]["value"] == pytest.approx(7.5)
    assert found["peg_gated_lowest_success"]["value"] == pytest.approx(0.25)
    assert found["peg_gated_lowest_below_base"]["value"] == pytest.approx(-0.3)
    assert found["peg_gated_final_success"]["value"] == pytest.approx(0.95)
    assert found["peg_gated_cycle_vs_operator"]["value"] == pytest.approx(0.5)


def test_the_picture_has_a_panel_a_task_and_a_line_a_method(tmp_path: Path) -> None:
    found = [result("gated", 10, 20, 30, 45), result("gated", 11, 22, 31), result("rlpd", 10, 20, 0, 0)]
    found.append(result("resfit", 10, 5, 5, 40, task="lift"))
    panels = picture.draw(found).axes
    assert [panel.get_title(loc="left") for panel in panels] == ["peg", "lift"]
    labels = [text.get_text() for text in panels[0].get_legend().get_texts()]
    assert labels == ["rlpd, 1 seed", "gated, 2 seeds"]
    gated = panels[0].get_lines()[1]
    assert gated.get_xdata().tolist() == [0, 500]  # where every run was evaluated
    assert gated.get_ydata() == pytest.approx([0.42, 0.61])
    picture.save(found, tmp_path / "curves.png")
    assert matplotlib.image.imread(tmp_path / "curves.png").ndim == 3


def test_every_method_has_a_colour_and_runs_only_where_it_is_meant_to() -> None:
    chosen = plans()
    assert set(METHODS) == set(picture.COLOURS) == {plan.method for plan in chosen}
    assert {plan.task for plan in chosen} == set(TASKS)
    assert not [plan for plan in chosen if METHODS[plan.method].is_for_some and not TASKS[plan.task].person]
    assert len({plan.name for plan in chosen}) == len(chosen)


def test_a_result_counts_only_for_the_settings_it_was_run_with(tmp_path: Path) -> None:
    plan = Plan("peg", "gated", 10)
    campaign = Campaign(tmp_path, quick=False)
    assert not campaign.is_known(plan)
    (tmp_path / "results.jsonl").write_text('{"task": "peg", "meth')  # cut while it was written
    campaign._keep(json.dumps(result("gated", 10, 1) | {"overrides": [*plan.overrides, "training.updates=9"]}))
    assert not campaign.is_known(plan)
    campaign._keep(json.dumps(result("gated", 10, 1) | {"overrides": list(plan.overrides)}))
    assert campaign.is_known(plan)
    assert not campaign.is_known(replace(plan, seed=11))
    assert len(results.read(tmp_path / "results.jsonl")) == 2


def test_the_documented_table_is_that_of_what_was_measured() -> None:
    documented = (Path(__file__).parents[2] / "docs" / "benchmarks.md").read_text()
    assert "\n".join(table.table(results.read(table.MEASURED))) in documented


def test_a_run_goes_on_only_with_the_settings_it_was_begun_with(tmp_path: Path) -> None:
    plan, out = Plan("peg", "gated", 10), tmp_path / "peg-gated-10"
    require_same_plan(plan, out, is_there=False)
    assert not out.exists()  # a run directory begins empty
    require_same_plan(plan, out, is_there=True)
    with pytest.raises(ConfigError, match=r"was begun with .*asked for .*training\.updates=9"):
        require_same_plan(replace(plan, extra=("training.updates=9",)), out, is_there=True)
