"""The applications that are told to end, each of pages that do not end by themselves.

``app`` is as a deployment has it, but drains over two seconds and not over five, and waits for two
and not for fifteen, as tests do not wait. ``in_debug`` is as whoever writes it has it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import htmx_ws.app
from htmx_ws import Connection, Fragment, HtmxWS, html, update
from htmx_ws.types import Receive, Scope, Send

SECRET: Final = "what these tests drain with"
DRAIN_SECONDS: Final = 2.0
STOP_SECONDS: Final = 2.0
htmx_ws.app.STOP_SECONDS = STOP_SECONDS  # type: ignore[attr-defined]  # for these pages alone


async def left(conn: Connection) -> None:
    print("left", conn.id, flush=True)


async def never_end(conn: Connection) -> None:
    print("left", conn.id, flush=True)
    await asyncio.Event().wait()


async def work() -> None:
    print("at work", flush=True)
    await asyncio.sleep(3600)


async def stream() -> AsyncIterator[Fragment]:
    while True:
        yield update("#time", html("{}", asyncio.get_running_loop().time()))
        await asyncio.sleep(0.01)


def make(live: HtmxWS) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Give an application with those pages, and HTTP beside them."""
    live.ws("/idle", disconn=left)(lambda: None)
    live.ws("/work", disconn=left)(work)
    live.ws("/stream", conn=stream, disconn=left)(lambda: None)
    live.ws("/never", disconn=never_end)(lambda: None)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await live(scope, receive, send)
        elif scope["path"] == "/ready":
            await live.readiness(scope, receive, send)
        else:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"%d" % os.getpid()})

    return serve


app = make(HtmxWS(secret=SECRET, drain_seconds=DRAIN_SECONDS))
in_debug = make(HtmxWS(secret=SECRET, debug=True))
