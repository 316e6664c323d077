"""Bad input of the verbs: one sentence, a status that is not 0, and nothing written."""

from __future__ import annotations

import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from robot.errors import ConfigError
from robot.filelock import FileLock
from robot.store import StoreWriter
from robot.types import Decision, FinalRecord, Label, Source, StepRecord
from sessions import build
from sessions.cli import main
from sessions.config import load
from sessions.run import Run, open_run
from sessions.run_config import RunConfig


def _refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run nudge in this process; returns the sentence of its refusal."""
    assert main(list(words)) == 1
    said = capsys.readouterr().err.strip()
    assert said.startswith("nudge: ")
    assert "\n" not in said
    return said


@pytest.mark.parametrize("verb", ["pretrain", "finetune", "evaluate", "replay"])
def test_a_run_that_is_not_there_is_not_made(capsys: pytest.CaptureFixture[str], tmp_path: Path, verb: str) -> None:
    run = tmp_path / "missing"
    assert f"There is no run directory {run}" in _refusal(capsys, verb, "--run", str(run))
    assert not run.exists()


@pytest.mark.parametrize("verb", ["pretrain", "finetune", "evaluate", "replay"])
@pytest.mark.parametrize("files", [(), ("notes.txt", "model.zarr")])
def test_a_folder_that_is_no_run_is_not_gone_on_with(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, verb: str, files: tuple[str, ...]
) -> None:
    for name in files:
        (tmp_path / name).write_text("mine")
    said = _refusal(capsys, verb, "--run", str(tmp_path))
    assert f"{tmp_path} is no run directory: it holds neither a config.yaml nor a store" in said
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(files)


@pytest.mark.parametrize("files", [(), ("notes.txt",)])
def test_a_demo_is_gone_on_with_only_where_there_is_a_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, files: tuple[str, ...]
) -> None:
    for name in files:
        (tmp_path / name).write_text("mine")
    assert "name one that nudge demo made" in _refusal(capsys, "demo", "--resume", "--run", str(tmp_path))
    missing = tmp_path / "missing"
    assert f"begin one with: nudge demo --run {missing}" in _refusal(capsys, "demo", "--resume", "--run", str(missing))
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(files)


@pytest.mark.parametrize("verb", ["demo", "up", "record"])
def test_no_run_begins_among_files_of_others(capsys: pytest.CaptureFixture[str], tmp_path: Path, verb: str) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    said = _refusal(capsys, verb, "--run", str(tmp_path))
    assert f"{tmp_path} is no run directory and not empty (it holds 'notes.txt')" in said
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("path", ["a.zarr", "inside/a.zarr"])
def test_a_store_that_lies_in_no_run_is_not_replayed_into_its_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, path: str
) -> None:
    (tmp_path / path).mkdir(parents=True)
    assert "is no run directory" in _refusal(capsys, "replay", "--store", str(tmp_path / path))
    assert not any(tmp_path.rglob("config.yaml"))


def test_a_run_begins_in_an_empty_folder_and_beside_the_lock_of_another_command(tmp_path: Path) -> None:
    arguments = Namespace(run=tmp_path, config=None, overrides=[], seed=None, realtime=False)
    for verb in ("up", "record"):  # the second finds what the first has only just begun
        for name in ("config.yaml", "robot.yaml", "safety.yaml"):
            (tmp_path / name).unlink(missing_ok=True)
        for name in ("logs", "metrics", "evaluation"):
            if (tmp_path / name).exists():
                (tmp_path / name).rmdir()
        assert open_run(arguments, verb).config_file.exists()


def test_a_missing_store_is_named_with_what_to_do(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    Run(tmp_path, RunConfig()).save_config()
    said = _refusal(capsys, "pretrain", "--run", str(tmp_path))
    assert f"There is no store at {tmp_path / 'demos.zarr'}; record one first" in said


def test_an_unknown_task_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    said = _refusal(capsys, "demo", "task.name=peg_insert", "--run", str(tmp_path / "run"))
    assert "must be one of peg_insertion; found 'peg_insert'" in said


def test_a_misspelt_key_is_refused_with_the_near_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    said = _refusal(capsys, "record", "contol.period_s=0.1", "--run", str(tmp_path / "run"))
    assert "Did you mean 'control.period_s'?" in said
    assert not (tmp_path / "run").exists()


def test_a_run_directory_that_cannot_be_written_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    assert "cannot be written" in _refusal(capsys, "record", "--run", str(file))
    assert file.read_text() == "mine"


def _record_one_step(path: Path, config: RunConfig) -> None:
    spec = build.robot_spec(config)
    random = np.random.default_rng(3)
    observation = {
        key: (
            random.integers(0, 255, array.shape).astype(np.uint8)
            if array.dtype == "uint8"
            else random.normal(size=array.shape).astype(np.float32)
        )
        for key, array in spec.observation.items()
    }
    action = np.zeros(spec.action_size, np.float32)
    with StoreWriter.open(path, spec, {}) as writer:
        writer.begin(0, {})
        writer.append(
            StepRecord(
                observation=observation,
                stamp_ns=0,
                stream_stamps_ns={},
                decision=Decision(action, action, action),
                executed=action,
                source=Source.HUMAN,
                label=Label.SUCCESS,
                reasons=0,
                is_terminated=True,
                is_truncated=False,
                is_aborted=False,
                is_success=True,
            )
        )
        writer.commit(FinalRecord(observation, 100_000_000, action))


def test_a_store_of_another_robot_is_refused_before_anything_starts(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _record_one_step(tmp_path / "demos.zarr", RunConfig())
    said = _refusal(capsys, "record", "--run", str(tmp_path), "control.scale=[0.02,0.03,0.02,0.1]")
    assert "they differ in action scale" in said
    assert not any((tmp_path / "logs").iterdir())


def test_a_finetuning_session_is_not_begun_over_another(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    _record_one_step(tmp_path / "demos.zarr", RunConfig())
    assert "There is no base policy" in _refusal(capsys, "finetune", "--run", str(tmp_path))
    _record_one_step(tmp_path / "online.zarr", RunConfig())
    assert "pretrain in another run directory" in _refusal(capsys, "pretrain", "--run", str(tmp_path))


def test_an_episode_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    _record_one_step(tmp_path / "demos.zarr", RunConfig())
    said = _refusal(capsys, "replay", "--run", str(tmp_path), "--episode", "99")
    assert "has no episode 99: it holds 1, numbered from 0" in said


@pytest.mark.timeout(600)
def test_a_full_disk_is_named_and_the_session_ends_with_status_1(tmp_path: Path) -> None:
    """In a file system of 2 MB of its own, where this process may make one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    script = (
        f"mount -t tmpfs -o size=2m tmpfs {disk} && "
        f"{sys.executable} -m sessions.cli record --episodes 50 --run {disk}/run"
    )
    probe = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip("this user may not mount a file system")
    result = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).resolve().parents[2],
        timeout=500,
    )
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("nudge: ")
    assert "full" in last
    assert "kept" in last


