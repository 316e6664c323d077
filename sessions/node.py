"""The process of one ROS 2 node: `python -m sessions.node arm --config runs/x/robot.yaml`."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from robot.errors import NudgeError, did_you_mean
from robot.nodes.spin import run_node
from sessions import build
from sessions.config import load
from sessions.domain import stay_on_this_host
from sessions.processes import die_with_parent
from sessions.robot_config import RobotConfig


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--config", type=Path, help="robot.yaml of a run (default: all defaults)")
    parser.add_argument("--realtime", action="store_true")
    parser.add_argument("--direct", action="store_true", help="real time without mux, teleop and reset")
    parser.add_argument("--unconfigured", action="store_true", help="wait for who manages the node's lifecycle")
    # `ros2 launch` adds its own arguments behind --ros-args
    arguments, _ = parser.parse_known_args()
    die_with_parent()
    stay_on_this_host()
    try:
        config = load(RobotConfig, arguments.config)
        is_realtime = arguments.realtime or arguments.direct
        names = build.node_names(config, arguments.direct)
        if arguments.name not in names:
            sys.stderr.write(f"No node is called {arguments.name!r}.{did_you_mean(arguments.name, names)}\n")
            return 2
        run = arguments.config.parent if arguments.config else Path()
        build_it = partial(build.node, arguments.name, config, is_realtime, run, arguments.direct)
        return run_node(build_it, is_brought_up=not arguments.unconfigured)
    except NudgeError as error:
        sys.stderr.write(f"{arguments.name}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
