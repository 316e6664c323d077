"""The nouns of the hub: observations, decisions, outcomes, time steps and step records."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from robot.errors import SpecError

Array = NDArray[np.float64]
Observation = dict[str, NDArray[np.generic]]
"""Arrays by key, as `robot.specs.RobotSpec.observation` declares them. Never contains simulation truth."""

NO_VERSION = -1
"""Weights version of a step that no learnt weights took part in."""


class Source(enum.IntEnum):
    """Who commanded a step."""

    POLICY = 0
    HUMAN = 1
    RESET = 2
    HOLD = 3
    UNKNOWN = 4
    """An imported log that does not say."""


ROLES = ("demonstrate", "supervise", "watch")
"""What a person does in an episode: everything, corrections, or nothing but looking."""


class Label(enum.IntFlag):
    """What a person (or the simulated operator) said about the running episode."""

    NONE = 0
    SUCCESS = 1
    FAILURE = 2
    DISCARD = 4


class StepType(enum.IntEnum):
    FIRST = 0
    MID = 1
    LAST = 2


@dataclass(frozen=True)
class TimeStep:
    """One observation and why the episode goes on or ends here.

    Build one with `first`, `mid`, `terminated` or `truncated`; any other combination of flags raises SpecError.
    """

    step_type: StepType
    observation: Observation
    is_terminated: bool = False
    is_truncated: bool = False
    is_aborted: bool = False
    is_success: bool = False

    def __post_init__(self) -> None:
        is_end = self.is_terminated != self.is_truncated
        is_going_on = not (self.is_terminated or self.is_truncated)
        is_last = self.step_type is StepType.LAST
        is_cause_known = self.is_success <= self.is_terminated and self.is_aborted <= self.is_truncated
        if not ((is_end if is_last else is_going_on) and is_cause_known):
            raise SpecError(f"No step is {self._flags()}; build it with first, mid, terminated or truncated.")

    def _flags(self) -> str:
        names = ("is_terminated", "is_truncated", "is_aborted", "is_success")
        return " and ".join([self.step_type.name, *(name for name in names if getattr(self, name))])

    @property
    def is_last(self) -> bool:
        return self.step_type is StepType.LAST


def first(observation: Observation) -> TimeStep:
    """The observation right after a reset."""
    return TimeStep(StepType.FIRST, observation)


def mid(observation: Observation) -> TimeStep:
    """An observation within an episode."""
    return TimeStep(StepType.MID, observation)


def terminated(observation: Observation, *, success: bool) -> TimeStep:
    """The task ended by its own rule; the value of what follows is zero."""
    return TimeStep(StepType.LAST, observation, is_terminated=True, is_success=success)


def truncated(observation: Observation, *, aborted: bool = False) -> TimeStep:
    """Time ran out, or a person, a fault or a lost link stopped the episode (`aborted`); values go on."""
    return TimeStep(StepType.LAST, observation, is_truncated=True, is_aborted=aborted)


@dataclass(frozen=True)
class Decision:
    """What a policy asks for at one tick. Actions are float32 of shape (A,) in normalised units [-1, 1].

    `base_action` and `residual` are NaN where the policy has no such part; `chunk_phase` is the index within
    the base policy's action chunk (0 where there is none). Where critics judged a residual, `certainty` is by how many
    standard deviations they rate it above none, and `is_refused` whether it was left out for that; neither is stored.
    """

    action: NDArray[np.float32]
    base_action: NDArray[np.float32]
    residual: NDArray[np.float32]
    chunk_phase: int = 0
    weights_version: int = NO_VERSION
    certainty: float = math.nan
    is_refused: bool = False


UNKNOWN_NS = 0
"""Stamp of a moment that nobody has told."""


@dataclass(frozen=True)
class StepTiming:
    """When the parts of a step happened, on the clock of its stamps [ns]; UNKNOWN_NS where nobody has told.

    Attributes:
        captured_ns: capture of the oldest stream of the observation that the decision was made on.
        observed_ns: that observation was put together.
        decided_ns: the policy's command left the actor; the command's own stamp.
        commanded_ns: the mux let the target through.
        executed_ns: the first control tick that followed the target.
        late_ns: by how much the tick that ended the control period came after its deadline.
    """

    captured_ns: int = UNKNOWN_NS
    observed_ns: int = UNKNOWN_NS
    decided_ns: int = UNKNOWN_NS
    commanded_ns: int = UNKNOWN_NS
    executed_ns: int = UNKNOWN_NS
    late_ns: int = 0

    @staticmethod
    def simulated(stamp_ns: int) -> StepTiming:
        """In lockstep time stands still within a tick: everything happens at its stamp."""
        return StepTiming(stamp_ns, stamp_ns, stamp_ns, stamp_ns, stamp_ns)

    def as_row(self) -> tuple[int, int, int, int, int, int]:
        """Return the attributes in their order, as the store keeps them."""
        return (
            self.captured_ns,
            self.observed_ns,
            self.decided_ns,
            self.commanded_ns,
            self.executed_ns,
            self.late_ns,
        )


@dataclass(frozen=True)
class Outcome:
    """What one control period did, as the robot reports it.

    Attributes:
        observation: at the end of the period.
        stamp_ns: tick at which `observation` was taken.
        executed: action that reached the controller after safety, normalised, float32 (A,).
        source: who commanded.
        label: what the operator said during the period.
        reasons: bits of `robot.safety.Reason` for every change that safety made.
        stream_stamps_ns: capture time of each stream of `observation`.
        truth_success: the judge's verdict; None outside simulation. Never shown to a policy.
        reward: what an environment pays for the step; NaN where nobody does.
        is_out_of_time: the environment itself has ended the episode by a limit of time.
        is_aborted: a person, a fault or a lost link stopped the episode; `cause` says in one sentence what did.
        timing: when the parts of this step happened.
    """

    observation: Observation
    stamp_ns: int
    executed: NDArray[np.float32]
    source: Source
    label: Label = Label.NONE
    reasons: int = 0
    stream_stamps_ns: dict[str, int] = field(default_factory=dict)
    truth_success: bool | None = None
    is_aborted: bool = False
    cause: str = ""
    timing: StepTiming = field(default_factory=StepTiming)
    reward: float = math.nan
    is_out_of_time: bool = False


@dataclass(frozen=True)
class StepRecord:
    """One row of the store: the observation before the action, the action, and what came of it."""

    observation: Observation
    stamp_ns: int
    stream_stamps_ns: dict[str, int]
    decision: Decision
    executed: NDArray[np.float32]
    source: Source
    label: Label
    reasons: int
    is_terminated: bool
    is_truncated: bool
    is_aborted: bool
    is_success: bool
    timing: StepTiming = field(default_factory=StepTiming)
    reward: float = math.nan
    """That somebody gave with this step (an environment, a reward model, an imported log); NaN where nobody did.

    What the learner is paid is computed from all that is recorded, when it samples (`policies.rewards`).
    """


@dataclass(frozen=True)
class FinalRecord:
    """The observation after an episode's last action, with what the base policy would have done there."""

    observation: Observation
    stamp_ns: int
    base_action: NDArray[np.float32]
    chunk_phase: int = 0
