"""Says over HTTP whether a process takes pages in, and drains it for whoever has the secret.

A load balancer asks, and sends new pages elsewhere as soon as the answer is red, which is before
the first page is closed. What a platform runs before it stops a process, a preStop hook or a
script, tells it to drain: so pages go in good order under servers too that let nobody come
before their own end. It waits for the answer, and only then is the process stopped.

Who may drain has a token, signed for this alone with the application's secret, for a minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sized
from contextvars import Context
from typing import Final, Protocol

from .errors import BadSignature, HtmxWSError
from .signing import sign, unsign
from .types import Receive, Scope, Send

__all__ = ["Readiness", "drain_token"]

#: What the token is signed for, so that no text an application signs for a page passes for it.
_PURPOSE: Final = "drain"

TOKEN_SECONDS: Final = 60.0

_NO_TOKEN: Final = (
    "Not drained: it needs a token, as Authorization: Bearer TOKEN. python -m htmx_ws drain sends "
    "one.\n"
)


class _Live(Protocol):
    @property
    def is_ready(self) -> bool: ...
    async def drain(self) -> None: ...


def drain_token(keys: tuple[bytes, ...]) -> str:
    """Make a token with which a process of these secrets can be drained."""
    return sign(keys, "drain", TOKEN_SECONDS, "", _PURPOSE)


class Readiness:
    """An ASGI application for one path, at ``live.readiness``: ``Route("/ready", live.readiness)``.

    GET and HEAD answer 200 while pages are taken in, and 503 from when draining begins. POST with
    a token drains, and answers when that is over. Nothing that it answers may be cached.
    """

    def __init__(self, live: _Live, pages: Sized, keys: Callable[[], tuple[bytes, ...]]) -> None:
        self._live = live
        self._pages = pages
        self._keys = keys
        self._draining: asyncio.Task[int] | None = None

    def token(self) -> str:
        """Make the token for a POST, which holds for a minute: ``Authorization: Bearer TOKEN``.

        Raises ``HtmxWSError`` without a ``secret``.
        """
        return drain_token(self._keys())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "websocket":  # as where it is mounted
            await receive()
            await send({"type": "websocket.close", "code": 4404})
        if scope["type"] != "http":
            return
        status, text = await self._answer(scope)
        body = text.encode()
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
            *([(b"allow", b"GET, HEAD, POST")] if status == 405 else []),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else body
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope) -> tuple[int, str]:
        """Give the status and the text of an answer."""
        if scope["method"] in ("GET", "HEAD"):
            return (200, "ready\n") if self._live.is_ready else (503, "draining\n")
        if scope["method"] != "POST":
            return 405, "GET asks whether this process takes pages in, POST drains it.\n"
        token = _bearer(scope)
        try:
            keys = self._keys()
            if not token:
                return 403, _NO_TOKEN
            unsign(keys, token, "", _PURPOSE)
        except BadSignature as error:
            return 403, f"Not drained, by this token: {error}.\n"
        except HtmxWSError as error:
            return 403, f"Not drained, as nobody can prove that he may. {error}\n"
        count = await self._drain()
        return 200, f"drained {count} page{'' if count == 1 else 's'}\n"

    async def _drain(self) -> int:
        """Drain, together with who else asks; it goes on when whoever asked does not wait."""
        loop = asyncio.get_running_loop()
        if self._draining is None or self._draining.done():
            self._draining = loop.create_task(self._drain_all(), context=Context())
        return await asyncio.shield(self._draining)

    async def _drain_all(self) -> int:
        count = len(self._pages)
        await self._live.drain()
        return count


def _bearer(scope: Scope) -> str:
    """Give the token of a request; empty without one."""
    for name, value in scope.get("headers", ()):
        scheme, _, token = value.decode("latin-1").partition(" ")
        if name.lower() == b"authorization" and scheme.lower() == "bearer":
            return str(token.strip())
    return ""
