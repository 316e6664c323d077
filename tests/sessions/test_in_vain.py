"""A command that comes to nothing leaves everything as it was; what it did not write it does not take away."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from robot.filelock import FileLock
from sessions.begun import LOCK, UP_LOCK, Begun
from sessions.cli import main
from sessions.run import Run
from sessions.run_config import RunConfig

REFUSED = ("finetune", "--preset", "wsrl", "--env", "gym:Pendulum-v1")
SENTENCE = "learns from demonstrations first"


def refused(capsys: pytest.CaptureFixture[str], run: Path, *words: str) -> str:
    assert main([*(words or REFUSED), "--run", str(run)]) == 1
    return capsys.readouterr().err


def begun(path: Path, lock: str = LOCK) -> Begun:
    """Return what is found at `path`, with a run begun there as `open_run` does."""
    found = Begun(path, lock)
    Run(path, RunConfig()).save_config()
    (path / lock).touch()
    return found


def everything(path: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(path)): p.read_bytes() if p.is_file() else None for p in path.rglob("*")}


def test_no_folder_is_left_nor_those_above_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert SENTENCE in refused(capsys, tmp_path / "new" / "deep" / "run")
    assert not any(tmp_path.iterdir())


def test_a_folder_that_was_there_stays_and_is_empty_again(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    assert SENTENCE in refused(capsys, tmp_path / "run")
    (tmp_path / "link").symlink_to(tmp_path / "run")
    assert SENTENCE in refused(capsys, tmp_path / "link")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["link", "run"]


def test_the_current_folder_stays(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert SENTENCE in refused(capsys, Path("."))
    assert os.listdir(tmp_path) == []


def test_a_config_that_somebody_wrote_is_as_it_was(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("# mine\ntask:\n  seed: 3\n")
    before = everything(tmp_path)
    assert SENTENCE in refused(capsys, tmp_path)
    assert everything(tmp_path) == before


def test_a_run_of_before_stays_as_it_was(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    Run(tmp_path, RunConfig()).save_config()
    before = everything(tmp_path)
    assert "There is no store" in refused(capsys, tmp_path, "finetune", "training.updates=3")
    assert everything(tmp_path) == before


def test_settings_of_a_refused_cloning_are_put_back(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    assert main(["record", "--env", "local", "--run", run, "--episodes", "1"]) == 0
    before = (tmp_path / "run" / "config.yaml").read_bytes()
    sentence = refused(capsys, tmp_path / "run", "pretrain", "bc.select=error", "bc.updates=5")
    assert "needs an episode for validation" in sentence
    assert (tmp_path / "run" / "config.yaml").read_bytes() == before


def test_settings_of_a_recorded_run_are_put_back_until_the_command_is_at_work(tmp_path: Path) -> None:
    Run(tmp_path, RunConfig()).save_config()
    (tmp_path / "demos.zarr").mkdir()
    before = everything(tmp_path)
    for is_at_work in (False, True):
        found = Begun(tmp_path, LOCK)
        (tmp_path / "config.yaml").write_text("of the command")
        found.is_at_work = is_at_work
        found.undo()
        assert (everything(tmp_path) == before) is not is_at_work


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("training.device=cuda:99",), "this machine has"),
        (("training.actor.gripper_axis=5",), "must be below the 1 axes"),
        (("training.learner.critic=c51", "training.rewards.environment=1"), "needs a known range"),
    ],
)
def test_what_this_machine_or_robot_has_not_is_refused_before_anything_moves(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, change: tuple[str, ...], sentence: str
) -> None:
    words = ("finetune", "--preset", "td3", "--env", "gym:Pendulum-v1", *change)
    assert sentence in refused(capsys, tmp_path / "run", *words)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "kept", ["demos.zarr/zarr.json", "logs/arm.log", "metrics/episodes.jsonl", "evaluation/x.json"]
)
def test_what_was_recorded_or_logged_of_it_is_kept(tmp_path: Path, kept: str) -> None:
    found = begun(tmp_path / "run")
    file = tmp_path / "run" / kept
    file.parent.mkdir(exist_ok=True)
    file.write_text("why it failed")
    before = everything(tmp_path)
    found.undo()
    assert everything(tmp_path) == before


def test_what_another_has_put_there_meanwhile_stays(tmp_path: Path) -> None:
    found = begun(tmp_path / "run")
    (tmp_path / "run" / "notes.txt").write_text("mine")
    found.undo()
    assert everything(tmp_path / "run") == {"notes.txt": b"mine"}


@pytest.mark.parametrize(("ours", "theirs"), [(UP_LOCK, LOCK), (LOCK, UP_LOCK)])
def test_a_run_where_another_command_is_at_work_is_left_alone(tmp_path: Path, ours: str, theirs: str) -> None:
    found = begun(tmp_path / "run", ours)
    other = FileLock(tmp_path / "run" / theirs)
    assert other.try_acquire()
    before = everything(tmp_path)
    found.undo()
    assert everything(tmp_path) == before
    other.release()
    found.undo()
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_an_empty_name_is_no_run_directory(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["record", "--run", ""])
    assert "must name a folder; found an empty name" in capsys.readouterr().err
