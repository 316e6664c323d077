"""Whoever evaluates or finetunes is told when the base acts in place of what was learnt."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from policies.schedule import Directions
from policies.weights import WeightsDirectory
from sessions.learning import held_back


@pytest.mark.parametrize(
    ("directions", "told"),
    [
        (Directions(), ""),
        (Directions(doubt="It has to prove itself."), "It has to prove itself."),
        (Directions(alarm="The critics err.", doubt="It has to prove itself."), "The critics err."),
    ],
)
def test_the_newest_weights_say_who_acts(tmp_path: Path, directions: Directions, told: str) -> None:
    assert held_back(tmp_path) == ""
    weights = WeightsDirectory(tmp_path / "weights")
    weights.publish(0, {"w": torch.zeros(2)}, "robot", Directions(alarm="of before").to_header())
    weights.publish(1, {"w": torch.zeros(2)}, "robot", directions.to_header())
    assert held_back(tmp_path) == told
