"""Runs in one process: every verb, the same files as over ROS 2, killed and resumed to the same bits."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from policies.tensorfile import read_tensors
from robot.store import StoreReader
from robot.types import Source
from sessions.cli import main
from sessions.config import load
from sessions.learning import learnt_policy
from sessions.run import Run
from sessions.run_config import RunConfig

HERE = Path(__file__).resolve().parent
TINY = "gym:tiny_env:Tiny-v0"
SMALL = (
    "env.expert=tiny_env:TinyExpert",
    "bc.updates=60",
    "training.total_steps=150",
    "training.schedule.warmup_steps=20",
    "training.updates=1",
    "training.checkpoint_every=3",
    "person.rule=random",
    "person.onset=0.1",
)
DEADLINE_S = 100.0
SHORT = "training.total_steps=90"


@pytest.fixture(autouse=True)
def _own_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.setenv("PYTHONPATH", f"{HERE.parents[1]}{os.pathsep}{HERE}")


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with demonstrations and a base policy, not to be changed."""
    run = tmp_path_factory.mktemp("runs") / "tiny"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE))
        assert main(["record", "--env", TINY, "--run", str(run), "--episodes", "5", *SMALL]) == 0
        assert main(["pretrain", "--run", str(run)]) == 0
    return run


@pytest.fixture
def run(pretrained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pretrained, tmp_path / "run"))


