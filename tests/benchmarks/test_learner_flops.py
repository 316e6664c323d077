"""The arithmetic of one update, which the benchmark of the learner divides by."""

from __future__ import annotations

import pytest
import torch

from benchmarks.learner.matmul import flops, products
from benchmarks.learner.sizes import SIZES, Size, matmul_flops


def test_the_flops_of_a_small_update_are_those_counted_by_hand() -> None:
    size = Size(members=3, hidden=(4,), utd=2, batch=5, state=2, action=1)
    critic, actor = 3 * 4 + 4 * 1, 2 * 4 + 4 * 2  # multiplications of a row
    target = actor + 2 * critic
    descent = 3 * (critic + critic + 4 * 1)  # forward, weights, and inputs of the second layer
    ascent = actor + actor + 4 * 2 + 3 * (critic + critic)
    assert matmul_flops(size) == 2 * 5 * (target + descent + ascent / 2)


@pytest.mark.parametrize("name", SIZES)
def test_the_bare_products_are_the_counted_ones(name: str) -> None:
    size = SIZES[name]
    critic, actor = products(size, torch.float32)
    assert flops(critic) + flops(actor) / size.utd == matmul_flops(size)


def test_ten_critics_take_about_two_and_a_half_billion_operations() -> None:
    assert matmul_flops(SIZES["10"]) == pytest.approx(2.4e9, rel=0.05)
