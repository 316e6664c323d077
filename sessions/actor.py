"""The actor's process: plays the episodes of one phase over ROS 2 and records them."""

from __future__ import annotations

import argparse
import contextlib
import math
import signal
import sys
import time
from functools import partial
from pathlib import Path

from robot import priority
from robot.env import RobotEnv
from robot.errors import NudgeError, ResetStoppedError, RobotError
from robot.interfaces import Policy
from robot.labels import Heard
from robot.liveness import ProcessWatch
from robot.loop import EpisodeSummary, run_episode
from robot.store import StoreSettings, StoreWriter
from robot.store.remarks import MOST_CHARACTERS, Remark
from sessions import build, learning
from sessions.code_version import code_version
from sessions.config import digest
from sessions.domain import stay_on_this_host
from sessions.episode_book import EpisodeBook
from sessions.phases import PHASES, Phase
from sessions.processes import die_with_parent
from sessions.run import Run

STOPS_IN_A_ROW = 5
"""So many episodes (or resets) stopped one after the other are no accident."""
UNDO_S = 3.0
"""So long the last episode of a phase may be taken back, where there is a console to do that on."""
WELL_S = 0.5
"""A learner that had gone is back once it has been well for so long: while a process dies it looks alive."""


class Actor:
    """Plays episodes of a phase until there are enough of them, or (finetuning) enough steps.

    In real time finetuning needs a learner that is alive: it is looked for at every tick, and without it the arm holds
    at once, until there is one again.

    An episode that something stopped is committed as aborted, and played again where its seed counts; a reset that
    something stopped which may pass by itself is tried again.
    """

    def __init__(self, run: Run, phase: Phase, is_realtime: bool) -> None:
        self._run, self._phase, self._is_realtime = run, phase, is_realtime
        self._config = run.config
        self._book = EpisodeBook(run, phase)
        self._index, self._is_taken_back = 0, False
        self._policy = self._make_policy()
        self._robot = build.ros_robot(self._config, is_realtime, has_truth=phase.judge == "truth")
        self._robot.role = phase.role
        silence_s = self._config.session.learner_timeout_s
        self._worker = ProcessWatch(run.learner_file, "The learner", silence_s)
        self._learner: ProcessWatch | None = None
        if phase.name == "finetune" and is_realtime:
            self._learner = self._worker
            self._robot.guard = self._learner.problem
        self._env = RobotEnv(self._robot, build.robot_spec(self._config), self._config.task.max_steps, phase.judge)

    def play(self, episodes: int) -> None:
        """Play until the store holds `episodes` episodes; for "finetune" until it holds `training.total_steps`."""
        self._robot.wait_until_ready()
        self._wait_for_learner()
        store = self._run.store(self._phase.store)
        attributes = {"phase": self._phase.name, "config_digest": digest(self._config), "code": code_version()}
        try:
            # simulated episodes can be played again: what survives kill -9 is enough, power cuts cost no flush
            settings = StoreSettings(is_commit_synced=self._is_realtime)
            with StoreWriter.open(store, build.robot_spec(self._config), attributes, settings) as writer:
                self._book.open(store)
                self._robot.on_remark = partial(self._hear, writer)
                stops = 0
                while not self._book.is_enough(episodes):
                    index = self._index = self._book.index
                    waited_s = self._take_weights(index)
                    try:
                        summary = self._episode(writer, index)
                    except ResetStoppedError as error:
                        if not self._is_realtime or (error.needs_person and not self._config.has_console):
                            raise  # in simulated time nothing passes by itself
                        stops = self._after_stop(str(error), index, 0, stops + 1)
                        continue
                    self._book.log(summary, index, waited_s)
                    self._take_back(writer)
                    stops = self._after_stop(summary.cause, index, summary.steps, stops + 1) if summary.cause else 0
                    self._wait_for_undo(episodes)
        except NudgeError as error:
            with contextlib.suppress(OSError):  # of a full disk there is a sentence already
                self._run.log_stop(self._phase.name, str(error), "actor_ended")
            raise
        finally:
            self._robot.close()

    def _episode(self, writer: StoreWriter, index: int) -> EpisodeSummary:
        seed = build.episode_seed(self._config, self._phase.seeds, index)
        attributes: dict[str, str | int | float] = {
            "phase": self._phase.name,
            "operator": f"{self._config.teleop.device}/{self._phase.role}",
            "safety_digest": digest(self._config.safety),
        }
        summary = run_episode(self._env, self._policy, writer, seed, attributes)
        self._robot.publish_event("success" if summary.is_success else "end", steps=summary.steps)
        return summary

    def _hear(self, writer: StoreWriter, said: Heard) -> None:
        """Keep what the operator says beside labels in `metrics/remarks.jsonl`, and in the store what is of an episode.

        Outside an episode it is said of the last one. "undo" takes back how that ended, where a person says so.
        """
        line = {"stamp_ns": said.stamp_ns, "step": said.step, "say": said.kind, "text": said.text}
        self._run.log("remarks", {"phase": self._phase.name, "episode": self._index} | line)
        if said.kind == "undo":
            self._is_taken_back = True
            if said.step is not None or not writer.is_running:
                self._take_back(writer)  # else: of an episode that ends just now, once it has
        elif said.kind in ("mark", "note"):
            is_of_this = said.step is not None or writer.is_running
            if (episode := writer.count - (not is_of_this)) >= 0:
                writer.remark(Remark(episode, said.kind, said.text[:MOST_CHARACTERS], said.step, said.stamp_ns))

    def _take_back(self, writer: StoreWriter) -> None:
        """Count the last episode as aborted, where the operator has asked for it."""
        if not self._is_taken_back:
            return
        self._is_taken_back = False
        if self._phase.judge != "operator":  # who is not mistaken; and nobody may choose what counts of it
            self._robot.publish_event("not_taken_back")
        elif self._book.may_take_back:
            writer.remark(Remark(writer.count - 1, "end", "aborted"))  # first: what a death leaves is told by the store
            self._book.take_back()
            self._robot.publish_event("taken_back")
        else:
            self._robot.publish_event("nothing_to_take_back")

    def _wait_for_undo(self, episodes: int) -> None:
        """Leave the person at a console a moment to take back the last episode of the phase."""
        is_asked = self._is_realtime and self._config.has_console and self._phase.judge == "operator"
        if is_asked and self._book.is_enough(episodes):
            self._robot.idle(UNDO_S)

    def _after_stop(self, cause: str, index: int, steps: int, stops: int) -> int:
        """Log what stopped the episode, or the reset before it; returns how many were stopped in a row.

        Raises:
            RobotError: the learner is lost, nobody clears a fault, or too many were.
        """
        stop = self._robot.stop
        event, mode = (stop.event, stop.mode) if stop is not None else ("", "")
        self._run.log_stop(self._phase.name, cause, event, mode, index, steps)
        self._wait_for_learner(is_doubted=True)
        self._wait_for_person(cause)
        if stops >= STOPS_IN_A_ROW:
            raise RobotError(f"{stops} episodes in a row were stopped, the last one because: {cause}")
        return stops

    def _wait_for_person(self, cause: str) -> None:
        """Hold until somebody has cleared a fault, where the session has a console to do that on.

        Raises:
            RobotError: nobody did in `console.clear_timeout_s`.
        """
        timeout_s = self._config.console.clear_timeout_s
        deadline = time.monotonic() + timeout_s
        while self._is_realtime and self._config.has_console and self._robot.mux.needs_person:
            if time.monotonic() > deadline:
                raise RobotError(f"Nobody has cleared the fault on the console for {timeout_s:.0f} s: {cause}")
            self._robot.idle(0.1)

    def _wait_for_learner(self, is_doubted: bool = False) -> None:
        """Hold until the learner is at work: the session starts one again that died.

        One that is doubted has to be seen at work for a while: a stopped process that is killed runs for a moment.

        Raises:
            RobotError: it was away for longer than `session.learner_timeout_s`.
        """
        deadline = time.monotonic() + self._config.session.learner_timeout_s
        well_since = math.inf if is_doubted else time.monotonic() - WELL_S
        while self._learner is not None and time.monotonic() < deadline:
            if self._learner.problem():
                well_since = math.inf
            elif (well_since := min(well_since, time.monotonic())) <= time.monotonic() - WELL_S:
                break
            self._robot.idle(0.1)
        self._require_learner()

    def _idle_for_learner(self, duration_s: float) -> None:
        """Let the node's callbacks run while the learner computes; one that is gone is waited for.

        Never shorter than a twentieth of a second: each time costs a look at the learner's process.
        """
        self._wait_for_learner()
        self._robot.idle(max(duration_s, 0.05))

    def _require_learner(self) -> None:
        problem = self._learner.problem() if self._learner is not None else ""
        if problem:
            raise RobotError(
                f"{problem} Without it nothing is learnt; go on with: nudge finetune --resume --realtime "
                f"--run {self._run.path}"
            )

    def _make_policy(self) -> Policy:
        return learning.policy(self._config, self._run.path, self._phase.policy)

    def _take_weights(self, index: int) -> float:
        """Load the weights for episode `index`; returns how long it waited for them.

        In lockstep this is exactly version `index - version_lag`, so that a session repeats; in real time the newest.
        A learner that is at work is waited for, however slow it is.
        """
        if self._phase.policy != "residual":
            return 0.0
        started = time.monotonic()
        session = self._config.session
        wanted = max(0, index - session.version_lag)
        weights = learning.weights(self._run.path)
        idle = self._idle_for_learner if self._is_realtime else time.sleep
        weights.wait_for(wanted, session.learner_timeout_s, idle, lambda: self._worker.is_at_work)
        learning.load_weights(self._policy, max(wanted, weights.latest()) if self._is_realtime else wanted)
        return time.monotonic() - started


def be_urgent() -> None:
    """Let the actor's ticks and messages come before the work of others; what it starts later stays ordinary."""
    priority.raise_process()
    priority.steady_interpreter()  # its heart beats in a thread beside policy and store
    priority.raise_thread(priority.LEVEL_ACTOR)
    priority.raise_others(priority.LEVEL_ACTOR)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("phase", choices=sorted(PHASES))
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--episodes", type=int, default=0)
    parser.add_argument("--realtime", action="store_true")
    arguments = parser.parse_args()
    die_with_parent()
    stay_on_this_host()
    from robot.nodes.spin import interrupt, ros

    signal.signal(signal.SIGTERM, interrupt)

    try:
        run = Run.read(arguments.run)
        with ros():
            actor = Actor(run, PHASES[arguments.phase], arguments.realtime)
            if arguments.realtime:
                be_urgent()
            actor.play(arguments.episodes)
        return 0
    except KeyboardInterrupt:
        return 0
    except NudgeError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
