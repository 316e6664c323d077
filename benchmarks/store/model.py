"""What a store should hold, as plain lists of the steps that went in, and every transition of it worked out by hand.

Nothing of `robot.store` is used here: windows, returns and ends are written again, as plainly as can be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robot.types import FinalRecord, Observation, Source, StepRecord

ENDS = ("success", "failure", "truncated", "aborted")
FLAGS: Mapping[str, tuple[bool, bool, bool, bool]] = {
    "success": (True, False, False, True),
    "failure": (True, False, False, False),
    "truncated": (False, True, False, False),
    "aborted": (False, True, True, False),
}
"""Terminated, truncated, aborted, success."""


@dataclass(frozen=True)
class PlainEpisode:
    """An episode as the records that went in; `end` is "" while it runs, `final` None where none was kept."""

    seed: int
    attributes: dict[str, str | int | float]
    steps: list[StepRecord] = field(default_factory=list)
    end: str = ""
    final: FinalRecord | None = None

    @property
    def observations(self) -> list[Observation]:
        """What was seen; after a terminal step its own observation once more, where nobody saw what followed."""
        seen = [step.observation for step in self.steps]
        if self.final is not None:
            return [*seen, self.final.observation]
        return [*seen, seen[-1]] if self.end in ("success", "failure") else seen


Reward = Callable[[PlainEpisode, int], float]


class Transition(NamedTuple):
    """A window of up to n steps, which begins with step `step` of episode `episode`."""

    episode: int
    step: int
    first: StepRecord
    next_observation: Observation
    next_base_action: NDArray[np.float32]
    next_chunk_phase: int
    ret: float
    discount: float
    is_human: bool
    is_success: bool


def recovered(running: PlainEpisode) -> PlainEpisode | None:
    """Return what a dead session's episode becomes; None where it had no step."""
    if not running.steps:
        return None
    return replace(running, end=running.end or "aborted")


def trimmed(episode: PlainEpisode, start: int, stop: int) -> PlainEpisode:
    """Return the steps [start, stop) alone; cut before its end it is truncated, and knows what followed."""
    steps = episode.steps[start:stop]
    if stop == len(episode.steps):
        return replace(episode, steps=steps)
    after = episode.steps[stop]
    final = FinalRecord(after.observation, after.stamp_ns, after.decision.base_action, after.decision.chunk_phase)
    return replace(episode, steps=steps, end="truncated", final=final)


def relabelled(episode: PlainEpisode, end: str) -> PlainEpisode:
    """Return the episode said to have ended otherwise."""
    return replace(episode, end=end, attributes={**episode.attributes, "relabelled_from": episode.end})


def reward_of_success(episode: PlainEpisode, t: int) -> float:
    """1 at the last step of a success."""
    return float(episode.end == "success" and t == len(episode.steps) - 1)


def reward_of_events(episode: PlainEpisode, t: int) -> float:
    """That given with the step where one was, 10 for the success, and -3 before a person takes over."""
    given = episode.steps[t].reward
    total = 0.0 if math.isnan(given) else given
    if t + 1 < len(episode.steps):
        is_onset = episode.steps[t + 1].source == Source.HUMAN and episode.steps[t].source != Source.HUMAN
        total -= 3.0 * is_onset
    return total + 10.0 * reward_of_success(episode, t)


def transitions(episodes: list[PlainEpisode], n: int, gamma: float, reward: Reward) -> Iterator[Transition]:
    """Yield every window that may be drawn from `episodes`, in their order."""
    for number, episode in enumerate(episodes):
        observations = episode.observations
        known = len(observations) - 1  # of the last step without a final observation nobody knows what followed
        for t in range(known):
            ret, length = 0.0, 0
            while length < n and t + length < known:
                ret += gamma**length * reward(episode, t + length)
                length += 1
            stop = t + length
            is_over = stop == len(episode.steps) and episode.end in ("success", "failure")
            if stop < len(episode.steps):
                decision = episode.steps[stop].decision
                base_action, chunk_phase = decision.base_action, decision.chunk_phase
            else:
                absent = FinalRecord({}, 0, np.full_like(episode.steps[t].executed, np.nan))
                final = episode.final or absent
                base_action, chunk_phase = final.base_action, final.chunk_phase
            yield Transition(
                number,
                t,
                episode.steps[t],
                observations[stop],
                base_action,
                chunk_phase,
                ret,
                0.0 if is_over else gamma**length,
                episode.steps[t].source == Source.HUMAN,
                episode.end == "success",
            )


def in_pool(pool: str, transition: Transition) -> bool:
    """Whether the pool "", "human" or "success" has a transition."""
    return {"": True, "human": transition.is_human, "success": transition.is_success}[pool]


def shared_out(size: int, shares: Mapping[str, float], filled: set[str]) -> dict[str, int]:
    """Return how many of `size` rows each filled pool gives: whole numbers by its share, then one row at a time to
    whoever is furthest below it."""
    live = {name: share for name, share in shares.items() if name in filled and share > 0.0}
    fair = {name: size * share / sum(live.values()) for name, share in live.items()}
    given = {name: math.floor(value + 1e-9) for name, value in fair.items()}
    short = sorted(fair, key=lambda name: given[name] - fair[name])
    for name in short[: size - sum(given.values())]:
        given[name] += 1
    return given