def test_settings_that_must_be_equal_are_refused_when_they_differ(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    said = _refusal(capsys, "record", "control.scale=[0.03,0.02,0.02,0.1]", "--run", str(tmp_path / "run"))
    assert "operator.action_scale_m is 0.02 and control.scale of x is 0.03" in said


def test_a_run_where_another_command_is_at_work_is_refused_and_left_as_it_is(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _record_one_step(tmp_path / "demos.zarr", RunConfig())
    lock = FileLock(tmp_path / ".lock")
    assert lock.try_acquire()
    said = _refusal(capsys, "pretrain", "bc.batch=64", "--run", str(tmp_path))
    assert f"Process {os.getpid()} is at work in {tmp_path}" in said
    assert not (tmp_path / "config.yaml").exists()


def test_what_a_learner_began_with_cannot_change_on_the_way(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    Run(tmp_path, RunConfig()).save_config()
    _record_one_step(tmp_path / "demos.zarr", RunConfig())
    (tmp_path / "learner").mkdir()
    before = (tmp_path / "config.yaml").read_text()
    said = _refusal(capsys, "finetune", "--resume", "training.sampler.batch=128", "--run", str(tmp_path))
    assert "training.sampler.batch was 256" in said
    assert (tmp_path / "config.yaml").read_text() == before
    longer = ("training.total_steps=9000", "--run", str(tmp_path))
    assert "There is no base policy" in _refusal(capsys, "finetune", "--resume", *longer)


@pytest.mark.parametrize("change", [("--seed", "5"), ("cameras.names=[front]",), ("sim.friction=0.9",)])
def test_no_command_makes_a_run_another_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, change: tuple[str, ...]
) -> None:
    Run(tmp_path, RunConfig()).save_config()
    _record_one_step(tmp_path / "demos.zarr", RunConfig())
    before = (tmp_path / "config.yaml").read_text()
    for verb in ("record", "evaluate", "replay"):
        assert "name another --run" in _refusal(capsys, verb, "--run", str(tmp_path), *change)
    assert (tmp_path / "config.yaml").read_text() == before


def test_an_empty_config_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("")
    assert "config.yaml is empty" in _refusal(capsys, "evaluate", "--run", str(tmp_path))


def test_a_demo_is_resumed_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert "nudge demo --resume --run DIR" in _refusal(capsys, "demo", "--resume")


def test_a_line_that_a_crash_tore_costs_no_other(tmp_path: Path) -> None:
    run = Run(tmp_path, RunConfig())
    run.log("episodes", {"index": 0})
    with (tmp_path / "metrics" / "episodes.jsonl").open("a") as file:
        file.write('{"ind')
    assert run.lines("episodes") == [{"index": 0}]
    run.log("episodes", {"index": 1})
    assert run.lines("episodes") == [{"index": 0}, {"index": 1}]


def test_a_store_that_lacks_data_is_not_learnt_from(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    _record_one_step(tmp_path / "demos.zarr", RunConfig())
    for chunk in (tmp_path / "demos.zarr" / "data" / "action").glob("c*"):
        chunk.unlink()
    for verb in ("pretrain", "finetune", "replay"):
        said = _refusal(capsys, verb, "--run", str(tmp_path))
        assert "demos.zarr is damaged: data/action: chunk 0 is missing" in said


def test_settings_that_fit_no_robot_are_refused_before_anything_starts(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert "No action axis 'qq'" in _refusal(capsys, "record", "control.axes=[x,y,z,qq]", "--run", str(run))
    assert "control.arm names topics" in _refusal(capsys, "record", "control.arm=a b", "--run", str(run))
    for setting, said in (
        ("safety.keep_out_m=[[0.4,-0.1,0,0.5,0.1]]", "keep_out_m[0] must be a box of six numbers"),
        ("safety.keep_out_m=[[0.4,-0.1,0,0.5,0.1,0.2]]", "keep_out_m[0] [0.4, -0.1, 0.0, 0.5, 0.1, 0.2] holds starts"),
        ("reset.start_position_m=[0.9,0,0.1]", "lies outside of safety's workspace"),
        ("safety.command_expiry_s=0.1", "safety.command_expiry_s must be longer than control.period_s"),
        ("cameras.names=[foo]", "which has front, wrist, film; found 'foo'"),
        ("cameras.names=[front,front]", "must name each camera once; found 'front' twice"),
        ("control.arm=front", "control.arm must differ from the cameras"),
        ("impedance.contact.damping_ratio=[1,1,0,1,1,1]", "damping_ratio must lie in [0.1, 3.0]; found 0"),
        ("arm.control_step_s=0.02", "must be equal, because the simulated arm makes one physics step a control tick"),
        ("sim.physics_step_s=0.001", "found 0.002 and 0.001, set both"),
        ("control.period_s=0.033", "found 0.033 and 0.002, choose a period such as 0.032 or 0.034"),
    ):
        assert said in _refusal(capsys, "record", setting, "--run", str(run))
    assert not run.exists()


def test_a_period_between_two_ticks_is_refused_where_time_is_simulated_and_nowhere_else() -> None:
    config = load(RunConfig, overrides=["control.period_s=0.033"])
    for simulate in (lambda: build.graph(config, is_realtime=False), lambda: build.local_robot(config)):
        with pytest.raises(ConfigError, match=r"control\.period_s must be a whole multiple of arm\.control_step_s"):
            simulate()
    assert build.graph(config, is_realtime=True).period_s == 0.033
    equal = ["arm.control_step_s=0.001", "sim.physics_step_s=0.001"]
    assert not build.graph(load(RunConfig, overrides=["control.period_s=0.033", *equal]), False).is_direct
