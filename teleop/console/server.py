"""The console's server: pages, pictures and words over HTTP and WebSockets, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from robot.errors import ConfigError
from teleop.console.access import Access, Guest
from teleop.console.config import ConsoleConfig
from teleop.console.port import ConsoleRobot
from teleop.console.room import Room
from teleop.console.words import MOST_BYTES

PAGE = Path(__file__).parent / "page"
FILES = {
    "console.js": "text/javascript",
    "hand.js": "text/javascript",
    "sound.js": "text/javascript",
    "reaction.js": "text/javascript",
    "console.css": "text/css",
    "uplot.js": "text/javascript",
    "uplot.css": "text/css",
}
START_TIMEOUT_S = 10.0
OUR_NAMES = ("127.0.0.1", "localhost", "[::1]")
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; style-src 'self'; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class ConsoleServer:
    """Serves the console until `close`.

        server = ConsoleServer(config, robot, cameras=("front",), on_link=write_it_down)
        server.start()        # on_link is told where a browser may come in, and told anew after each visit

    Args:
        on_link: takes a link that is good for one visit, as the driver.
        warn: takes a sentence about what was refused, now and then.
    """

    def __init__(
        self,
        config: ConsoleConfig,
        robot: ConsoleRobot,
        cameras: tuple[str, ...],
        on_link: Callable[[str], None],
        warn: Callable[[str], None],
    ) -> None:
        self._config = config
        self._on_link, self._warn = on_link, warn
        self._access = Access()
        self._room = Room(config, robot, cameras, self._access, self._note_refused)
        self._thread = threading.Thread(target=self._run, name="console", daemon=True)
        self._is_up = threading.Event()
        self._error = ""
        self._refused = 0
        self.port = config.port

    def start(self) -> None:
        """Listen.

        Raises:
            ConfigError: the address or the port cannot be had.
        """
        self._thread.start()
        if not self._is_up.wait(START_TIMEOUT_S) or self._error:
            where = f"{self._config.host}:{self._config.port}"
            raise ConfigError(
                f"The console cannot listen on {where} ({self._error or 'it does not answer'}); "
                "choose another console.port, or 0 for a free one."
            )

    def close(self) -> None:
        """End every connection and stop listening; may be called twice."""
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # it has ended meanwhile
                self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join(START_TIMEOUT_S)

    # ------------------------------------------------------------------ the thread

    def _run(self) -> None:
        with asyncio.Runner() as loop:
            self._loop = loop.get_loop()
            try:
                loop.run(self._serve())
            except OSError as error:
                self._error = error.strerror or str(error)
            self._is_up.set()

    async def _serve(self) -> None:
        self._ended = asyncio.Event()
        runner = web.AppRunner(self._application(), access_log=None)
        try:
            await runner.setup()
            await web.TCPSite(runner, self._config.host, self._config.port).start()
            self.port = runner.addresses[0][1]
            self._invite_driver()
            self._is_up.set()
            await self._ended.wait()
            await self._room.close()
        finally:
            await runner.cleanup()

    def _application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=MOST_BYTES)
        app.router.add_get("/", self._index)
        app.router.add_get("/file/{name}", self._file)
        app.router.add_get("/words", self._words)
        app.router.add_get("/pictures", self._room.pictures)
        return app

    def _invite_driver(self) -> None:
        host = f"[{self._config.host}]" if ":" in self._config.host else self._config.host
        self._on_link(f"http://{host}:{self.port}/?link={self._access.invite('drive')}")

    # ------------------------------------------------------------------ requests

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Only by our own name, only from our own page, only who has come by a link."""
        if self._config.is_loopback and request.host not in {f"{name}:{self.port}" for name in OUR_NAMES}:
            return self._refuse(request, f"it asks for {request.host!r}, which is not this console")
        origin = request.headers.get("Origin")
        is_socket = request.headers.get("Upgrade", "").lower() == "websocket"
        if (origin is not None or is_socket) and origin != f"http://{request.host}":
            return self._refuse(request, f"it comes from the page {origin!r}")
        if request.path != "/" and self._guest(request) is None:
            return self._refuse(request, "it has come by no link")
        response = await handler(request)
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    def _refuse(self, request: web.Request, why: str) -> web.Response:
        self._note_refused(f"a request from {request.remote} for {request.path}: {why}")
        text = (
            "This console does not know you. Open the link that the session printed; nudge console prints a new one.\n"
        )
        return web.Response(status=403, text=text, headers=HEADERS)

    def _note_refused(self, what: str) -> None:
        self._refused += 1
        if self._refused & (self._refused - 1) == 0:  # powers of two: a flood must not flood the log
            self._warn(f"Refused ({self._refused} so far) {what}.")

    def _guest(self, request: web.Request) -> Guest | None:
        return self._access.guest(request.cookies.get(self._cookie, ""))

    @property
    def _cookie(self) -> str:
        return f"nudge-console-{self.port}"  # cookies of one host are shared by its ports

    async def _index(self, request: web.Request) -> web.StreamResponse:
        token = request.query.get("link")
        if token is not None:
            guest = self._access.enter(token)
            if guest is None:
                return self._refuse(request, "its link is wrong, or was used before")
            if guest.may_drive:
                self._invite_driver()
            response = web.Response(status=303, headers={"Location": "/"})
            response.set_cookie(self._cookie, guest.secret, httponly=True, samesite="Lax", path="/")
            return response
        if self._guest(request) is None:
            return self._refuse(request, "it has come by no link")
        return web.FileResponse(PAGE / "index.html")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in FILES:
            raise web.HTTPNotFound
        response = web.FileResponse(PAGE / name)
        response.content_type = FILES[name]
        return response

    async def _words(self, request: web.Request) -> web.StreamResponse:
        guest = self._guest(request)
        assert guest is not None, "the guard lets nobody else in"
        return await self._room.words(request, guest)
