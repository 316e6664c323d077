"""Any gymnasium environment with continuous actions as a `RobotPort`, in simulated time."""

from __future__ import annotations

import contextlib
import difflib
import math
import traceback
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np

from drivers.gymnasium_config import EnvConfig
from drivers.gymnasium_spaces import ActionBox, observation_of, observation_spec
from robot.clock import to_ns
from robot.errors import ConfigError, NudgeError, RobotError
from robot.interfaces import Supervisor
from robot.specs import RobotSpec
from robot.types import Decision, Label, Observation, Outcome, Source, StepTiming

Env = gymnasium.Env[Any, Any]

DEFAULT_PERIOD_S = 1.0
"""Control period of an environment that tells neither `dt` nor its frames a second."""

SUCCESS_KEYS = ("is_success", "success", "succeed")
"""Under which an environment may tell success in `info`."""


class GymnasiumRobot:
    """Episodes of one environment; it judges by its own rules, and a supervisor may act in the policy's place.

    A termination is a success where `info` or `EnvConfig.success_reward` says so, else a failure. Running out of time
    is neither: it truncates. Success that `info` reports without a termination ends the episode as well, if
    `EnvConfig.success_ends`. The reward of every step goes into the store as it is.

    Args:
        env: without gymnasium's own time limit, see `make`.
        config: what counts as success.
        name: for the spec and for messages.
        supervisor: who stands beside; None for nobody. `role` (see `robot.types.ROLES`) may be set between episodes.
    """

    def __init__(self, env: Env, config: EnvConfig, name: str, supervisor: Supervisor | None = None) -> None:
        self._env, self._config, self._supervisor = env, config, supervisor
        self._actions = ActionBox.of(name, env.action_space)
        self.spec = spec_of(env, name)
        self._stamp_ns = self._period_ns = to_ns(self.spec.period_s)
        self._seen: Observation = {}
        self.role = "watch"

    def reset(self, seed: int) -> Outcome:
        """Lay out the episode that belongs to `seed`, always alike."""
        with self._told("reset"):
            raw, _ = self._env.reset(seed=seed)
        self._see(raw)
        if self._supervisor is not None:
            self._supervisor.begin(seed, self.role)
        nothing = np.zeros(self._actions.size, np.float32)
        return Outcome(self._seen, self._stamp_ns, nothing, Source.RESET, stream_stamps_ns=self._stamps())

    def step(self, decision: Decision) -> Outcome:
        """Run one step of the environment, with the supervisor's action where there is one."""
        asked, source = decision.action, Source.POLICY
        if self._supervisor is not None:
            taken = self._supervisor.take(self._seen)
            if taken is not None:
                asked, source = taken, Source.HUMAN
        executed = np.clip(asked, -1.0, 1.0).astype(np.float32)
        decided_ns = self._stamp_ns
        with self._told("step"):
            raw, reward, is_terminated, is_out_of_time, info = self._env.step(self._actions.to_env(executed))
        self._see(raw)
        is_success = self._is_success(float(reward), bool(is_terminated), info)
        is_end = bool(is_terminated) or (is_success and self._config.success_ends)
        label = Label.NONE
        if is_end:
            label = Label.SUCCESS if is_success else Label.FAILURE
        return Outcome(
            self._seen,
            self._stamp_ns,
            executed,
            source,
            label=label,
            stream_stamps_ns=self._stamps(),
            truth_success=is_end and is_success,
            timing=StepTiming.simulated(decided_ns),
            reward=float(reward),
            is_out_of_time=bool(is_out_of_time) and not is_end,
        )

    def end(self) -> None:
        """Nothing moves on by itself."""

    def close(self) -> None:
        self._env.close()

    @contextlib.contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Say in a sentence what went wrong in the environment's own code, and where."""
        try:
            yield
        except NudgeError:
            raise
        except Exception as error:
            at = traceback.extract_tb(error.__traceback__)[-1]
            kind, place = type(error).__name__, f"{at.filename}, line {at.lineno}"
            raise RobotError(f"{self.spec.name} failed in {what}(): {kind}: {error} ({place}).") from error

    def _see(self, raw: Any) -> None:
        self._stamp_ns += self._period_ns
        self._seen = observation_of(raw, self.spec.observation)

    def _stamps(self) -> dict[str, int]:
        return dict.fromkeys(self.spec.observation, self._stamp_ns)

    def _is_success(self, reward: float, is_terminated: bool, info: dict[str, Any]) -> bool:
        told = [bool(np.any(info[key])) for key in SUCCESS_KEYS if key in info]
        if told:
            return any(told)
        threshold = self._config.success_reward
        return is_terminated and threshold is not None and reward >= threshold


def make(gym_id: str, **options: Any) -> Env:
    """Return a registered environment without its time limit, which `max_steps_of` tells.

    Raises:
        ConfigError: it is unknown, or a package that it needs is not installed.
    """
    try:
        return gymnasium.make(gym_id, max_episode_steps=-1, disable_env_checker=True, **options)
    except gymnasium.error.UnregisteredEnv as error:
        near = difflib.get_close_matches(gym_id, list(gymnasium.registry), n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ConfigError(f"There is no gymnasium environment {gym_id!r}: {str(error).rstrip('.')}.{hint}") from None
    except (gymnasium.error.Error, ImportError, TypeError, AttributeError) as error:
        raise ConfigError(f"The gymnasium environment {gym_id!r} cannot be made here: {error}") from error
    except Exception as error:  # whatever a constructor of others raises
        kind = type(error).__name__
        raise ConfigError(f"The gymnasium environment {gym_id!r} failed while it was made: {kind}: {error}") from error


def max_steps_of(env: Env) -> int | None:
    """Return after how many steps gymnasium would end an episode; None where the environment sets no limit."""
    limit = None
    if env.spec is not None:
        limit = gymnasium.spec(env.spec.id).max_episode_steps
    return limit or getattr(env.unwrapped, "max_episode_steps", None)


def spec_of(env: Env, name: str) -> RobotSpec:
    """Return what an environment gives and takes, in normalised units.

    Action axes are called what its attribute `action_axes` says, else a0, a1, ...

    Raises:
        ConfigError: it names another number of axes than it takes.
    """
    size = ActionBox.of(name, env.action_space).size
    axes = tuple(getattr(env.unwrapped, "action_axes", None) or (f"a{index}" for index in range(size)))
    if len(axes) != size:
        raise ConfigError(f"The environment {name!r} takes {size} action axes; its `action_axes` names {len(axes)}.")
    return RobotSpec(f"gym/{name}", observation_spec(name, env.observation_space), axes, (1.0,) * size, _period_s(env))


def _period_s(env: Env) -> float:
    """Return the control period [s]: from the environment's `dt`, else from its frames a second."""
    dt = getattr(env.unwrapped, "dt", None)
    if isinstance(dt, (int, float)) and dt > 0:
        return float(dt)
    rate = env.metadata.get("render_fps") or env.unwrapped.metadata.get("render_fps")
    return 1.0 / float(rate) if rate and math.isfinite(float(rate)) else DEFAULT_PERIOD_S
