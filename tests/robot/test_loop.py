"""The loop writes one record a step, with what was seen before it and what was done, and loses none in a crash."""

from __future__ import annotations

import numpy as np
import pytest
from robot_rig import PERIOD_NS, SPEC, FakePort, MemorySink, decision

from robot.env import RobotEnv
from robot.errors import RobotError, SpecError
from robot.loop import EpisodeSummary, HoldPolicy, run_episode
from robot.types import NO_VERSION, Decision, Label, Observation, Outcome, Source, StepTiming

SEED = 11
SUCCESS = {"label": Label.SUCCESS}
HUMAN = {"source": Source.HUMAN, "reasons": 128}


class CountingPolicy:
    """Asks for something else at every step, and writes down what it was asked and told."""

    def __init__(self) -> None:
        self.diary: list[str] = []

    def reset(self, seed: int) -> None:
        self.diary.append(f"reset {seed}")

    def act(self, observation: Observation) -> Decision:
        SPEC.check(observation)
        count = int(observation["tool_pose"][0])
        self.diary.append(f"act {count}")
        part = np.full(SPEC.action_size, 0.1 * count, np.float32)
        return Decision(2.0 * part, part, part, chunk_phase=count % 3, weights_version=40 + count)

    def replan(self) -> None:
        self.diary.append("replan")


def _run(*script, max_steps: int = 9, policy: CountingPolicy | None = None, judge: str = "operator"):
    sink, policy = MemorySink(), policy or CountingPolicy()
    env = RobotEnv(FakePort(*script), SPEC, max_steps, judge)
    return run_episode(env, policy, sink, SEED, {"phase": "test"}), sink, policy


