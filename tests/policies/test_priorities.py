"""Prioritised draws: in proportion to the priorities, weighted back, and each pool by its own."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from conftest import make_episode
from test_quotas import EVERYTHING, buffer, filled, sampler

from policies.sampler import ONLINE
from robot.errors import ConfigError


def test_windows_are_drawn_in_proportion_to_their_priorities() -> None:
    data = buffer()
    data.add(make_episode(4), ONLINE)
    draw = sampler(data, priority=0.5, human_share=0.0, batch=4000)
    draw.draw()
    draw.pools.prioritise(ONLINE, np.arange(4), np.array([1.0, 4.0, 9.0, 16.0]))
    batch = draw.draw()
    found = Counter(map(tuple, batch.action.tolist()))
    shares = [found[tuple(action)] / 4000 for action in data.column("action")[:4].tolist()]
    np.testing.assert_allclose(shares, [0.1, 0.2, 0.3, 0.4], atol=0.03)  # the roots of the errors


def test_weights_undo_the_priorities_and_are_at_most_one() -> None:
    data = buffer()
    data.add(make_episode(4), ONLINE)
    draw = sampler(data, priority=1.0, correction=1.0, human_share=0.0, batch=400)
    draw.draw()
    draw.pools.prioritise(ONLINE, np.arange(4), np.array([1.0, 2.0, 3.0, 4.0]))
    batch = draw.draw()
    of_action = {tuple(a): w for a, w in zip(batch.action.tolist(), batch.weight.tolist(), strict=True)}
    weights = [of_action[tuple(action)] for action in data.column("action")[:4].tolist()]
    np.testing.assert_allclose(weights, [1.0, 1 / 2, 1 / 3, 1 / 4], rtol=1e-4)


def test_the_errors_of_a_mini_batch_go_to_the_windows_it_was_drawn_from() -> None:
    data = filled(*EVERYTHING)
    draw = sampler(data, priority=1.0, human_share=0.25, batch=64)
    batch = draw.draw()
    draw.prioritise(10.0 * batch.action[:, 0])  # the action tells where a window came from
    for name, priorities in draw.pools.priorities().items():
        rows = data.pool(name)
        expected = 10.0 * data.column("action")[rows, 0] + 1e-6
        is_new = priorities == 1.0
        np.testing.assert_allclose(priorities[~is_new], expected[~is_new], rtol=1e-5)
        assert (~is_new).any()


def test_a_new_window_has_the_highest_priority_that_there_was() -> None:
    data = buffer()
    data.add(make_episode(4), ONLINE)
    draw = sampler(data, priority=1.0, human_share=0.0)
    draw.draw()
    draw.pools.prioritise(ONLINE, np.arange(4), np.array([1.0, 7.0, 3.0, 4.0]))
    data.add(make_episode(2), ONLINE)
    draw.draw()
    np.testing.assert_allclose(draw.pools.priorities()[ONLINE], [1, 7, 3, 4, 7, 7], rtol=1e-5)


def test_without_priorities_every_weight_is_one_and_none_can_be_set() -> None:
    draw = sampler(filled(*EVERYTHING))
    assert torch.equal(draw.draw().weight, torch.ones(64))
    draw.prioritise(torch.ones(64))  # nothing happens
    assert draw.pools.priorities() == {}
    with pytest.raises(ConfigError, match="no priorities to set"):
        draw.pools.prioritise(ONLINE, np.arange(1), np.ones(1))


def test_an_error_that_is_no_number_is_refused() -> None:
    draw = sampler(filled(*EVERYTHING), priority=1.0)
    draw.draw()
    with pytest.raises(ConfigError, match="finite"):
        draw.prioritise(torch.full((64,), torch.nan))
