"""What the browser tests stand on: a server in a thread, and pages that must behave.

A page fails its test when it logs an error, throws, or asks any host but ours.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Final

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Route, WebSocket
from uvicorn.config import WS_PROTOCOLS

from htmx_ws import Connection
from htmx_ws.types import ASGIApp, Receive, Scope, Send

__all__ = [
    "CDN",
    "FLAGS",
    "HIDE",
    "NPM",
    "Guests",
    "chromium_path",
    "send_to",
    "serving",
    "with_files",
]

FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
CDN: Final = "https://cdn.jsdelivr.net/npm/"
NPM: Final = Path(__file__).parents[1] / "npm" / "node_modules"

#: Has a page believe that its tab is hidden, or shown again.
HIDE: Final = """is => {
    Object.defineProperty(document, "hidden", {configurable: true, get: () => is})
    Object.defineProperty(document, "visibilityState",
        {configurable: true, get: () => is ? "hidden" : "visible"})
    document.dispatchEvent(new Event("visibilitychange"))
}"""

#: The path of each htmx file on our servers: what ``scripts(htmx, static=...)`` asks for.
FILES: Final = {
    f"/static/htmx-{generation}/{Path(path).name}": NPM / path
    for generation, paths in {
        1: ("htmx-1/dist/htmx.min.js", "htmx-1/dist/ext/ws.js"),
        2: ("htmx-2/dist/htmx.min.js", "htmx-ext-ws/dist/ws.min.js"),
        4: ("htmx-4/dist/htmx.min.js", "htmx-4/dist/ext/hx-ws.min.js"),
    }.items()
    for path in paths
}


def chromium_path() -> str:
    """Give the browser's path; fails when it, or an htmx file, is not there."""
    missing = [str(file) for file in FILES.values() if not file.is_file()]
    path = shutil.which("chromium")
    if path is None:
        missing.append("chromium")
    if path is None or missing:
        pytest.fail(f"Missing: {', '.join(missing)}. Run `make test`, which installs them.", False)
    return path


def with_files(app: ASGIApp) -> ASGIApp:
    """Put the htmx files before an application."""

    async def site(scope: Scope, receive: Receive, send: Send) -> None:
        file = FILES.get(scope["path"]) if scope["type"] == "http" else None
        if file is None:
            await app(scope, receive, send)
            return
        headers = [(b"content-type", b"text/javascript"), (b"cache-control", b"max-age=999")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": file.read_bytes()})

    return site


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """Serve an application by uvicorn, in a thread with a loop of its own; gives its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    ws = "websockets-sansio" if "websockets-sansio" in WS_PROTOCOLS else "websockets"
    config = uvicorn.Config(app, log_level="warning", ws=ws, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, kwargs={"sockets": [listening]}, name="uvicorn")
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()
        assert not thread.is_alive(), "uvicorn did not stop"


def send_to(conn: Connection, content: object) -> None:
    """Send to a page from the test's thread, and wait until it is sent."""

    async def send() -> None:
        assert await conn.send(content)

    asyncio.run_coroutine_threadsafe(send(), conn.home.loop).result(5)


class Guests:
    """Pages in browser contexts of their own.

    ``problems`` is what they did wrong so far, ``sockets`` what each of them opened.
    """

    def __init__(self, browser: Browser) -> None:
        self.problems: list[str] = []
        self.sockets: dict[Page, list[WebSocket]] = {}
        self._browser = browser
        self._contexts: list[BrowserContext] = []

    def come(self, url: str, *, cdn: Callable[[Route], None] | None = None) -> Page:
        """Open an address in a new context, as a person with another browser would.

        ``cdn`` answers what the page asks jsdelivr for, which otherwise is a problem as any
        other host is.
        """
        context = self._browser.new_context(viewport={"width": 1100, "height": 760})
        self._contexts.append(context)
        context.set_default_timeout(5_000)
        own: tuple[str, ...] = (url[: url.index("/", 8) + 1], "data:")
        context.route(re.compile(f"^(?!{'|'.join(own)})"), lambda route: route.abort())
        if cdn is not None:
            own = (*own, CDN)
            context.route(re.compile(f"^{CDN}"), cdn)
        page = context.new_page()
        sockets = self.sockets[page] = []
        page.on("request", lambda request: self._check(own, request.url))
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.problems.append(f"uncaught: {error}"))
        page.on("websocket", lambda socket: sockets.append(socket))
        page.goto(url)
        return page

    def leave(self) -> None:
        """Close every page, and fail for what they did wrong."""
        for context in self._contexts:
            context.close()
        self._contexts.clear()
        problems, self.problems = self.problems, []
        assert not problems, "\n".join(problems)

    def _check(self, own: tuple[str, ...], url: str) -> None:
        if not url.startswith(own):
            self.problems.append(f"asked another host: {url}")

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.problems.append(f"console: {message.text}")
