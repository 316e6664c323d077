"""Where a robot's time goes: shares that sum to one, of the last minutes; take-overs with short pauses are one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot.usage import PAUSE_S, WINDOW_S, Usage

ACTIVITIES = ("policy", "human", "reset", "waiting", "stopped")


@given(st.lists(st.tuples(st.sampled_from(ACTIVITIES), st.floats(0.0, 200.0)), min_size=1, max_size=30))
def test_shares_sum_to_one(story: list[tuple[str, float]]) -> None:
    usage, now_s = Usage(), 0.0
    for activity, lasted_s in story:
        usage.enter(activity, now_s)
        now_s += lasted_s
    shares = usage.shares(now_s)
    assert sum(shares.values()) == pytest.approx(1.0) or (now_s == 0.0 and shares == {})
    assert all(share >= 0.0 for share in shares.values())


def test_only_the_last_minutes_count() -> None:
    usage = Usage()
    usage.enter("policy", 0.0)
    usage.enter("reset", 1000.0)
    assert usage.shares(1000.0 + 0.25 * WINDOW_S) == pytest.approx({"policy": 0.75, "reset": 0.25})
    assert usage.shares(1000.0 + 2.0 * WINDOW_S)["reset"] == pytest.approx(1.0)


def test_nothing_is_known_before_the_first_mode() -> None:
    assert Usage().shares(5.0) == {}


def test_a_short_pause_ends_no_takeover() -> None:
    usage = Usage()
    for activity, at_s in (("human", 0.0), ("waiting", 1.0), ("human", 1.0 + 0.5 * PAUSE_S), ("policy", 3.0)):
        usage.enter(activity, at_s)
    assert usage.takeovers == pytest.approx([3.0])
    usage.enter("human", 3.0 + 2 * PAUSE_S)
    usage.enter("policy", 4.0)
    assert usage.takeovers == pytest.approx([3.0, 1.0 - 2 * PAUSE_S])
