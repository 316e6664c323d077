"""What a page may say: parsed, checked, in order and in time. Whatever is not exactly that is refused. Pure."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from robot.labels import HAND_BUTTONS
from robot.types import Array

MOST_BYTES = 4096
MOST_A_SECOND = 250
LATE_S = 0.1
"""A wish of the hand that was under way for so much longer than the quickest one is not obeyed."""
DRIFT = 1e-4
"""By how much two computers' clocks may drift apart."""
NOTE_CHARACTERS = 500
LONGEST_REACTION_S = 5.0
KINDS = {
    "hand": frozenset({"axes", "buttons"}),
    "stop": frozenset(),
    "clear": frozenset(),
    "note": frozenset({"text"}),
    "mark": frozenset(),
    "undo": frozenset(),
    "reaction": frozenset({"seconds"}),
    "invite": frozenset(),
    "give": frozenset({"to"}),
    "drive": frozenset(),
}
"""What may be said, and what each carries beside kind, page, number and time."""


class RefusedError(ValueError):
    """What a page said is refused; the text says why."""


@dataclass(frozen=True)
class Word:
    """Something that a page said: `kind`, one of `KINDS`, and what that carries."""

    kind: str
    axes: Array = field(default_factory=lambda: np.zeros(6))
    buttons: frozenset[str] = frozenset()
    text: str = ""
    is_late: bool = False


class Listener:
    """Understands one connection of a page.

    Words are numbered, so that none counts twice, and carry the name of the page, so that none of another connection
    does. The page's own clock tells how long each was under way, against the quickest so far.

    Args:
        page: name of the connection, told to the page and to nobody else.
    """

    def __init__(self, page: str) -> None:
        self._page = page
        self._number = -1
        self._lag_s = math.inf
        self._heard_s = 0.0
        self._allowance = float(MOST_A_SECOND)

    def word(self, text: object, now_s: float) -> Word:
        """Return what was said; `now_s` is a steady clock.

        Raises:
            RefusedError: it is none of ours, or comes again, or there are too many.
        """
        passed_s = self._spend(now_s)
        said = _object(text)
        kind = said.get("kind")
        if not isinstance(kind, str) or kind not in KINDS:
            raise RefusedError("it says nothing that is known here")
        if said.keys() != KINDS[kind] | {"kind", "page", "number", "time"}:
            raise RefusedError(f"{kind!r} carries something else than it should")
        if said["page"] != self._page:
            raise RefusedError("it was said on another connection")
        number, time_s = said["number"], said["time"]
        if not isinstance(number, int) or isinstance(number, bool) or not self._number < number < 2**53:
            raise RefusedError("it was said before")
        if not _is_number(time_s) or not 0.0 <= time_s < 1e9:
            raise RefusedError("its time is no time")
        self._number = number
        is_late = self._is_late(now_s - time_s, passed_s)
        if kind == "hand":
            return Word(kind, _axes(said["axes"]), _buttons(said["buttons"]), is_late=is_late)
        if kind == "reaction":
            return Word(kind, text=_reaction(said["seconds"]), is_late=is_late)
        text = said.get("text", said.get("to", ""))
        if not isinstance(text, str) or len(text) > NOTE_CHARACTERS or not text.isprintable():
            raise RefusedError(f"its text is none, or longer than {NOTE_CHARACTERS} characters")
        return Word(kind, text=text, is_late=is_late)

    def _spend(self, now_s: float) -> float:
        """Count a word; returns the time since the last one."""
        passed_s = max(0.0, now_s - self._heard_s)
        self._heard_s = now_s
        self._allowance = min(float(MOST_A_SECOND), self._allowance + passed_s * MOST_A_SECOND) - 1.0
        if self._allowance < 0.0:
            self._allowance = 0.0
            raise RefusedError(f"there are more than {MOST_A_SECOND} a second")
        return passed_s

    def _is_late(self, lag_s: float, passed_s: float) -> bool:
        """`lag_s`: the host's clock less the page's; their least difference so far is a word that was not held up."""
        self._lag_s = min(self._lag_s + DRIFT * passed_s, lag_s)
        return lag_s > self._lag_s + LATE_S


def _object(text: object) -> dict[str, Any]:
    if not isinstance(text, str) or len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise RefusedError(f"it is no text of at most {MOST_BYTES} bytes")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise RefusedError("it is no JSON") from None
    if not isinstance(said, dict):
        raise RefusedError("it is no JSON object")
    return said


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _reaction(seconds: object) -> str:
    if not isinstance(seconds, int | float) or not _is_number(seconds) or not 0.0 < seconds < LONGEST_REACTION_S:
        raise RefusedError(f"its reaction time is not between 0 and {LONGEST_REACTION_S:g} s")
    return f"{seconds:.3f}"


def _axes(values: object) -> Array:
    if not isinstance(values, list) or len(values) != 6 or not all(_is_number(v) and -1 <= v <= 1 for v in values):
        raise RefusedError("its axes are not six numbers from -1 to 1")
    return np.array(values, np.float64)


def _buttons(names: object) -> frozenset[str]:
    if not isinstance(names, list) or not all(name in HAND_BUTTONS for name in names):
        raise RefusedError(f"its buttons are not of {', '.join(HAND_BUTTONS)}")
    return frozenset(names)
