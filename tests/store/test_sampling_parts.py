"""The laws of windows, shares and priorities, without a disk."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot.errors import ConfigError, StoreError
from robot.store.quota import Draws, quotas
from robot.store.rows import EpisodeRows
from robot.store.sumtree import SumTree

SHARES = st.dictionaries(st.sampled_from("abcdef"), st.floats(0.0, 10.0), min_size=1)
EPISODES = st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=6)


def rows_of(episodes: list[tuple[int, bool]]) -> tuple[EpisodeRows, list[np.ndarray]]:
    """Rows whose column "at" names episode and step; rewards are random."""
    rows, rewards = EpisodeRows(), []
    rng = np.random.default_rng(7)
    for number, (length, continues) in enumerate(episodes):
        reward = rng.normal(size=length).astype(np.float32)
        at = np.stack([np.full(length + 1, number), np.arange(length + 1)], axis=1)
        rows.add({"at": at}, reward, continues)
        rewards.append(reward)
    return rows, rewards


@settings(max_examples=200, deadline=None, derandomize=True)
@given(episodes=EPISODES, n=st.integers(1, 12), gamma=st.floats(0.0, 1.0))
def test_windows_equal_the_sum_written_out(episodes: list[tuple[int, bool]], n: int, gamma: float) -> None:
    rows, rewards = rows_of(episodes)
    windows = rows.windows(rows.steps, n, gamma)
    at = np.asarray(rows.column("at"))
    assert len(rows.steps) == sum(length for length, _ in episodes)
    for first, after, ret, discount in zip(*windows, strict=True):
        episode, step = at[first]
        length, continues = episodes[episode]
        steps = min(n, length - step)
        assert at[after].tolist() == [episode, step + steps]
        assert ret == pytest.approx(sum(gamma**k * rewards[episode][step + k] for k in range(steps)), abs=1e-5)
        ends = step + steps == length and not continues
        assert discount == pytest.approx(0.0 if ends else gamma**steps, abs=1e-6)


def test_new_labels_replace_those_of_one_episode_alone() -> None:
    rows, rewards = rows_of([(3, True), (4, False), (2, True)])
    rows.relabel(1, np.array([1.0, 2.0, 3.0, 4.0], np.float32))
    windows = rows.windows(rows.steps, 1, 1.0)
    assert windows.ret.tolist() == [*rewards[0].tolist(), 1.0, 2.0, 3.0, 4.0, *rewards[2].tolist()]
    with pytest.raises(StoreError, match="Episode 2 has 2 transitions; found 3 rewards"):
        rows.relabel(2, np.zeros(3, np.float32))


def test_rows_that_do_not_fit_are_refused_and_change_nothing() -> None:
    rows, _ = rows_of([(3, True)])
    reward = np.zeros(2, np.float32)
    bad = {
        "without a transition": ({"at": np.zeros((1, 2), np.int64)}, np.zeros(0, np.float32)),
        "must have 3 rows": ({"at": np.zeros((2, 2), np.int64)}, reward),
        "'other' is not in all": ({"at": np.zeros((3, 2), np.int64), "other": np.zeros(3)}, reward),
        r"must be int64\[2\]; found float64\[2\]": ({"at": np.zeros((3, 2))}, reward),
        "'end' is a column that every buffer has": ({"end": np.zeros(3)}, reward),
    }
    for sentence, (columns, rewards) in bad.items():
        with pytest.raises(StoreError, match=sentence):
            rows.add(columns, rewards, True)
    assert (rows.size, rows.episodes) == (4, 1)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(shares=SHARES, size=st.integers(1, 300), filled=st.sets(st.sampled_from("abcdef")))
def test_counts_add_up_and_none_is_off_by_a_whole_one(shares: dict[str, float], size: int, filled: set[str]) -> None:
    live = {name: share for name, share in shares.items() if share > 0 and name in filled}
    if not live:
        with pytest.raises(StoreError, match="nothing to draw from"):
            quotas(size, shares, sorted(filled))
        return
    counts = quotas(size, shares, sorted(filled))
    assert sum(counts.values()) == size
    assert counts.keys() == live.keys()
    for name, count in counts.items():
        assert abs(count - size * live[name] / sum(live.values())) < 1.0 + 1e-6


@pytest.mark.parametrize("share", [-0.1, np.nan, np.inf])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match="share of 'a'"):
        quotas(8, {"a": share}, ["a"])


def test_draws_repeat_from_a_seed_and_go_on_from_a_state() -> None:
    one, other = Draws(3), Draws(3)
    assert one.integers(10, 20).tolist() == other.integers(10, 20).tolist()
    state = one.state
    after = one.integers(10, 20).tolist(), one.uniform(5).tolist()
    third = Draws(99)
    third.state = state
    assert (third.integers(10, 20).tolist(), third.uniform(5).tolist()) == after


@settings(max_examples=100, deadline=None, derandomize=True)
@given(changes=st.lists(st.tuples(st.integers(0, 70), st.floats(0.0, 1e6)), min_size=1, max_size=60))
def test_a_tree_finds_what_a_running_sum_finds(changes: list[tuple[int, float]]) -> None:
    tree, plain = SumTree(), np.zeros(71)
    for index, weight in changes:
        tree.set(np.array([index]), np.array([weight]))
        plain[index] = weight
    assert tree.weights(np.arange(71)).tolist() == plain.tolist()
    assert tree.total == pytest.approx(plain.sum())
    if tree.total > 0.0:
        sums = np.linspace(0.0, 1.0, 50, endpoint=False) * tree.total
        found = tree.find(sums)
        assert np.all(plain[found] > 0.0)
        edges = np.cumsum(plain)
        inside = (sums >= edges[found] - plain[found] - 1e-6 * tree.total) & (sums < edges[found] + 1e-6 * tree.total)
        assert np.all(inside)


def test_of_a_leaf_set_twice_at_once_the_last_weight_counts_and_bad_ones_are_refused() -> None:
    tree = SumTree()
    tree.set(np.array([2, 5, 2]), np.array([1.0, 2.0, 3.0]))
    assert tree.total == 5.0
    for bad in (-1.0, np.nan, np.inf):
        with pytest.raises(ConfigError, match="Priorities"):
            tree.set(np.array([1]), np.array([bad]))
    assert tree.total == 5.0
