"""What the arm server refuses by itself, how it stops, and that it says why: whatever was checked before it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sim_rig import ACTIONS, Rig

from drivers.mujoco_arm import MujocoArm
from drivers.mujoco_model import SimConfig
from robot import se3
from robot.arm_server import ArmServer, ArmServerConfig, ArmSnapshot
from robot.errors import FaultError
from robot.impedance import CartesianImpedance, ImpedanceConfig
from robot.interfaces import ArmState
from robot.safety import Reason, SafetyConfig
from robot.se3 import Pose

SEED = 3
MS = 1_000_000
TICK_MS = 2


class PushedArm(MujocoArm):
    """A simulated arm that can be pushed at its joints, and whose readings can be made to repeat themselves."""

    push = 0.0
    is_frozen = False
    _last: ArmState | None = None

    def read(self) -> ArmState:
        if self.is_frozen and self._last is not None:
            return replace(self._last, stamp_ns=super().read().stamp_ns)
        self._last = super().read()
        return replace(self._last, tau_external=self._last.tau_external + self.push)


def _server(safety: SafetyConfig | None = None) -> tuple[ArmServer, PushedArm]:
    arm = PushedArm(SimConfig())
    law = CartesianImpedance(ImpedanceConfig())
    server = ArmServer(arm, law, ArmServerConfig(), safety or SafetyConfig())
    server.connect()
    server.advance(0.3)
    return server, arm


def _ahead(now: ArmSnapshot, way: float = 0.02, turn: float = 0.0) -> Pose:
    quaternion = se3.quaternion_multiply(se3.about_z(turn), now.T_base_tool.quaternion)
    return Pose(now.T_base_tool.position + np.array([way, 0.0, 0.0]), quaternion)


def _forward(server: ArmServer) -> Reason:
    now = server.snapshot()
    return server.accept(_ahead(now), now.stamp_ns)


@pytest.mark.parametrize(
    ("way", "turn", "late_ms", "reason"),
    [
        (0.02, 0.1, 0, Reason.NONE),
        (0.02, 0.1, 198, Reason.NONE),
        (0.02, 0.1, 200, Reason.STALE),
        (0.02, 0.1, 10**6, Reason.STALE),
        (0.02, 0.1, -100, Reason.NONE),
        (0.02, 0.1, -101, Reason.FROM_FUTURE),
        (0.02, 0.1, -(10**6), Reason.FROM_FUTURE),
        (0.151, 0.0, 0, Reason.JUMP),
        (0.0, 0.81, 0, Reason.JUMP),
        (np.nan, 0.0, 0, Reason.NOT_FINITE),
        (-np.inf, 0.0, 0, Reason.NOT_FINITE),
        (1e200, 0.0, 0, Reason.JUMP),
        (np.nan, 0.0, 500, Reason.NOT_FINITE | Reason.STALE),
    ],
)
def test_a_target_is_refused_for_what_is_wrong_with_it(way: float, turn: float, late_ms: int, reason: Reason):
    server, _ = _server()
    now = server.snapshot()
    assert server.accept(_ahead(now, way, turn), now.stamp_ns - late_ms * MS) == reason
    assert server.counters["refused"] == (reason != Reason.NONE)
    assert server.is_holding == (reason != Reason.NONE)


@pytest.mark.parametrize("length", [0.0, 0.99, 1.01, 1e200, np.nan])
def test_a_quaternion_that_is_none_is_refused(length: float):
    server, _ = _server()
    now = server.snapshot()
    with np.errstate(over="ignore"):
        bad = Pose(now.T_base_tool.position, now.T_base_tool.quaternion * length)
        assert server.accept(bad, now.stamp_ns) in (Reason.BAD_QUATERNION, Reason.NOT_FINITE)


def test_a_hard_contact_is_refused_and_ends_the_following():
    server, arm = _server()
    assert _forward(server) == Reason.NONE
    server.advance(0.05)
    arm.push = 25.0
    server.advance(0.05)
    assert np.linalg.norm(server.snapshot().wrench[:3]) > 80.0
    assert Reason.FORCE in _forward(server)
    assert server.is_holding
    assert "contact force over the limit" in server.cause
    # to stay where it is is no pressing on
    now = server.snapshot()
    assert server.accept(now.T_base_tool, now.stamp_ns) == Reason.NONE


def test_a_hard_twist_is_refused():
    server, arm = _server(SafetyConfig(max_moment_nm=0.5, max_force_n=500.0))
    arm.push = 2.0
    server.advance(0.1)
    assert _forward(server) == Reason.MOMENT


def test_a_command_from_a_little_ahead_lives_no_longer_than_any_other():
    server, _ = _server()
    now = server.snapshot()
    assert server.accept(_ahead(now), now.stamp_ns + 90 * MS) == Reason.NONE
    server.advance(0.198)
    assert not server.is_holding
    server.advance(0.004)
    assert server.is_holding
    assert server.cause == "no command for 0.2 s"


def test_commands_that_were_decided_on_before_a_hold_come_too_late():
    server, _ = _server()
    now = server.snapshot()
    server.advance(0.05)
    server.hold("the episode is over")
    assert server.accept(_ahead(now), now.stamp_ns) == Reason.REPLAYED
    assert server.cause == "the episode is over"
    assert _forward(server) == Reason.NONE
    assert server.cause == ""


def test_a_stop_is_compliant_and_lasts_until_a_person_ends_it():
    server, _ = _server()
    _forward(server)
    server.advance(0.1)
    server.stop("e_stop")
    start = server.snapshot().T_base_tool.position
    for _ in range(10):
        assert _forward(server) == Reason.MODE
        server.hold("somebody asked")
        server.advance(0.1)
    assert (server.mode, server.cause, server.fault) == ("stop", "e_stop", "")
    assert server.is_latched
    assert not server.has_fault
    assert not server.is_holding
    # at rest under its spring, not limp
    assert np.linalg.norm(server.snapshot().T_base_tool.position - start) < 0.01
    assert np.abs(server.snapshot().dq).max() < 1e-2
    with pytest.raises(FaultError, match="e_stop; clear it with reset_fault"):
        server.start_home(SEED)
    server.settle()
    assert (server.mode, server.cause) == ("stop", "e_stop")
    server.reset_fault()
    assert (server.mode, server.cause) == ("hold", "cleared by a person")
    assert _forward(server) == Reason.NONE
    assert server.counters["stops"] == 1


@pytest.mark.parametrize("mode", ["hold", "follow", "homing", "stop", "fault"])
def test_a_stop_counts_in_every_mode(mode: str):
    server, arm = _server()
    if mode == "follow":
        _forward(server)
    elif mode == "homing":
        server.start_home(SEED)
    elif mode == "stop":
        server.stop("the first")
    elif mode == "fault":
        arm.is_frozen = True
        server.advance(0.2)
        arm.is_frozen = False
    server.advance(0.05)
    assert server.mode == mode
    server.stop("e_stop")
    server.advance(0.5)
    assert server.mode == ("fault" if mode == "fault" else "stop")
    assert server.cause == {"stop": "the first"}.get(mode, server.cause if mode == "fault" else "e_stop")
    assert np.abs(server.snapshot().dq).max() < 0.05
    assert Reason.MODE in _forward(server)


def test_readings_that_repeat_themselves_latch_a_fault_in_time_and_the_arm_comes_to_rest():
    server, arm = _server()
    for _ in range(3):
        _forward(server)
        server.advance(0.05)
    assert np.linalg.norm(server.snapshot().twist[:3]) > 0.1
    arm.is_frozen = True
    frozen_ns = server.snapshot().stamp_ns
    while not server.has_fault:
        server.tick()
    assert 16 * MS <= server.mode_since_ns - frozen_ns <= 22 * MS
    assert server.cause == server.fault == "the arm's readings have repeated themselves for 0.02 s"
    start = arm._tip_pose().position
    server.advance(1.0)
    # a velocity that stayed as it was read last would by now have pushed it back by 17 cm
    assert np.linalg.norm(arm._tip_pose().position - start) < 0.04
    arm.is_frozen = False
    server.advance(0.1)
    assert server.has_fault
    server.reset_fault()
    server.advance(0.5)
    assert server.is_holding


def test_an_arm_at_rest_for_a_minute_is_not_taken_for_a_frozen_one():
    server = ArmServer(MujocoArm(SimConfig()), CartesianImpedance(ImpedanceConfig()), ArmServerConfig(), SafetyConfig())
    server.connect()
    server.advance(60.0)
    for _ in range(1000):
        server.snapshot()  # a second look at the same tick is no second reading
        server.tick()
    assert not server.has_fault


def test_homing_ends_where_it_is_told_to():
    server, _ = _server()
    server.start_home(SEED)
    server.advance(0.4)
    assert (server.mode, server.cause) == ("homing", "homing")
    server.hold("the mux is silent")
    assert (server.mode, server.cause) == ("hold", "the mux is silent")
    start = server.snapshot().T_base_tool.position
    server.advance(1.0)
    assert np.linalg.norm(server.snapshot().T_base_tool.position - start) < 0.03
    assert np.abs(server.snapshot().dq).max() < 1e-2


def test_the_cause_says_why_nothing_is_followed():
    rig = Rig()
    assert rig.server.cause == "settled"
    rig.step(np.array([0.5, 0.0, 0.0, 0.0]))
    assert rig.server.cause == ""
    rig.server.advance(0.3)
    assert rig.server.cause == "no command for 0.2 s"
    rig.server.start_home(SEED)
    while rig.server.is_homing:
        rig.server.tick()
    assert rig.server.cause == "homed"


def test_it_is_told_when_a_target_was_followed_first_and_since_when_the_mode_is_what_it_is():
    server, _ = _server()
    now = server.snapshot()
    stamp_ns = now.stamp_ns - 7 * MS
    server.accept(_ahead(now), stamp_ns)
    assert server.executed == (0, 0)
    assert server.mode_since_ns == now.stamp_ns
    server.advance(0.1)
    assert server.executed == (stamp_ns, now.stamp_ns)
    later = server.snapshot()
    server.accept(_ahead(later), later.stamp_ns)
    server.accept(_ahead(later, 0.01), later.stamp_ns + MS)
    server.advance(0.01)
    assert server.executed == (later.stamp_ns + MS, later.stamp_ns)
    assert server.mode_since_ns == now.stamp_ns
    server.advance(0.5)
    assert later.stamp_ns + 200 * MS <= server.mode_since_ns <= later.stamp_ns + (200 + TICK_MS) * MS


def test_ten_thousand_hostile_targets_neither_move_the_arm_by_a_jump_nor_raise():
    rng = np.random.default_rng(SEED)
    server, _ = _server()
    accepted = 0
    for _ in range(10_000):
        now = server.snapshot()
        vector = _ahead(now, way=rng.normal() * 0.1).as_vector()
        if rng.random() < 0.7:
            vector[rng.integers(7)] = rng.choice([np.nan, np.inf, -np.inf, 1e308, -1e300, 0.0, 5.0])
        stamp_ns = now.stamp_ns + int(rng.choice([0, -10, -300, 90, 300, 10**12, -(10**15)])) * MS
        target = Pose.from_vector(vector)
        if server.accept(target, stamp_ns) == Reason.NONE:
            accepted += 1
            assert np.linalg.norm(target.position - now.T_base_tool.position) <= 0.15
            assert abs(np.linalg.norm(target.quaternion) - 1.0) < 2e-3
        server.tick()
    assert accepted > 100  # one from ahead makes the next ones come too late
    assert server.mode in ("follow", "hold")
    assert np.abs(server.snapshot().dq).max() < 2.0


def test_the_action_maps_targets_are_accepted():
    rig = Rig()
    for _ in range(20):
        now = rig.server.snapshot()
        assert rig.server.accept(ACTIONS.target(now.T_base_tool, np.array([0.5, 0.2, 0, 0.3])), now.stamp_ns) == 0
        rig.server.advance(0.1)
