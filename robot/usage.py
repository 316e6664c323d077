"""What a robot's time goes to, and how long a person held it: from the modes it went through. Pure."""

from __future__ import annotations

from collections import deque

WINDOW_S = 300.0
TAKEOVERS = 50
PAUSE_S = 0.3
"""A person who lets go for less is still in the same take-over."""


class Usage:
    """Follows who moves the robot.

        usage.enter("policy", now_s)
        usage.shares(now_s)          # {"policy": 0.6, "reset": 0.2, ...} of the last `WINDOW_S`

    Activities are any words; "human" is the one whose stretches are kept as take-overs.
    """

    def __init__(self) -> None:
        self._spans: deque[tuple[float, float, str]] = deque()
        self._now: tuple[float, str] | None = None
        self._takeovers: deque[tuple[float, float]] = deque(maxlen=TAKEOVERS)

    def enter(self, activity: str, now_s: float) -> None:
        """Note that from `now_s` on the robot is about `activity`."""
        if self._now is not None:
            since_s, before = self._now
            if before == activity:
                return
            self._spans.append((since_s, now_s, before))
            if before == "human":
                self._note_takeover(since_s, now_s)
        self._now = now_s, activity
        while self._spans and self._spans[0][1] < now_s - WINDOW_S:
            self._spans.popleft()

    def shares(self, now_s: float) -> dict[str, float]:
        """Return the share of each activity in the last `WINDOW_S`, or in what there is of it; they sum to one."""
        spans = [*self._spans, *([(self._now[0], now_s, self._now[1])] if self._now is not None else [])]
        begin_s = now_s - WINDOW_S
        found: dict[str, float] = {}
        for since_s, until_s, activity in spans:
            lasted_s = max(0.0, until_s - max(since_s, begin_s))
            found[activity] = found.get(activity, 0.0) + lasted_s
        total_s = sum(found.values())
        return {activity: lasted_s / total_s for activity, lasted_s in found.items()} if total_s > 0 else {}

    @property
    def takeovers(self) -> list[float]:
        """How long the last take-overs lasted [s], the newest last."""
        return [until_s - since_s for since_s, until_s in self._takeovers]

    def _note_takeover(self, since_s: float, until_s: float) -> None:
        if self._takeovers and since_s - self._takeovers[-1][1] < PAUSE_S:
            since_s = self._takeovers.pop()[0]
        self._takeovers.append((since_s, until_s))
