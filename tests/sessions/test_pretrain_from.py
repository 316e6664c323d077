"""`nudge pretrain --from`: bad input leaves no half-made run behind."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sessions.cli import EXIT_INTERRUPTED, main
from sessions.pretrain import corrections_of
from sessions.run import Run
from sessions.run_config import RunConfig


def refusal(capsys: pytest.CaptureFixture[str], source: Path, path: Path, *overrides: str) -> str:
    assert main(["pretrain", "--from", str(source), "--run", str(path), *overrides]) == 1
    return capsys.readouterr().err


def test_a_base_from_corrections_is_refused_without_leaving_a_run_behind(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    Run(old, RunConfig(), None).save_config()
    assert "has no session to take corrections from" in refusal(capsys, old, new)
    (old / "online.zarr").mkdir()
    assert "has no demonstrations to clone" in refusal(capsys, old, new)
    assert not new.exists()
    (old / "demos.zarr").mkdir()
    assert "bc.updates" in refusal(capsys, old, new, "bc.updats=3")
    assert not new.exists()
    assert "demos.zarr" in refusal(capsys, old, new)  # an empty folder is no store: found after the run was begun
    assert not new.exists()
    new.mkdir()
    assert "Name a run that is not there yet" in refusal(capsys, old, new)
    assert new.exists()


@pytest.mark.parametrize("where", ["sessions.pretrain.sound_store", "shutil.copytree"])
def test_who_interrupts_it_finds_no_half_of_a_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    old, new = tmp_path / "old", tmp_path / "new"
    Run(old, RunConfig(), None).save_config()
    for name in ("online.zarr", "demos.zarr"):
        (old / name).mkdir()
    monkeypatch.setattr(where, interrupted)
    assert main(["pretrain", "--from", str(old), "--run", str(new)]) == EXIT_INTERRUPTED
    assert f"Go on with: nudge pretrain --from {old} --run {new}" in capsys.readouterr().err
    assert not new.exists()
    assert (old / "online.zarr").exists()


def test_a_session_without_a_persons_step_adds_nothing_and_says_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    assert main(["record", "--env", "local", "--run", str(old), "--episodes", "1"]) == 0
    assert main(["pretrain", "--run", str(old), "bc.updates=5"]) == 0
    for asked in (["bc.failed_weight=0.5"], ["bc.filters_corrections=true"]):
        assert main(["pretrain", "--run", str(old), *asked]) == 1
        assert "are about the corrections of a session: name it with --from" in capsys.readouterr().err
    assert main(["pretrain", "--run", str(old), "--external", "act.pt", "bc.updates=5"]) == 1
    assert "--external takes one as it is: leave bc.* out" in capsys.readouterr().err
    assert main(["evaluate", "--run", str(old), "--policy", "base", "--episodes", "1"]) == 0
    (old / "eval_base.zarr").rename(old / "online.zarr")  # played without a person
    assert main(["pretrain", "--from", str(old), "--run", str(new), "bc.updates=5"]) == 0
    assert "and 0 steps of corrections" in capsys.readouterr().out


def test_corrections_of_earlier_sessions_stay(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    for run in (first, second):  # a session in which the operator plays all of it stands for one that is corrected
        if run == first:
            assert main(["record", "--env", "local", "--run", str(run), "--episodes", "2"]) == 0
        shutil.copytree(first / "demos.zarr", run / "online.zarr")
        assert (
            main(["pretrain", "--from", str(run), "--run", str(second if run == first else third), "bc.updates=5"]) == 0
        )
    of_one, of_two = (Run.read(run).lines("phases")[-1]["corrections"] for run in (second, third))
    assert of_two == 2 * of_one > 0
    assert [path.name for path in corrections_of(third)] == ["1.zarr", "2.zarr"]
    assert main(["pretrain", "--run", str(third), "bc.updates=5"]) == 0
    assert Run.read(third).lines("phases")[-1]["corrections"] == of_two
    capsys.readouterr()
    assert main(["pretrain", "--run", str(third), "bc.updates=5", "bc.filters_corrections=true"]) == 1
    assert "asks the critics of the session" in capsys.readouterr().err


def test_the_oldest_session_comes_first_however_many_there_are(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        (tmp_path / "corrections" / f"{number}.zarr").mkdir(parents=True)
    assert [path.stem for path in corrections_of(tmp_path)] == ["1", "2", "10"]
