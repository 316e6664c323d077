"""Every node as a lifecycle manager sees it: silent unless active, closed when cleaned up, never half open."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from lifecycle_msgs.srv import ChangeState, GetState
from nodes_rig import DIRECT, REALTIME, Rig, is_error, rigged, target, wait_for
from rcl_interfaces.srv import DescribeParameters, SetParameters
from rclpy.parameter import Parameter

from drivers.mujoco_arm import MujocoArm
from drivers.mujoco_model import SimConfig
from robot.errors import RobotError
from robot.nodes.camera import SimCameraNode
from robot.nodes.reset import ResetNode
from robot.nodes.teleop import TeleopNode
from robot.reset import ResetConfig
from sessions import build, people
from sessions.robot_config import RobotConfig

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]

CONFIGURE, CLEAN_UP, ACTIVATE, DEACTIVATE = 1, 2, 3, 4
NAMES = ("arm", "mux", "teleop", "reset", "camera_front")


@pytest.fixture(name="rig")
def _rig():
    yield from rigged()


def _make(rig: Rig, name: str) -> Any:
    config = RobotConfig()
    if name == "arm":
        return rig.arm()
    if name == "mux":
        return rig.mux()
    if name == "teleop":
        return TeleopNode(REALTIME, people.operator(config), build.action_map(config), context=rig.context)
    if name == "reset":
        return ResetNode(REALTIME, ResetConfig(), config.control.q_home, has_scene=True, context=rig.context)
    return SimCameraNode(REALTIME, "front", build.SceneRenderer(config, "front"), 0.8, 128, context=rig.context)


def _path(node: Any) -> str:
    return str(node.get_fully_qualified_name())


def _change(rig: Rig, node: Any, transition: int) -> str:
    """Ask for a transition, as a lifecycle manager does; returns the state that it led to."""
    request = ChangeState.Request()
    request.transition.id = transition
    rig.person.call(f"{_path(node)}/change_state", ChangeState, request)
    return str(rig.person.call(f"{_path(node)}/get_state", GetState).current_state.label)


def _entities(node: Any) -> list[int]:
    kinds = (node.publishers, node.subscriptions, node.services, node.clients, node.timers)
    return [len(list(kind)) for kind in kinds]


@pytest.mark.parametrize("name", NAMES)
def test_a_node_goes_through_its_states_twice_and_leaves_nothing_behind(rig: Rig, name: str):
    node = rig.spin(_make(rig, name))
    rig.person.listen("heartbeat")
    before = _entities(node)
    for _ in range(2):
        assert _change(rig, node, CONFIGURE) == "inactive"
        assert sum(_entities(node)) > sum(before)
        beats = rig.person.count["heartbeat"]
        time.sleep(0.2)
        assert rig.person.count["heartbeat"] == beats
        assert _change(rig, node, ACTIVATE) == "active"
        wait_for(lambda b=beats: rig.person.count["heartbeat"] > b + 2, f"{name} to beat")
        assert _change(rig, node, DEACTIVATE) == "inactive"
        assert rig.person.heard["heartbeat"].frame_id == f"-{node.name_in_graph}"
        assert _change(rig, node, CLEAN_UP) == "unconfigured"
        assert _entities(node) == before
    assert node.fault == ""


def test_the_arm_reports_only_while_it_is_active_and_holds_when_it_is_not(rig: Rig):
    node = rig.spin(rig.arm(DIRECT))
    server = node._server
    _change(rig, node, CONFIGURE)
    time.sleep(0.2)
    assert rig.person.count["current_pose"] == 0
    _change(rig, node, ACTIVATE)
    wait_for(lambda: rig.person.count["current_pose"] > 5, "poses")
    start = rig.person.pose
    rig.person.send("target_pose", target(start, -0.01))
    wait_for(lambda: rig.person.said("arm/status") == "follow", "the arm to follow")
    _change(rig, node, DEACTIVATE)
    wait_for(lambda: rig.person.said("arm/status", "cause") == "the arm node was deactivated", "the arm to say so")
    poses, ticks = rig.person.count["current_pose"], server.counters["ticks"]
    held = server.snapshot().T_base_tool.position.copy()
    rig.person.send("target_pose", target(start, -0.05))
    wait_for(lambda: server.counters["ticks"] > ticks + 100, "the control thread to go on")
    assert rig.person.count["current_pose"] <= poses + 1
    assert server.mode == "hold"
    assert np.linalg.norm(server.snapshot().T_base_tool.position - held) < 5e-3
    assert _change(rig, node, CLEAN_UP) == "unconfigured"
    with pytest.raises(RobotError, match="not connected"):
        server.snapshot()


def test_a_camera_that_is_cleaned_up_gives_its_renderer_back(rig: Rig):
    arm = rig.up(rig.arm())
    scene = build.SceneRenderer(RobotConfig(), "front")
    node = rig.spin(SimCameraNode(REALTIME, "front", scene, 0.8, 128, context=rig.context))
    rig.person.listen("policy/image", camera="front")
    rig.person.listen("policy/pulse", camera="front")
    _change(rig, node, CONFIGURE)
    _change(rig, node, ACTIVATE)
    wait_for(lambda: rig.person.count["policy/image"] > 3, "pictures")
    assert rig.person.heard["policy/pulse"].frame_id
    _change(rig, node, DEACTIVATE)
    _change(rig, node, CLEAN_UP)
    assert not scene._renderers
    assert arm.is_active


class _BrokenArm(MujocoArm):
    """An arm that answers, and then does not answer as it should."""

    def read(self):
        raise RobotError("the arm does not answer at 172.16.0.2")


def test_a_hook_that_fails_closes_the_device_and_says_why(rig: Rig):
    device = _BrokenArm(SimConfig())
    node = rig.spin(rig.arm(device=device))
    assert _change(rig, node, CONFIGURE) == "unconfigured"
    wait_for(lambda: "/panda/arm" in rig.person.diagnostics, "diagnostics")
    wait_for(lambda: is_error(rig.person.diagnostics["/panda/arm"]), "the error in the diagnostics")
    assert rig.person.diagnostics["/panda/arm"].message == "the arm does not answer at 172.16.0.2"
    assert not device._is_connected
    with pytest.raises(RobotError, match=r"arm could not be configured: the arm does not answer"):
        rig.arm(device=_BrokenArm(SimConfig())).bring_up()


def test_diagnostics_tell_rates_ages_missed_ticks_and_percentiles(rig: Rig):
    rig.up(rig.arm())
    rig.up(_make(rig, "reset"))
    wait_for(lambda: rig.person.diagnostics.keys() >= {"/panda/arm", "/panda/reset"}, "diagnostics")
    rig.person.diagnostics.clear()
    wait_for(lambda: rig.person.diagnostics.keys() >= {"/panda/arm", "/panda/reset"}, "diagnostics")
    arm, reset = (
        {pair.key: pair.value for pair in rig.person.diagnostics[f"/panda/{name}"].values} for name in ("arm", "reset")
    )
    assert arm["state"] == reset["state"] == "active"
    assert float(reset["rate /panda/current_pose [Hz]"]) > 1.0
    assert float(reset["age /panda/current_pose [ms]"]) < 5e3
    assert float(reset["gap p99 /panda/current_pose [ms]"]) > 0.0
    assert int(arm["loop missed ticks"]) >= 0
    assert float(arm["loop error p99 [ms]"]) > 0.0
    assert float(reset["watch error p99 [ms]"]) >= 0.0
    assert "SCHED" in arm["scheduling"] or "rdinary" in arm["scheduling"]


def _set(rig: Rig, node: str, name: str, value: Any) -> Any:
    message = Parameter(name, value=value).to_parameter_msg()
    request = SetParameters.Request(parameters=[message])
    return rig.person.call(f"{node}/set_parameters", SetParameters, request).results[0]


def test_parameters_tell_their_ranges_and_refuse_with_a_reason(rig: Rig):
    arm = rig.up(rig.arm())
    asked = DescribeParameters.Request(names=["arm.control_step_s", "safety.max_force_n", "impedance.gains"])
    step, force, gains = rig.person.call("arm/describe_parameters", DescribeParameters, asked).descriptors
    assert step.floating_point_range[0].to_value == 0.02
    assert step.read_only
    assert force.description.endswith("[N]")
    assert "contact" in gains.description
    refused = _set(rig, "arm", "safety.max_force_n", 200.0)
    assert not refused.successful
    assert "read-only" in refused.reason
    refused = _set(rig, "arm", "impedance.gains", "gentle")
    assert not refused.successful
    assert "contact" in refused.reason
    assert _set(rig, "arm", "impedance.gains", "precise").successful
    assert arm._server.law.gains_in_use == "precise"
    refused = _set(rig, "arm", "scene_seed", -1)
    assert not refused.successful
    assert "range" in refused.reason
    refused = _set(rig, "arm", "scene_seed", "seven")
    assert not refused.successful
    assert refused.reason


def test_a_node_that_is_not_active_refuses_services_in_a_sentence(rig: Rig):
    node = rig.spin(rig.arm())
    _change(rig, node, CONFIGURE)
    answer = rig.person.call("arm/home")
    assert not answer.success
    assert answer.message == "arm is inactive, not active"
