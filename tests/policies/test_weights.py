"""The weights directory and the update ratio: the two narrow seams between actor and learner."""

from __future__ import annotations

import threading

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from policies.ratio import UpdateRatio
from policies.weights import WeightsDirectory
from robot.errors import ConfigError, RobotError, SpecError, StoreError
from robot.types import NO_VERSION

SHAPES = {"w": (2, 3)}


def tensors(value: float) -> dict[str, torch.Tensor]:
    return {"w": torch.full((2, 3), value)}


def test_what_was_published_is_loaded_and_the_newest_version_is_known(tmp_path) -> None:
    weights = WeightsDirectory(tmp_path / "weights")
    assert weights.latest() == NO_VERSION
    for version in (0, 1, 2):
        weights.publish(version, tensors(version), "robot")
    assert weights.latest() == 2
    assert torch.equal(weights.load(1, "robot", SHAPES)[0]["w"], tensors(1)["w"])


def test_words_travel_with_the_weights_and_cannot_pass_for_their_version_or_robot(tmp_path) -> None:
    weights = WeightsDirectory(tmp_path)
    weights.publish(1, tensors(1), "robot", {"stage": "open", "version": "7", "spec_digest": "other"})
    assert weights.load(1, "robot", SHAPES)[1] == {"stage": "open", "version": "1", "spec_digest": "robot"}


def test_old_versions_are_pruned_but_the_untrained_one_stays(tmp_path) -> None:
    weights = WeightsDirectory(tmp_path, keep=3)
    for version in range(10):
        weights.publish(version, tensors(version), "robot")
    assert weights.versions() == [0, 7, 8, 9]


def test_a_half_written_file_is_no_version(tmp_path) -> None:
    weights = WeightsDirectory(tmp_path)
    weights.publish(0, tensors(0), "robot")
    (tmp_path / ".v00000001.safetensors.1.tmp").write_bytes(b"half")
    assert weights.versions() == [0]


def test_missing_and_foreign_weights_are_refused_in_one_sentence(tmp_path) -> None:
    weights = WeightsDirectory(tmp_path)
    weights.publish(1, tensors(1), "robot-a")
    with pytest.raises(StoreError, match=r"version 5 is not in .*there are \[1\]"):
        weights.load(5, "robot-a", SHAPES)
    with pytest.raises(SpecError, match="this robot is robot-b"):
        weights.load(1, "robot-b", SHAPES)
    with pytest.raises(SpecError, match="of its tensors differ"):
        weights.load(1, "robot-a", {"w": (3, 3)})


def test_waiting_ends_with_the_version_or_with_a_sentence(tmp_path) -> None:
    weights = WeightsDirectory(tmp_path)
    with pytest.raises(RobotError, match="Waited 0 s for weights version 1"):
        weights.wait_for(1, timeout_s=0.0)
    late = threading.Timer(0.05, lambda: WeightsDirectory(tmp_path).publish(1, tensors(1), "robot"))
    late.start()
    weights.wait_for(1, timeout_s=10.0)
    late.join()
    assert weights.latest() == 1


def test_who_is_at_work_is_waited_for_however_long_it_takes(tmp_path) -> None:
    weights, looks = WeightsDirectory(tmp_path), iter([True] * 5 + [False] * 100)
    with pytest.raises(RobotError, match="no learner is at work on it"):
        weights.wait_for(1, timeout_s=0.0, is_in_work=lambda: next(looks))
    assert len(list(looks)) == 99

    def publish(_duration_s: float) -> None:
        weights.publish(1, tensors(1), "robot")

    weights.wait_for(1, timeout_s=0.0, idle=publish, is_in_work=lambda: True)


def test_waiting_for_a_version_that_later_ones_have_displaced_ends_at_once(tmp_path) -> None:
    weights = WeightsDirectory(tmp_path, keep=1)
    weights.publish(1, tensors(1), "robot")
    weights.publish(2, tensors(2), "robot")
    assert weights.versions() == [2]
    weights.wait_for(1, timeout_s=0.0)


@given(st.integers(0, 9), st.integers(1, 9), st.lists(st.integers(0, 90), max_size=30))
def test_the_ratio_is_held_exactly_after_every_episode(updates: int, steps: int, lengths: list[int]) -> None:
    ratio, robot_steps = UpdateRatio(updates, steps), 0
    for length in lengths:
        robot_steps += length
        owed = ratio.owed(robot_steps)
        assert owed >= 0
        ratio.done(owed)
        assert ratio.total == robot_steps * updates // steps
        assert ratio.owed(robot_steps) == 0


def test_a_ratio_that_makes_no_sense_is_refused() -> None:
    for updates, steps in ((-1, 1), (1, 0)):
        with pytest.raises(ConfigError, match="updates >= 0 and steps >= 1"):
            UpdateRatio(updates, steps)
    with pytest.raises(ConfigError, match="counts updates >= 0"):
        UpdateRatio(1).done(-1)
