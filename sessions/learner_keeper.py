"""Keeps a session's learner at work: one that dies, stops or hangs is started again from its checkpoint."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from robot.errors import RobotError
from robot.liveness import ProcessWatch
from sessions.processes import Child, how_it_ended
from sessions.run import Run

TRIES = 3
"""So many starts without one new version of the weights are no accident."""

LOOK_S = 0.5


class LearnerKeeper:
    """Starts the learner, and starts it again; the robot holds meanwhile, or plays with the weights that there are.

        keeper = LearnerKeeper(run, start, stop)
        while playing:
            keeper.look()

    Args:
        run: whose learner it is.
        start: starts the learner's process.
        stop: ends one that may not answer.
        newest: returns the newest version of the weights.
    """

    def __init__(
        self, run: Run, start: Callable[[], Child], stop: Callable[[Child], None], newest: Callable[[], int]
    ) -> None:
        self._run, self._start, self._stop, self._newest = run, start, stop, newest
        run.learner_file.unlink(missing_ok=True)  # an earlier learner's
        self._watch = ProcessWatch(run.learner_file, "The learner", run.config.session.learner_timeout_s)
        self._tries, self._version, self._looked = 0, newest(), 0.0
        self.child = start()

    def look(self) -> None:
        """Start the learner again where it is needed.

        Raises:
            RobotError: it has died too often without learning anything in between; says how it ended.
        """
        code = self.child.process.poll()
        how = self._stuck() if code is None else self._ended(code)
        if not how:
            return
        version = self._newest()
        self._tries = self._tries + 1 if version == self._version else 1
        self._version = version
        if self._tries > TRIES:
            raise RobotError(f"The learner {how} (see {self.child.log}); it was started again {TRIES} times in vain.")
        sentence = f"The learner {how}; it goes on from its checkpoint."
        with contextlib.suppress(OSError):  # of a full disk there is a sentence already
            self._run.log_stop("finetune", sentence, "learner_restarted")
        self.child.process.kill()  # one that is stopped does not hear anything softer
        self._stop(self.child)
        self.child = self._start()

    @property
    def is_done(self) -> bool:
        """Whether the learner has learnt all that there will be, and ended."""
        return self.child.process.poll() == 0 and not self._watch.problem()

    def _ended(self, code: int) -> str:
        """Return how a process ended that should be there; "" where its work is done."""
        if code == 0:
            # one that was told to stop, by whoever, leaves in order and has not finished
            return "" if self.is_done else "ended before its time"
        return f"{how_it_ended(code)}: {self.child.last_words()}" if code > 0 else how_it_ended(code)

    def _stuck(self) -> str:
        """Return why a process that is there will not go on by itself, or ""; asked rarely, since it reads files."""
        if time.monotonic() - self._looked < LOOK_S or not self._run.learner_file.exists():
            return ""
        self._looked = time.monotonic()
        problem = self._watch.problem().removeprefix("The learner ").rstrip(".")
        # until it has written its own, the file is that of the one before
        return problem if self._watch.pid == self.child.process.pid else ""
