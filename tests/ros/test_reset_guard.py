"""A reset in real time, asked for by the actor's node: what only the actor looks after ends it too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from nodes_rig import ACTIONS, REALTIME, Rig, rigged, wait_for
from std_msgs.msg import Header

from robot.errors import ResetStoppedError, RobotError
from robot.nodes.port import RosRobot
from robot.nodes.reset import ResetNode
from robot.reset import ResetConfig
from sessions.robot_config import RobotConfig

pytestmark = [pytest.mark.ros]

TRIES = 3
GONE = "The learner (process 4711) is gone."


@pytest.fixture(name="rig")
def _rig() -> Iterator[Rig]:
    yield from rigged()


def test_a_learner_that_is_gone_while_the_arm_homes_ends_the_reset_and_the_arm_holds(rig: Rig) -> None:
    rig.up(rig.arm())
    rig.up(rig.mux())
    rig.up(ResetNode(REALTIME, ResetConfig(), RobotConfig().control.q_home, has_scene=False, context=rig.context))
    wait_for(lambda: rig.person.count["current_pose"] > 0, "poses")
    actor = RosRobot(REALTIME, ACTIONS, (), has_truth=False, context=rig.context)
    try:
        actor.guard = lambda: GONE if rig.person.said("arm/status") == "homing" else ""
        with pytest.raises(RobotError, match=r"Reset failed: The learner .* is gone"):
            actor.reset(seed=0)
        wait_for(lambda: rig.person.said("mux/status") == "fault", "the mux to latch the failed reset")
        wait_for(lambda: rig.person.said("arm/status") == "hold", "the arm to hold")
    finally:
        actor.close()


def test_what_may_pass_by_itself_stops_a_reset_and_says_so(rig: Rig) -> None:
    rig.up(rig.arm())
    rig.up(rig.mux())
    rig.up(ResetNode(REALTIME, ResetConfig(), RobotConfig().control.q_home, has_scene=False, context=rig.context))
    wait_for(lambda: rig.person.count["current_pose"] > 0, "poses")
    actor = RosRobot(REALTIME, ACTIONS, (), has_truth=False, context=rig.context)

    def interfere() -> str:
        if rig.person.said("arm/status") == "homing":
            rig.person.send("heartbeat", Header(frame_id="gripper"))  # a node whose clock is far behind
        return ""

    try:
        for _ in range(TRIES):
            rig.person.send("heartbeat", Header(frame_id="-gripper"))  # it leaves in order, and is missed no more
            actor.guard = interfere
            with pytest.raises(RobotError, match="Reset failed: ") as caught:
                actor.reset(seed=0)
            actor.guard = lambda: ""
            if isinstance(caught.value, ResetStoppedError) and not caught.value.needs_person:
                break
            _clear(rig)
        assert isinstance(caught.value, ResetStoppedError)
        assert actor.stop is not None
        assert (actor.stop.mode, actor.stop.event) == ("soft_stop", "clock_stepped")
        wait_for(lambda: rig.person.said("arm/status") == "hold", "the arm to hold")
    finally:
        actor.close()


def _clear(rig: Rig) -> None:
    """Clear the fault that it is when a busy machine gives the arm no time."""
    for name in ("arm/reset_fault", "mux/clear_fault", "mux/enable"):
        rig.person.call(name)
