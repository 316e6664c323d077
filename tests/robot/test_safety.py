"""The governor never raises, never lets a target out of the limits, and tells the reason for every change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from robot_rig import Q_HOME, quaternions, repeatable

from robot import se3
from robot.errors import ConfigError
from robot.safety import REFUSALS, Command, Governor, Reason, SafetyConfig, Situation, Verdict
from robot.se3 import Pose

SEED = 77
COMMANDS = 20_000
MS = 1_000_000
NOW_NS = 5_000 * MS
DOWN = np.array(Q_HOME)
CENTRE = np.array([0.5, 0.0, 0.3])
CONFIG = SafetyConfig()
GOVERNOR = Governor(CONFIG)
LOW, HIGH = np.array(CONFIG.workspace_low_m), np.array(CONFIG.workspace_high_m)
SITUATION = Situation(Pose(CENTRE, DOWN), np.zeros(3), NOW_NS, "base", 0.1)


OF_ANY = Reason(2 * Reason.BAD_MEASUREMENT - 1)


def _command(step=(0.01, 0.0, 0.0), turn=(0.0, 0.0, 0.0), situation: Situation = SITUATION, **change) -> Command:
    """A command relative to the tool; parts of it replaced by `change`."""
    tool = situation.T_base_tool
    quaternion = se3.quaternion_multiply(se3.exp_rotation(np.array(turn)), tool.quaternion)
    target = Pose(tool.position + np.array(step), quaternion)
    return replace(Command(target, NOW_NS, "base"), **change)


def _at(*position: float, **change) -> Situation:
    return replace(SITUATION, T_base_tool=Pose(np.array(position), DOWN), **change)


def _turned(step, turn) -> Pose:
    return _command(step, turn).target


GONE = Pose(np.array([np.nan, 0.0, 0.3]), DOWN)
EDGE = _at(0.74, 0.0, 0.3)
GOLDEN = {
    "allowed": (_command(), SITUATION, Reason.NONE, _turned((0.01, 0, 0), (0, 0, 0))),
    "a NaN": (_command(target=GONE), SITUATION, Reason.NOT_FINITE, None),
    "an infinity": (_command(step=(0, 0, -np.inf)), SITUATION, Reason.NOT_FINITE, None),
    "a NaN in the quaternion": (
        _command(target=Pose(CENTRE, np.array([1, 0, 0, np.nan]))),
        SITUATION,
        Reason.NOT_FINITE,
        None,
    ),
    "a zero quaternion": (_command(target=Pose(CENTRE, np.zeros(4))), SITUATION, Reason.BAD_QUATERNION, None),
    "a long quaternion": (_command(target=Pose(CENTRE, 1.1 * DOWN)), SITUATION, Reason.BAD_QUATERNION, None),
    "another frame": (_command(frame="camera"), SITUATION, Reason.WRONG_FRAME, None),
    "no frame": (_command(frame=""), SITUATION, Reason.WRONG_FRAME, None),
    "just young enough": (_command(stamp_ns=NOW_NS - 200 * MS), SITUATION, Reason.NONE, _command().target),
    "too old": (_command(stamp_ns=NOW_NS - 200 * MS - 1), SITUATION, Reason.STALE, None),
    "a little ahead": (_command(stamp_ns=NOW_NS + 100 * MS), SITUATION, Reason.NONE, _command().target),
    "from the future": (_command(stamp_ns=NOW_NS + 100 * MS + 1), SITUATION, Reason.FROM_FUTURE, None),
    "too far": (_command(step=(0, 0.151, 0)), SITUATION, Reason.JUMP, None),
    "turned too far": (_command(turn=(0, 0, 0.81)), SITUATION, Reason.JUMP, None),
    "a hard contact": (_command(), replace(SITUATION, force=np.array([0, 0, 81.0])), Reason.FORCE, None),
    "a NaN force": (_command(), replace(SITUATION, force=np.array([0, np.nan, 0])), Reason.FORCE, None),
    "a NaN measurement": (_command(), replace(SITUATION, T_base_tool=GONE), Reason.BAD_MEASUREMENT, None),
    "no measured rotation": (
        _command(),
        replace(SITUATION, T_base_tool=Pose(CENTRE, np.zeros(4))),
        Reason.BAD_MEASUREMENT,
        None,
    ),
    "several at once": (
        _command(step=(1, 0, 0), frame="x", stamp_ns=0),
        SITUATION,
        Reason.JUMP | Reason.WRONG_FRAME | Reason.STALE,
        None,
    ),
    "too fast": (_command(step=(0, 0.06, 0)), SITUATION, Reason.LINEAR_SPEED, _turned((0, 0.03, 0), (0, 0, 0))),
    "too fast a turn": (
        _command(step=(0, 0, 0), turn=(0, 0, 0.3)),
        SITUATION,
        Reason.ANGULAR_SPEED,
        _turned((0, 0, 0), (0, 0, 0.15)),
    ),
    "out of the workspace": (
        _command(step=(0.02, 0.01, 0), situation=EDGE),
        EDGE,
        Reason.WORKSPACE,
        Pose(np.array([0.75, 0.01, 0.3]), DOWN),
    ),
    "out of the workspace and too fast": (
        _command(step=(0.05, 0.06, 0), situation=EDGE),
        EDGE,
        Reason.WORKSPACE | Reason.LINEAR_SPEED,
        Pose(np.array([0.74, 0.0, 0.3]) + 0.03 * np.array([0.01, 0.06, 0.0]) / np.hypot(0.01, 0.06), DOWN),
    ),
    # the tool was pushed 10 cm out of the workspace: the way back is no faster than any other
    "back into the workspace": (
        _command(step=(0, 0, 0), situation=_at(0.85, 0.0, 0.3)),
        _at(0.85, 0.0, 0.3),
        Reason.WORKSPACE | Reason.LINEAR_SPEED,
        Pose(np.array([0.82, 0.0, 0.3]), DOWN),
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_governor_judges_as_written_down(name: str):
    command, situation, reasons, target = GOLDEN[name]
    verdict = GOVERNOR.check(command, situation)
    assert verdict.reasons == reasons
    assert (verdict.target is None) == (target is None)
    if target is not None and verdict.target is not None:
        np.testing.assert_allclose(verdict.target.position, target.position, atol=1e-12)
        np.testing.assert_allclose(se3.rotation_error(verdict.target.quaternion, target.quaternion), 0.0, atol=1e-9)


def test_every_reason_has_a_golden_case():
    seen = Reason.NONE
    for _, _, reasons, _ in GOLDEN.values():
        seen |= reasons
    assert seen & OF_ANY == OF_ANY


def _check_laws(command: Command, situation: Situation, verdict: Verdict) -> None:
    asked, tool, target = command.target, situation.T_base_tool, verdict.target
    assert (target is None) == bool(verdict.reasons & REFUSALS)
    if target is None:
        return
    assert np.all(np.isfinite(target.as_vector()))
    assert abs(np.linalg.norm(target.quaternion) - 1.0) < 1e-9
    way = float(np.linalg.norm(target.position - tool.position))
    turn = float(np.linalg.norm(se3.rotation_error(target.quaternion, tool.quaternion)))
    assert way <= CONFIG.max_linear_speed * situation.period_s + 1e-12
    assert turn <= CONFIG.max_angular_speed * situation.period_s + 1e-9
    assert np.linalg.norm(asked.position - tool.position) <= CONFIG.max_jump_m
    assert command.frame == situation.frame
    assert abs(situation.now_ns - command.stamp_ns) <= CONFIG.max_age_s * 1e9
    assert np.linalg.norm(situation.force) <= CONFIG.max_force_n
    outside, before = _outside(target.position), _outside(tool.position)
    # within the workspace, or nearer to it by all that the speed limit allows
    assert outside <= 1e-12 or outside <= before + 1e-12
    assert outside <= 1e-12 or Reason.LINEAR_SPEED in verdict.reasons
    is_moved = not np.array_equal(target.position, asked.position)
    is_turned = float(np.linalg.norm(se3.rotation_error(target.quaternion, asked.quaternion))) > 1e-12
    assert is_moved == bool(verdict.reasons & (Reason.LINEAR_SPEED | Reason.WORKSPACE))
    assert is_turned == (Reason.ANGULAR_SPEED in verdict.reasons)


def _outside(position: np.ndarray) -> float:
    return float(np.linalg.norm(position - np.clip(position, LOW, HIGH)))


def _hostile(rng: np.random.Generator) -> tuple[Command, Situation]:
    """Something between a sane command and one that no sender should ever send."""
    tool = Pose(rng.uniform(LOW - 0.1, HIGH + 0.1), quaternions(1, rng)[0])
    situation = Situation(tool, rng.normal(size=3) * 30.0, NOW_NS, "base", rng.choice([0.05, 0.1]))
    position = tool.position + rng.normal(size=3) * 10.0 ** rng.uniform(-4, -0.5)
    turn = se3.exp_rotation(rng.normal(size=3) * 10.0 ** rng.uniform(-3, 0.3))
    quaternion = se3.quaternion_multiply(turn, tool.quaternion) * rng.choice([1, 1, 1, -1])
    stamp_ns, frame = NOW_NS + int(rng.integers(-100, 100)) * MS, "base"
    kind = rng.integers(14)
    if kind == 0:
        position[rng.integers(3)] = rng.choice([np.nan, np.inf, -np.inf, 1e200, -1e308])
    elif kind == 1:
        quaternion[rng.integers(4)] = rng.choice([np.nan, np.inf, 1e308, 5.0])
    elif kind == 2:
        quaternion = np.zeros(4)
    elif kind == 3:
        frame = str(rng.choice(["", "tool", "Base", "base ", "camera_optical_frame"]))
    elif kind == 4:
        stamp_ns = int(rng.choice([0, -(10**18), NOW_NS - 201 * MS, NOW_NS + 201 * MS, 2**62]))
    elif kind == 5:
        position = rng.uniform(-1e3, 1e3, 3)
    elif kind == 6:
        situation = replace(situation, force=np.array([0.0, rng.choice([np.nan, np.inf, 1e308, 79.9, 80.1]), 0.0]))
    elif kind == 7:
        broken = tool.as_vector()
        broken[rng.integers(7)] = rng.choice([np.nan, -np.inf, 1e308])
        situation = replace(situation, T_base_tool=Pose.from_vector(broken))
    return Command(Pose(position, quaternion), stamp_ns, frame), situation


def test_no_command_of_twenty_thousand_gets_past_the_limits():
    rng = np.random.default_rng(SEED)
    seen, allowed = Reason.NONE, 0
    for _ in range(COMMANDS):
        command, situation = _hostile(rng)
        verdict = GOVERNOR.check(command, situation)
        _check_laws(command, situation, verdict)
        seen |= verdict.reasons
        allowed += verdict.target is not None
    # the commands were hostile enough, and not all of them
    assert seen & OF_ANY == OF_ANY
    assert allowed > COMMANDS // 5


ANY = st.floats(allow_nan=True, allow_infinity=True)


@settings(repeatable, max_examples=300)
@given(
    position=st.tuples(ANY, ANY, ANY),
    quaternion=st.tuples(ANY, ANY, ANY, ANY),
    force=st.tuples(ANY, ANY, ANY),
    tool=st.tuples(ANY, ANY, ANY, ANY, ANY, ANY, ANY),
    stamp_ns=st.integers(),
    frame=st.text(),
)
def test_no_numbers_whatever_make_the_governor_raise(position, quaternion, force, tool, stamp_ns, frame):
    for T_base_tool in (SITUATION.T_base_tool, Pose.from_vector(np.array(tool))):
        for target in (Pose(np.array(position), np.array(quaternion)), Pose(np.array(position), DOWN)):
            situation = replace(SITUATION, T_base_tool=T_base_tool, force=np.array(force))
            command = Command(target, stamp_ns, frame)
            _check_laws(command, situation, GOVERNOR.check(command, situation))


def test_a_tool_pushed_out_of_the_workspace_comes_back_within_the_speed_limit():
    position, steps = np.array([0.85, 0.45, 0.3]), 0
    while _outside(position) > 1e-9:
        situation = _at(*position)
        verdict = GOVERNOR.check(_command(step=(0.05, 0.05, 0), situation=situation), situation)
        assert verdict.target is not None
        assert np.linalg.norm(verdict.target.position - position) <= 0.03 + 1e-12
        position, steps = verdict.target.position, steps + 1
    assert steps == int(np.ceil(np.hypot(0.1, 0.1) / 0.03))


def test_the_same_command_gets_the_same_verdict():
    rng = np.random.default_rng(SEED + 1)
    cases = [_hostile(rng) for _ in range(200)]
    first = [GOVERNOR.check(*case) for case in cases]
    for case, verdict in zip(reversed(cases), reversed(first), strict=True):
        again = Governor(CONFIG).check(*case)
        assert again.reasons == verdict.reasons
        if verdict.target is not None and again.target is not None:
            np.testing.assert_array_equal(again.target.as_vector(), verdict.target.as_vector())


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ((0.8, -0.35, -0.02), (0.75, 0.35, 0.70)),
        ((0.25, 0.35, -0.02), (0.75, 0.35, 0.70)),
        ((-np.inf, -0.35, -0.02), (0.75, 0.35, 0.70)),
        ((0.25, -0.35, -0.02), (0.75, 0.35, np.inf)),
    ],
)
def test_a_workspace_without_inside_is_refused(low, high):
    with pytest.raises(ConfigError, match="below workspace_high_m"):
        SafetyConfig(workspace_low_m=low, workspace_high_m=high)


def test_limits_that_limit_nothing_are_refused():
    for name in ("max_linear_speed", "max_angular_speed", "max_jump_m", "max_jump_rad", "max_force_n", "max_age_s"):
        for value in (np.inf, np.nan, -1.0, 0.0):
            with pytest.raises(ConfigError, match=name):
                SafetyConfig(**{name: value})


def test_reasons_read_as_sentences():
    assert Reason.NONE.sentence() == "nothing"
    assert (Reason.STALE | Reason.FORCE).sentence() == "command too old, contact force over the limit"
    for reason in Reason:
        assert reason.sentence()


def test_reasons_keep_their_bits_because_stores_hold_them():
    names = (
        "NOT_FINITE BAD_QUATERNION WRONG_FRAME STALE FROM_FUTURE JUMP FORCE LINEAR_SPEED ANGULAR_SPEED WORKSPACE "
        "BAD_MEASUREMENT KEEP_OUT MOMENT RATE REPLAYED TWO_SOURCES MODE"
    )
    found = {reason.name: int(reason) for reason in Reason if reason}
    assert found == {name: 1 << bit for bit, name in enumerate(names.split())}
