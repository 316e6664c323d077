"""The coach says one thing, from what was done, and nothing where nothing is the matter."""

from __future__ import annotations

import pytest

from teleop.coaching import RECENT, advice


def episodes(human: float, success: int, count: int = RECENT) -> list[dict[str, float]]:
    return [{"human": human, "success": success}] * count


@pytest.mark.parametrize(
    ("takeovers_s", "played", "said"),
    [
        ([], [], ""),
        ([4.0] * (RECENT - 1), [], ""),
        ([4.0] * RECENT, [], "took 4.0 s; let go sooner"),
        ([1.0] * 50 + [6.0] * RECENT, episodes(0.9, 1), "took 6.0 s; let go sooner"),
        ([1.0] * RECENT, episodes(0.7, 1), "You drove 70% of the last 5"),
        ([1.0] * RECENT, episodes(0.7, 1, RECENT - 1), ""),
        ([], episodes(0.0, 0), "5 of the last 5 episodes failed and you let them"),
        ([], episodes(0.0, 1), ""),
        ([1.0] * RECENT, episodes(0.2, 0), ""),
        ([0.2] * RECENT, episodes(0.1, 1), "took 0.2 s; hold on"),
    ],
)
def test_what_is_said_follows_from_what_was_done(takeovers_s: list[float], played: list[dict], said: str) -> None:
    assert said in advice(takeovers_s, played)
    assert said or advice(takeovers_s, played) == ""
