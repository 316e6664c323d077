"""The topic table is the one source of topics: real types, one publisher a row, and QoS that always connects."""

from __future__ import annotations

import importlib
import itertools
import warnings
from collections.abc import Iterator

import pytest
import rclpy
from rclpy.qos import DurabilityPolicy, QoSCompatibility, QoSProfile, ReliabilityPolicy, qos_check_compatible

from robot.errors import ConfigError
from robot.nodes.base import NudgeNode
from robot.nodes.messages import message_class
from robot.nodes.qos import COMMANDS, EACH_COUNTS, publisher_qos, subscription_qos
from robot.topics import _ROWS, TOPICS, Topic, topic
from sessions import build
from sessions.config import load
from sessions.domain import Domain
from sessions.robot_config import RobotConfig

ROWS = pytest.mark.parametrize("row", _ROWS, ids=lambda row: row.name)
OF_ALL = {"/diagnostics", "ready", "heartbeat"}
NOT_HERE = {"person", "client", "leader"}
"""Publishers that no node of this robot is."""
ROS_OWN = {"/parameter_events", "/rosout"}
"""What every rclpy node publishes; no business of the table."""


@ROWS
def test_the_type_of_every_row_is_a_message(row: Topic):
    message = message_class(row.type)()
    assert type(message).__name__ == row.type.split("/")[-1]
    assert message.get_fields_and_field_types()


@ROWS
def test_every_row_is_well_formed(row: Topic):
    assert row.scope in ("arm", "camera", "global")
    assert row.name.startswith("/") == (row.scope == "global")
    assert row.publisher
    assert row.rate_hz >= 0.0
    assert row.max_age_s > 0.0
    # what comes at a rate is newer than its greatest age, twice over
    assert row.rate_hz == 0.0 or row.is_latched or row.scope == "global" or 2.0 / row.rate_hz <= row.max_age_s + 1e-9


def test_no_two_rows_have_the_same_name():
    assert len(TOPICS) == len(_ROWS)
    assert len({row.name.strip("/") for row in _ROWS}) == len(_ROWS)


def test_only_the_mux_commands_the_arm():
    assert topic("target_pose").publisher == "mux"


def test_truth_is_marked_as_such():
    assert [row.name for row in _ROWS if row.is_truth] == ["sim/state"]


def test_an_unknown_topic_raises_with_the_near_ones():
    with pytest.raises(ConfigError, match=r"No topic 'target_pos' in robot/topics.py\. Did you mean 'target_pose'"):
        topic("target_pos")
    with pytest.raises(ConfigError, match=r"Known: /clock, /diagnostics"):
        topic("xyzzyx")


def test_commands_taken_reliably_are_rows():
    assert set(TOPICS) >= COMMANDS


def _connects(offered: QoSProfile, requested: QoSProfile) -> bool:
    """DDS' rules: who offers must offer at least what is requested; otherwise no sample ever arrives."""
    wants_reliable = requested.reliability == ReliabilityPolicy.RELIABLE
    wants_history = requested.durability == DurabilityPolicy.TRANSIENT_LOCAL
    is_reliable = offered.reliability == ReliabilityPolicy.RELIABLE
    has_history = offered.durability == DurabilityPolicy.TRANSIENT_LOCAL
    return (is_reliable or not wants_reliable) and (has_history or not wants_history)


def test_the_rules_written_here_are_those_of_rclpy():
    kinds = list(
        itertools.product(
            (ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT),
            (DurabilityPolicy.TRANSIENT_LOCAL, DurabilityPolicy.VOLATILE),
        )
    )
    profiles = [QoSProfile(depth=1, reliability=r, durability=d) for r, d in kinds]
    for offered, requested in itertools.product(profiles, profiles):
        verdict, _ = qos_check_compatible(offered, requested)
        assert _connects(offered, requested) == (verdict != QoSCompatibility.ERROR)


@ROWS
@pytest.mark.parametrize("is_lockstep", [True, False], ids=["lockstep", "realtime"])
def test_every_publisher_connects_to_every_subscriber(row: Topic, is_lockstep: bool):
    assert _connects(publisher_qos(row, is_lockstep), subscription_qos(row, is_lockstep))


