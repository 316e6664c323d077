"""A console's server with a robot that checks what it is told, and pages without a browser."""

from __future__ import annotations

import asyncio
import json
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import numpy as np
from numpy.typing import NDArray

from robot.labels import HAND_BUTTONS
from robot.types import Array
from teleop.console.config import ConsoleConfig
from teleop.console.server import ConsoleServer

GRIP = {"axes": [1, 0, 0, 0, 0, 0], "buttons": ["engage"]}
WAIT_S = 10.0


class Robot:
    """A robot that checks what it is told, and keeps it."""

    def __init__(self) -> None:
        self.hands: list[tuple[tuple[float, ...], frozenset[str]]] = []
        self.said: queue.Queue[tuple[str, str]] = queue.Queue()
        self.stops = self.clears = 0
        self.known: list[dict[str, Any]] = [{"index": 0, "success": 1, "human": 0.5, "steps": 9}] * 2
        self.shown: dict[str, Any] = {"mode": "ready", "news_of_episodes": 2}

    def view(self) -> dict[str, Any]:
        return dict(self.shown)

    def episodes(self) -> list[dict[str, Any]]:
        return self.known

    def picture(self, camera: str) -> tuple[int, NDArray[np.uint8]] | None:
        assert camera in ("front", "wrist")
        picture = np.zeros((32, 32, 3), np.uint8)
        picture[..., 0 if camera == "front" else 2] = 200
        return time.monotonic_ns(), picture

    def hand(self, axes: Array, buttons: frozenset[str]) -> None:
        assert axes.shape == (6,)
        assert np.all(np.abs(axes) <= 1.0)
        assert buttons <= set(HAND_BUTTONS)
        self.hands.append((tuple(axes), buttons))

    def say(self, kind: str, text: str) -> None:
        self.said.put((kind, text))

    def press_e_stop(self) -> None:
        self.stops += 1

    def clear_faults(self, on_answer: Callable[[str], None]) -> None:
        self.clears += 1
        threading.Thread(target=lambda: on_answer("Cleared.")).start()


class Served:
    """A server with its robot, the links it told and what it refused."""

    def __init__(self) -> None:
        self.robot, self.links, self.refused = Robot(), list[str](), list[str]()
        config = ConsoleConfig(port=0)
        self.server = ConsoleServer(config, self.robot, ("front", "wrist"), self.links.append, self.refused.append)
        self.server.start()

    @property
    def url(self) -> str:
        return f"http://{ConsoleConfig().host}:{self.server.port}"


def serving() -> Iterator[Served]:
    """Yield a server that is closed with the test; twice, which changes nothing."""
    made = Served()
    yield made
    made.server.close()
    made.server.close()


class Page:
    """What a page of ours does, without a browser."""

    def __init__(self, line: aiohttp.ClientWebSocketResponse, name: str) -> None:
        self.line, self.name, self.number = line, name, 0
        self.began_s = time.monotonic()

    async def say(self, kind: str, **more: Any) -> None:
        time_s = time.monotonic() - self.began_s
        said = {"kind": kind, "page": self.name, "number": self.number, "time": time_s} | more
        self.number += 1
        await self.line.send_str(json.dumps(said))

    async def told(self, key: str, is_it: Callable[[Any], bool] = lambda _: True) -> Any:
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            message = await self.line.receive_json(timeout=WAIT_S)
            if key in message and is_it(message[key]):
                return message[key]
        raise AssertionError(f"the page was never told {key}")


@asynccontextmanager
async def browser(served: Served) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(served.url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield session


@asynccontextmanager
async def page(served: Served, session: aiohttp.ClientSession, link: str = "") -> AsyncIterator[Page]:
    """Come in by a link, the driver's unless told otherwise."""
    async with session.get(link or served.links[-1]) as answer:
        assert answer.status == 200, await answer.text()
    async with session.ws_connect("/words", origin=served.url) as line:
        hello = await line.receive_json(timeout=WAIT_S)
        assert hello["cameras"] == ["front", "wrist"]
        yield Page(line, hello["page"])


async def becomes(is_done: Callable[[], Any]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not is_done():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())
