"""Starts the nodes of the simulated robot under ROS 2's own launch: `ros2 launch launch/sim.launch.py`.

The same processes as `nudge up`, in the same order and from the same config file. The Python that runs them is that
of `.venv` beside this folder where there is one, because ROS 2's own has no MuJoCo.
"""

from __future__ import annotations

import sys
from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

ROOT = Path(__file__).resolve().parent.parent
VENV_PYTHON = ROOT / ".venv" / "bin" / "python"
NODES = ("arm", "gripper", "camera_front", "camera_wrist", "teleop", "mux", "reset")


def node(name: str) -> Node:
    """A node without a ROS 2 package: a Python module with the node's name as its argument."""
    return Node(
        executable=LaunchConfiguration("python"),
        arguments=["-m", "sessions.node", name, "--config", LaunchConfiguration("config"), "--realtime"],
        cwd=str(ROOT),
        output="screen",
        emulate_tty=True,
        on_exit=Shutdown(reason=f"{name} ended"),
    )


def generate_launch_description() -> LaunchDescription:
    python = str(VENV_PYTHON) if VENV_PYTHON.exists() else sys.executable
    config = str(ROOT / "launch" / "sim.yaml")
    return LaunchDescription(
        [
            DeclareLaunchArgument("python", default_value=python, description="Python that has nudge installed"),
            DeclareLaunchArgument("config", default_value=config, description="YAML file of the robot's settings"),
            *(node(name) for name in NODES),
        ]
    )
