"""The ticks of the control period as the actor sees them: in lockstep by joined stamps, in real time by deadlines."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from robot.clock import to_ns
from robot.errors import RobotError
from robot.nodes import messages
from robot.nodes.join import StampJoin
from robot.nodes.streams import Alignment
from robot.timing import Deadlines, EpisodeClock

ANSWER_TIMEOUT_S = 30.0

Turn = Callable[[float], None]
"""Lets the next callback run, or waits so long [s] for one."""


def wait(turn: Turn, is_done: Callable[[], bool], timeout_s: float, what: Callable[[], str]) -> None:
    """Take turns until `is_done()`.

    Raises:
        RobotError: it was not in time; `what()` says what was waited for.
    """
    deadline = time.monotonic() + timeout_s
    while not is_done():
        if time.monotonic() > deadline:
            raise RobotError(f"The robot fell silent for {timeout_s:.0f} s ({what()}); are all nodes running?")
        turn(0.05)


@dataclass(frozen=True)
class Tick:
    """The end of a control period.

    Attributes:
        row: message of each stream, none later than the tick; a stream without such a one has its newest.
        stamp_ns: of the tick.
        late_ns: by how much it came after its deadline.
        answer: the mux's `intervention` to the decision of the period; None where none has come.
    """

    row: dict[str, Any]
    stamp_ns: int
    late_ns: int = 0
    answer: Any = None


class LockstepTicks:
    """A tick is there when all streams have told of it, under one stamp."""

    def __init__(self, names: tuple[str, ...], period_s: float, turn: Turn) -> None:
        self._period_ns = to_ns(period_s)
        self._turn = turn
        self._streams = StampJoin(names)
        self._answers = StampJoin(("intervention", "joy"))
        self._row: dict[str, Any] = {}
        self._answer: Any = None
        self._stamp_ns = 0
        self._ahead_ns = 0

    def take(self, name: str, message: Any) -> None:
        row = self._streams.put(name, messages.stamp_of(message), message)
        if row is not None:
            self._row = row

    def take_answer(self, name: str, message: Any) -> None:
        row = self._answers.put(name, messages.stamp_of(message), message)
        if row is not None:
            self._answer = row["intervention"]

    def first(self, settled_ns: int) -> Tick:
        """Return the first tick of an episode, not before `settled_ns`."""

        def is_there() -> bool:
            return bool(self._row) and messages.stamp_of(self._row["pose"]) >= settled_ns

        missing = self._streams.missing
        late = lambda: f"missing at this tick: {', '.join(missing(settled_ns))}"  # noqa: E731
        wait(self._turn, is_there, ANSWER_TIMEOUT_S, late)
        row, self._row = self._row, {}
        self._ahead_ns = 0
        self._stamp_ns = messages.stamp_of(row["pose"])
        return Tick(row, self._stamp_ns)

    def decide(self) -> int:
        """Return the stamp of the decision that is made now: the tick's."""
        self._answer = None
        return self._stamp_ns

    def next(self) -> Tick:
        """Return the tick that ends the period of the decision."""
        due_ns = self._stamp_ns + self._period_ns
        tick = self.first(due_ns)
        self._ahead_ns = tick.stamp_ns - due_ns
        wait(self._turn, lambda: self._answer is not None, ANSWER_TIMEOUT_S, lambda: "missing: intervention or joy")
        return Tick(tick.row, tick.stamp_ns, answer=self._answer)

    def now_ns(self) -> int:
        return self._stamp_ns

    def problems(self, limits_s: dict[str, float]) -> dict[str, str]:
        """All samples are of the tick; but an arm that was left alone for too long has gone on by itself."""
        if not self._ahead_ns:
            return {}
        ahead_s = self._ahead_ns * 1e-9
        return {"node_silent": f"The session stood still for so long that the arm went on by {ahead_s:.3f} s and held."}


class RealTimeTicks:
    """Ticks on absolute deadlines by the host's clock; what a tick sees are the newest samples not later than it.

    Stamps are those of an `EpisodeClock`: they grow whatever happens to the wall's clock within an episode.
    """

    def __init__(self, names: tuple[str, ...], period_s: float, turn: Turn, wall: Callable[[], int]) -> None:
        self._turn = turn
        self._streams = Alignment(names)
        self._clock = EpisodeClock(wall)
        self._period_ns = to_ns(period_s)
        self._deadlines = Deadlines(self._period_ns)
        self._intervention: Any = None
        self._decided_ns = 0
        self._stamp_ns = self._late_ns = 0

    def take(self, name: str, message: Any) -> None:
        self._streams.put(name, messages.stamp_of(message), message)

    def take_answer(self, name: str, message: Any) -> None:
        if name == "intervention" and messages.stamp_of(message) == self._decided_ns:
            self._intervention = message

    def first(self, settled_ns: int) -> Tick:
        """Return the first tick of an episode: now, when every stream has told of `settled_ns` or later."""
        behind = self._streams.behind
        wait(
            self._turn,
            lambda: not behind(settled_ns),
            ANSWER_TIMEOUT_S,
            lambda: f"nothing newer than the reset: {', '.join(behind(settled_ns))}",
        )
        self._clock.restart()
        now_ns = self.now_ns()
        self._deadlines.start(now_ns)
        return self._tick(now_ns, 0)

    def decide(self) -> int:
        """Return the stamp of the decision that is made now."""
        self._intervention = None
        self._decided_ns = self.now_ns()
        return self._decided_ns

    def next(self) -> Tick:
        """Return the tick of the next deadline, or one at once where that has passed."""
        for _ in range(2 * len(self._streams)):
            self._turn(0.0)  # what came while the policy thought; of each stream there waits one sample at most
        while (left_ns := self._deadlines.next_ns - self.now_ns()) > 0:
            self._turn(left_ns * 1e-9)
        now_ns = self.now_ns()
        return self._tick(now_ns, self._deadlines.tick(now_ns))

    def now_ns(self) -> int:
        return self._clock.now_ns()

    def problems(self, limits_s: dict[str, float]) -> dict[str, str]:
        """Return a sentence where streams were older at the last tick than `limits_s` allows, by event of the mode."""
        old = self._streams.older(self._stamp_ns, limits_s)
        if not old:
            return {}
        sentence = f"Too old for a decision: {', '.join(old)}."
        if self._late_ns <= self._period_ns:
            return {"sensor_stale": sentence}
        why = "it stood still, or its policy was slow"
        return {"node_silent": f"The actor's tick came {self._late_ns * 1e-9:.2f} s late: {why}. {sentence}"}

    def _tick(self, now_ns: int, late_ns: int) -> Tick:
        self._stamp_ns, self._late_ns = now_ns, late_ns
        return Tick(self._streams.at(now_ns), now_ns, late_ns, self._intervention)
