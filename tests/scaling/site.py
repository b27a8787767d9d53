"""What each worker serves: pages in rooms, and over HTTP what an operator asks of a worker.

Its environment says which backend all share, and may shorten what takes long in a deployment.
"""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from htmx_ws import HTML, Connection, HtmxWS, Presence, Present, append, html, peers
from htmx_ws.types import Receive, Scope, Send

from .plan import item, plan

for name in ("BEAT_SECONDS", "DEAD_SECONDS"):
    if f"SCALING_{name}" in os.environ:
        setattr(peers, name, float(os.environ[f"SCALING_{name}"]))


def visitor(conn: Connection) -> str | None:
    user = conn.query.get("user")
    return user if user and isinstance(user, str) else None


async def say_joined(room: str, who: Present) -> None:
    await live.publish(room, append("#log", html("<li>joined {}</li>", who.key)))


async def say_left(room: str, who: Present) -> None:
    await live.publish(room, append("#log", html("<li>left {}</li>", who.key)))


live = HtmxWS(
    backend=os.environ.get("SCALING_BACKEND"),
    identify=visitor,
    proxies=int(os.environ.get("SCALING_PROXIES", "0")),
    secret="what these tests drain with",
)
grace = float(os.environ.get("SCALING_GRACE", "15"))
live.room("kept:*", history=1_000)
live.room("seen:*", presence=Presence(on_join=say_joined, on_leave=say_left, grace=grace))


async def joined(conn: Connection, rooms: str = "") -> HTML:
    for room in filter(None, rooms.split(",")):
        await conn.join(room)
    return html('<p id="here">{} {}</p>', os.getpid(), conn.address)


@live.ws("/pages", conn=joined)
async def answer(text: str) -> HTML:
    return html('<p id="answer">{}</p>', text)


async def publish(count: str) -> int:
    for room, number in plan("worker", int(count)):
        await live.publish(room, item(room, "worker", number))
    return int(count)


async def say(room: str, text: str) -> int:
    return await live.publish(room, append("#log", html("<li>{}</li>", text)))


async def present(room: str) -> list[Any]:
    return [who.key for who in live.presence(room)]


async def count(**which: str) -> int:
    return await live.count(**which)


async def disconnect(user: str) -> int:
    return await live.disconnect(user=user)


ANSWERS: dict[str, Callable[..., Awaitable[object]]] = {
    "/publish": publish,
    "/say": say,
    "/presence": present,
    "/count": count,
    "/disconnect": disconnect,
}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Be pages, a lifespan, and answers."""
    if scope["type"] != "http":
        await live(scope, receive, send)
    elif scope["path"] == "/ready":
        await live.readiness(scope, receive, send)
    else:
        query = {name: value[0] for name, value in parse_qs(scope["query_string"].decode()).items()}
        body = json.dumps(await ANSWERS[scope["path"]](**query)).encode()
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
