"""The console in a terminal: the same session and the same words as the page's, without pictures."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import termios
import time
import tty
from collections.abc import Iterator
from typing import Any, TextIO
from urllib.parse import urlsplit

import aiohttp
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from robot.errors import RobotError

SPEAK_S, PRESS_S, SHOW_S = 0.04, 0.2, 0.1
"""How often the hand's word goes out; how long a key counts as pressed, since a terminal tells no release."""
LABELS = {"y": "success", "n": "failure", "x": "discard"}
STYLES = {"policy": "blue", "human": "dark_orange", "ready": "green", "resetting": "bright_black"}
KEYS = "y success  n failure  x discard  u undo  m mark  t note  s STOP  c clear  q leave"
WORDS = {"s": "stop", "c": "clear", "m": "mark", "u": "undo"}
WIDTH = 24


class TextConsole:
    """A terminal that shows a session, labels, notes and stops; it drives nothing, since no key tells its release.

        await TextConsole(link, sys.stdout).run()

    Args:
        link: good for one visit.
        output: where to draw.
        keys: file descriptor of a terminal to read keys from; None for none.
    """

    def __init__(self, link: str, output: TextIO, keys: int | None = None) -> None:
        self._link, self._output, self._keys = link, output, keys
        self._state: dict[str, Any] = {}
        self._episodes: list[dict[str, Any]] = []
        self._page, self._number, self._began_s = "", 0, time.monotonic()
        self._pressed: dict[str, float] = {}
        self._note: str | None = None
        self._told, self._newest = "", -1
        self._is_over = False
        self._line: aiohttp.ClientWebSocketResponse | None = None

    async def run(self) -> None:
        """Show the session until it ends, or the person leaves.

        Raises:
            RobotError: the link was used before, or nobody is there.
        """
        where = urlsplit(self._link)
        origin = f"{where.scheme}://{where.netloc}"
        jar = aiohttp.CookieJar(unsafe=True)  # hosts that are addresses have cookies as well
        async with aiohttp.ClientSession(origin, cookie_jar=jar) as session:
            try:
                async with session.get(f"{where.path}?{where.query}") as answer:
                    if answer.status != 200:
                        raise RobotError(
                            "The console does not let this link in any more; ask nudge console for another."
                        )
                async with session.ws_connect("/words", origin=origin) as line:
                    self._line = line
                    await self._live()
            except aiohttp.ClientError as error:
                raise RobotError(f"The console is not there any more ({error}).") from error

    async def _live(self) -> None:
        console = Console(file=self._output, force_terminal=True)
        with _keys_of(self._keys, self._on_key), Live(console=console, screen=True, auto_refresh=False) as live:
            tasks = [asyncio.create_task(job) for job in (self._hear(), self._speak(), self._show(live))]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            for result in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(result, Exception) and not isinstance(result, ConnectionError):
                    raise result

    async def _hear(self) -> None:
        assert self._line is not None
        async for message in self._line:
            if message.type is not aiohttp.WSMsgType.TEXT:
                break
            told = json.loads(message.data)
            self._page = told.get("page", self._page)
            self._state = told.get("state", self._state)
            if "state" in told:
                self._answered(self._state.get("told"))
            self._episodes = told.get("episodes", self._episodes)
            self._told = told.get("answer", f"Refused: {told['refused']}." if "refused" in told else self._told)

    def _answered(self, told: dict[str, Any] | None) -> None:
        """Show what the session answers, once; what it said before this came is old."""
        number = told["number"] if told else 0
        if told and 0 <= self._newest < number:
            self._told = told["text"]
        self._newest = number

    async def _speak(self) -> None:
        """Tell what is pressed, as the page does; what has been said so has to go on being said."""
        while not self._is_over:
            now_s = time.monotonic()
            self._pressed = {name: until_s for name, until_s in self._pressed.items() if until_s > now_s}
            if self._state.get("drives"):
                await self._say("hand", axes=[0.0] * 6, buttons=sorted(self._pressed))
            await asyncio.sleep(SPEAK_S)

    async def _say(self, kind: str, **more: Any) -> None:
        if self._line is None or not self._page or self._line.closed:
            return
        said = {"kind": kind, "page": self._page, "number": self._number, "time": time.monotonic() - self._began_s}
        self._number += 1
        await self._line.send_str(json.dumps(said | more))

    async def _show(self, live: Live) -> None:
        while True:
            live.update(self._drawn(), refresh=True)
            await asyncio.sleep(SHOW_S)

    def _on_key(self) -> None:
        assert self._keys is not None
        for key in os.read(self._keys, 64).decode(errors="ignore"):
            self._take(key)

    def _take(self, key: str) -> None:
        if self._note is not None:
            self._type(key)
        elif key in LABELS:
            self._pressed[LABELS[key]] = time.monotonic() + PRESS_S
        elif key == "t":
            self._note = ""
        elif key in ("q", "\x03", "\x04"):
            self._is_over = True
        elif key in WORDS:
            self._send(WORDS[key])

    def _type(self, key: str) -> None:
        assert self._note is not None
        if key in "\r\n":
            if self._note.strip():
                self._send("note", text=self._note.strip())
                self._told = "Noted." if self._state.get("drives") else self._told
            self._note = None
        elif key == "\x1b":
            self._note = None
        elif key in "\x7f\b":
            self._note = self._note[:-1]
        elif key.isprintable():
            self._note += key

    def _send(self, kind: str, **more: Any) -> None:
        self._sending = asyncio.ensure_future(self._say(kind, **more))

    def _drawn(self) -> Panel:
        state = self._state
        if not state:
            return Panel("connecting", title="nudge console")
        mode = str(state["mode"])
        style = STYLES.get(mode, "bold red")
        episode, loop = state.get("episode", {}), state.get("loop", {})
        rows = Table.grid(padding=(0, 3))
        rows.add_row("mode", Text(f" {mode} ", style=f"reverse {style}"))
        rows.add_row("why", Text(str(state.get("cause") or state.get("blockers") or "-")))
        rows.add_row("device", Text(f"{state.get('device') or '-'}; driver: {state.get('driver') or 'nobody'}"))
        took = f"{episode['seconds']:.1f} s" if "seconds" in episode else str(episode.get("ended", "-"))
        rows.add_row("episode", Text(f"{len(self._episodes) + 1}: step {episode.get('step', '-')}, {took}"))
        recent = self._episodes[-10:]
        success, by_hand = _mean(recent, "success"), _mean(recent, "human")
        rows.add_row("success", Text(f"{_bar(success)} {success:4.0%} of the last {len(recent)}"))
        rows.add_row("by hand", Text(f"{_bar(by_hand)} {by_hand:4.0%}"))
        duty = ", ".join(f"{name} {part:.0%}" for name, part in sorted(state.get("duty", {}).items()))
        rows.add_row("time", Text(duty or "-"))
        p99 = {name: spread.get("p99") for name, spread in loop.items()}
        rows.add_row("loop p99", Text(", ".join(f"{name} {ms}" for name, ms in p99.items() if ms is not None) or "-"))
        rows.add_row("coach", Text(str(state.get("coach") or "-")))
        asked = Text(f"note: {self._note}_" if self._note is not None else self._told or " ", style="italic")
        return Panel(Group(rows, Text(""), asked, Text(KEYS, style="dim")), title="nudge console", border_style=style)


@contextlib.contextmanager
def _keys_of(descriptor: int | None, on_key: Any) -> Iterator[None]:
    """Read keys one by one, unseen, and leave the terminal as it was."""
    if descriptor is None:
        yield
        return
    before = termios.tcgetattr(descriptor)
    loop = asyncio.get_running_loop()
    tty.setcbreak(descriptor)
    loop.add_reader(descriptor, on_key)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _mean(episodes: list[dict[str, Any]], key: str) -> float:
    return float(sum(episode[key] for episode in episodes)) / max(1, len(episodes))


def _bar(share: float) -> str:
    full = round(WIDTH * share)
    return "\u2588" * full + "\u2591" * (WIDTH - full)


def show(link: str) -> None:
    """Show the session behind `link` in this terminal until it ends, or the person leaves.

    Raises:
        RobotError: this is no terminal, or the console does not let the link in.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise RobotError("The text console needs a terminal; open the link in a browser, or run it in one.")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(TextConsole(link, sys.stdout, sys.stdin.fileno()).run())