def start(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sessions.cli", *words]
    return subprocess.Popen(
        command, cwd=HERE.parents[1], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
    )


def finish(process: subprocess.Popen[str]) -> None:
    output, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, output


def lines(run: Path, phase: str) -> list[dict]:
    path = run / "metrics" / "episodes.jsonl"
    text = path.read_text() if path.exists() else ""
    rows = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
    return [row for row in rows if row["phase"] == phase]


def steps_of(run: Path, store: str = "online") -> np.ndarray:
    """Return what was done and paid in all steps of a store, (N, A + 3)."""
    reader = StoreReader.open(run / f"{store}.zarr")
    columns = [
        np.column_stack([e.action, e.reward, e.weights_version, e.source])
        for e in (reader.episode(i) for i in range(len(reader)))
    ]
    return np.concatenate(columns)


def test_demonstrations_hold_the_experts_actions_and_the_environments_rewards(pretrained: Path) -> None:
    reader = StoreReader.open(pretrained / "demos.zarr")
    assert len(reader) == 5
    for episode in (reader.episode(i) for i in range(5)):
        assert set(episode.source) == {Source.HUMAN}
        assert episode.is_success
        assert (episode.reward < 0).all()
        assert episode.observation["far_goal"].shape == (episode.length, 2)


def test_the_whole_story_leaves_what_a_session_over_ros_leaves(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("evaluate", "--policy", "base", "--episodes", "3"), ("finetune",), ("evaluate", "--episodes", "3")):
        assert main([*words, "--run", str(run)]) == 0
    capsys.readouterr()
    for name in ("config.yaml", "report.html", "summary.json", "evaluation/base.json", "evaluation/final.json"):
        assert (run / name).exists()
    summary = json.loads((run / "summary.json").read_text())
    assert summary["robot_steps"] >= 150
    assert summary["task"] == TINY.removeprefix("gym:")
    assert summary["final_success"]["episodes"] == 3
    played = lines(run, "finetune")
    assert [row["index"] for row in played] == list(range(len(played)))
    assert [row["weights_version"] for row in played] == [max(0, i - 1) for i in range(len(played))]
    assert sum(row["interventions"] for row in played) > 0
    learnt = [json.loads(line) for line in (run / "metrics" / "learner.jsonl").read_text().splitlines()]
    assert learnt[-1]["updates"] == learnt[-1]["robot_steps"] == played[-1]["robot_steps"]
    seeds = [[row["seed"] for row in lines(run, f"evaluate_{name}")] for name in ("base", "final")]
    assert seeds[0] == seeds[1]
    assert set(steps_of(run, "eval_final")[:, -1]) == {Source.POLICY}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_session_that_is_killed_again_and_again_ends_with_the_same_bits(run: Path, tmp_path: Path) -> None:
    whole = Path(shutil.copytree(run, tmp_path / "whole"))
    finish(start("finetune", "--run", str(whole), SHORT))
    for episodes in (1, 4):
        resume = ["--resume"] if lines(run, "finetune") else []
        session = start("finetune", "--run", str(run), *resume, SHORT)
        deadline = time.monotonic() + DEADLINE_S
        while len(lines(run, "finetune")) < episodes and time.monotonic() < deadline:
            assert session.poll() is None, session.communicate()[0]
            time.sleep(0.005)
        session.send_signal(signal.SIGKILL)
        session.communicate()
    acknowledged = len(lines(run, "finetune"))
    assert acknowledged >= 4
    finish(start("finetune", "--run", str(run), "--resume", SHORT))
    # an episode that a kill cut short counts as played; up to there, and where none was cut, all is the same
    cut = [row["index"] for row in lines(run, "finetune") if row["aborted"]]
    if not cut:
        np.testing.assert_array_equal(steps_of(run), steps_of(whole))
        versions = sorted(path.name for path in (whole / "weights").iterdir())
        ours, theirs = (read_tensors(folder / "weights" / versions[-1])[0] for folder in (run, whole))
        assert all(bool((ours[name] == theirs[name]).all()) for name in theirs)
    index = min(cut, default=0)
    before = sum(row["steps"] for row in lines(run, "finetune") if row["index"] < index)
    np.testing.assert_array_equal(steps_of(run)[:before], steps_of(whole)[:before])


def test_finetuning_goes_on_only_when_asked_to(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["finetune", "--run", str(run), "training.total_steps=20"]) == 0
    assert main(["finetune", "--run", str(run)]) == 1
    assert "--resume" in capsys.readouterr().err
    assert main(["finetune", "--run", str(run), "--resume", "training.total_steps=60"]) == 0
    assert lines(run, "finetune")[-1]["robot_steps"] >= 60


def test_a_base_policy_is_chosen_by_its_successes_in_trials_and_leaves_its_curve(run: Path) -> None:
    trials = ("bc.select=success", "bc.trials=2", "bc.trial_episodes=3", "bc.validation=0.2")
    assert main(["pretrain", "--run", str(run), *trials]) == 0
    curve = json.loads((run / "base" / "curve.json").read_text())
    tried = [point["success"] for point in curve if "success" in point]
    assert len(tried) == 2
    assert all(share * 3 == pytest.approx(round(share * 3)) for share in tried)
    assert all(point["error"] > 0.0 for point in curve)
    assert (run / "base" / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert (run / "base" / "last.safetensors").exists()
    said = json.loads((run / "metrics" / "phases.jsonl").read_text().splitlines()[-1])
    assert said["selected"] == "the policy of the most successes in simulation"
    assert said["selected_success"] == max(tried)
    assert not (run / "eval_base.zarr").exists()


def test_corrections_that_the_sessions_critics_rate_lower_than_the_base_are_left_out(run: Path) -> None:
    assert main(["finetune", "--run", str(run), SHORT]) == 0
    again = ["pretrain", "--from", str(run), "--run"]
    assert main([*again, str(run.with_name("all")), "bc.updates=5"]) == 0
    assert main([*again, str(run.with_name("some")), "bc.updates=5", "bc.filters_corrections=true"]) == 0
    said = [
        json.loads((run.with_name(name) / "metrics" / "phases.jsonl").read_text().splitlines()[-1])
        for name in ("all", "some")
    ]
    demos = sum(line["steps"] for line in lines(run, "record"))
    assert demos < said[1]["steps"] < said[0]["steps"]
    policy = learnt_policy(Run.read(run).config, run, is_final=True)
    store = StoreReader.open(run / "online.zarr")
    played = [episode for episode in (store.episode(i) for i in range(len(store))) if episode.is_success]
    human = [episode.source == Source.HUMAN for episode in played]
    good = [h & (policy.advantages(episode) >= 0.0) for h, episode in zip(human, played, strict=True)]
    for line, taken in zip(said, (human, good), strict=True):
        assert line["corrections"] == sum(int(steps.sum()) for steps in taken)
        assert f"and {int(line['corrections'])} steps of corrections" in line["what"]


@pytest.mark.parametrize(
    ("eyes", "why"), [("own", "asks for no camera; the cameras of"), ("tuned", "it has none; clone one that sees")]
)
def test_eyes_that_cannot_be_are_refused_before_anything_moves(
    run: Path, capsys: pytest.CaptureFixture[str], eyes: str, why: str
) -> None:
    before = (run / "config.yaml").read_bytes()
    said = refusal(capsys, "finetune", "--run", str(run), f"training.eyes={eyes}", SHORT)
    assert why in said
    assert not (run / "online.zarr").exists()
    assert (run / "config.yaml").read_bytes() == before


def test_somebody_elses_policy_is_taken_as_the_base_and_finetuned(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(run / "base")
    assert main(["pretrain", "--run", str(run), "--external", "tiny_env:straight"]) == 0
    assert "base policy taken from tiny_env:straight" in capsys.readouterr().out
    assert main(["finetune", "--run", str(run), SHORT]) == 0
    assert lines(run, "finetune")
    (run / "online.zarr").rename(run / "aside.zarr")
    said = refusal(capsys, "pretrain", "--run", str(run), "--external", "tiny_env:crooked")
    assert "tiny_env:crooked does not fit this robot (observation point)" in said
    assert "It declares [point float32[3]" in said
    assert main(["pretrain", "--run", str(run)]) == 0
    assert not (run / "base" / "external.json").exists()


def test_the_environment_is_saved_with_the_run(pretrained: Path) -> None:
    assert load(RunConfig, pretrained / "config.yaml").env.id == TINY


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(list(words)) == 1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("nudge: ")
    return said


def test_a_run_stays_in_its_environment(pretrained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(capsys, "record", "--run", str(pretrained), "--env", "gym:Pendulum-v1")
    assert f"env.id was {TINY}" in said


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("record", "--env", "gym:CartPole-v1"), "continuous actions only"),
        (("record", "--env", "gym:Pendulam-v1"), "Did you mean 'Pendulum-v1'"),
        (("record", "--env", "gym:Pendulum-v1"), "nudge finetune --env gym:Pendulum-v1"),
        (("record", "--env", "gym:Pendulum-v1", "env.expert=tiny_env:Nobody"), "module:function"),
        (("record", "--env", "gym:tiny_env:Endless-v0", "env.expert=tiny_env:TinyExpert"), "env.max_steps="),
        (("record", "--env", "sim"), "env.id must be empty"),
        (("record", "--env", TINY, "--realtime", SMALL[0]), "leave --realtime out"),
        (("finetune", "--env", "gym:Pendulum-v1"), "There is no base policy"),
        (("demo", f'env.id="{TINY}"'), "for the robot over ROS 2"),
    ],
)
def test_what_cannot_be_played_is_refused(
    words: tuple[str, ...], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sentence in refusal(capsys, *words, "--run", str(tmp_path / "run"))


def test_all_is_learnt_from_nothing_but_reward(tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ("training.total_steps=60", "training.updates=1", "training.schedule.start_steps=20", "env.expert=none")
    assert main(["finetune", "--env", TINY, "--preset", "sac", "--run", str(run), *words]) == 0
    assert main(["evaluate", "--run", str(run), "--episodes", "2"]) == 0
    assert not (run / "demos.zarr").exists()
    assert not (run / "base").exists()
    steps = lines(run, "finetune")[-1]["robot_steps"]
    learnt = json.loads((run / "metrics" / "learner.jsonl").read_text().splitlines()[-1])
    assert steps >= 60
    assert learnt["updates"] == steps - 20  # none are owed for the first
    assert set(steps_of(run)[:, -1]) == {Source.POLICY}


def test_the_simulated_arm_plays_in_this_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "arm"
    assert main(["record", "--env", "local", "--run", str(run), "--episodes", "1"]) == 0
    capsys.readouterr()
    reader = StoreReader.open(run / "demos.zarr")
    assert reader.spec.image_keys == ()
    assert reader.episode(0).is_success


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_interrupts_the_last_updates_is_told_how_to_go_on(run: Path, number: signal.Signals) -> None:
    session = start("finetune", "--run", str(run), "training.total_steps=30", "training.updates=400")
    deadline = time.monotonic() + DEADLINE_S
    while sum(row["steps"] for row in lines(run, "finetune")) < 30 and time.monotonic() < deadline:
        assert session.poll() is None, session.communicate()[0]
        time.sleep(0.01)
    time.sleep(0.3)  # the session waits for the learner now
    session.send_signal(number)
    output, _ = session.communicate(timeout=DEADLINE_S)
    assert session.returncode == 130, output
    assert output.rstrip().endswith(f"Go on with: nudge finetune --resume --run {run}")
