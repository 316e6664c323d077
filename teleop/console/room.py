"""The pages that are open: what each is told and shown, who drives, and what becomes of their words."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

import cv2
import numpy as np
from aiohttp import WebSocketError, WSMsgType, web
from numpy.typing import NDArray

from teleop.console.access import Access, Guest
from teleop.console.config import ConsoleConfig
from teleop.console.port import ConsoleRobot
from teleop.console.words import MOST_BYTES, Listener, RefusedError, Word

STATE_S = 0.1
MOST_LATE = 50
"""So many wishes of a hand in a row that came late: the page's clock is not what it was, and it begins anew."""


class Room:
    """Everybody who looks at the robot; at most one of them drives. Lives in one event loop.

    Args:
        refuse: takes what was refused, in words.
    """

    def __init__(
        self,
        config: ConsoleConfig,
        robot: ConsoleRobot,
        cameras: tuple[str, ...],
        access: Access,
        refuse: Callable[[str], None],
    ) -> None:
        self._config, self._robot, self._cameras = config, robot, cameras
        self._access, self._refuse = access, refuse
        self._pages: dict[web.WebSocketResponse, Guest] = {}
        self._driver: web.WebSocketResponse | None = None
        self._sending: set[asyncio.Future[None]] = set()

    async def close(self) -> None:
        """End every connection."""
        for socket in list(self._pages):
            await socket.close(code=1001)

    async def words(self, request: web.Request, guest: Guest) -> web.StreamResponse:
        """Hear a page, and tell it how things are, until it is gone."""
        socket = web.WebSocketResponse(max_msg_size=MOST_BYTES, heartbeat=5.0, compress=False)
        await socket.prepare(request)
        name = secrets.token_urlsafe(12)
        self._pages[socket] = guest
        if guest.may_drive and self._driver is None:
            self._driver = socket
        await socket.send_json({"page": name, "cameras": list(self._cameras)})
        telling = asyncio.create_task(self._tell(socket, guest))
        try:
            await self._listen(socket, guest, Listener(name))
        finally:
            telling.cancel()
            del self._pages[socket]
            self._leave(socket)
        return socket

    async def _listen(self, socket: web.WebSocketResponse, guest: Guest, listener: Listener) -> None:
        late = 0
        async for message in socket:
            if message.type is WSMsgType.ERROR:
                break
            try:
                word = listener.word(message.data, time.monotonic())
            except RefusedError as error:
                self._refuse(f"a word of {guest.name}: {error}")
                await socket.send_json({"refused": str(error)})
                continue
            late = late + 1 if word.is_late else 0
            if late > MOST_LATE:
                await socket.close(code=4000, message=b"too late")
                break
            await self._obey(socket, guest, word)
        if isinstance(socket.exception(), WebSocketError) or socket.close_code == 1009:
            self._refuse(f"a word of {guest.name}: it is longer than {MOST_BYTES} bytes, or no word at all")

    async def _obey(self, socket: web.WebSocketResponse, guest: Guest, word: Word) -> None:
        if word.kind == "stop":  # anybody may
            self._robot.press_e_stop()
            return
        if word.kind == "drive" and guest.may_drive:
            self._let_go()
            self._driver = socket
            return
        if socket is not self._driver or not guest.may_drive:
            if word.kind != "hand" or word.buttons:
                self._refuse(f"{word.kind!r} of {guest.name}, who does not drive")
                await socket.send_json({"refused": "you are watching: who drives can hand control to you"})
            return
        if word.kind == "hand":
            if not word.is_late:
                self._robot.hand(word.axes, word.buttons)
        elif word.kind == "clear":
            loop = asyncio.get_running_loop()
            self._robot.clear_faults(lambda told: self._answer(loop, socket, {"answer": told}))
        elif word.kind == "invite":
            await socket.send_json({"link": f"/?link={self._access.invite('watch')}"})
        elif word.kind == "give":
            self._let_go()
            if self._access.hand_over(guest, word.text):
                self._driver = next((page for page, who in self._pages.items() if who.may_drive), None)
            else:
                await socket.send_json({"refused": f"nobody here is called {word.text!r}"})
        else:
            self._robot.say(word.kind, word.text)

    def _leave(self, socket: web.WebSocketResponse) -> None:
        if socket is self._driver:
            self._let_go()
            self._driver = next((page for page, who in self._pages.items() if who.may_drive), None)

    def _let_go(self) -> None:
        self._robot.hand(np.zeros(6), frozenset())

    def _answer(self, loop: asyncio.AbstractEventLoop, socket: web.WebSocketResponse, what: dict[str, Any]) -> None:
        """Send from another thread."""

        def send() -> None:
            if not socket.closed:
                sending = asyncio.ensure_future(_quietly(socket.send_json(what)))
                self._sending.add(sending)
                sending.add_done_callback(self._sending.discard)

        with contextlib.suppress(RuntimeError):  # the server has ended meanwhile
            loop.call_soon_threadsafe(send)

    async def _tell(self, socket: web.WebSocketResponse, guest: Guest) -> None:
        """Tell a page how things are, ten times a second, until it is gone."""
        known = -1
        with contextlib.suppress(ConnectionError):
            while not socket.closed:
                view = self._robot.view()
                if view["news_of_episodes"] != known:
                    known = view["news_of_episodes"]
                    await socket.send_str(json.dumps({"episodes": self._robot.episodes()}))
                holder = self._pages.get(self._driver) if self._driver is not None else None
                about = {
                    "you": guest.name,
                    "drives": socket is self._driver,
                    "may_drive": guest.may_drive,
                    "driver": holder.name if holder is not None else "",
                    "others": sorted({who.name for who in self._pages.values()} - {guest.name}),
                }
                await socket.send_str(json.dumps({"state": view | about}))
                await asyncio.sleep(STATE_S)

    async def pictures(self, request: web.Request) -> web.StreamResponse:
        """Send the newest picture of each camera, as long as the page takes them; one byte before each tells which."""
        socket = web.WebSocketResponse(max_msg_size=16, heartbeat=5.0, compress=False)
        await socket.prepare(request)
        sending = asyncio.create_task(self._show(socket))
        try:
            async for message in socket:
                if message.type is not WSMsgType.ERROR:
                    self._refuse("a word where only pictures are")
                break
        finally:
            sending.cancel()
            await _quietly(socket.close())
        return socket

    async def _show(self, socket: web.WebSocketResponse) -> None:
        shown: dict[str, int] = {}
        period_s = 1.0 / self._config.picture_rate_hz
        due_s = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while not socket.closed:
                for index, camera in enumerate(self._cameras):
                    found = self._robot.picture(camera)
                    if found is None or found[0] == shown.get(camera):
                        continue
                    shown[camera] = found[0]
                    jpeg = await asyncio.to_thread(_jpeg, found[1], self._config.picture_quality)
                    await socket.send_bytes(bytes([index]) + jpeg)  # waits while the page does not take it
                due_s = max(due_s + period_s, time.monotonic())
                await asyncio.sleep(due_s - time.monotonic())


def _jpeg(picture: NDArray[np.uint8], quality: int) -> bytes:
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])


async def _quietly(sending: Awaitable[Any]) -> None:
    with contextlib.suppress(ConnectionError, RuntimeError):
        await sending
