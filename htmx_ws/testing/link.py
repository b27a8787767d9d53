"""A page's socket as its htmx holds it: what waits for it, and whether it comes back."""

from __future__ import annotations

import asyncio
import json
import math
from collections import deque
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from ..cursor import HELLO, RESERVED, RESUME
from . import problems
from .browser.dom import Element
from .browser.tab import Event
from .socket import Closed, Denied, Socket

if TYPE_CHECKING:
    from .page import Page

__all__ = ["Wire"]

State = Literal["connecting", "open", "waiting", "hidden", "closed"]


class Wire:
    """One socket of a page. ``code`` is what it was last closed with.

    ``waiting`` means that htmx will open it again by itself, ``closed`` that it will not.
    ``was_lost`` stays true when it has, until the test says that it is back.
    """

    def __init__(self, page: Page, element: Element, url: str) -> None:
        self.page = page
        self.element = element
        self.url: str = url
        self.state: State = "connecting"
        self.code: int | None = None
        self.was_lost: bool = False
        self.attempt: int = 0
        self._queue: deque[str] = deque()
        self._socket: Socket | None = None
        self._task: asyncio.Task[None]
        self._retry: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self.open()

    @property
    def path(self) -> str:
        """Its path and query."""
        parts = urlsplit(self.url)
        return f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"

    @property
    def conn(self) -> Any:
        """Its ``Connection`` while it is open, in an application of htmx-ws; None elsewhere."""
        return self._socket and self._socket.scope["extensions"]["htmx_ws.testing"].get("conn")

    def open(self) -> None:
        """Connect, as htmx does at first, and when it comes back."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self.state = "connecting"
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        page, parts = self.page, urlsplit(self.url)
        browser = page.browser
        headers = browser.sent([("host", parts.netloc), ("origin", page.origin)])
        scope = {
            **browser.scope,
            "scheme": parts.scheme,
            "server": (parts.hostname, parts.port or (443 if parts.scheme == "wss" else 80)),
            "state": dict(page.site.state),
        }
        socket = self._socket = Socket(
            page.site.app,
            self.path,
            origin=None,
            headers=headers,
            scope=scope,
            timeout=page.timeout,
        )
        code, reason = 1006, ""
        try:
            await socket.open()
            self._opened()
            while self._socket is socket:
                text = await socket.receive(math.inf)
                page.received(self, text)
        except Closed as closed:
            code, reason = closed.code, closed.reason
            page.was_closed(self, code, reason)
        except Denied as denied:
            page.tab.note(f"the socket {self.path} was refused with HTTP {denied.status}")
        except Exception as error:
            page.failed(f"the application failed on the socket {self.path}", error)
        if self._socket is socket:
            self._closed(code, reason)

    def _opened(self) -> None:
        page = self.page
        self.state, self.attempt, self.code = "open", 0, None
        before = len(page.frames)
        page.tab.note(f"the socket {self.path} is open")
        page.site.look_at(self.conn)
        page.tab.dispatch(Event(page.client.OPENED, self.element))
        while self._queue and self.state == "open":
            self._write(self._queue.popleft())
        self._look_for_hello(page.frames[before:])
        page.stir()

    def _look_for_hello(self, frames: list[str]) -> None:
        """See that a page which resumes says so both in its address and by its hello."""
        page, mark = self.page, f"{RESUME}="
        if mark in self.url:
            if not any(RESERVED in json.loads(text) for text in frames):
                page.problems.append(problems.no_hello(self.path))
        elif page.find_all(f"#{HELLO}") and not any(mark in wire.url for wire in page.wires):
            page.problems.append(problems.stray_hello(self.path))

    def _closed(self, code: int, reason: str) -> None:
        page = self.page
        self.code, self._socket = code, None
        page.tab.note(f"the socket {self.path} was closed with {code} {reason}".rstrip())
        settings = page.client.settings(self.element)
        codes = settings.get("reconnectCodes", page.client.retry_codes)
        returns = settings.get("reconnect", True) and code in codes
        if page.is_hidden and page.client.HIDES:
            self.state = "hidden"
        elif returns and self.element.is_connected:
            self.state = "waiting"
            delay = page.client.delay(self.attempt)
            self.attempt += 1
            self._retry = asyncio.get_running_loop().call_later(delay, self.open)
        else:
            self.state = "closed"
            if page.client.QUEUE is not None:
                self._queue.clear()
                self.element.life.pop("link", None)
        self.was_lost = self.state == "waiting"
        page.tab.dispatch(Event(page.client.CLOSED, self.element, detail={"code": code}))
        page.stir()

    # --- to the application ----------------------------------------------------------------

    def send(self, text: str, sender: Element) -> None:
        """Send a frame, or keep it until the socket is open."""
        if self.state == "open":
            self._write(text)
            return
        most = self.page.client.QUEUE
        if most is not None and len(self._queue) >= most:
            self.page.tab.console("error", "htmx: htmx:ws:error: Outgoing messages queue is full")
            return
        self._queue.append(text)
        self.page.tab.note(f"a frame waits for the socket {self.path}: {text}")

    def _write(self, text: str) -> None:
        assert self._socket is not None
        self.page.sent(self, text)
        try:
            self._socket.send_nowait(text)
        except Closed as closed:  # of which the page is about to know
            self.page.tab.note(f"a frame is lost, for the socket was closed with {closed.code}")

    def close(self, code: int = 1005) -> None:
        """Close it for good, as for an element that is taken out of the page."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self._hang_up(code)
        self.state = "closed"

    def drop(self, code: int = 1006) -> None:
        """Lose it, as when the network fails."""
        if self.state in ("open", "connecting"):
            self._hang_up(code)
            self._closed(code, "")

    def _hang_up(self, code: int) -> None:
        socket, self._socket = self._socket, None
        if self._task is not asyncio.current_task():
            self._task.cancel()
        if socket is not None:
            ending = asyncio.get_running_loop().create_task(self._end(socket, code))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    async def _end(self, socket: Socket, code: int) -> None:
        try:
            await socket.close(code)
        except Exception as error:
            self.page.failed(f"the application failed on the socket {self.path}", error)

    async def ended(self) -> None:
        """Wait until the application is done with all that was closed."""
        if self._ending:
            await asyncio.wait(self._ending)
