"""A command that begins a run and comes to nothing leaves nothing; what was there before stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from sessions.cli import main
from sessions.run import Run
from sessions.run_config import RunConfig

REFUSED = ("finetune", "--preset", "wsrl", "--env", "gym:Pendulum-v1")


@pytest.mark.parametrize("is_there", [False, True])
def test_a_run_that_came_to_nothing_leaves_no_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, is_there: bool
) -> None:
    run = tmp_path / "run"
    if is_there:
        run.mkdir()
    assert main([*REFUSED, "--run", str(run)]) == 1
    assert "learns from demonstrations first" in capsys.readouterr().err
    assert not run.exists()


def test_a_run_of_before_stays_as_it_was(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    Run(tmp_path, RunConfig()).save_config()
    assert main(["finetune", "--run", str(tmp_path)]) == 1
    assert "There is no store" in capsys.readouterr().err
    assert (tmp_path / "config.yaml").exists()


def test_what_was_logged_of_it_is_kept(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", RunConfig(), is_new=True)
    (run.path / "logs" / "arm.log").write_text("why it failed")
    run.remove_if_in_vain()
    assert run.path.exists()


def test_an_empty_name_is_no_run_directory(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["record", "--run", ""])
    assert "must name a folder; found an empty name" in capsys.readouterr().err
