"""Errors that say what was expected, what was found and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class NudgeError(Exception):
    """Base of every error that nudge raises on purpose; its text is one sentence for a person."""


class ConfigError(NudgeError):
    """A setting is unknown, of the wrong type or out of range."""


class SpecError(NudgeError):
    """An array does not have the shape, type or bounds that its spec demands."""


class StoreError(NudgeError):
    """A store is missing, foreign, locked or damaged."""


class RobotError(NudgeError):
    """The robot, a node or a device did not do what was asked of it."""


class ResetStoppedError(RobotError):
    """Something stopped a reset: another one may be tried, where `needs_person` once somebody has cleared the fault."""

    def __init__(self, sentence: str, needs_person: bool = False) -> None:
        super().__init__(sentence)
        self.needs_person = needs_person


class FaultError(RobotError):
    """A latched fault stops all motion until a person clears it."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for near matches of `name`, or the list of known names."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        return " Did you mean " + " or ".join(repr(n) for n in near) + "?"
    return f" Known: {', '.join(names)}."
