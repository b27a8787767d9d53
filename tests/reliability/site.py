"""The application that is strained, and a window into it: what is left of pages that have gone.

Its pages stand at ``/idle``, ``/page`` and ``/watched``; ``/bare`` is an ASGI application without
htmx-ws, to measure beside it. What it answers by HTTP is the window. It looks at private
attributes of the hub: nobody who uses htmx-ws has to count what it keeps, and nothing public
would show a leak. A ``send`` that blocks is timed on its way to the server, where it is ASGI's.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

from htmx_ws import Connection, Fragment, HtmxWS, Limits, append, html, update
from htmx_ws.lifecycle import Page
from htmx_ws.types import Message, Receive, Scope, Send

#: What may wait for a page, small enough to be filled in a moment.
OUTBOX_BYTES: Final = 64 * 1024

live = HtmxWS(limits=Limits(outbox_bytes=OUTBOX_BYTES))

#: How many pages' connect hooks were entered, and disconnect hooks ran; whose did not yet.
hooks: Counter[str] = Counter(entered=0, left=0, twice=0)
present: set[str] = set()

#: How often was published to a room: its state, which a page that comes is told.
published: Counter[str] = Counter()

#: Since when each page's ``send`` has not returned, and after how long such a page was over.
blocked: dict[int, float] = {}
given_up: list[float] = []


# --- pages -----------------------------------------------------------------------------

idle = live.endpoint("/idle/{room}")


@idle.on_connect
async def sit_down(conn: Connection, room: str) -> None:
    await conn.join(room)


@idle.on_message
async def answer(msg: str) -> Fragment:
    return update("#said", html("{}", msg))


page = live.endpoint("/page/{room}")


@page.on_connect
async def come(conn: Connection, room: str, works: float = 0, turns_away: bool = False) -> Fragment:
    hooks["entered"] += 1
    present.add(conn.id)
    if works:
        await conn.join(f"early-{room}")
        await asyncio.sleep(works)
    await conn.join(room)
    if turns_away:
        conn.close(1012)
    return update("#state", html("{}", published[room]))


@page.on_disconnect
async def go(conn: Connection) -> None:
    hooks["left" if conn.id in present else "twice"] += 1
    present.discard(conn.id)


@page.on(action="say")
async def say(msg: str, room: str, size: int = 0) -> None:
    await tell(room, msg, size)


@page.on(action="ask")
async def ask(msg: str) -> Fragment:
    return append("#log", html("<li>{}</li>", msg))


@page.on(action="work")
async def work(conn: Connection, seconds: float) -> Fragment:
    await asyncio.sleep(seconds)
    await conn.join("worked")
    return update("#state", "worked")


@page.on(action="stream")
async def stream() -> AsyncIterator[Fragment]:
    while True:
        yield update("#state", "on and on")
        await asyncio.sleep(0.01)


@page.on(action="start")
async def start(conn: Connection) -> None:
    conn.start(asyncio.sleep(3600), name="in the background")


watched = live.endpoint("/watched/{room}")
watched.on_connect(sit_down)


@watched.on_disconnect
async def tell_of_it(room: str) -> None:
    await tell(room, "left")


async def tell(room: str, msg: str, size: int = 0) -> None:
    published[room] += 1
    await live.publish(room, append("#log", html("<li>{}</li>{}", msg, "x" * size)))


# --- the window ------------------------------------------------------------------------


async def count() -> dict[str, int]:
    """What this process holds of pages."""
    hub = live._hub
    return {
        "connections": len(hub.connections),
        "rooms": len(hub._rooms),
        "members": sum(map(len, hub._rooms.values())),
        "tasks": len(asyncio.all_tasks()),
        "descriptors": len(os.listdir("/proc/self/fd")),
    }


async def count_objects() -> dict[str, int]:
    """Which of our objects are in memory, once what is garbage has gone."""
    gc.collect()
    kinds = Counter(map(type, gc.get_objects()))
    return {"Connection": kinds[Connection], "Page": kinds[Page]}


async def count_hooks() -> dict[str, int]:
    """How many connect hooks were entered and disconnect hooks ran; twice: more than once each."""
    return dict(hooks)


async def weigh() -> int:
    """The memory of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def stuck() -> dict[str, Any]:
    """Which pages' sends block now, and how long those were waited for that are over."""
    now = time.monotonic()
    return {"blocked": [now - since for since in blocked.values()], "given_up": given_up}


async def state(room: str) -> int:
    """What a page that comes to this room is told."""
    return published[room]


async def publish(room: str) -> int:
    await tell(room, "hi")
    return len(live.members(room))


async def drain(seconds: str) -> None:
    await live.drain(float(seconds))


ANSWERS: Final[dict[str, Callable[..., Awaitable[Any]]]] = {
    f"/{function.__name__}": function
    for function in (count, count_objects, count_hooks, weigh, stuck, state, publish, drain)
}


# --- ASGI ------------------------------------------------------------------------------


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        query = dict(parse_qsl(scope["query_string"].decode()))
        answer = await ANSWERS[scope["path"]](**query)
        body = json.dumps(answer).encode()
        headers = [(b"content-length", b"%d" % len(body)), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
    elif scope["type"] == "websocket" and scope["path"] == "/bare":
        await serve_bare(receive, send)
    elif scope["type"] == "websocket" and scope["path"].startswith("/page/"):
        await serve_timed(scope, receive, send)
    else:
        await live(scope, receive, send)


async def serve_bare(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass


async def serve_timed(scope: Scope, receive: Receive, send: Send) -> None:
    number = id(scope)

    async def send_timed(event: Message) -> None:
        blocked.setdefault(number, time.monotonic())
        try:
            await send(event)  # where it is cancelled, the page goes on being blocked
        except Exception:
            blocked.pop(number, None)  # it has gone
            raise
        blocked.pop(number, None)

    try:
        await live(scope, receive, send_timed)
    finally:
        since = blocked.pop(number, None)
        if since is not None:
            given_up.append(time.monotonic() - since)
