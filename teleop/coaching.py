"""What a person who supervises could do better, told from what they did. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

RECENT = 5
LONG_S, SHORT_S = 3.0, 0.4
"""Take-overs beyond these bounds are worth a word: rules of thumb of ours, not measured."""
MOSTLY, SELDOM = 0.5, 0.02
POOR = 0.4


def advice(takeovers_s: Sequence[float], episodes: Sequence[Mapping[str, Any]]) -> str:
    """Return one sentence for who supervises; "" where there is nothing to say.

    Args:
        takeovers_s: how long the last take-overs lasted [s], the newest last.
        episodes: those of the phase so far: "human", the share of steps by hand, and "success", 0 or 1.
    """
    lasted = list(takeovers_s)[-RECENT:]
    recent = list(episodes)[-RECENT:]
    median_s = float(np.median(lasted)) if len(lasted) >= RECENT else 0.0
    if median_s > LONG_S:
        return f"Your last take-overs took {median_s:.1f} s; let go sooner, so that the policy shows what it can do."
    if len(recent) < RECENT:
        return ""
    human = float(np.mean([episode["human"] for episode in recent]))
    successes = sum(int(episode["success"]) for episode in recent)
    if human > MOSTLY:
        return f"You drove {human:.0%} of the last {RECENT} episodes; let the policy try more of them by itself."
    if human < SELDOM and successes <= POOR * RECENT:
        return (
            f"{RECENT - successes} of the last {RECENT} episodes failed and you let them; take over where one begins "
            "to go wrong."
        )
    if 0.0 < median_s < SHORT_S:
        return f"Your last take-overs took {median_s:.1f} s; hold on until the robot is back on its way."
    return ""
