"""The one table of all topics: name, type, rate, age, reliability, and who publishes. No row, no topic."""

from __future__ import annotations

from dataclasses import dataclass

from robot.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class Topic:
    """A row.

    Attributes:
        name: key in the table; the topic's name relative to its scope.
        type: ROS 2 message type.
        scope: "arm" (namespace of the arm), "camera" (namespace of a camera) or "global".
        publisher: the only node that publishes it.
        rate_hz: in real time; in lockstep once a control period. 0 means on events.
        max_age_s: older samples are not used.
        is_latched: late subscribers get the last sample.
        is_truth: simulation truth; only judge, operator and cameras may take it.
    """

    name: str
    type: str
    scope: str
    publisher: str
    rate_hz: float = 0.0
    max_age_s: float = 0.2
    is_latched: bool = False
    is_truth: bool = False


_ROWS = (
    # the arm; names equal to those of the CRISP controllers, so that their clients fit
    Topic("joint_states", "sensor_msgs/msg/JointState", "arm", "arm", 100),
    Topic("current_pose", "geometry_msgs/msg/PoseStamped", "arm", "arm", 100),
    Topic("current_twist", "geometry_msgs/msg/TwistStamped", "arm", "arm", 100),
    Topic("external_wrench", "geometry_msgs/msg/WrenchStamped", "arm", "arm", 100),
    Topic("arm/status", "diagnostic_msgs/msg/DiagnosticStatus", "arm", "arm", 10, is_latched=True),
    # which target was followed, and how long after its stamp the control tick took it; real time only
    Topic("arm/executed", "sensor_msgs/msg/JointState", "arm", "arm", 10),
    Topic("target_pose", "geometry_msgs/msg/PoseStamped", "arm", "mux", 10),
    # what a client of the CRISP controllers may send beside a target pose
    Topic("target_joint", "sensor_msgs/msg/JointState", "arm", "client", 50),
    Topic("target_stiffness", "std_msgs/msg/Float64MultiArray", "arm", "client"),
    Topic("target_wrench", "geometry_msgs/msg/WrenchStamped", "arm", "client", 50),
    # axes: executed action, normalised; buttons: source, safety reasons
    Topic("intervention", "sensor_msgs/msg/Joy", "arm", "mux", 10),
    Topic("mode", "std_msgs/msg/String", "arm", "mux", is_latched=True),
    # message: the mode; values: why the last motion was stopped, since when, and what forbids motion now; the arm moves
    # only as long as it hears it
    Topic("mux/status", "diagnostic_msgs/msg/DiagnosticStatus", "arm", "mux", 20, is_latched=True),
    # how long after the decision's stamp the mux received it and sent the target on; real time only
    Topic("mux/timing", "sensor_msgs/msg/JointState", "arm", "mux", 10),
    Topic("policy/target_pose", "geometry_msgs/msg/PoseStamped", "arm", "actor", 10),
    Topic("policy/action", "std_msgs/msg/Float64MultiArray", "arm", "actor", 10),
    # a named vector: episode, step, base action, residual, chunk phase, weights version
    Topic("policy/info", "sensor_msgs/msg/JointState", "arm", "actor", 10),
    Topic("episode/event", "std_msgs/msg/String", "arm", "actor"),
    Topic("teleop/twist", "geometry_msgs/msg/TwistStamped", "arm", "teleop", 50),
    # axes: device axes; buttons: dead-man, success, failure, discard
    Topic("teleop/joy", "sensor_msgs/msg/Joy", "arm", "teleop", 50),
    Topic("teleop/engaged", "std_msgs/msg/Bool", "arm", "teleop", 50),
    # where the tool of a leader arm is, in that arm's base frame, from whoever has such an arm
    Topic("leader/pose", "geometry_msgs/msg/PoseStamped", "arm", "leader", 100),
    # of the console's page: axes as its user sees them; buttons: `robot.labels.HAND_BUTTONS`
    Topic("console/hand", "sensor_msgs/msg/Joy", "arm", "console", 50),
    # a JSON text: what the operator says beside labels
    Topic("console/say", "std_msgs/msg/String", "arm", "console"),
    Topic("reset/target_pose", "geometry_msgs/msg/PoseStamped", "arm", "reset", 10),
    Topic("reset/state", "std_msgs/msg/String", "arm", "reset", is_latched=True),
    # an opening in [0, 1], 0 closed
    Topic("gripper/command", "std_msgs/msg/Float64MultiArray", "arm", "client", 10),
    # the name that CRISP's clients use; the same commands
    Topic("gripper/gripper_position_controller/commands", "std_msgs/msg/Float64MultiArray", "arm", "client", 30),
    # the opening in [0, 1], then the width
    Topic("gripper/joint_states", "sensor_msgs/msg/JointState", "arm", "gripper", 30),
    Topic("recorder/state", "std_msgs/msg/String", "arm", "recorder", is_latched=True),
    Topic("tracker/socket_pose", "geometry_msgs/msg/PoseStamped", "arm", "arm", 30),
    # a person: each button is a publisher, the console one of them
    Topic("e_stop", "std_msgs/msg/Bool", "arm", "person", is_latched=True),
    # a named vector of floats
    Topic("sim/state", "sensor_msgs/msg/JointState", "arm", "arm", 100, is_truth=True),
    Topic("color/image_raw", "sensor_msgs/msg/Image", "camera", "camera", 30),
    Topic("color/camera_info", "sensor_msgs/msg/CameraInfo", "camera", "camera", 30),
    Topic("policy/image", "sensor_msgs/msg/Image", "camera", "camera", 30),
    # capture stamp and, as frame_id, a digest of the picture: what tells a frozen camera at little cost; real time only
    Topic("policy/pulse", "std_msgs/msg/Header", "camera", "camera", 30),
    # stamp: now; frame_id: the node's name in the graph, with a "-" before it when it leaves in order; real time only
    Topic("heartbeat", "std_msgs/msg/Header", "arm", "every node", 20),
    Topic("ready", "std_msgs/msg/String", "arm", "every node", is_latched=True),
    Topic("/clock", "rosgraph_msgs/msg/Clock", "global", "arm"),
    Topic("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", "global", "every node", 1),
)

TOPICS: dict[str, Topic] = {row.name: row for row in _ROWS}


def topic(name: str) -> Topic:
    """Return the row called `name`; an unknown name raises ConfigError with the near ones."""
    try:
        return TOPICS[name]
    except KeyError:
        raise ConfigError(f"No topic {name!r} in robot/topics.py.{did_you_mean(name, TOPICS)}") from None
