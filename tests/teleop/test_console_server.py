"""The console's server against friends and foes, over real sockets: who comes in, who drives, what is refused."""

from __future__ import annotations

import asyncio
import json
import queue
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from robot.errors import ConfigError
from robot.labels import HAND_BUTTONS
from robot.types import Array
from teleop.console.config import ConsoleConfig
from teleop.console.server import ConsoleServer
from teleop.console.words import MOST_BYTES

GRIP = {"axes": [1, 0, 0, 0, 0, 0], "buttons": ["engage"]}
WAIT_S = 10.0


class Robot:
    """A robot that checks what it is told, and keeps it."""

    def __init__(self) -> None:
        self.hands: list[tuple[tuple[float, ...], frozenset[str]]] = []
        self.said: queue.Queue[tuple[str, str]] = queue.Queue()
        self.stops = self.clears = 0

    def view(self) -> dict[str, Any]:
        return {"mode": "ready", "known_episodes": 2}

    def episodes(self) -> list[dict[str, Any]]:
        return [{"index": 0, "success": 1, "human": 0.5, "steps": 9}] * 2

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
        return f"http://127.0.0.1:{self.server.port}"


@pytest.fixture(name="served")
def _served() -> Iterator[Served]:
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


def run(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(story())  # type: ignore[arg-type]


def test_who_comes_by_the_link_drives(served: Served) -> None:
    async def story() -> None:
        async with browser(served) as session, page(served, session) as mine:
            assert await mine.told("episodes") == served.robot.episodes()
            state = await mine.told("state")
            assert (state["you"], state["drives"], state["mode"]) == ("operator 1", True, "ready")
            await mine.say("hand", **GRIP)
            await becomes(lambda: served.robot.hands)
            await mine.say("note", text="grasp slipped")
            await mine.say("mark")
            await mine.say("stop")
            await mine.say("clear")
            assert await mine.told("answer") == "Cleared."

    run(story)
    assert served.robot.hands[0] == ((1.0, 0, 0, 0, 0, 0), frozenset({"engage"}))
    assert served.robot.hands[-1] == ((0.0,) * 6, frozenset()), "a page that is gone has let go"
    assert [served.robot.said.get(timeout=1) for _ in range(2)] == [("note", "grasp slipped"), ("mark", "")]
    assert (served.robot.stops, served.robot.clears) == (1, 1)
    assert served.refused == []


def test_a_link_lets_one_browser_in_once_and_another_link_is_told(served: Served) -> None:
    async def story() -> None:
        first = served.links[-1]
        async with browser(served) as mine, mine.get(first) as answer:
            assert answer.status == 200
            assert "link=" not in str(answer.url)
            assert "HttpOnly" in answer.history[0].headers["Set-Cookie"]
            assert "SameSite=Strict" in answer.history[0].headers["Set-Cookie"]
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
            async with mine.get("/file/console.js") as script:
                assert script.status == 200
        async with browser(served) as thief, thief.get(first) as answer:
            assert answer.status == 403
        assert len(served.links) == 2

    run(story)
    assert "link is wrong, or was used before" in served.refused[0]


@pytest.mark.parametrize("path", ["/", "/file/console.js", "/words", "/pictures", "/?link=guess", "/file/../server.py"])
def test_a_stranger_sees_nothing(served: Served, path: str) -> None:
    async def story() -> None:
        async with browser(served) as session, session.get(path, cookies={"nudge-console": "guess"}) as answer:
            assert answer.status == 403
            assert "does not know you" in await answer.text()

    run(story)
    assert served.robot.hands == []


def test_nothing_beside_the_page_is_served(served: Served) -> None:
    async def story() -> None:
        async with browser(served) as session, session.get(served.links[-1]):
            for path in ("/file/index.html", "/file/%2e%2e%2fserver.py", "/etc/passwd"):
                async with session.get(path) as answer:
                    assert answer.status == 404

    run(story)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", None, "http://127.0.0.1:1"])
@pytest.mark.parametrize("path", ["/words", "/pictures"])
def test_another_sites_page_in_the_drivers_own_browser_cannot_speak(
    served: Served, origin: str | None, path: str
) -> None:
    async def story() -> None:
        async with browser(served) as session:
            async with session.get(served.links[-1]):
                pass
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await session.ws_connect(path, origin=origin)
            assert caught.value.status == 403

    run(story)
    assert "it comes from the page" in served.refused[0]


def test_a_name_that_was_made_to_lead_here_is_refused(served: Served) -> None:
    async def story() -> None:
        async with browser(served) as session, session.get(served.links[-1]):
            host = f"evil.example:{served.server.port}"
            async with session.get("/", headers={"Host": host}) as answer:
                assert answer.status == 403
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await session.ws_connect("/words", origin=f"http://{host}", headers={"Host": host})

    run(story)
    assert "which is not this console" in served.refused[0]


def test_a_replayed_word_a_word_of_another_line_and_nonsense_move_nothing(served: Served) -> None:
    async def story() -> None:
        async with browser(served) as session, page(served, session) as mine:
            await mine.say("hand", **GRIP)
            await becomes(lambda: len(served.robot.hands) == 1)
            mine.number = 0
            await mine.say("hand", **GRIP)
            assert "said before" in await mine.told("refused")
            mine.name, mine.number = "stolen", 9
            await mine.say("hand", **GRIP)
            assert "another connection" in await mine.told("refused")
            await mine.line.send_bytes(b"\xff" * 100)
            assert "no text" in await mine.told("refused")
            await mine.line.send_str("{")
            assert "no JSON" in await mine.told("refused")
            assert len(served.robot.hands) == 1

    run(story)


def test_a_frame_that_is_too_long_ends_its_connection_alone(served: Served) -> None:
    async def story() -> None:
        async with browser(served) as session:
            async with page(served, session) as mine:
                await mine.line.send_str("x" * (MOST_BYTES + 1))
                while (message := await mine.line.receive(timeout=WAIT_S)).type is aiohttp.WSMsgType.TEXT:
                    pass
                assert mine.line.close_code == 1009, message
            async with session.ws_connect("/words", origin=served.url) as line:
                assert "page" in await line.receive_json(timeout=WAIT_S)

    run(story)
    assert any("longer than" in sentence for sentence in served.refused)


def test_who_watches_may_stop_and_nothing_else_until_handed_control(served: Served) -> None:
    async def story() -> None:
        async with browser(served) as mine, browser(served) as yours, page(served, mine) as driver:
            await driver.say("invite")
            link = await driver.told("link")
            async with page(served, yours, link) as watcher:
                state = await watcher.told("state", lambda s: s["others"])
                assert (state["drives"], state["may_drive"], state["driver"]) == (False, False, "operator 1")
                for kind, more in (("hand", GRIP), ("clear", {}), ("mark", {}), ("invite", {}), ("drive", {})):
                    await watcher.say(kind, **more)
                    assert "watching" in await watcher.told("refused")
                await watcher.say("give", to="operator 2")
                assert "watching" in await watcher.told("refused")
                assert (served.robot.hands, served.robot.clears) == ([], 0)
                await watcher.say("stop")
                await becomes(lambda: served.robot.stops == 1)

                await driver.say("give", to="operator 9")
                assert "nobody here" in await driver.told("refused")
                await driver.say("give", to="operator 2")
                await watcher.told("state", lambda s: s["drives"])
                await watcher.say("hand", **GRIP)
                await becomes(lambda: served.robot.hands and served.robot.hands[-1][1])
                await driver.say("hand", **GRIP)
                assert "watching" in await driver.told("refused")

    run(story)


def test_a_second_tab_drives_only_when_asked_to(served: Served) -> None:
    async def story() -> None:
        async with browser(served) as session, page(served, session) as first:
            async with session.ws_connect("/words", origin=served.url) as line:
                second = Page(line, (await line.receive_json(timeout=WAIT_S))["page"])
                assert not (await second.told("state"))["drives"]
                await second.say("drive")
                await second.told("state", lambda s: s["drives"])
                await first.told("state", lambda s: not s["drives"])
            await first.told("state", lambda s: s["drives"])  # the other tab was closed

    run(story)


def test_pictures_come_as_they_are(served: Served) -> None:
    async def story() -> None:
        async with browser(served) as session:
            await session.get(served.links[-1])
            async with session.ws_connect("/pictures", origin=served.url) as line:
                seen = {}
                for _ in range(4):
                    data = await line.receive_bytes(timeout=WAIT_S)
                    seen[data[0]] = cv2.imdecode(np.frombuffer(data[1:], np.uint8), cv2.IMREAD_COLOR)[16, 16]
                assert seen[0][2] > 150 > seen[0][0]
                assert seen[1][0] > 150 > seen[1][2]
                await line.send_str("give me more")
                while (message := await line.receive(timeout=WAIT_S)).type is aiohttp.WSMsgType.BINARY:
                    pass
                assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)

    run(story)


def test_a_port_that_is_taken_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = ConsoleConfig(port=taken.getsockname()[1])
        with pytest.raises(ConfigError, match=r"cannot listen on .*choose another console.port"):
            ConsoleServer(config, Robot(), (), lambda _: None, lambda _: None).start()


def test_only_this_computer_can_reach_it_unless_asked() -> None:
    assert ConsoleConfig().is_loopback
    assert not ConsoleConfig(host="0.0.0.0").is_loopback
    with pytest.raises(ConfigError, match="must be an IP address"):
        ConsoleConfig(host="robot.lab")
