"""The environment keeps gymnasium's contract, and every way an episode can end becomes the right time step."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from robot_rig import PERIOD_NS, SPEC, FakePort, decision

from robot.env import RobotEnv
from robot.errors import ConfigError, RobotError
from robot.types import Label, Source, StepType, TimeStep
from sessions import build
from sessions.robot_config import CameraConfig, RobotConfig

STILL = decision(0.0, 0.0, 0.0, 0.0)
BOTH = Label.SUCCESS | Label.FAILURE
WITHOUT_IMAGES = RobotConfig(cameras=CameraConfig(names=()))


def _env(*script, judge: str = "operator", max_steps: int = 9) -> RobotEnv:
    return RobotEnv(FakePort(*script), SPEC, max_steps, judge)


def _end(env: RobotEnv) -> TimeStep:
    step, _ = env.begin(0)
    assert step.step_type is StepType.FIRST
    while not step.is_last:
        step, _ = env.advance(STILL)
    return step


def _real_env(has_images: bool) -> RobotEnv:
    config = RobotConfig() if has_images else WITHOUT_IMAGES
    return RobotEnv(build.local_robot(config, has_images), build.robot_spec(config), 80, judge="truth")


def _check(env: RobotEnv) -> None:
    """Run gymnasium's own check, which also plays two steps."""
    with warnings.catch_warnings():
        # measurements have no bounds; that is a statement, not an oversight
        warnings.filterwarnings("ignore", message=".*infinity. This is probably too.*")
        check_env(env, skip_render_check=True)
    env.close()


def test_gymnasium_finds_nothing_to_complain_of():
    _check(_real_env(has_images=False))


def test_gymnasium_finds_nothing_to_complain_of_with_images():
    _check(_real_env(has_images=True))


def test_gymnasium_would_have_complained():
    class Deaf(RobotEnv):
        def reset(self, *, seed=None, options=None):
            return super().reset()

    with pytest.raises(AssertionError, match="seed"):
        _check(Deaf(FakePort(), SPEC, 9))


@pytest.mark.parametrize("judge", ["operator", "truth"])
@pytest.mark.parametrize(
    ("outcome", "is_success"),
    [({"label": Label.SUCCESS}, "operator"), ({"truth_success": True}, "truth")],
    ids=["label", "truth"],
)
def test_success_is_what_the_judge_says(judge: str, outcome: dict, is_success: str):
    end = _end(_env({}, outcome, judge=judge, max_steps=3))
    assert end.is_success == end.is_terminated == (judge == is_success)
    assert end.is_truncated == (judge != is_success)


