"""The console in a terminal, over a pseudo-terminal and a real server: what is typed counts, what is told is shown."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import termios
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from console_rig import Served, becomes, serving

from robot.errors import RobotError
from teleop.console.text import TextConsole, show

Story = Callable[[Callable[[str], object], io.StringIO], Coroutine[Any, Any, None]]
STATE = {
    **{"mode": "human", "cause": "", "blockers": "", "device": "spacemouse", "coach": "Let go sooner."},
    **{"episode": {"step": 31, "seconds": 3.14}, "loop": {"commanded_ms": {"p99": 2.5}}, "duty": {"human": 1.0}},
    "news_of_episodes": 2,
}


@pytest.fixture(name="served")
def _served() -> Iterator[Served]:
    for made in serving():
        made.robot.shown = dict(STATE)
        yield made


def at_terminal(served: Served, story: Story) -> None:
    """Run a console on a pseudo-terminal beside `story(type, screen)`, which types; it ends by q."""

    async def run() -> None:
        ours, theirs = pty.openpty()
        before = termios.tcgetattr(theirs)
        screen = io.StringIO()
        shown = asyncio.create_task(TextConsole(served.links[-1], screen, theirs).run())
        try:
            await becomes(lambda: "spacemouse" in screen.getvalue() or shown.done())
            await story(lambda text: os.write(ours, text.encode()), screen)
            os.write(ours, b"q")
            await asyncio.wait_for(shown, 10.0)
            assert termios.tcgetattr(theirs) == before, "the terminal is as it was"
        finally:
            shown.cancel()
            os.close(ours)
            os.close(theirs)

    asyncio.run(run())


def test_it_shows_the_session(served: Served) -> None:
    async def story(type_: Callable[[str], None], screen: io.StringIO) -> None:
        await becomes(lambda: "operator 1" in screen.getvalue())
        for text in ("human", "step 31, 3.1 s", "100% of the last 2", "50%", "commanded_ms 2.5", "Let go sooner."):
            assert text in screen.getvalue()
        served.robot.shown |= {"mode": "fault", "cause": "e_stop"}
        await becomes(lambda: "e_stop" in screen.getvalue())

    at_terminal(served, story)


@pytest.mark.parametrize(("key", "label"), [("y", "success"), ("n", "failure"), ("x", "discard")])
def test_a_key_labels_for_a_moment_and_drives_nothing(served: Served, key: str, label: str) -> None:
    async def story(type_: Callable[[str], None], screen: io.StringIO) -> None:
        await becomes(lambda: served.robot.hands)
        type_(key)
        await becomes(lambda: served.robot.hands[-1][1] == {label})
        await becomes(lambda: served.robot.hands[-1][1] == frozenset())

    at_terminal(served, story)
    assert all(not any(axes) for axes, _ in served.robot.hands)
    assert not any("engage" in buttons for _, buttons in served.robot.hands)


def test_notes_marks_stop_and_clear(served: Served) -> None:
    async def story(type_: Callable[[str], None], screen: io.StringIO) -> None:
        await becomes(lambda: served.robot.hands)
        type_("m")
        await becomes(lambda: not served.robot.said.empty())
        type_("tyes sqm\x7f\r")  # keys that mean something else elsewhere
        await becomes(lambda: served.robot.said.qsize() == 2)
        type_("tnever mind\x1b")
        type_("usc")
        await becomes(lambda: served.robot.clears == 1)
        await becomes(lambda: "Cleared." in screen.getvalue())

    at_terminal(served, story)
    assert [served.robot.said.get() for _ in range(3)] == [("mark", ""), ("note", "yes sq"), ("undo", "")]
    assert (served.robot.stops, served.robot.said.empty()) == (1, True)


def test_a_session_that_ends_ends_it(served: Served) -> None:
    async def run() -> None:
        screen = io.StringIO()
        shown = asyncio.create_task(TextConsole(served.links[-1], screen).run())
        await becomes(lambda: "spacemouse" in screen.getvalue())
        await asyncio.to_thread(served.server.close)
        await asyncio.wait_for(shown, 10.0)

    asyncio.run(run())


def test_a_link_that_was_used_and_a_console_that_is_gone_are_said(served: Served) -> None:
    link = served.links[-1]

    async def visit() -> None:
        shown = asyncio.create_task(TextConsole(link, io.StringIO()).run())
        await becomes(lambda: len(served.links) == 2)
        shown.cancel()

    asyncio.run(visit())
    with pytest.raises(RobotError, match="does not let this link in any more"):
        asyncio.run(TextConsole(link, io.StringIO()).run())
    served.server.close()
    with pytest.raises(RobotError, match="is not there any more"):
        asyncio.run(TextConsole(served.links[-1], io.StringIO()).run())


def test_without_a_terminal_it_says_what_to_do() -> None:
    with pytest.raises(RobotError, match=r"needs a terminal; open the link in a browser"):
        show("http://console.test/?link=once")


def test_what_the_session_answers_is_shown_and_what_it_said_before_is_not(served: Served) -> None:
    served.robot.shown |= {"told": {"number": 4, "text": "An old answer."}}

    async def story(type_: Callable[[str], None], screen: io.StringIO) -> None:
        await becomes(lambda: served.robot.hands)
        type_("u")
        await becomes(lambda: not served.robot.said.empty())
        served.robot.shown = served.robot.shown | {"told": {"number": 5, "text": "Taken back."}}
        await becomes(lambda: "Taken back." in screen.getvalue())
        assert "An old answer." not in screen.getvalue()

    at_terminal(served, story)