@ROWS
def test_in_lockstep_no_sample_may_be_lost(row: Topic):
    for qos in (publisher_qos(row, True), subscription_qos(row, True)):
        assert qos.reliability == ReliabilityPolicy.RELIABLE
        assert qos.depth >= 10


@ROWS
def test_in_real_time_the_newest_counts_and_commands_are_not_lost(row: Topic):
    taken = subscription_qos(row, False)
    is_certain = row.name in COMMANDS or row.is_latched
    assert (taken.reliability == ReliabilityPolicy.RELIABLE) == is_certain
    assert taken.depth == 1 or row.is_latched or row.publisher == "every node" or row.name in EACH_COUNTS
    assert publisher_qos(row, False).depth == 1


@ROWS
def test_exactly_the_latched_rows_keep_their_last_sample(row: Topic):
    for is_lockstep in (True, False):
        for qos in (publisher_qos(row, is_lockstep), subscription_qos(row, is_lockstep)):
            assert (qos.durability == DurabilityPolicy.TRANSIENT_LOCAL) == row.is_latched


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, NudgeNode]]:
    """All nodes of a robot in one process, in a domain of their own; by the name that the table calls them."""
    config = load(
        RobotConfig, overrides=["gripper.kind=sim", "recorder.is_on=true", "console.is_on=true", "console.port=0"]
    )
    with warnings.catch_warnings():
        # a parser that rclpy loads with its first message takes a module that Python is about to drop
        warnings.filterwarnings("ignore", "module 'sre_.*' is deprecated", DeprecationWarning)
        importlib.import_module("rosidl_generator_py")
    with pytest.MonkeyPatch.context() as patch, Domain() as domain:
        for variable, value in domain.environment.items():
            patch.setenv(variable, value)
        rclpy.init(domain_id=domain.id)
        found: dict[str, NudgeNode] = {}
        try:
            for name in build.node_names(config):
                found[name] = build.node(name, config, is_realtime=False, run=tmp_path_factory.getbasetemp())
                found[name].bring_up()
            found["actor"] = build.ros_robot(config, is_realtime=False, has_truth=True)
            yield found
        finally:
            for node in found.values():
                node.destroy_node()
            rclpy.try_shutdown()


def _published(node: NudgeNode, config: RobotConfig) -> dict[str, str]:
    """Return type by name in the table of what a node publishes."""
    scopes = tuple(f"/{scope}/" for scope in (config.control.arm, *config.cameras.names))
    found = {}
    for publisher in node.publishers:
        scope = next((s for s in scopes if publisher.topic_name.startswith(s)), "")
        kind = publisher.msg_type
        found[publisher.topic_name.removeprefix(scope)] = f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"
    return {
        name: kind for name, kind in found.items() if name not in ROS_OWN and not name.endswith("/transition_event")
    }


@pytest.mark.ros
def test_every_row_has_exactly_one_publisher_and_it_is_the_one_the_table_names(nodes: dict[str, NudgeNode]):
    config = RobotConfig()
    publishers: dict[str, list[str]] = {name: [] for name in TOPICS}
    cameras = {f"camera_{name}" for name in config.cameras.names}
    for name, node in nodes.items():
        for row, kind in _published(node, config).items():
            assert kind == topic(row).type
            publishers[row].append("camera" if name in cameras else name)
    for name, row in TOPICS.items():
        if name == "e_stop":  # each button is a publisher: a person's, and the console's
            expected = ["console"]
        elif row.publisher in NOT_HERE:
            expected = []
        elif name in OF_ALL:
            assert row.publisher == "every node"
            expected = ["camera" if node in cameras else node for node in nodes]
        else:
            expected = ["camera"] * len(cameras) if row.publisher == "camera" else [row.publisher]
        assert sorted(publishers[name]) == sorted(expected), name


@pytest.mark.ros
def test_nothing_is_taken_that_nobody_publishes_and_only_judge_operator_and_cameras_take_truth(
    nodes: dict[str, NudgeNode],
):
    from_outside = {f"/panda/{name}" for name, row in TOPICS.items() if row.publisher in NOT_HERE}
    published = {p.topic_name for node in nodes.values() for p in node.publishers} | from_outside
    for name, node in nodes.items():
        taken = {s.topic_name for s in node.subscriptions}
        assert taken <= published
        is_told_truth = "/panda/sim/state" in taken
        assert is_told_truth == (name in ("actor", "teleop") or name.startswith("camera_"))
