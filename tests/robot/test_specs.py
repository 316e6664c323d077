"""Specs refuse what does not fit and say why; their text and digest name the robot."""

from __future__ import annotations

import string
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from robot_rig import SPEC, repeatable, seen

from robot.errors import SpecError
from robot.observe import assemble, observation_spec
from robot.se3 import Pose
from robot.specs import ArraySpec, RobotSpec

FORCE = ArraySpec((3,), "float32", "N", "base")
NAMES = st.text(string.ascii_lowercase + "/_", min_size=1, max_size=12)
ARRAYS = st.builds(
    ArraySpec,
    st.lists(st.integers(1, 640), min_size=1, max_size=3).map(tuple),
    st.sampled_from(["float32", "uint8"]),
    st.text(max_size=8),
    NAMES,
)
FINITE = st.floats(1e-6, 1e3)
SPECS = st.builds(
    RobotSpec,
    NAMES,
    st.dictionaries(NAMES, ARRAYS, min_size=1, max_size=5),
    st.lists(NAMES, max_size=6, unique=True).map(tuple),
    st.lists(FINITE, max_size=6).map(tuple),
    FINITE,
)


def test_an_array_that_fits_passes():
    FORCE.check("force", np.zeros(3, np.float32))
    ArraySpec((2, 2, 3), "uint8").check("image", np.full((2, 2, 3), 255, np.uint8))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros(4, np.float32), r"force must be float32\[3\]; found float32\[4\]\."),
        (np.zeros((3, 1), np.float32), r"found float32\[3, 1\]"),
        (np.zeros(3), r"force must be float32\[3\]; found float64\[3\]\."),
        (np.zeros(3, np.int32), r"found int32\[3\]"),
        (np.array([0, np.nan, 0], np.float32), r"force must be finite; found NaN or infinity at \[1\]\."),
        (np.array([0, 0, -np.inf], np.float32), r"at \[2\]"),
    ],
)
def test_an_array_that_does_not_fit_is_refused_in_words(value: np.ndarray, message: str):
    with pytest.raises(SpecError, match=message):
        FORCE.check("force", value)


def test_an_observation_needs_exactly_the_keys_of_the_spec():
    SPEC.check(seen(0))
    with pytest.raises(SpecError, match=r"fake/point: missing \['tool_pose'\], unexpected \[\]"):
        SPEC.check({"images/front": seen(0)["images/front"]})
    with pytest.raises(SpecError, match=r"missing \[\], unexpected \['depth_m'\]"):
        SPEC.check(seen(0) | {"depth_m": np.zeros(1, np.float32)})
    with pytest.raises(SpecError, match="tool_pose must be finite"):
        SPEC.check(seen(0) | {"tool_pose": np.full(7, np.nan, np.float32)})


def test_state_and_image_keys_part_the_keys_in_their_order():
    spec = replace(SPEC, observation={"b": FORCE, "images/z": FORCE, "a": FORCE, "images/c": FORCE})
    assert spec.state_keys == ("b", "a")
    assert spec.image_keys == ("images/z", "images/c")
    assert spec.action_size == len(SPEC.action_axes)


@repeatable
@given(SPECS)
def test_a_spec_survives_the_way_over_json(spec: RobotSpec):
    back = RobotSpec.from_json(spec.to_json())
    assert back == spec
    assert list(back.observation) == list(spec.observation)
    assert back.state_keys == spec.state_keys
    assert back.digest() == spec.digest()


@repeatable
@given(SPECS, SPECS)
def test_specs_have_the_same_digest_only_if_they_are_the_same(a: RobotSpec, b: RobotSpec):
    assert (a.digest() == b.digest()) == (a == b)


def test_the_digest_differs_whenever_any_part_does():
    others = [
        replace(SPEC, name="fake/line"),
        replace(SPEC, action_axes=("x", "y", "rz", "z")),
        replace(SPEC, action_scale=(0.02, 0.02, 0.02, 0.2)),
        replace(SPEC, period_s=0.05),
        replace(SPEC, observation={"tool_pose": SPEC.observation["tool_pose"]}),
    ]
    for change in ({"shape": (8,)}, {"dtype": "float64"}, {"unit": "mm"}, {"frame": "tool"}):
        array = replace(SPEC.observation["tool_pose"], **change)
        others.append(replace(SPEC, observation=SPEC.observation | {"tool_pose": array}))
    digests = {SPEC.digest(), *(other.digest() for other in others)}
    assert len(digests) == 1 + len(others)
    assert all(len(digest) == 16 and int(digest, 16) >= 0 for digest in digests)


def test_the_digest_does_not_depend_on_the_order_of_the_keys():
    turned = dict(reversed(SPEC.observation.items()))
    assert replace(SPEC, observation=turned).digest() == SPEC.digest()


def test_the_digest_is_the_same_in_every_process_and_version():
    """Written down from a run: a digest that changes would part robots from their own stores."""
    assert SPEC.digest() == "42da533f310c1be6"


def test_what_the_robot_assembles_fits_what_it_declares():
    pose = Pose(np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]))
    image = np.zeros((16, 16, 3), np.uint8)
    observation = assemble(np.zeros(7), np.ones(7), pose, np.zeros(6), np.zeros(6), pose, {"front": image})
    spec = RobotSpec("r", observation_spec(("front",), 16), ("x",), (0.1,), 0.1)
    spec.check(observation)
    assert list(observation) == list(spec.observation)


def test_what_differs_is_named():
    assert SPEC.difference(SPEC) == ""
    other = replace(SPEC, period_s=0.5, observation=SPEC.observation | {"more": FORCE, "wrench": FORCE})
    assert SPEC.difference(other) == "observation more, wrench; period_s"
    assert other.difference(replace(other, name="r", action_scale=(9.0, 9.0))) == "name; action_scale"


def test_what_only_a_simulation_knows_is_told_apart():
    spec = replace(SPEC, observation=SPEC.observation | {"truth/wrench": FORCE})
    assert spec.truth_keys == ("truth/wrench",)
    assert "truth/wrench" in spec.state_keys
    assert "truth/wrench" not in spec.seen_keys
    assert spec.told().observation["wrench"] == FORCE
    assert spec.told().truth_keys == ()
