"""The reset node against a real arm and mux: what dies in the midst of a reset ends it, and the next one is served."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from nodes_rig import DEADLINE_S, REALTIME, Rig, rigged, wait_for

from robot.nodes.reset import ResetNode
from robot.reset import ResetConfig
from sessions.robot_config import RobotConfig

pytestmark = [pytest.mark.ros]


@pytest.fixture(name="rig")
def _rig() -> Iterator[Rig]:
    yield from rigged()


def test_a_mux_that_dies_in_a_reset_ends_it_and_the_reset_node_is_free_for_the_next(rig: Rig) -> None:
    rig.up(rig.arm())
    mux = rig.up(rig.mux())
    q_home = RobotConfig().control.q_home
    rig.up(ResetNode(REALTIME, ResetConfig(), q_home, has_scene=False, context=rig.context))
    wait_for(lambda: rig.person.count["current_pose"] > 0, "poses")
    asked = [rig.person.ask("reset/reset")]

    def is_homing() -> bool:
        if asked[-1].done():  # refused: the mux had not heard the arm yet
            asked.append(rig.person.ask("reset/reset"))
        return rig.person.said("arm/status") == "homing"

    wait_for(is_homing, "the arm to home")
    rig.freeze(mux)
    wait_for(asked[-1].done, "the first reset's answer", DEADLINE_S)
    assert not asked[-1].result().success
    second = rig.person.call("reset/reset")
    assert not second.success
    assert "mux/reset_begin did not answer" in second.message
