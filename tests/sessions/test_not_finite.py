"""A number that is none, wherever it comes from: one sentence names it, status 1, and all that was whole is kept."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from policies import checkpoint
from policies.learner import Learner
from policies.process import Progress
from policies.tensorfile import read_tensors
from policies.weights import WeightsDirectory
from robot.store import StoreReader, check
from sessions.cli import main
from sessions.run import Run

HERE = Path(__file__).resolve().parent
WORDS = (
    "env.expert=none",
    "training.total_steps=75",
    "training.updates=1",
    "training.schedule.start_steps=10",
    "training.actor.hidden=[8]",
    "training.learner.hidden=[8]",
    "training.sampler.batch=8",
    "training.checkpoint_every=2",
)
SPOILING = """
import sys
from policies.learner import Learner

update = Learner.update
def spoiling(self, batch, **how):
    if self.updates == 60:
        self.flat["critic"][0] = float("nan")
    return update(self, batch, **how)
Learner.update = spoiling

from sessions.learner import main
sys.exit(main())
"""


@pytest.fixture(autouse=True)
def _own_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.setenv("PYTHONPATH", f"{HERE.parents[1]}{os.pathsep}{HERE}")


def finetune(run: Path, env: str = "Tiny-v0") -> int:
    return main(["finetune", "--env", f"gym:tiny_env:{env}", "--preset", "sac", "--run", str(run), *WORDS])


def resume(run: Path) -> int:
    gc.collect()  # the lock of a run that failed lives as long as the frames of its error
    return main(["finetune", "--run", str(run), "--resume"])


def last_words(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.strip().splitlines()[-1]


def assert_good(run: Path) -> int:
    """The checkpoint, the weights and the store are whole; returns the version that was learnt last."""
    tensors, _ = read_tensors(run / "learner" / checkpoint.FILE)
    assert all(bool(tensor.isfinite().all()) for tensor in tensors.values())
    progress = Progress.read(run / "learner")
    assert progress is not None
    newest = WeightsDirectory(run / "weights").latest()
    assert newest == progress.version
    published, _ = read_tensors(run / "weights" / f"v{newest:08d}.safetensors")
    assert all(bool(tensor.isfinite().all()) for tensor in published.values())
    assert not [problem for problem in check(run / "online.zarr") if not problem.startswith("A journal")]
    return progress.version


def stop_of(run: Path) -> dict:
    return Run.read(run).lines("stops")[-1]


def test_a_reward_that_is_no_number_ends_the_session_and_the_run_goes_on_without_its_episode(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert finetune(run, "Unpaid-v0") == 1
    words = last_words(capsys)
    learnt = assert_good(run)
    assert words.startswith(f"nudge: Episode {learnt} cannot be learnt from: its reward is not finite at step ")
    assert stop_of(run)["cause"] in words
    reader = StoreReader.open(run / "online.zarr")
    assert len(reader) == learnt + 1  # the spoiled episode was acknowledged, and is kept like any other
    assert reader.steps >= 45
    assert resume(run) == 1  # the same sentence, nothing lost
    assert last_words(capsys) == words
    assert main(["store", "drop", str(run / "online.zarr"), "--episodes", str(learnt)]) == 0
    assert resume(run) == 0
    assert StoreReader.open(run / "online.zarr").steps >= 75


def test_an_observation_that_is_no_number_is_refused_and_the_steps_before_it_are_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert finetune(run, "Blind-v0") == 1
    assert "point must be finite; found NaN or infinity at [0]" in last_words(capsys)
    assert_good(run)
    assert resume(run) == 0
    reader = StoreReader.open(run / "online.zarr")
    episodes = [reader.episode(index) for index in range(len(reader))]
    cut = [episode.index for episode in episodes if episode.is_aborted]
    assert len(cut) == 1
    assert sum(episode.length for episode in episodes[: cut[0] + 1]) == 45


def test_a_weight_that_becomes_no_number_ends_the_session_at_the_last_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, update = tmp_path / "run", Learner.update

    def spoiling(self: Learner, batch, **how):
        if self.updates == 60:
            self.flat["critic"][0] = float("nan")
        return update(self, batch, **how)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "update", spoiling)
        assert finetune(run) == 1
    words = last_words(capsys)
    assert "critic.weight0 is not finite after update" in words
    assert stop_of(run)["cause"] in words
    assert_good(run)
    steps = StoreReader.open(run / "online.zarr").steps
    assert resume(run) == 0
    assert_good(run)
    assert StoreReader.open(run / "online.zarr").steps >= max(steps, 75)


def test_the_learners_process_ends_with_status_1_and_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert finetune(run) == 0
    for name in ("learner", "weights"):
        (run / name).rename(run / f"whole-{name}")
    command = [sys.executable, "-c", SPOILING, "--run", str(run)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE.parents[1])
    assert done.returncode == 1
    (words,) = done.stderr.strip().splitlines()
    assert words.startswith("critic.weight0 is not finite after update ")
    assert_good(run)
    assert json.loads((run / "learner.pid").read_text())["is_finished"] is False


def test_a_checkpoint_with_a_flipped_bit_is_refused_before_the_robot_moves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert finetune(run) == 0
    steps, file = StoreReader.open(run / "online.zarr").steps, run / "learner" / checkpoint.FILE
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 4]))
    gc.collect()
    longer = ["finetune", "--run", str(run), "--resume", "training.total_steps=150"]
    assert main(longer) == 1
    assert f"{file} is damaged: it is not what was written" in last_words(capsys)
    assert StoreReader.open(run / "online.zarr").steps == steps
    file.write_bytes(whole)
    gc.collect()
    assert main(longer) == 0
    assert StoreReader.open(run / "online.zarr").steps >= 150
