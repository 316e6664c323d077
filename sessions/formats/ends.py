"""How an episode ended, from the done flag, reward and success that a log has at its last step."""

from __future__ import annotations


def end_of(is_done: bool | None, reward: float | None, is_success: bool | None = None) -> tuple[str, str]:
    """Return the end (as in `robot.store.remarks.ENDS`) and what the log leaves open, or "".

    A done flag alone does not tell a success from a time-out or a person's stop: robomimic, SERL and LeRobot set it for
    all of them. Only a success that is stated or paid for is taken as a termination.

    Args:
        is_done: None where the log has no such flag.
        reward: of the last step; None where the log has none.
    """
    if is_success is not None:
        return ("success", "") if is_success else ("truncated", "it says that there was no success, not what ended it")
    if is_done and reward is not None and reward > 0:
        return "success", ""
    if is_done:
        return "truncated", "done without a reward: a failure, a time-out or a stop"
    return "truncated", "nothing says how it ended"


class Endings:
    """Counts what was left open, for the report."""

    def __init__(self, notes: list[str]) -> None:
        self._notes = notes
        self._counts: dict[str, int] = {}

    def end(self, is_done: bool | None, reward: float | None, is_success: bool | None = None) -> str:
        """As `end_of`, and note what it leaves open."""
        end, what = end_of(is_done, reward, is_success)
        if what:
            self._counts[what] = self._counts.get(what, 0) + 1
            self._notes[:] = [note for note in self._notes if not note.endswith(f"({what})")]
            count = self._counts[what]
            self._notes.append(f"how {count} episode{'s' * (count > 1)} ended: stored as truncated ({what})")
        return end
