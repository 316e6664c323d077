"""The governor's verdicts, one by one, and the limits that it takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hostile_commands import EVERY, MS, NOW_NS
from robot_rig import Q_HOME

from robot import se3
from robot.errors import ConfigError
from robot.safety import Command, Governor, Reason, SafetyConfig, Situation
from robot.se3 import Pose

DOWN = np.array(Q_HOME)
CENTRE = np.array([0.5, 0.0, 0.3])
CONFIG = SafetyConfig()
GOVERNOR = Governor(CONFIG)
HIGH = np.array(CONFIG.workspace_high_m)
POST = SafetyConfig(keep_out_m=((0.55, -0.1, 0.0, 0.6, 0.1, 0.6),))
SITUATION = Situation(Pose(CENTRE, DOWN), np.zeros(3), NOW_NS, "base", 0.1)


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


def _there(x: float) -> Pose:
    return Pose(np.array([x, 0.0, 0.3]), DOWN)


MOON = _at(3.8e8, 0.0, 0.3)
GONE = Pose(np.array([np.nan, 0.0, 0.3]), DOWN)
EDGE = _at(0.74, 0.0, 0.3)
NEAR = _at(0.54, 0.0, 0.3)  # a centimetre before the post
CAUGHT = _at(0.56, 0.0, 0.3)  # a centimetre in
DEEP = _at(0.56, 0.0, 0.3, period_s=0.02)  # and no more than 6 mm a period
HAIR = 1e-4
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
    "a hard twist": (_command(), replace(SITUATION, moment=np.array([0, 41.0, 0])), Reason.MOMENT, None),
    "a NaN moment": (_command(), replace(SITUATION, moment=np.array([0, 0, np.nan])), Reason.MOMENT, None),
    "a tool on the moon": (_command(step=(0, 0, 0), situation=MOON), MOON, Reason.BAD_MEASUREMENT, None),
    "just slow enough": (_command(), replace(SITUATION, last_ns=NOW_NS - 5 * MS), Reason.NONE, _command().target),
    "too soon after the last": (_command(), replace(SITUATION, last_ns=NOW_NS - 5 * MS + 1), Reason.RATE, None),
    "the last one again": (_command(), replace(SITUATION, last_ns=NOW_NS), Reason.REPLAYED, None),
    "older than the last": (_command(), replace(SITUATION, last_ns=NOW_NS + 1), Reason.REPLAYED, None),
    "into the post": (_command(step=(0.02, 0, 0), situation=NEAR), NEAR, Reason.KEEP_OUT, _there(0.55 - HAIR)),
    "through the post": (
        _command(step=(0.09, 0, 0), situation=NEAR),
        NEAR,
        Reason.KEEP_OUT | Reason.LINEAR_SPEED,
        _there(0.55 - HAIR),
    ),
    "along the post": (
        _command(step=(0, 0.02, 0), situation=NEAR),
        NEAR,
        Reason.NONE,
        _command(step=(0, 0.02, 0), situation=NEAR).target,
    ),
    # whatever is asked of it, a tool in the post goes back the way that is shortest
    "caught in the post": (_command(step=(0.02, 0, 0), situation=CAUGHT), CAUGHT, Reason.KEEP_OUT, _there(0.55 - HAIR)),
    "caught, and slow": (
        _command(step=(0, 0, 0), situation=DEEP),
        DEEP,
        Reason.KEEP_OUT | Reason.LINEAR_SPEED,
        _there(0.554),
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
    governor = Governor(POST) if any(situation is other for other in (NEAR, CAUGHT, DEEP)) else GOVERNOR
    verdict = governor.check(command, situation)
    assert verdict.reasons == reasons
    assert (verdict.target is None) == (target is None)
    if target is not None and verdict.target is not None:
        np.testing.assert_allclose(verdict.target.position, target.position, atol=1e-12)
        np.testing.assert_allclose(se3.rotation_error(verdict.target.quaternion, target.quaternion), 0.0, atol=1e-9)


def test_every_reason_has_a_golden_case():
    seen = Reason.NONE
    for _, _, reasons, _ in GOLDEN.values():
        seen |= reasons
    assert seen == EVERY


def test_a_tool_pushed_out_of_the_workspace_comes_back_within_the_speed_limit():
    position, steps = np.array([0.85, 0.45, 0.3]), 0
    while np.any(position > HIGH + 1e-9):
        situation = _at(*position)
        verdict = GOVERNOR.check(_command(step=(0.05, 0.05, 0), situation=situation), situation)
        assert verdict.target is not None
        assert np.linalg.norm(verdict.target.position - position) <= 0.03 + 1e-12
        position, steps = verdict.target.position, steps + 1
    assert steps == int(np.ceil(np.hypot(0.1, 0.1) / 0.03))


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
    names = [name for name in SafetyConfig.__dataclass_fields__ if not name.endswith("_m") or name == "max_jump_m"]
    assert len(names) > 12
    for name in names:
        for value in (np.inf, np.nan, -1.0, 0.0):
            with pytest.raises(ConfigError, match=name):
                SafetyConfig(**{name: value})


@pytest.mark.parametrize(
    "box",
    [
        (0.4, -0.1, 0.0, 0.5, 0.1),
        (0.4, -0.1, 0.0, 0.5, 0.1, 0.2, 0.3),
        (),
        (0.5, -0.1, 0.0, 0.4, 0.1, 0.2),
        (0.4, -0.1, 0.0, 0.4, 0.1, 0.2),
        (0.4, -0.1, 0.0, 0.5, 0.1, np.inf),
        (0.4, -0.1, np.nan, 0.5, 0.1, 0.2),
        (0.4, -0.1, 0.0, 0.5, 0.1, 1e30),
    ],
)
def test_a_keep_out_box_that_is_none_is_refused_by_its_number(box):
    with pytest.raises(ConfigError, match=r"SafetyConfig\.keep_out_m\[1\] must be a box of six numbers") as caught:
        SafetyConfig(keep_out_m=((0.4, -0.1, 0.0, 0.5, 0.1, 0.2), box))
    assert str(caught.value).count(".\n") == 0


def test_a_verdict_says_what_was_done_and_why():
    assert GOVERNOR.check(_command(), SITUATION).sentence() == "The command passed as it is."
    refused = GOVERNOR.check(_command(stamp_ns=0), SITUATION)
    assert refused.sentence() == "The command was refused: command too old."
    assert (refused.moved_m, refused.turned_rad) == (0.0, 0.0)
    changed = GOVERNOR.check(_command(step=(0, 0.06, 0), turn=(0, 0, 0.3)), SITUATION)
    assert changed.moved_m == pytest.approx(0.03)
    assert changed.turned_rad == pytest.approx(0.15)
    assert changed.sentence() == (
        "The target was moved by 30.0 mm and turned by 8.6 deg: translation slowed down, rotation slowed down."
    )


def test_reasons_read_as_sentences():
    assert Reason.NONE.sentence() == "nothing"
    assert (Reason.STALE | Reason.FORCE).sentence() == "command too old, contact force over the limit"
    for reason in Reason:
        assert reason.sentence()


def test_reasons_keep_their_bits_because_stores_hold_them():
    names = (
        "NOT_FINITE BAD_QUATERNION WRONG_FRAME STALE FROM_FUTURE JUMP FORCE LINEAR_SPEED ANGULAR_SPEED WORKSPACE "
        "BAD_MEASUREMENT KEEP_OUT MOMENT RATE REPLAYED TWO_SOURCES MODE HANDOVER"
    )
    found = {reason.name: int(reason) for reason in Reason if reason}
    assert found == {name: 1 << bit for bit, name in enumerate(names.split())}
