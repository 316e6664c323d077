"""A session in this process: no ROS 2, no other processes, an episode and the updates owed for it in turn."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from robot.env import RobotEnv
from robot.errors import NudgeError, RobotError
from robot.interfaces import Policy, RobotPort
from robot.loop import EpisodeSummary, run_episode
from robot.store import StoreSettings, StoreWriter
from sessions import build, environments, learning
from sessions.code_version import code_version
from sessions.config import digest
from sessions.episode_book import EpisodeBook
from sessions.phases import PHASES, Phase
from sessions.progress import Progress
from sessions.run import Run
from sessions.session import LEARNS, RECENT, lines_of, note, refuse_collisions

_LOOK_S = 0.1
"""Between two looks at a thread; Python 3.11 takes one for ended whose `join` was interrupted."""


class LocalSession:
    """Plays the phases of a run whose robot is in this process; what it leaves behind is what `Session` leaves.

        with LocalSession(run) as session:
            lines = session.play("record", episodes=20)

    Finetuning repeats bit for bit: episode i is played with weights version i minus `session.version_lag`, once all
    updates owed for the episodes before it are done. After a kill the learner goes on bit for bit from what is in the
    store; an episode that was cut off is in it, as aborted.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._config = run.config
        self._robot: RobotPort | None = None

    def __enter__(self) -> LocalSession:
        refuse_collisions()
        self._robot = environments.robot(self._config)
        self._run.works()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._robot is not None:
            self._robot.close()

    def play(self, phase: str, episodes: int = 0, total_steps: int = 0) -> list[dict[str, Any]]:
        """Play a phase, and learn in between when it is "finetune"; arguments and result as in `Session.play`.

        Raises:
            NudgeError: the environment or the learner failed; what was acknowledged is kept.
        """
        if self._robot is None:
            raise RobotError("The session was not entered; use it in a with-block.")
        plan = PHASES[phase]
        self._robot.role = plan.role  # type: ignore[attr-defined]  # both robots in process have one
        try:
            self._play(plan, self._robot, episodes, total_steps)
        except NudgeError as error:
            with contextlib.suppress(OSError):  # of a full disk there is a sentence already
                self._run.log_stop(phase, str(error), "session_ended")
            raise
        return self.lines(phase)

    def lines(self, phase: str) -> list[dict[str, Any]]:
        """Return the lines of the phase's episodes, the newest of each index."""
        return lines_of(self._run, phase)

    def _play(self, phase: Phase, robot: RobotPort, episodes: int, total_steps: int) -> None:
        spec = build.robot_spec(self._config)
        env = RobotEnv(robot, spec, environments.max_steps(self._config), phase.judge)
        policy = learning.policy(self._config, self._run.path, phase.policy)
        book = EpisodeBook(self._run, phase)
        store = self._run.store(phase.store)
        attributes = {"phase": phase.name, "config_digest": digest(self._config), "code": code_version()}
        unsynced = StoreSettings(is_commit_synced=False)  # simulated episodes can be played again
        with StoreWriter.open(store, spec, attributes, unsynced) as writer, self._learning(phase) as learner:
            book.open(store)
            recent = self.lines(phase.name)[-RECENT:]
            with Progress(phase.name.replace("_", " "), total=total_steps or episodes) as progress:
                progress.go_on(book.steps if total_steps else book.episodes)
                while not book.is_enough(episodes):
                    index = book.index
                    waited_s = self._take_weights(policy, learner, index, progress)
                    summary = self._episode(env, policy, writer, phase, index)
                    book.log(summary, index, waited_s, is_repeatable=False)
                    recent = [*recent, _line(summary)][-RECENT:]
                    progress.advance(summary.steps if total_steps else 1, note(recent))
                if learner is not None:
                    learner.finish(progress)

    def _episode(self, env: RobotEnv, policy: Policy, writer: StoreWriter, phase: Phase, index: int) -> EpisodeSummary:
        seed = build.episode_seed(self._config, phase.seeds, index)
        attributes: dict[str, str | int | float] = {
            "phase": phase.name,
            "operator": f"simulated/{phase.role}",
            "safety_digest": digest(self._config.safety),
        }
        return run_episode(env, policy, writer, seed, attributes)

    def _take_weights(self, policy: Policy, learner: _Learning | None, index: int, progress: Progress) -> float:
        """Wait for the updates of all episodes before `index`, load its weights; returns how long it waited [s]."""
        if learner is None:
            return 0.0
        started = time.monotonic()
        learner.wait_for(index, progress)
        progress.wait("")
        learning.load_weights(policy, max(0, index - self._config.session.version_lag))
        return time.monotonic() - started

    @contextlib.contextmanager
    def _learning(self, phase: Phase) -> Iterator[_Learning | None]:
        if phase.name != "finetune":
            yield None
            return
        learner = _Learning(self._run)
        try:
            yield learner
        finally:
            learner.stop()


class _Learning:
    """The learner, in a thread of this process that works while the other waits: the code of the learner's process."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._weights = learning.weights(run.path)
        self._is_stopped, self._has_ended = threading.Event(), threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._learn, name="learner", daemon=True)
        self._thread.start()

    def wait_for(self, version: int, progress: Progress) -> None:
        """Return once `version` is published; raises what ended the learner."""
        self._weights.wait_for(version, math.inf, lambda duration_s: self._idle(duration_s, progress))

    def finish(self, progress: Progress) -> None:
        """Wait for the last updates; raises what ended the learner."""
        while not self._has_ended.wait(_LOOK_S):
            progress.wait(LEARNS)
        self._raise()

    def stop(self) -> None:
        """End the learner at its next update; may be called twice.

        Who interrupts once more waits for that update too: a thread that computes cannot be left behind.
        """
        self._is_stopped.set()
        while not self._has_ended.is_set():
            with contextlib.suppress(KeyboardInterrupt):
                self._has_ended.wait(_LOOK_S)
        self._thread.join()

    def _learn(self) -> None:
        try:
            learning.learn(self._run.config, self._run.path, self._is_stopped.is_set)
        except Exception as error:  # noqa: BLE001 - handed to the thread that waits, which raises it
            self._error = error
        finally:
            self._has_ended.set()

    def _idle(self, duration_s: float, progress: Progress) -> None:
        if self._has_ended.is_set():
            self._raise()
            raise RobotError(f"The learner ended before its time; its checkpoint is in {self._run.path / 'learner'}.")
        progress.wait(LEARNS)
        time.sleep(duration_s)

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error


def _line(summary: EpisodeSummary) -> dict[str, Any]:
    return {"success": summary.is_success, "steps": summary.steps, "human_steps": summary.human_steps}
