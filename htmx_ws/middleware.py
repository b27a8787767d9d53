"""The middleware form: our paths are taken, all else passes through untouched."""

from __future__ import annotations

from typing import Protocol

from .types import ASGIApp, Receive, Scope, Send

__all__ = ["wrap"]


class _Serves(Protocol):
    def serves(self, scope: Scope) -> bool: ...
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


def wrap(live: _Serves, app: ASGIApp) -> ASGIApp:
    """Give an application that serves ``live``'s websockets and passes the rest to ``app``.

    The lifespan is the inner application's: ``live`` starts by itself at its first page.
    """

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and live.serves(scope):
            await live(scope, receive, send)
        else:
            await app(scope, receive, send)

    return wrapped
