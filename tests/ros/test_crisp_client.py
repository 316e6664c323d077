"""A client as people write them for the CRISP controllers drives the simulated arm; only the frame is told to ours."""

from __future__ import annotations

import importlib
import re
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import Nudge, wait_until
from crisp_client import CrispClient
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

pytestmark = [pytest.mark.ros, pytest.mark.slow, pytest.mark.timeout(900)]

JOINTS = [f"panda_joint{i}" for i in range(1, 8)]
RADIUS_M = 0.03
TURN_S = 6.0
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Status:
    """The arm's status as a second program hears it."""

    def __init__(self, context: Context) -> None:
        self.mode = ""
        self.values: dict[str, str] = {}
        self._node = Node("status_client", namespace="panda", context=context)
        self._node.create_subscription(DiagnosticStatus, "arm/status", self._on_status, LATCHED)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self._node)

    def _on_status(self, message: DiagnosticStatus) -> None:
        self.mode = message.message
        self.values = {value.key: value.value for value in message.values}

    def newest(self) -> Status:
        self._executor.spin_once(timeout_sec=0.0)
        return self

    def close(self) -> None:
        self._executor.shutdown()
        self._node.destroy_node()


@pytest.fixture
def arm(nudge: Nudge, tmp_path: Path) -> Iterator[tuple[CrispClient, Status]]:
    with warnings.catch_warnings():
        # a parser that rclpy loads with its first message takes a module that Python is about to drop
        warnings.filterwarnings("ignore", "module 'sre_.*' is deprecated", DeprecationWarning)
        importlib.import_module("rosidl_generator_py")
    process = nudge.start("up", "--direct", "--realtime", "--run", str(tmp_path / "run"), "control.base_frame=base")
    said = ""
    while "export ROS_DOMAIN_ID=" not in said:
        line = process.stdout.readline() if process.stdout else ""
        assert line, f"nudge up ended: {said}"
        said += line
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        context = Context()
        context.init(domain_id=int(re.findall(r"ROS_DOMAIN_ID=(\d+)", said)[0]))
        client, status = CrispClient(context, "panda", "base", JOINTS), Status(context)
        try:
            yield client, status
        finally:
            client.close()
            status.close()
            context.try_shutdown()


def test_the_arm_follows_a_crisp_client_takes_its_stiffness_and_holds_when_it_falls_silent(
    arm: tuple[CrispClient, Status],
) -> None:
    client, status = arm
    client.wait_until_ready()
    assert client.q is not None
    assert np.abs(client.q).max() > 1.0  # it found its joints by their names
    centre = client.position - np.array([RADIUS_M, 0.0, -0.02])

    def circle(t: float) -> np.ndarray:
        angle = 2.0 * np.pi * min(t / TURN_S, 1.0)
        return centre + np.array([RADIUS_M * np.cos(angle), RADIUS_M * np.sin(angle), -0.02])

    wait_until(lambda: status.newest().mode == "follow", "the arm to follow the client where it is")
    start = client.position
    half = [float(np.linalg.norm(circle(TURN_S / 2) - start))]
    away = client.follow(circle, TURN_S / 2)
    assert half[0] > 0.05
    assert np.linalg.norm(client.position - start) > 0.04  # it went along
    assert np.median(away) < 0.015, away

    here = circle(TURN_S / 2)
    client.set_wrench([0.0, 5.0, 0.0])
    client.follow(lambda t: here, 3.0)
    stiff_m = client.position[1] - here[1]
    client.set_stiffness([300.0, 300.0, 300.0], [20.0, 20.0, 20.0])
    client.follow(lambda t: here, 3.0)
    soft_m = client.position[1] - here[1]
    assert 0.0 < stiff_m < 0.006  # 5 N on 2000 N/m
    assert soft_m == pytest.approx(5.0 / 300.0, rel=0.3)

    client.close()
    wait_until(lambda: status.newest().mode == "hold", "the arm to hold")
    time.sleep(0.5)
    assert status.newest().mode == "hold"
