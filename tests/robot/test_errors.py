"""An error helps: one base class, and the near names where a name is unknown."""

from __future__ import annotations

import inspect

import pytest

from robot import errors
from robot.errors import NudgeError, did_you_mean

KNOWN = ("target_pose", "current_pose", "current_twist", "joint_states")


def test_every_error_has_one_base():
    found = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, BaseException)]
    assert len(found) >= 6
    assert all(issubclass(cls, NudgeError) for cls in found)


def test_a_fault_is_an_error_of_the_robot():
    assert issubclass(errors.FaultError, errors.RobotError)


def test_a_near_miss_gets_the_near_names():
    assert did_you_mean("target_pos", KNOWN).startswith(" Did you mean 'target_pose'")
    assert did_you_mean("curent_twist", KNOWN).startswith(" Did you mean 'current_twist' or ")


def test_a_name_near_to_nothing_gets_all_names_in_order():
    expected = " Known: current_pose, current_twist, joint_states, target_pose."
    assert did_you_mean("xyzzy", KNOWN) == expected
    assert did_you_mean("xyzzy", iter(reversed(KNOWN))) == expected


@pytest.mark.parametrize("name", KNOWN)
def test_a_name_is_nearest_to_itself(name: str):
    assert did_you_mean(name, KNOWN).startswith(f" Did you mean {name!r}")
