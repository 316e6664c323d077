"""Intervals equal the published ones and obey their laws."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.statistics import moving_rates, percentile, wilson


@pytest.mark.parametrize(
    ("successes", "episodes", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_intervals_of_newcombe_1998_table_1(
    successes: int, episodes: int, low: float, high: float
) -> None:
    rate = wilson(successes, episodes)
    assert (round(rate.low, 4), round(rate.high, 4)) == (low, high)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_rate_and_mirrors_with_failures(pair: tuple[int, int]) -> None:
    successes, episodes = pair
    rate, mirror = wilson(successes, episodes), wilson(episodes - successes, episodes)
    assert 0 <= rate.low <= rate.share <= rate.high <= 1
    assert rate.low == pytest.approx(1 - mirror.high, abs=1e-12)


def test_more_episodes_at_the_same_rate_narrow_the_interval() -> None:
    widths = [wilson(n // 2, n).high - wilson(n // 2, n).low for n in (2, 10, 50, 250)]
    assert widths == sorted(widths, reverse=True)


def test_without_episodes_nothing_is_known() -> None:
    assert (wilson(0, 0).low, wilson(0, 0).high, str(wilson(0, 0))) == (0.0, 1.0, "no episodes")


@pytest.mark.parametrize("pair", [(3, 2), (-1, 2), (0, -1)])
def test_impossible_counts_are_refused(pair: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="must lie in"):
        wilson(*pair)


def test_a_rate_reads_as_a_sentence() -> None:
    assert str(wilson(45, 50)) == "45 of 50 = 90% (95% interval 79% to 96%)"


def test_moving_rates_look_back_over_the_window_only() -> None:
    rates = moving_rates([False, True, True, True], window=2)
    assert [(r.successes, r.episodes) for r in rates] == [(0, 1), (1, 2), (2, 2), (2, 2)]


def test_percentile_is_the_nearest_rank() -> None:
    values = [15.0, 20.0, 35.0, 40.0, 50.0]
    assert [percentile(values, share) for share in (0.05, 0.3, 0.4, 0.5, 1.0)] == [15.0, 20.0, 20.0, 35.0, 50.0]
    assert math.isnan(percentile([], 0.5))
