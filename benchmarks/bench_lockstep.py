"""`lockstep_speed`: simulated time over wall time of the low-dimensional task over ROS 2, against the same in process.

Counts everything of a recorded episode but its reset: control ticks, messages, images, journal, commit.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measure import line, quick, run, tell
from robot.env import RobotEnv
from robot.interfaces import StepSink
from robot.loop import EpisodeSummary, HoldPolicy, run_episode
from robot.store import StoreSettings, StoreWriter
from sessions import build
from sessions.run import Run
from sessions.run_config import RunConfig
from sessions.session import Session

EPISODES = 50
QUICK_EPISODES = 10


def speed(rows: list[tuple[float, float]]) -> float:
    """Return simulated over wall seconds of (simulated, wall) pairs."""
    return sum(row[0] for row in rows) / sum(row[1] for row in rows)


def over_ros(folder: Path, episodes: int) -> float:
    """Return the speed of demonstrations over ROS 2, nodes in processes of their own."""
    run = Run(folder / "run", RunConfig())
    run.save_config()
    with Session(run, is_realtime=False) as session:
        lines = session.play("record", episodes)
    return speed([(line["sim_s"], line["wall_s"] - line["reset_s"]) for line in lines])


def in_process(folder: Path, episodes: int) -> float:
    """Return the speed of the same demonstrations without ROS 2, images and store included."""
    config = RunConfig()
    robot = build.local_robot(config, has_images=True)
    robot.role = "demonstrate"
    spec = build.robot_spec(config)
    env = RobotEnv(robot, spec, config.task.max_steps)
    with StoreWriter.open(folder / "local.zarr", spec, {}, StoreSettings(is_commit_synced=False)) as writer:
        summaries = [_episode(env, writer, config, index) for index in range(episodes)]
    return speed([(summary.sim_s, summary.wall_s - summary.reset_s) for summary in summaries])


def _episode(env: RobotEnv, sink: StepSink, config: RunConfig, index: int) -> EpisodeSummary:
    return run_episode(env, HoldPolicy(4), sink, build.episode_seed(config, "record", index), {})


def measure(folder: Path, bench: str, episodes: int) -> list[dict[str, Any]]:
    """Return the metric over `episodes` demonstrations each way, as one of `bench`."""
    value, baseline = over_ros(folder, episodes), in_process(folder, episodes)
    note = "baseline: the same without ROS 2, in one process"
    return [line(bench, "lockstep_speed", value, "x real time", episodes, baseline=baseline, note=note)]


def main() -> None:
    episodes = QUICK_EPISODES if quick(__doc__) else EPISODES
    with tempfile.TemporaryDirectory() as name:
        for metric in measure(Path(name), "lockstep", episodes):
            tell(metric)


if __name__ == "__main__":
    run(main)
