"""The console's server among friends, over real sockets: who comes in, who drives, what is told and shown."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import aiohttp
import cv2
import numpy as np
import pytest
from console_rig import GRIP, WAIT_S, Page, Robot, Served, becomes, browser, page, run, serving

from robot.errors import ConfigError
from teleop.console.config import ConsoleConfig
from teleop.console.server import ConsoleServer


@pytest.fixture(name="served")
def _served() -> Iterator[Served]:
    yield from serving()


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
        # a page that is gone has let go
        await becomes(lambda: served.robot.hands[-1] == ((0.0,) * 6, frozenset()))

    run(story)
    assert served.robot.hands[0] == ((1.0, 0, 0, 0, 0, 0), frozenset({"engage"}))
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
            assert "SameSite=Lax" in answer.history[0].headers["Set-Cookie"]
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
            async with mine.get("/file/console.js") as script:
                assert script.status == 200
        async with browser(served) as thief, thief.get(first) as answer:
            assert answer.status == 403
        assert len(served.links) == 2

    run(story)
    assert "link is wrong, or was used before" in served.refused[0]


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


def test_another_tab_of_who_drives_is_not_obeyed_before_it_asks_to(served: Served) -> None:
    async def story() -> None:
        async with browser(served) as mine, page(served, mine) as first, page(served, mine) as second:
            state = await second.told("state", lambda s: s["driver"])
            assert (state["drives"], state["may_drive"]) == (False, True)
            await second.say("hand", **GRIP)
            assert "watching" in await second.told("refused")
            assert served.robot.hands == []
            await second.say("drive")
            await second.told("state", lambda s: s["drives"])
            await second.say("hand", **GRIP)
            await becomes(lambda: served.robot.hands and served.robot.hands[-1][1])
            await first.say("hand", **GRIP)
            assert "watching" in await first.told("refused")

    run(story)


def test_curves_are_told_anew_when_an_episode_of_before_has_changed(served: Served) -> None:
    async def story() -> None:
        async with browser(served) as mine, page(served, mine) as driver:
            assert (await driver.told("episodes"))[0]["success"] == 1
            changed = [{"index": 0, "success": 0, "human": 0.5, "steps": 9}] * 2
            served.robot.known = changed
            served.robot.shown = served.robot.shown | {"news_of_episodes": 3}
            assert await driver.told("episodes", lambda told: told == changed)

    run(story)
