"""``Socket``: one websocket to an ASGI application, in process."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from ..types import ASGIApp, Message
from ..wire.frame import Dialect
from .frames import build_frame
from .handshake import SAME, build_scope

__all__ = ["Closed", "Denied", "Socket"]


class Closed(Exception):
    """The socket is closed: with ``code`` and ``reason``."""

    def __init__(self, code: int, reason: str) -> None:
        self.code: int = code
        self.reason: str = reason
        super().__init__(f"closed with {code} {reason}".rstrip())


class Denied(Exception):
    """The application refused the handshake: with the HTTP ``status``, and ``body``."""

    def __init__(self, status: int, body: bytes = b"") -> None:
        self.status: int = status
        self.body: bytes = body
        super().__init__(status, body)

    def __str__(self) -> str:
        text = self.body.decode(errors="replace").strip()
        return f"the handshake was refused with HTTP {self.status} {text[:200]}".rstrip()


class Socket:
    """A page's websocket to an application: ``async with Socket(app, "/chat/lobby") as page:``.

    ``dialect`` is the htmx whose frames it sends; ``raw`` sends bare JSON. ``origin``:
    ``"same"`` sends the host's own, None sends none, anything else is sent as it is.
    ``headers`` are sent beside Host and Origin, or instead of them. ``scope`` adds to the ASGI
    scope, as a host's middleware would: session, user, state. ``timeout`` is in seconds, for
    everything that waits. ``debug`` asks the application for the checks of its debug mode.

    ``code`` and ``reason`` are what the application closed with, None while it has not;
    ``subprotocol`` is what it agreed to.
    """

    def __init__(
        self,
        app: ASGIApp,
        path: str,
        *,
        dialect: Dialect = "htmx4",
        origin: str | None = SAME,
        headers: Iterable[tuple[str, str]] = (),
        scope: Mapping[str, Any] | None = None,
        subprotocols: Iterable[str] = (),
        timeout: float = 5.0,
        debug: bool = True,
    ) -> None:
        self.dialect: Dialect = dialect
        self.timeout: float = timeout
        self.subprotocol: str | None = None
        self.code: int | None = None
        self.reason: str = ""
        self._app = app
        self.scope: dict[str, Any] = build_scope(
            path,
            origin=origin,
            headers=headers,
            subprotocols=subprotocols,
            more=scope,
            debug=debug,
        )
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: deque[str] = deque()
        self._changed = asyncio.Event()
        self._accepted = False
        self._denial: Denied | None = None
        self._left: int | None = None
        self._reading = asyncio.Event()
        self._reading.set()
        self._task: asyncio.Task[None] | None = None

    # --- opening and closing -----------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect; raises ``Denied`` when the handshake is refused."""
        self._to_app.put_nowait({"type": "websocket.connect"})
        self._task = asyncio.create_task(self._run())
        try:
            await self._until(
                lambda: self._accepted or self._denial is not None or self._is_done(),
                "the application neither accepted nor refused the socket",
            )
        except TimeoutError:
            await self._cancel()
            raise
        if self._accepted:
            return
        await self._ended()
        if self._denial is not None:
            raise self._denial
        raise AssertionError("the application ended without accepting the socket")

    async def close(self, code: int = 1001) -> None:
        """Close as a page does that goes away, and wait until the application is done.

        Raises what the application raised, if it did.
        """
        if self._left is None:
            self._left = code
            if self.code is None:
                self._to_app.put_nowait({"type": "websocket.disconnect", "code": code})
        self.resume()
        await self._ended()

    async def _run(self) -> None:
        try:
            await self._app(self.scope, self._to_app.get, self._take)
        finally:
            self._changed.set()

    def _opened(self) -> asyncio.Task[None]:
        if self._task is None:
            raise RuntimeError(
                "The socket is not open: use `async with Socket(app, path) as page:`, or open()."
            )
        return self._task

    def _is_done(self) -> bool:
        return self._opened().done()

    async def _ended(self) -> None:
        task = self._opened()
        done, _ = await asyncio.wait([task], timeout=self.timeout)
        if not done:
            await self._cancel()
            raise TimeoutError(
                f"the application did not end within {self.timeout} s of the page's going, and "
                "was cancelled: does it still work, or ignore websocket.disconnect?"
            )
        if not task.cancelled():
            task.result()

    async def _cancel(self) -> None:
        task = self._opened()
        task.cancel()
        await asyncio.wait([task], timeout=self.timeout)

    # --- to the application ------------------------------------------------------------

    async def send(
        self,
        values: Mapping[str, Any] | None = None,
        /,
        *,
        sender: str | None = None,
        sender_name: str | None = None,
        sender_tag: str = "form",
        **fields: Any,
    ) -> None:
        """Send a frame, as this dialect's htmx does: ``send(msg="hi", sender="say-form")``.

        ``sender`` is the id of the element that sends, ``sender_name`` its name attribute,
        ``sender_tag`` its tag; fields with these names go in ``values``. Raises ``Closed`` when
        the socket is.
        """
        frame = build_frame(
            {**(values or {}), **fields},
            dialect=self.dialect,
            sender=sender,
            name=sender_name,
            tag=sender_tag,
        )
        await self.send_text(frame)

    async def send_text(self, text: str) -> None:
        """Send any text."""
        self.send_nowait(text)

    def send_nowait(self, text: str) -> None:
        """Send any text; the application gets it when it runs next."""
        self._send({"type": "websocket.receive", "text": text})

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message, which no htmx does by itself."""
        self._send({"type": "websocket.receive", "bytes": data})

    def _send(self, event: Message) -> None:
        self._opened()
        if self.code is not None:
            raise Closed(self.code, self.reason)
        if self._left is not None:
            raise Closed(self._left, "by the page itself")
        self._to_app.put_nowait(event)

    # --- from the application ----------------------------------------------------------

    async def receive(self, timeout: float | None = None) -> str:
        """Give the next message; raises ``Closed``, or ``TimeoutError`` when none comes.

        Raises what the application raised, if it did.
        """
        await self._until(
            lambda: bool(self._from_app) or self.code is not None or self._is_done(),
            "no message came",
            timeout,
        )
        if self._from_app:
            return self._from_app.popleft()
        if self.code is None:
            await self._ended()
            if self._left is not None:
                raise Closed(self._left, "by the page itself")
            raise Closed(1006, "the application ended without closing the socket")
        raise Closed(self.code, self.reason)

    async def closed(self, timeout: float | None = None) -> int:
        """Wait until the application closes the socket, and give the code."""
        await self._until(
            lambda: self.code is not None or self._is_done(),
            "the application did not close the socket",
            timeout,
        )
        if self.code is None:
            await self._ended()
            raise AssertionError("the application ended without closing the socket")
        return self.code

    @property
    def pending(self) -> list[str]:
        """The messages that have come and were not received yet."""
        return list(self._from_app)

    def stall(self) -> None:
        """Read no more, as a page does whose network is stuck: the application's send blocks."""
        self._reading.clear()

    def resume(self) -> None:
        """Read again."""
        self._reading.set()

    async def _take(self, event: Message) -> None:
        """Be the server's ``send``: as strict as servers are, and clearer about what is wrong."""
        kind = event["type"]
        if self._accepted and kind in ("websocket.send", "websocket.close"):
            if kind == "websocket.send":
                await self._reading.wait()
            if self._left is not None or self.code is not None:
                raise OSError("the page has gone")
            if kind == "websocket.close":
                self.code, self.reason = event.get("code", 1000), event.get("reason") or ""
                self._to_app.put_nowait({"type": "websocket.disconnect", "code": self.code})
            else:
                self._from_app.append(_text(event))
        elif self._accepted:
            raise RuntimeError(f"the application sent {kind} after it had accepted the socket")
        elif kind == "websocket.accept" and self._denial is None:
            self._accepted = True
            self.subprotocol = event.get("subprotocol")
        elif kind == "websocket.close" and self._denial is None:
            self._deny(403)
        elif kind == "websocket.http.response.start" and self._denial is None:
            self._deny(event["status"])
        elif kind == "websocket.http.response.body" and self._denial is not None:
            self._denial.body += event.get("body", b"")
        else:
            raise RuntimeError(f"the application sent {kind} where websocket.accept is due")
        self._changed.set()

    def _deny(self, status: int) -> None:
        self._denial = Denied(status)
        self._to_app.put_nowait({"type": "websocket.disconnect", "code": 1006})

    async def _until(
        self, condition: Callable[[], bool], otherwise: str, timeout: float | None = None
    ) -> None:
        seconds = self.timeout if timeout is None else timeout
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            waiting = len(self._from_app)
            beside = f"; not received yet: {waiting} messages (pending)" if waiting else ""
            raise TimeoutError(f"{otherwise} within {seconds} s{beside}") from None


def _text(event: Message) -> str:
    text: str | None = event.get("text")
    if text is None:
        raise TypeError("the application sent a binary message, which no htmx reads: send text")
    return text
