"""The command line answers every mistake with one sentence and the right exit status."""

from __future__ import annotations

import argparse
import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from robot.errors import StoreError
from sessions import cli
from sessions.store_verbs import STORE_VERBS
from sessions.verb import Group, Verb
from sessions.verbs import VERBS

LEAVES = Group("", VERBS).flat()
ROOT = Path(__file__).resolve().parents[2]


def nudge(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sessions.cli", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def verb_running(body: str, folder: Path, monkeypatch: pytest.MonkeyPatch, go_on: str = "") -> Verb:
    """A verb whose module, written into `folder`, runs `body`."""
    name = "verb_" + str(abs(hash(body)))
    (folder / f"{name}.py").write_text(f"def run(arguments):\n    {body}\n")
    monkeypatch.syspath_prepend(str(folder))
    return Verb(name, "", "", (), lambda parser: None, has_config=False, go_on=go_on)


def test_the_overview_names_every_verb_and_loads_no_heavy_package() -> None:
    code = "import sys; from sessions.cli import main; main(['--help']); print([m for m in sys.modules if m in HEAVY])"
    heavy = "{'torch', 'mujoco', 'rclpy', 'numpy', 'matplotlib', 'zarr'}"
    result = subprocess.run(
        [sys.executable, "-c", code.replace("HEAVY", heavy)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert result.stdout.endswith("[]\n"), result.stdout + result.stderr
    assert all(f"  {verb}" in result.stdout for verb in VERBS)


@pytest.mark.parametrize("verb", LEAVES)
def test_every_verb_has_help_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main([*verb.split(), "--help"])
    text = capsys.readouterr().out
    assert f"usage: nudge {verb}" in text
    assert f"examples:\n  nudge {verb}" in text
    assert ("N/m" in text) == LEAVES[verb].has_config  # the settings with their units


@pytest.mark.parametrize("verb", LEAVES)
def test_every_example_in_the_help_is_accepted_by_its_parser(verb: str) -> None:
    for example in LEAVES[verb].examples:
        words = example.removeprefix(f"nudge {verb}")
        assert words != example
        cli.parser_of(verb, LEAVES[verb]).read(words.split())


def test_a_group_of_verbs_names_them() -> None:
    result = nudge("store", "--help")
    assert result.returncode == 0
    assert all(f"  {verb}" in result.stdout for verb in STORE_VERBS)
    assert nudge("store").returncode == 2


def test_an_unknown_verb_gets_the_near_match_and_status_2() -> None:
    result = nudge("finetun")
    assert (result.returncode, result.stdout) == (2, "")
    assert "'finetun' is no verb of nudge. Did you mean 'finetune'?" in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("demo", "--sed", "1"), "'--sed' is no option of nudge demo. Did you mean '--seed'"),
        (("demo", "seed"), "a setting is written key=value; found 'seed'"),
        (("demo", "--seed", "-1"), "must lie in"),
        (("record", "--episodes", "0"), "must lie in [1, 1000000]; found 0"),
        (("record", "--episodes", "many"), "invalid whole number value: 'many'"),
        (("store", "dorp"), "'dorp' is no verb of nudge store. Did you mean 'drop'?"),
        (
            ("store", "drop", "a.zarr", "--episode", "1"),
            "'--episode' is no option of nudge store drop. Did you mean '--epi",
        ),
        (("store", "drop", "a.zarr", "--episodes", "3-1"), "invalid list of episodes such as 0,3,7-9 value: '3-1'"),
    ],
)
def test_wrong_usage_is_refused_with_status_2(words: tuple[str, ...], message: str) -> None:
    result = nudge(*words)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_settings_and_options_may_come_in_any_order() -> None:
    parser = cli.parser_of("demo", LEAVES["demo"])
    words = ["a.b=1", "--seed", "3", "c.d=[1, 2]", "--set", "e=f", "--quick"]
    arguments = parser.read(words)
    assert arguments.overrides == ["e=f", "a.b=1", "c.d=[1, 2]"]
    assert (arguments.seed, arguments.quick, arguments.resume) == (3, True, False)


def test_an_expected_error_is_one_sentence_on_standard_error_and_status_1() -> None:
    result = nudge("store", "ls", "no/such/folder")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("nudge: There is no folder no/such/folder.")


def test_a_bug_keeps_its_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verb = verb_running("return {}['bug']", tmp_path, monkeypatch)
    with pytest.raises(KeyError):
        cli.run_verb(verb, argparse.Namespace())


def test_a_full_disk_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    verb = verb_running(f"raise OSError({errno.ENOSPC}, 'No space', 'runs/x')", tmp_path, monkeypatch)
    assert cli.run_verb(verb, argparse.Namespace()) == 1
    assert "The disk is full (runs/x); every acknowledged step is kept." in capsys.readouterr().err


def test_an_os_error_that_is_no_matter_of_the_disk_is_a_bug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verb = verb_running(f"raise OSError({errno.EBADF}, 'Bad descriptor')", tmp_path, monkeypatch)
    with pytest.raises(OSError, match="Bad descriptor"):
        cli.run_verb(verb, argparse.Namespace())


def test_an_error_of_the_hub_is_told_without_its_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    body = f"from robot.errors import {StoreError.__name__}; raise {StoreError.__name__}('No store at x.')"
    assert cli.run_verb(verb_running(body, tmp_path, monkeypatch), argparse.Namespace()) == 1
    assert capsys.readouterr().err == "nudge: No store at x.\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_terminate_say_how_to_go_on(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    body = f"import os, time; arguments.run = 'runs/made'; os.kill({os.getpid()}, {number}); time.sleep(5)"
    verb = verb_running(body, tmp_path, monkeypatch, go_on="nudge demo --resume --run {run}")
    before = signal.getsignal(signal.SIGTERM)
    assert cli.run_verb(verb, argparse.Namespace(run=None)) == 130
    assert capsys.readouterr().err.endswith("Go on with: nudge demo --resume --run runs/made\n")
    assert signal.getsignal(signal.SIGTERM) is before


def test_how_to_go_on_keeps_the_clock_and_the_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    verb = verb_running("raise KeyboardInterrupt", tmp_path, monkeypatch, go_on=LEAVES["evaluate"].go_on)
    cli.run_verb(verb, argparse.Namespace(run="runs/peg", realtime=True, policy="base"))
    assert capsys.readouterr().err.endswith("nudge evaluate --policy base --run runs/peg --realtime\n")


def test_doctor_speaks_json() -> None:
    result = nudge("doctor", "--json")
    findings = json.loads(result.stdout)
    assert {"python", "torch", "names", "rendering", "ROS domain", "disk"} <= {f["name"] for f in findings}
    assert result.returncode == int(any(f["status"] == "fail" for f in findings))