def test_there_is_one_record_a_step_with_the_observation_before_the_action():
    _, sink, _ = _run({}, {}, {}, SUCCESS)
    ((steps, final),) = sink.committed
    assert [step.observation["tool_pose"][0] for step in steps] == [0, 1, 2, 3]
    assert [step.stamp_ns // PERIOD_NS for step in steps] == [1000, 1001, 1002, 1003]
    assert [step.stream_stamps_ns["tool_pose"] for step in steps] == [step.stamp_ns for step in steps]
    assert final.observation["tool_pose"][0] == 4
    assert final.stamp_ns == 1004 * PERIOD_NS


def test_a_record_holds_what_was_asked_and_what_was_done_about_it():
    _, sink, _ = _run({}, {}, HUMAN, SUCCESS)
    ((steps, _),) = sink.committed
    for count, step in enumerate(steps):
        np.testing.assert_allclose(step.decision.action, 0.2 * count, rtol=1e-6)
        # the fake robot does half of what it is asked
        np.testing.assert_array_equal(step.executed, 0.5 * step.decision.action)
        assert step.decision.weights_version == 40 + count
        assert step.decision.chunk_phase == count % 3
    assert [step.source for step in steps] == [Source.POLICY, Source.POLICY, Source.HUMAN, Source.POLICY]
    assert [step.reasons for step in steps] == [0, 0, 128, 0]
    assert [step.label for step in steps] == [Label.NONE] * 3 + [Label.SUCCESS]


def test_the_timing_of_a_step_is_in_its_record_and_the_cause_of_a_stop_in_the_summary():
    timings = [StepTiming(1, 2, 3, 4, 5, 6), StepTiming(11, 12, 13, 14, 15, 16)]
    stop = {"timing": timings[1], "is_aborted": True, "cause": "The front camera fell silent."}
    summary, sink, _ = _run({"timing": timings[0]}, stop)
    ((steps, _),) = sink.committed
    assert [step.timing for step in steps] == timings
    assert summary.timings == timings
    assert (summary.is_aborted, summary.cause) == (True, "The front camera fell silent.")


@pytest.mark.parametrize(
    ("last", "flags"),
    [
        (SUCCESS, (True, False, False, True)),
        ({"label": Label.FAILURE}, (True, False, False, False)),
        ({"label": Label.DISCARD}, (False, True, True, False)),
        ({"is_aborted": True}, (False, True, True, False)),
        ({}, (False, True, False, False)),
    ],
    ids=["success", "failure", "discard", "fault", "time-out"],
)
def test_only_the_last_record_tells_the_end_and_it_tells_which(last: dict, flags: tuple[bool, ...]):
    summary, sink, _ = _run({}, {}, last, max_steps=3)
    ((steps, _),) = sink.committed
    told = [(s.is_terminated, s.is_truncated, s.is_aborted, s.is_success) for s in steps]
    assert told == [(False,) * 4, (False,) * 4, flags]
    assert (summary.is_aborted, summary.is_success) == flags[2:]


def test_the_policy_replans_after_a_persons_steps_only_and_before_it_acts_again():
    _, _, policy = _run({}, HUMAN, HUMAN, {"source": Source.HOLD}, {"source": Source.RESET}, SUCCESS)
    assert policy.diary == [
        f"reset {SEED}",
        "act 0",
        "act 1",
        "replan",
        "act 2",
        "replan",
        "act 3",
        "act 4",
        "act 5",
        "act 6",
    ]


def test_the_final_record_holds_what_the_policy_would_have_done_next():
    _, sink, _ = _run({}, {}, {}, {}, SUCCESS)
    final = sink.committed[0][1]
    np.testing.assert_allclose(final.base_action, 0.5, rtol=1e-6)
    assert final.chunk_phase == 5 % 3


def test_the_summary_counts_steps_and_onsets():
    summary, sink, _ = _run(HUMAN, {}, HUMAN, HUMAN, HUMAN, {"source": Source.HOLD}, HUMAN, SUCCESS)
    assert (summary.steps, summary.human_steps, summary.interventions) == (8, 5, 3)
    assert summary.is_success
    assert not summary.is_aborted
    assert summary.weights_version == 47
    assert summary.seed == SEED
    assert len(summary.step_ms) == 8
    np.testing.assert_allclose(summary.sim_s, 0.8)
    assert summary.wall_s >= summary.reset_s >= 0.0
    assert sink.begun == [(SEED, {"phase": "test"})]


def test_without_steps_by_a_person_there_are_none_in_the_summary():
    summary, _, _ = _run(max_steps=4)
    assert summary == EpisodeSummary(
        SEED,
        steps=4,
        weights_version=43,
        reset_s=summary.reset_s,
        wall_s=summary.wall_s,
        sim_s=summary.sim_s,
        step_ms=summary.step_ms,
        timings=[StepTiming()] * 4,
    )


def test_a_robot_that_fails_leaves_every_step_in_the_sink_and_commits_none():
    sink, env = MemorySink(), RobotEnv(FakePort({}, {}, RobotError("The link is lost.")), SPEC, 9)
    with pytest.raises(RobotError, match="link is lost"):
        run_episode(env, CountingPolicy(), sink, SEED, {})
    assert sink.committed == []
    assert [step.observation["tool_pose"][0] for step in sink.journal] == [0, 1]


def test_a_policy_that_fails_leaves_every_step_in_the_sink_too():
    class Forgetful(CountingPolicy):
        def act(self, observation: Observation) -> Decision:
            if observation["tool_pose"][0] == 3:
                raise RobotError("No weights.")
            return super().act(observation)

    sink = MemorySink()
    with pytest.raises(RobotError, match="No weights"):
        run_episode(RobotEnv(FakePort(), SPEC, 9), Forgetful(), sink, SEED, {})
    assert (len(sink.journal), sink.committed) == (3, [])


@pytest.mark.parametrize("is_last", [False, True])
def test_nobody_acts_on_an_observation_that_is_no_number_and_what_led_to_it_is_in_the_sink(is_last: bool):
    class Blind(FakePort):
        def step(self, decision: Decision) -> Outcome:
            outcome = super().step(decision)
            if outcome.observation["tool_pose"][0] == 2:
                outcome.observation["tool_pose"][1] = np.nan
            return outcome

    sink, policy = MemorySink(), CountingPolicy()
    env = RobotEnv(Blind({}, SUCCESS if is_last else {}, {}), SPEC, 9)
    with pytest.raises(SpecError, match=r"tool_pose must be finite; found NaN or infinity at \[1\]"):
        run_episode(env, policy, sink, SEED, {})
    assert policy.diary == [f"reset {SEED}", "act 0", "act 1"]
    assert len(sink.journal or []) == 2
    assert not sink.committed


def test_a_reset_that_fails_begins_no_episode():
    class Stuck(FakePort):
        def reset(self, seed: int):
            raise RobotError("The start pose was not reached.")

    sink, policy = MemorySink(), CountingPolicy()
    with pytest.raises(RobotError, match="not reached"):
        run_episode(RobotEnv(Stuck(), SPEC, 9), policy, sink, SEED, {})
    assert (sink.begun, policy.diary) == ([], [])


def test_each_step_is_in_the_sink_before_the_next_is_decided():
    sink = MemorySink()

    class Watching(CountingPolicy):
        def act(self, observation: Observation) -> Decision:
            assert len(sink.journal) == observation["tool_pose"][0]
            return super().act(observation)

    run_episode(RobotEnv(FakePort(), SPEC, 4), Watching(), sink, SEED, {})


def test_one_sink_takes_one_episode_after_the_other():
    sink, env, policy = MemorySink(), RobotEnv(FakePort({}, SUCCESS), SPEC, 9), CountingPolicy()
    for seed in (1, 2, 3):
        run_episode(env, policy, sink, seed, {})
    assert [seed for seed, _ in sink.begun] == [1, 2, 3]
    assert [len(steps) for steps, _ in sink.committed] == [2, 2, 2]
    assert [int(steps[0].observation["tool_pose"][1]) for steps, _ in sink.committed] == [1, 2, 3]


def test_the_hold_policy_asks_for_no_motion_and_claims_no_parts():
    policy = HoldPolicy(4)
    policy.reset(0)
    policy.replan()
    asked = policy.act({})
    np.testing.assert_array_equal(asked.action, decision(0, 0, 0, 0).action)
    assert np.isnan(asked.base_action).all()
    assert np.isnan(asked.residual).all()
    assert (asked.chunk_phase, asked.weights_version) == (0, NO_VERSION)


@pytest.mark.parametrize("action", [np.zeros(3, np.float32), np.zeros(4), np.full(4, np.nan, np.float32)])
def test_the_fake_robot_refuses_what_a_robot_must_not_be_sent(action: np.ndarray):
    port = FakePort()
    port.reset(0)
    with pytest.raises(Exception, match="action must be"):
        port.step(Decision(action, action, action))