ENDS = {
    "success": ({"label": Label.SUCCESS}, {"is_terminated", "is_success"}),
    "failure": ({"label": Label.FAILURE}, {"is_terminated"}),
    "success and failure": ({"label": BOTH}, {"is_terminated", "is_success"}),
    "discard": ({"label": Label.DISCARD}, {"is_truncated", "is_aborted"}),
    "success, then discarded": ({"label": Label.SUCCESS | Label.DISCARD}, {"is_truncated", "is_aborted"}),
    "a fault": ({"is_aborted": True}, {"is_truncated", "is_aborted"}),
    "a fault at the moment of success": (
        {"is_aborted": True, "label": Label.SUCCESS},
        {"is_truncated", "is_aborted"},
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_every_end_has_its_own_flags(name: str):
    change, flags = ENDS[name]
    env = _env({}, {}, change)
    end = _end(env)
    assert end.observation["tool_pose"][0] == 3
    names = ("is_terminated", "is_truncated", "is_aborted", "is_success")
    assert {flag for flag in names if getattr(end, flag)} == flags


def test_time_runs_out_after_exactly_so_many_steps():
    end = _end(_env(max_steps=5))
    assert end.observation["tool_pose"][0] == 5
    assert (end.is_truncated, end.is_terminated, end.is_aborted) == (True, False, False)


def test_success_at_the_last_moment_is_a_success():
    end = _end(_env({}, {"label": Label.SUCCESS}, max_steps=2))
    assert (end.is_success, end.is_truncated) == (True, False)


def test_a_failure_is_a_failure_for_every_judge():
    end = _end(_env({"label": Label.FAILURE}, judge="truth"))
    assert (end.is_terminated, end.is_success) == (True, False)


def test_the_robot_is_told_of_the_end_once():
    env = _env({}, {"label": Label.SUCCESS})
    port = env._port
    env.begin(0)
    env.advance(STILL)
    assert port.ends == 0
    env.advance(STILL)
    assert port.ends == 1


class Deaf(FakePort):
    """A robot that does not answer at the end of an episode."""

    def end(self) -> None:
        super().end()
        raise RobotError("mux/episode_end did not answer")


def test_what_stopped_an_episode_may_be_silent_at_its_end_and_the_last_step_is_kept():
    env = RobotEnv(Deaf({"is_aborted": True}), SPEC, 50)
    env.begin(0)
    step, _ = env.advance(STILL)
    assert step.is_aborted
    assert env._port.ends == 1


def test_a_robot_that_is_silent_at_the_end_of_a_whole_episode_has_failed():
    env = RobotEnv(Deaf({"label": Label.SUCCESS}), SPEC, 50)
    env.begin(0)
    with pytest.raises(RobotError, match="did not answer"):
        env.advance(STILL)


def test_an_episode_that_has_not_begun_or_has_ended_cannot_be_stepped():
    env = _env({"label": Label.SUCCESS})
    with pytest.raises(RobotError, match=r"call begin\(\)"):
        env.advance(STILL)
    _end(env)
    with pytest.raises(RobotError, match="The episode has ended"):
        env.advance(STILL)
    env.begin(1)
    env.advance(STILL)


def test_a_robot_that_fails_ends_the_episode():
    env = _env({}, RobotError("The link is lost."))
    env.begin(0)
    env.advance(STILL)
    with pytest.raises(RobotError, match="link is lost"):
        env.advance(STILL)
    with pytest.raises(RobotError, match="The episode has ended"):
        env.advance(STILL)


def test_a_reset_that_fails_leaves_no_episode_behind():
    env = _env()
    env.begin(0)

    def fail(seed: int):
        raise RobotError("The start pose was not reached.")

    env._port.reset = fail
    with pytest.raises(RobotError, match="not reached"):
        env.begin(1)
    with pytest.raises(RobotError, match="The episode has ended"):
        env.advance(STILL)


def test_an_unknown_judge_is_refused_with_the_near_ones():
    with pytest.raises(ConfigError, match=r"No judge 'operater'\. Did you mean 'operator'"):
        _env(judge="operater")


def test_a_robot_that_tells_no_truth_cannot_be_judged_by_it():
    env = _env({"truth_success": None}, judge="truth")
    env.begin(0)
    with pytest.raises(RobotError, match="tells no truth"):
        env.advance(STILL)


def test_in_gymnasiums_words_success_is_the_reward_and_ends_stay_apart():
    env = _env({}, {"source": Source.HUMAN}, {"label": Label.SUCCESS})
    observation, info = env.reset(seed=4)
    assert info == {"elapsed_ns": 0}
    assert observation["tool_pose"][0] == 0
    action = np.array([1.0, 0.0, 0.0, -1.0], np.float32)
    _, reward, is_terminated, is_truncated, info = env.step(action)
    assert (reward, is_terminated, is_truncated, info["is_aborted"]) == (0.0, False, False, False)
    np.testing.assert_array_equal(info["executed"], 0.5 * action)
    assert info["elapsed_ns"] == PERIOD_NS
    assert env.step(action)[-1]["source"] == Source.HUMAN
    assert env.step(action)[1:4] == (1.0, True, False)


def test_in_gymnasiums_words_an_abort_is_a_truncation():
    env = _env({"is_aborted": True})
    env.reset(seed=4)
    _, reward, is_terminated, is_truncated, info = env.step(STILL.action)
    assert (reward, is_terminated, is_truncated, info["is_aborted"]) == (0.0, False, True, True)


def test_the_spaces_are_those_of_the_spec():
    env = _env()
    assert set(env.observation_space) == set(SPEC.observation)
    assert env.observation_space["images/front"].dtype == np.uint8
    assert env.action_space.shape == (SPEC.action_size,)
    assert env.reset(seed=0)[0] in env.observation_space


def test_the_same_seed_gives_the_same_first_observation_whatever_came_before():
    env = _real_env(has_images=False)
    first, _ = env.begin(7)
    env.advance(decision(1.0, -1.0, -1.0, 0.5))
    other, _ = env.begin(8)
    again, _ = env.begin(7)
    for key, value in first.observation.items():
        np.testing.assert_array_equal(again.observation[key], value)
    assert not np.array_equal(other.observation["socket_pose"], first.observation["socket_pose"])
    seeded = [env.reset(seed=3)[0]["tool_pose"] for _ in range(2)]
    np.testing.assert_array_equal(seeded[0], seeded[1])
    assert not np.array_equal(env.reset()[0]["tool_pose"], seeded[0])
