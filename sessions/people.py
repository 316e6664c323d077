"""Who teleoperates: the simulated operator, or a person at a device or at the console's page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from robot.actions import ActionMap
from robot.clock import SystemClock
from robot.errors import ConfigError
from sessions.robot_config import RobotConfig
from teleop.leader import PersonAtLeader
from teleop.operator import SimulatedOperator
from teleop.person import PersonAtDevice
from teleop.remote_hand import RemoteHand

if TYPE_CHECKING:  # rclpy is loaded only by the processes that need it
    from robot.interfaces import InputDevice
    from robot.nodes.base import Graph, NudgeNode


def operator(config: RobotConfig) -> SimulatedOperator:
    return SimulatedOperator(config.operator, config.task.seed)


def input_device(name: str) -> InputDevice:
    """Return the device called `name`, one of `teleop.device_config.DEVICES`."""
    if name == "spacemouse":
        from drivers.spacemouse import SpaceMouse

        return SpaceMouse()
    if name == "browser":
        return RemoteHand(SystemClock())
    if name == "keyboard":
        from drivers.keyboard import Keyboard

        return Keyboard()
    from drivers.gamepad import Gamepad

    return Gamepad()


def person(config: RobotConfig, device: InputDevice) -> PersonAtDevice:
    """Return the person at `device`, as the config has them."""
    return PersonAtDevice(device, config.teleop, SystemClock())


def require_person(config: RobotConfig, is_realtime: bool) -> None:
    """Raise ConfigError unless whoever is to teleoperate can: a person needs real time, and a device that is there."""
    name = config.teleop.device
    if not config.teleop.is_real:
        return
    if not is_realtime:
        raise ConfigError(
            f"teleop.device={name} is held by a person, who needs real time: add --realtime, or set "
            "teleop.device=simulated."
        )
    if name == "leader":  # who has it tells of it once the session is there
        return
    holder = person(config, input_device(name))
    holder.connect()
    complaint = holder.complaint
    holder.close()
    if complaint:
        raise ConfigError(complaint)


def teleop_node(config: RobotConfig, links: Graph, actions: ActionMap) -> NudgeNode:
    from robot.nodes.teleop import DeviceNode, TeleopNode

    if not config.teleop.is_real:
        return TeleopNode(links, operator(config), actions)
    if config.teleop.device == "leader":
        holder = PersonAtLeader(config.teleop, actions.reach, SystemClock())
        return DeviceNode(links, holder, actions, leader=holder)
    device = input_device(config.teleop.device)
    return DeviceNode(links, person(config, device), actions, remote=device if isinstance(device, RemoteHand) else None)
