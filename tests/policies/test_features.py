"""Features: of order one, relative to the socket, and free of the frame's arbitrary yaw."""

from __future__ import annotations

import numpy as np
import pytest

from policies.features import Features, Standardiser, turn, yaw
from robot import se3
from robot.errors import SpecError
from robot.observe import observation_spec
from robot.specs import ArraySpec, RobotSpec

SPEC = RobotSpec("sim/peg", observation_spec(("front",), 8), ("x", "y", "z", "rz"), (0.02, 0.02, 0.02, 0.1), 0.1)
P_COARSE, P_FINE, YAW = slice(0, 3), slice(3, 6), slice(6, 9)


def observation(count: int = 1, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    o = {k: rng.standard_normal((count, *SPEC.observation[k].shape)) for k in SPEC.state_keys}
    for key in ("tool_pose", "socket_pose"):
        o[key][:, 3:] /= np.linalg.norm(o[key][:, 3:], axis=1, keepdims=True)
    return o


def at(position: tuple[float, float, float], angle: float) -> np.ndarray:
    return np.concatenate([position, se3.about_z(angle)])[None]


def test_features_are_finite_and_of_order_one_whatever_is_measured() -> None:
    o = {k: 1e3 * v if k != "tool_pose" else v for k, v in observation(200).items()}
    o["socket_pose"][:, 3:] /= 1e3
    features = Features(SPEC)(o)
    assert features.shape == (200, Features(SPEC).size)
    assert features.dtype == np.float32
    assert np.abs(features).max() <= 4.0


def test_a_single_observation_gives_its_row_of_the_batch_and_images_are_ignored() -> None:
    batch, features = observation(3), Features(SPEC)
    one = {k: v[1] for k, v in batch.items()} | {"images/front": np.zeros((8, 8, 3), np.uint8)}
    np.testing.assert_array_equal(features.one(one), features(batch)[1])


def test_the_position_is_relative_to_the_socket_in_the_sockets_frame_at_two_scales() -> None:
    o = observation()
    o["socket_pose"], o["tool_pose"] = at((0.5, 0.1, 0.04), np.pi / 2), at((0.5, 0.102, 0.05), np.pi / 2)
    got = Features(SPEC)(o)[0]
    np.testing.assert_allclose(got[P_COARSE], np.array([0.002, 0.0, 0.01]) / 0.05, atol=1e-6)
    np.testing.assert_allclose(got[P_FINE], np.tanh([0.5, 0.0, 2.5]), atol=1e-4)
    np.testing.assert_allclose(got[YAW], [0.0, 1.0, 0.0], atol=1e-6)


def test_turning_the_scene_about_the_socket_changes_no_relative_feature() -> None:
    o = observation()
    o["socket_pose"], o["tool_pose"] = at((0.5, 0.0, 0.04), 0.1), at((0.51, 0.02, 0.06), 0.3)
    first = Features(SPEC)(o)[0]
    angle = 0.7
    moved = se3.rotate(se3.about_z(angle), np.array([0.01, 0.02, 0.02])) + np.array([0.5, 0.0, 0.04])
    o["socket_pose"], o["tool_pose"] = at((0.5, 0.0, 0.04), 0.1 + angle), at(tuple(moved), 0.3 + angle)
    second = Features(SPEC)(o)[0]
    np.testing.assert_allclose(first[:9], second[:9], atol=1e-5)


def test_batched_yaw_and_turn_agree_with_the_hubs() -> None:
    rng = np.random.default_rng(2)
    q = rng.standard_normal((20, 4))
    q /= np.linalg.norm(q, axis=1, keepdims=True)
    np.testing.assert_allclose(yaw(q), [se3.yaw(row) for row in q], atol=1e-12)
    v = rng.standard_normal((20, 3))
    angle = rng.uniform(-3, 3, 20)
    expected = [se3.rotate(se3.about_z(a), row) for a, row in zip(angle, v, strict=True)]
    np.testing.assert_allclose(turn(v, angle), expected, atol=1e-12)


def test_keys_without_a_rule_pass_as_they_are_and_missing_keys_are_named() -> None:
    spec = RobotSpec("toy", {"state": ArraySpec((2,), "float32")}, ("x",), (0.1,), 0.1)
    features = Features(spec)
    np.testing.assert_array_equal(features({"state": np.array([[3.0, 99.0]])}), [[3.0, 99.0]])
    assert features.raw == slice(0, 2)
    with pytest.raises(SpecError, match=r"\['wrench'\] are missing"):
        Features(SPEC)({k: v for k, v in observation().items() if k != "wrench"})
    blind = RobotSpec("blind", {"images/a": ArraySpec((8, 8, 3), "uint8")}, ("x",), (0.1,), 0.1)
    with pytest.raises(SpecError, match="at least one"):
        Features(blind)


def test_what_has_no_rule_is_standardised_and_what_has_one_is_left_alone() -> None:
    state = np.random.default_rng(0).normal([5.0, -2.0, 0.3], [2.0, 40.0, 0.1], (500, 3)).astype(np.float32)
    standardiser = Standardiser.fit(state, slice(0, 2))
    got = standardiser(state)
    np.testing.assert_allclose(got[:, :2].mean(axis=0), 0.0, atol=1e-4)
    np.testing.assert_allclose(got[:, :2].std(axis=0), 1.0, atol=1e-4)
    np.testing.assert_array_equal(got[:, 2], state[:, 2])


def test_a_feature_that_never_moves_is_not_blown_up_and_outliers_are_cut_off() -> None:
    standardiser = Standardiser.fit(np.full((9, 1), 3.0, np.float32), slice(0, 1))
    np.testing.assert_allclose(
        standardiser(np.array([[3.0], [3.05], [99.0]], np.float32)), [[0], [0.5], [10]], atol=1e-5
    )
    np.testing.assert_array_equal(Standardiser.nothing(1)(np.array([[-99.0]], np.float32)), [[-10.0]])


def test_without_a_tracker_the_tools_place_is_standardised_and_its_rotation_has_no_jump() -> None:
    blind = RobotSpec("sim/blind", observation_spec((), 8, has_tracker=False), SPEC.action_axes, SPEC.action_scale, 0.1)
    features = Features(blind)
    assert (features.raw.start, features.raw.stop) == (features.size - 9, features.size)
    o = {key: value for key, value in observation(5).items() if key != "socket_pose"}
    seen = features(o)[:, features.raw]
    np.testing.assert_allclose(seen[:, :3], o["tool_pose"][:, :3] / 0.05, rtol=1e-5)
    for q, six in zip(o["tool_pose"][:, 3:], seen[:, 3:], strict=True):
        np.testing.assert_allclose(six, se3.matrix_from_quaternion(q)[:, :2].T.reshape(-1), atol=1e-5)
    turned = o | {"tool_pose": o["tool_pose"] * np.array([1, 1, 1, -1, -1, -1, -1])}
    np.testing.assert_allclose(features(turned), features(o), atol=1e-6)  # q and -q are one rotation
