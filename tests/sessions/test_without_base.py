"""A method that refers to no base policy: it is finetuned and evaluated without one."""

from __future__ import annotations

import json
from pathlib import Path

from sessions.cli import main

SHORT = (
    "training.total_steps=40",
    "training.updates=1",
    "training.schedule.start_steps=10",
    "training.actor.hidden=[8]",
    "training.learner.hidden=[8]",
    "session.evaluation_episodes=2",
)


def test_a_run_without_a_base_policy_is_evaluated(tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    assert main(["record", "--env", "local", "--run", run, "--episodes", "1"]) == 0
    assert main(["finetune", "--run", run, "--preset", "rlpd", *SHORT]) == 0
    assert not (tmp_path / "run" / "base").exists()
    assert main(["evaluate", "--run", run]) == 0
    assert json.loads((tmp_path / "run" / "evaluation" / "final.json").read_text())["episodes"] == 2
    assert main(["evaluate", "--run", run, "--policy", "base"]) == 1
