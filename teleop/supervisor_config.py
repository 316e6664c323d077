"""What the person beside an environment is like: when they take over, how long, and how well they act."""

from __future__ import annotations

from dataclasses import dataclass

from robot.settings import Settings, setting

RULES = ("progress", "random", "never")


@dataclass(frozen=True)
class SupervisorConfig(Settings):
    """A scripted person who supervises an environment in this process."""

    rule: str = setting(
        "progress",
        "when the person takes over: no progress for a while, at random, or never",
        choices=RULES,
    )
    patience_steps: int = setting(20, "progress: so long without any is too long", unit="steps", low=1, high=100_000)
    better: float = setting(0.01, "progress: what counts as some, in the expert's own units", low=0.0, high=1e6)
    onset: float = setting(0.02, "random: probability of taking over, each step", low=0.0, high=1.0)
    reaction_steps: int = setting(3, "from the reason to the person's first action", unit="steps", low=0, high=1000)
    hold_steps: int = setting(60, "lets go at the latest after this many steps", unit="steps", low=1, high=100_000)
    restored: float = setting(
        0.5, "lets go once this much progress was made since taking over, in the expert's own units", low=0.0, high=1e6
    )
    noise: float = setting(
        0.1, "unsteadiness of the hand: standard deviation on each axis, in action units", low=0.0, high=1.0
    )
    mistakes: float = setting(0.1, "share of the episodes with a mistake by the person", low=0.0, high=1.0)
    mistake_steps: int = setting(8, "how long a mistake lasts: a push the wrong way", unit="steps", low=1, high=1000)
