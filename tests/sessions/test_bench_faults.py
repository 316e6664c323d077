"""The benchmark of faults: what it calls a hold, what it plans, and how it counts what was lost."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.faults.campaign import Campaign, plan
from benchmarks.faults.judge import Recording, Verdict, judge
from benchmarks.faults.kinds import KINDS
from robot.errors import ConfigError
from robot.store import StoreWriter
from robot.types import Decision, FinalRecord, Label, Observation, Source, StepRecord
from sessions import build
from sessions.run import Run
from sessions.run_config import RunConfig

MS = 1_000_000
PERIOD_S = 0.1
INJECTED = 1000 * MS


def recording(held_ms: float | None, stops_ms: float, told_ms: float | None = None, mode: str = "hold") -> Recording:
    """A tool at 0.2 m/s that stops `stops_ms` after the injection; the arm says `mode` from `held_ms` on."""
    arm = [(900 * MS, "follow", 0)]
    if held_ms is not None:
        begun = 0 if told_ms is None else INJECTED + round(told_ms * MS)
        arm.append((INJECTED + round(held_ms * MS), mode, begun))
    times = range(0, 1750, 10)
    poses = [(t * MS, np.array([0.0002 * min(t, 1000 + stops_ms), 0.0, 0.0])) for t in times]
    targets = [(t * MS, np.array([0.0002 * min(t, 1000 + stops_ms) + 0.02, 0.0, 0.0])) for t in range(0, 1750, 100)]
    return Recording(arm=arm, poses=poses, targets=targets)


def verdict(seen: Recording, is_by_target: bool = False, is_passing: bool = False) -> Verdict:
    return judge(seen, INJECTED, PERIOD_S, is_by_target, is_passing)


def test_a_hold_in_time_and_at_rest_is_safe() -> None:
    found = verdict(recording(held_ms=180, stops_ms=200))
    assert found.why_unsafe == ""
    assert found.hold_ms == pytest.approx(180)
    assert not found.was_holding


def test_the_arms_own_word_counts_where_it_lies_between_injection_and_message() -> None:
    assert verdict(recording(held_ms=180, stops_ms=100, told_ms=120)).hold_ms == pytest.approx(120)
    assert verdict(recording(held_ms=180, stops_ms=100, told_ms=-40)).hold_ms == pytest.approx(180)
    assert verdict(recording(held_ms=180, stops_ms=100, told_ms=5000)).hold_ms == pytest.approx(180)


@pytest.mark.parametrize("mode", ["follow", "homing"])
def test_an_arm_that_says_it_moves_does_not_hold(mode: str) -> None:
    found = verdict(recording(held_ms=100, stops_ms=100, mode=mode))
    assert found.hold_ms is None
    assert "went on" in found.why_unsafe


def test_a_late_hold_is_unsafe() -> None:
    assert "after 350 ms" in verdict(recording(held_ms=350, stops_ms=200)).why_unsafe


def test_a_status_that_lies_is_caught_by_the_tools_own_motion() -> None:
    assert "mm after the limit" in verdict(recording(held_ms=100, stops_ms=700)).why_unsafe
    creeping = recording(held_ms=100, stops_ms=100)
    creeping.poses = [(at, np.array([0.00002 * at / MS, 0.0, 0.0])) for at, _ in creeping.poses]
    assert "mm after the limit" in verdict(creeping).why_unsafe or "still moved" in verdict(creeping).why_unsafe


def test_without_poses_nobody_knows() -> None:
    blind = recording(held_ms=100, stops_ms=100)
    blind.poses = blind.poses[:100]
    assert "nobody knows" in verdict(blind).why_unsafe


def test_a_hold_that_ends_again_is_none() -> None:
    seen = recording(held_ms=100, stops_ms=100)
    seen.arm.append((INJECTED + 500 * MS, "follow", 0))
    assert verdict(seen).hold_ms is None


def test_an_arm_that_held_before_held() -> None:
    seen = recording(held_ms=None, stops_ms=-500)
    seen.arm = [(500 * MS, "hold", 0), (INJECTED + 50 * MS, "stop", 0)]
    found = verdict(seen)
    assert (found.hold_ms, found.was_holding, found.why_unsafe) == (0.0, True, "")


def test_a_refused_command_holds_by_its_target() -> None:
    seen = recording(held_ms=None, stops_ms=150)
    assert verdict(seen).hold_ms is None
    found = verdict(seen, is_by_target=True)
    assert found.hold_ms == pytest.approx(200)
    assert found.why_unsafe == ""


def test_after_a_passing_fault_the_hold_may_end_with_the_next_reset() -> None:
    seen = recording(held_ms=100, stops_ms=100)
    seen.mux = [(900 * MS, "policy"), (INJECTED + 90 * MS, "soft_stop"), (INJECTED + 400 * MS, "resetting")]
    seen.arm.append((INJECTED + 410 * MS, "homing", 0))
    assert verdict(seen).hold_ms is None
    found = verdict(seen, is_passing=True)
    assert found.hold_ms == pytest.approx(100)
    assert found.why_unsafe == ""
    seen.mux = [(900 * MS, "policy"), (INJECTED + 400 * MS, "resetting")]
    assert verdict(seen, is_passing=True).hold_ms is None, "nothing was stopped"


def test_a_plan_repeats_and_holds_every_fault_equally_often() -> None:
    names = list(KINDS)
    injections = plan(names, 3 * len(names), seed=4)
    assert injections == plan(names, 3 * len(names), seed=4)
    assert injections != plan(names, 3 * len(names), seed=5)
    assert sorted(i.kind for i in injections) == sorted(names * 3)
    assert [i.index for i in injections] == list(range(3 * len(names)))
    for injection in injections:
        assert injection.activity in KINDS[injection.kind].activities
    phases = [KINDS[i.kind].phase for i in injections]
    assert phases == sorted(phases, reverse=True), "the learner's come last"


def test_a_finished_injection_is_not_done_again(tmp_path: Path) -> None:
    run = Run(tmp_path, RunConfig())
    injections = plan(["kill_mux"], 2, seed=0)
    lines = [{"index": i, "hold_ms": 5.0} for i in range(2)]
    (tmp_path / "injections.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"torn": ')
    told: list[dict] = []
    assert Campaign(run, injections, told.append).play() == lines
    assert told == []
    with pytest.raises(ConfigError, match="another campaign"):
        Campaign(run, plan(["kill_mux"], 2, seed=1), told.append)


def test_steps_that_the_store_lacks_are_counted(tmp_path: Path) -> None:
    run = Run(tmp_path, RunConfig())
    spec = build.robot_spec(run.config)
    nothing = np.zeros(4, np.float32)
    observation: Observation = {k: np.zeros(a.shape, a.dtype) for k, a in spec.observation.items()}
    stamps = [100 * MS, 200 * MS, 300 * MS]
    with StoreWriter.open(run.store("weave"), spec, {}) as writer:
        writer.begin(0, {})
        for stamp in stamps:
            decision = Decision(nothing, nothing, nothing)
            is_last = stamp == stamps[-1]
            writer.append(
                StepRecord(
                    observation,
                    stamp,
                    {},
                    decision,
                    nothing,
                    Source.POLICY,
                    Label.NONE,
                    0,
                    False,
                    is_last,
                    False,
                    False,
                )
            )
        writer.commit(FinalRecord(observation, 400 * MS, nothing))
    campaign = Campaign(run, plan(["kill_actor"], 1, seed=0), lambda line: None)
    acknowledged = tmp_path / "acknowledged_weave.jsonl"
    acknowledged.write_text("".join(json.dumps({"stamp_ns": stamp, "at_ns": 0}) + "\n" for stamp in stamps))
    assert campaign.steps_lost() == (0, 3)
    with acknowledged.open("a") as file:
        file.write(json.dumps({"stamp_ns": 500 * MS, "at_ns": 0}) + "\n")
    assert campaign.steps_lost() == (1, 4)
