"""What a person's label buttons say of an episode: a press counts once, and only where it began within the episode."""

from __future__ import annotations

from dataclasses import dataclass

from robot.types import Label

HAND_BUTTONS = ("engage", "success", "failure", "discard")
"""Buttons of a hand on the console's page, in the order of `console/hand`."""


@dataclass(frozen=True)
class Heard:
    """What an operator says beside labels: `kind` (mark, note, undo, reaction), `text`, and when.

    `step` is that of the running episode, None between two; `stamp_ns` is of the robot's clock.
    """

    kind: str
    text: str
    step: int | None
    stamp_ns: int


class LabelButtons:
    """Keeps the presses between two ticks.

    A button that was down when the episode began was meant for the last one: it counts when it is pressed anew.

        buttons.begin()
        buttons.take(Label.SUCCESS)     # whatever is down, each time that it is told
        label = buttons.said()          # once a tick
    """

    def __init__(self) -> None:
        self._down = self._held_over = self._said = Label.NONE

    def begin(self) -> None:
        """An episode begins."""
        self._held_over, self._said = self._down, Label.NONE

    def take(self, down: Label) -> None:
        """Note which buttons are down now."""
        self._held_over &= down
        self._down = down
        self._said |= down & ~self._held_over

    def said(self) -> Label:
        """Return what was pressed, or held, since the last call."""
        said, self._said = self._said, Label.NONE
        return said
