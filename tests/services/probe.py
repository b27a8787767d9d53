"""A bare ASGI application that does what its path says and prints what it sees of its server.

Bare, because htmx-ws evens out what is to be measured; ``/live`` alone is htmx-ws, to be seen
beside it. A line that it prints is JSON after the word ``probe``, and lines stand in the order
of what happened.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from typing import Final

from htmx_ws import Connection, Fragment, HtmxWS, update
from htmx_ws.types import Receive, Scope, Send

#: What is sent to a page that reads nothing: this much at a time, and at most.
PIECE: Final = 16 * 1024
MOST: Final = 64 * 1024 * 1024
BLOCKED_SECONDS: Final = 1

DENIAL: Final = "websocket.http.response"

live = HtmxWS()


async def close_at_once(conn: Connection, code: int) -> None:
    if code:
        conn.close(code)


page = live.endpoint("/live/{code}")
page.on_connect(close_at_once)


@page.on(action="answer")
async def answer() -> Fragment:
    return update("#answer", "hi")


@page.on(action="work")
async def work() -> None:
    """Be what a deploy should not cut in half."""
    report("begun")
    await asyncio.sleep(1)
    report("finished")


def report(saw: str, **more: object) -> None:
    print("probe", json.dumps({"saw": saw, **more}), flush=True)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one scope, and report how it ended."""
    try:
        if scope["type"] == "lifespan":
            await _live_on(scope, receive, send)
        elif scope["path"].startswith("/live/"):
            await live(scope, receive, send)
        elif scope["type"] == "websocket":
            _, action, *detail = scope["path"].split("/")
            await receive()
            await ACTIONS[action](scope, receive, send, *detail)
    except asyncio.CancelledError:
        report("cancelled")
        raise


async def _live_on(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    async with live.lifespan():
        report("startup", state="state" in scope)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        report("shutdown")
    await send({"type": "lifespan.shutdown.complete"})


async def _stay(scope: Scope, receive: Receive, send: Send) -> None:
    """Accept with all that an accept can carry, then read until the page goes."""
    offered = scope.get("subprotocols") or [None]
    headers = [(b"x-probe", b"seen")]
    await send({"type": "websocket.accept", "subprotocol": offered[-1], "headers": headers})
    loop = type(asyncio.get_running_loop()).__module__.partition(".")[0]
    report("accepted", pid=os.getpid(), loop=loop)
    while True:
        event = await receive()
        if event["type"] == "websocket.disconnect":
            report("disconnect", code=event.get("code"))
            return
        report("message", length=len(event.get("text") or ""))


async def _stay_deaf(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "websocket.accept"})
    report("accepted")
    await asyncio.Event().wait()


async def _close(scope: Scope, receive: Receive, send: Send, code: str) -> None:
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": int(code)})


async def _flood(scope: Scope, receive: Receive, send: Send) -> None:
    """Send on until a send does not return; the page says when to begin."""
    await send({"type": "websocket.accept"})
    await receive()
    sent, text = 0, "x" * PIECE
    while sent < MOST:
        sending = asyncio.ensure_future(send({"type": "websocket.send", "text": text}))
        await asyncio.wait([sending], timeout=BLOCKED_SECONDS)
        if not sending.done():
            report("blocked", sent=sent)
            await sending
        sent += PIECE
    report("unblocked", sent=sent)


async def _deny(scope: Scope, receive: Receive, send: Send) -> None:
    if DENIAL in (scope.get("extensions") or {}):
        await send({"type": f"{DENIAL}.start", "status": 503, "headers": []})
        await send({"type": f"{DENIAL}.body", "body": b"Come back later"})
    else:
        report("offers no denial")
        await send({"type": "websocket.close"})


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "websocket.close", "code": 4403})


ACTIONS: Final[dict[str, Callable[..., Awaitable[None]]]] = {
    "stay": _stay,
    "stay-deaf": _stay_deaf,
    "close": _close,
    "flood": _flood,
    "deny": _deny,
    "refuse": _refuse,
}
