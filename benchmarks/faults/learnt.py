"""What a finetuning session needs before it can begin: a few demonstrations and a base policy, made in this process."""

from __future__ import annotations

from policies.bc import train_base
from robot.env import RobotEnv
from robot.loop import HoldPolicy, run_episode
from robot.store import StoreReader, StoreSettings, StoreWriter
from sessions import build
from sessions.run import Run

DEMONSTRATIONS = 3


def prepare_finetuning(run: Run) -> None:
    """Record demonstrations in lockstep and clone them into the run's base policy, where that is not done yet."""
    if (run.path / "base").is_dir():
        return
    config, spec = run.config, build.robot_spec(run.config)
    robot = build.local_robot(config, has_images=True)
    robot.role = "demonstrate"
    env = RobotEnv(robot, spec, 80)
    with StoreWriter.open(run.store("demos"), spec, {}, StoreSettings(is_commit_synced=False)) as writer:
        for index in range(DEMONSTRATIONS):
            seed = build.episode_seed(config, "record", index)
            run_episode(env, HoldPolicy(spec.action_size), writer, seed, {"phase": "record"})
    reader = StoreReader.open(run.store("demos"))
    base = train_base([reader.episode(i) for i in range(len(reader))], spec, config.bc, config.task.seed).policy
    base.save(run.path / "base")
