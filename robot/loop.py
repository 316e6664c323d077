"""The loop of every session, on one page.

env.begin -> observation -> policy.act -> decision -> env.advance -> outcome -> sink.append
                 ^                                                        |
                 +--------------------------------------------------------+
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from robot.env import RobotEnv
from robot.interfaces import Policy, StepSink
from robot.types import NO_VERSION, Decision, FinalRecord, Observation, Source, StepRecord, StepTiming


@dataclass
class EpisodeSummary:
    """What an episode came to; `interventions` counts onsets, `step_ms` is wall time by step.

    `cause` says what stopped an aborted episode, where the robot said so.
    """

    seed: int
    steps: int = 0
    is_success: bool = False
    is_aborted: bool = False
    human_steps: int = 0
    interventions: int = 0
    weights_version: int = NO_VERSION
    reset_s: float = 0.0
    wall_s: float = 0.0
    sim_s: float = 0.0
    step_ms: list[float] = field(default_factory=list)
    timings: list[StepTiming] = field(default_factory=list)
    cause: str = ""


class HoldPolicy:
    """Asks for no motion; under it a person does everything. It has no base action and no residual."""

    def __init__(self, action_size: int) -> None:
        nothing = np.full(action_size, np.nan, np.float32)
        self._decision = Decision(np.zeros(action_size, np.float32), nothing, nothing)

    def reset(self, seed: int) -> None:
        """Nothing to reset."""

    def act(self, observation: Observation) -> Decision:
        return self._decision

    def replan(self) -> None:
        """Nothing was planned."""


def run_episode(
    env: RobotEnv, policy: Policy, sink: StepSink, seed: int, attributes: dict[str, str | int | float]
) -> EpisodeSummary:
    """Run one episode from reset to end and commit it; every step is in the sink before the next is decided.

    When the robot fails in mid-episode the exception passes through, and the steps stay in the sink's journal.

    Raises:
        SpecError: an observation is not as the robot's spec says, or not finite; nobody has acted on it.
    """
    started = time.monotonic()
    summary = EpisodeSummary(seed)
    step, before = env.begin(seed)
    summary.reset_s = time.monotonic() - started
    start_ns = before.stamp_ns
    policy.reset(seed)
    sink.begin(seed, attributes)
    was_human = False
    while not step.is_last:
        tick = time.monotonic()
        env.spec_robot.check(step.observation)  # from what is no number no action comes that is one
        decision = policy.act(step.observation)
        after_step, after = env.advance(decision)
        sink.append(
            StepRecord(
                observation=step.observation,
                stamp_ns=before.stamp_ns,
                stream_stamps_ns=before.stream_stamps_ns,
                decision=decision,
                executed=after.executed,
                source=after.source,
                label=after.label,
                reasons=after.reasons,
                is_terminated=after_step.is_terminated,
                is_truncated=after_step.is_truncated,
                is_aborted=after_step.is_aborted,
                is_success=after_step.is_success,
                timing=after.timing,
                reward=after.reward,
            )
        )
        is_human = after.source is Source.HUMAN
        if is_human:
            policy.replan()
        summary.steps += 1
        summary.human_steps += is_human
        summary.interventions += is_human and not was_human
        summary.weights_version = decision.weights_version
        summary.step_ms.append((time.monotonic() - tick) * 1e3)
        summary.timings.append(after.timing)
        summary.cause = after.cause
        was_human = is_human
        step, before = after_step, after
    env.spec_robot.check(step.observation)
    last = policy.act(step.observation)
    sink.commit(FinalRecord(step.observation, before.stamp_ns, last.base_action, last.chunk_phase))
    summary.is_success = step.is_success
    summary.is_aborted = step.is_aborted
    summary.wall_s = time.monotonic() - started
    summary.sim_s = (before.stamp_ns - start_ns) * 1e-9
    return summary
