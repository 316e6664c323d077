"""Label buttons: no press is lost between two ticks, and none counts for the next episode."""

from __future__ import annotations

from robot.labels import LabelButtons
from robot.types import Label


def test_a_press_between_two_ticks_is_not_lost_and_counts_once() -> None:
    buttons = LabelButtons()
    buttons.begin()
    for down in (Label.NONE, Label.SUCCESS, Label.NONE):
        buttons.take(down)
    assert buttons.said() is Label.SUCCESS
    assert buttons.said() is Label.NONE


def test_a_button_that_is_held_says_so_at_every_tick() -> None:
    buttons = LabelButtons()
    buttons.begin()
    for _ in range(3):
        buttons.take(Label.FAILURE)
        assert buttons.said() is Label.FAILURE


def test_a_button_that_was_held_since_the_last_episode_counts_when_it_is_pressed_anew() -> None:
    buttons = LabelButtons()
    buttons.take(Label.SUCCESS)
    buttons.begin()
    buttons.take(Label.SUCCESS)
    assert buttons.said() is Label.NONE
    buttons.take(Label.SUCCESS | Label.DISCARD)  # another one is as good as ever
    assert buttons.said() is Label.DISCARD
    buttons.take(Label.NONE)
    buttons.take(Label.SUCCESS)
    assert buttons.said() is Label.SUCCESS


def test_what_was_said_and_not_asked_for_ends_with_its_episode() -> None:
    buttons = LabelButtons()
    buttons.take(Label.DISCARD)
    buttons.take(Label.NONE)
    buttons.begin()
    assert buttons.said() is Label.NONE
