"""The process of an actor that only listens: with it, every subscription of a session is in the graph."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from sessions import build
from sessions.config import load
from sessions.processes import die_with_parent
from sessions.robot_config import RobotConfig


def main() -> int:
    from robot.nodes.spin import ros, turn

    die_with_parent()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    config = load(RobotConfig, Path(sys.argv[1]))
    with ros():
        robot = build.ros_robot(config, is_realtime=True, has_truth=True)
        while not stop.is_set():
            turn(robot.executor, robot, 0.1)
        robot.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
