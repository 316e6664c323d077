"""When learning begins, when the actor may move, and who acts until then."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from robot.settings import Settings, setting

START, WARM_UP, OPEN = "start", "warm_up", "open"
"""Nothing is learnt yet; only the critics learn, and what the actor gives stays as it began; all of it learns."""

STARTERS = ("base", "uniform", "policy")


@dataclass(frozen=True)
class ScheduleConfig(Settings):
    """The stages of a run, in robot steps and updates."""

    start_steps: int = setting(
        0, "robot steps before the first update; no updates are owed for them", unit="steps", low=0, high=10**9
    )
    starter: str = setting(
        "policy", "who acts in them: the base alone, random numbers, or the policy as it is", choices=STARTERS
    )
    start_noise: float = setting(
        0.0, "uniform noise on the starter's actions, in action units (ResFiT)", low=0.0, high=2.0
    )
    critic_updates: int = setting(
        0, "critic updates at once when learning begins, before the actor moves (ResFiT)", low=0, high=10**9
    )
    warmup_steps: int = setting(
        1000, "robot steps after these in which only the critics learn, at most", unit="steps", low=0, high=10**9
    )
    unlock: str = setting(
        "ranked",
        "the actor moves after warmup_steps, or earlier once the critics rank held-out episodes",
        choices=("steps", "ranked"),
    )
    rank: float = setting(
        0.75, "share of pairs of held-out steps that the critics must rank as their returns do", low=0.5, high=1.0
    )
    hold_out: int = setting(
        4, "every so many episodes before that is held out, until the actor moves", unit="episodes", low=2, high=1000
    )
    clone_updates: int = setting(
        0, "updates that clone the actor from the demonstrations before anything else (WSRL, PORL)", low=0, high=10**9
    )
    offline_updates: int = setting(
        0, "updates of critics and actor on the demonstrations alone before anything else (Cal-QL)", low=0, high=10**9
    )
    guide_steps: int = setting(
        0, "steps of an episode that the base acts before the policy takes over, at first (JSRL)", low=0, high=10**6
    )
    guide_stages: int = setting(10, "stages in which these become none", low=1, high=1000)
    guide_tolerance: float = setting(
        0.1, "a stage ends once success is within this share of the best so far", low=0.0, high=1.0
    )


class Guide:
    """How long the base acts at an episode's beginning (Uchendu et al. 2023, algorithm 1).

    The horizon shrinks by a stage whenever the mean success of the last `WINDOW` episodes is at least 1 - tolerance
    times the best mean so far. It never grows, but where a success is taken back.
    """

    WINDOW = 10

    def __init__(self, config: ScheduleConfig) -> None:
        self._config = config
        self._recent: deque[bool] = deque(maxlen=self.WINDOW)
        self._best = 0.0
        self._stage = 0

    @property
    def steps(self) -> int:
        """Steps that the base acts in the next episode."""
        c = self._config
        return round(c.guide_steps * max(0, c.guide_stages - self._stage) / c.guide_stages)

    def amend(self, successes: Iterable[bool]) -> None:
        """Count all episodes anew, in order, where one of them ended otherwise than it was said at first."""
        self._recent.clear()
        self._best = 0.0
        self._stage = 0
        for is_success in successes:
            self.take(is_success)

    def take(self, is_success: bool) -> None:
        """Count an episode that was played under the present horizon."""
        self._recent.append(is_success)
        if not self.steps or len(self._recent) < self.WINDOW:
            return
        mean = sum(self._recent) / self.WINDOW
        self._best = max(self._best, mean)
        if mean > 0.0 and mean >= (1.0 - self._config.guide_tolerance) * self._best:
            self._stage += 1
            self._recent.clear()


@dataclass(frozen=True)
class Directions:
    """What the acting policy is told with the weights.

    Attributes:
        stage: START, WARM_UP or OPEN.
        guide_steps: steps that the base acts first.
        alarm: why what was learnt is not acted on, or "".
        doubt: why it has still to prove itself, or "".
    """

    stage: str = OPEN
    guide_steps: int = 0
    alarm: str = ""
    doubt: str = ""

    def to_header(self) -> dict[str, str]:
        return {"stage": self.stage, "guide_steps": str(self.guide_steps), "alarm": self.alarm, "doubt": self.doubt}

    @staticmethod
    def from_header(header: dict[str, Any]) -> Directions:
        words = {name: str(header.get(name, "")) for name in ("alarm", "doubt")}
        return Directions(str(header.get("stage", OPEN)), int(header.get("guide_steps", 0)), **words)
