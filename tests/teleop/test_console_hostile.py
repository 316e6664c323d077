"""The console's server among foes, over real sockets: nobody drives by guessing, replaying or flooding."""

from __future__ import annotations

from collections.abc import Iterator

import aiohttp
import pytest
from console_rig import GRIP, WAIT_S, Served, becomes, browser, page, run, serving

from teleop.console.config import ConsoleConfig
from teleop.console.words import MOST_BYTES

OUR_OTHER_PORT = f"http://{ConsoleConfig().host}:1"


@pytest.fixture(name="served")
def _served() -> Iterator[Served]:
    yield from serving()


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


@pytest.mark.parametrize("origin", ["http://evil.example", "null", None, OUR_OTHER_PORT])
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
