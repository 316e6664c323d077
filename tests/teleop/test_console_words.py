"""A page's words: what is not exactly one of them is refused, nothing counts twice, and nothing late moves an arm."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teleop.console.words import LATE_S, MOST_A_SECOND, MOST_BYTES, Listener, RefusedError

REST = {"axes": [0, 0, 0, 0, 0, 0], "buttons": []}


def text(number: int = 0, time: float = 1.0, kind: str = "hand", **more: Any) -> str:
    said = {"kind": kind, "page": "p", "number": number, "time": time}
    return json.dumps(said | (REST if kind == "hand" else {}) | more)


def test_a_hand_is_understood() -> None:
    word = Listener("p").word(text(axes=[1, -1, 0.5, 0, 0, 0], buttons=["engage"]), 10.0)
    assert (word.kind, word.axes.tolist(), word.buttons) == ("hand", [1, -1, 0.5, 0, 0, 0], {"engage"})
    assert not word.is_late


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "no JSON"),
        (b"\x00\x01", "no text"),
        ("[" * 2000, "no JSON"),
        ("[1]", "no JSON object"),
        (json.dumps({"kind": ["hand"]}), "nothing that is known"),
        (text(kind="drop table"), "nothing that is known"),
        (text(more=1), "something else"),
        (text(axes=[0, 0, 0]), "six numbers"),
        (text(axes=[2, 0, 0, 0, 0, 0]), "six numbers"),
        (text(axes=[True, 0, 0, 0, 0, 0]), "six numbers"),
        (text(axes=["0", 0, 0, 0, 0, 0]), "six numbers"),
        (text().replace("0, 0, 0, 0, 0, 0", "NaN, 0, 0, 0, 0, 0"), "six numbers"),
        (text(buttons=["e_stop"]), "its buttons"),
        (text(buttons=[["engage"]]), "its buttons"),
        (text(buttons="engage"), "its buttons"),
        (text(page="q"), "another connection"),
        (text(number=-5), "said before"),
        (text(number=True), "said before"),
        (text(time=float("nan")), "no time"),
        (text(time="1"), "no time"),
        (text(kind="note", text="x" * 501), "its text"),
        (text(kind="note", text="a\x1b[2J"), "its text"),
        (text(kind="note", text=5), "its text"),
        (text(kind="reaction", seconds=0.0), "its reaction time"),
        (text(kind="reaction", seconds="0.3"), "its reaction time"),
        (text(kind="reaction", seconds=float("inf")), "its reaction time"),
        (text(kind="note", text="\u00e9" * MOST_BYTES), "no text of at most"),
    ],
)
def test_what_is_no_word_is_refused_and_why_is_said(said: Any, why: str) -> None:
    with pytest.raises(RefusedError, match=why):
        Listener("p").word(said, 10.0)


def test_a_reaction_time_is_told_in_seconds() -> None:
    assert Listener("p").word(text(kind="reaction", seconds=0.2871), 10.0).text == "0.287"


@given(st.text() | st.binary() | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_nothing_breaks_the_listener(said: Any) -> None:
    with pytest.raises(RefusedError):
        Listener("p").word(said, 10.0)


def test_a_word_counts_once() -> None:
    listener = Listener("p")
    listener.word(text(number=3), 10.0)
    for number in (3, 2):
        with pytest.raises(RefusedError, match="said before"):
            listener.word(text(number=number), 10.01)
    assert listener.word(text(number=4), 10.02).kind == "hand"


def test_a_refused_word_leaves_the_next_one_its_number() -> None:
    listener = Listener("p")
    with pytest.raises(RefusedError):
        listener.word(text(number=9, page="q"), 10.0)
    assert listener.word(text(number=0), 10.1).kind == "hand"


def test_what_was_held_up_on_its_way_is_late_and_what_was_not_is_not() -> None:
    listener = Listener("p")
    assert not listener.word(text(0, time=1.0), 10.0).is_late
    assert not listener.word(text(1, time=2.0), 11.0 + 0.9 * LATE_S).is_late
    # a line that stalls gives everything at once
    stalled = [listener.word(text(2 + i, time=2.1 + 0.02 * i), 12.0) for i in range(20)]
    assert all(word.is_late for word in stalled)
    assert not listener.word(text(30, time=3.0), 12.0).is_late


def test_a_clock_that_drifts_is_followed() -> None:
    listener = Listener("p")
    seconds = range(0, 36_000, 10)  # ten hours in which the page's clock loses half a second
    late = [listener.word(text(n, time=1.0 + s * (1 - 1.5e-5)), 10.0 + s).is_late for n, s in enumerate(seconds)]
    assert not any(late)


def test_a_flood_is_refused_and_the_rest_goes_on() -> None:
    listener = Listener("p")
    for number in range(MOST_A_SECOND):
        listener.word(text(number), 10.0)
    with pytest.raises(RefusedError, match="a second"):
        listener.word(text(MOST_A_SECOND), 10.0)
    assert listener.word(text(10_000, time=2.0), 11.0).kind == "hand"
