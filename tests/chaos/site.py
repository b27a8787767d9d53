"""A page that shows numbers, and what publishes them: what is cut off again and again.

The numbers stand in a file, which is this application's database, so several processes of it
have the same, and one that was killed has them again. ``/publish?n=7`` may be asked for twice.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

from htmx_ws import (
    HTML,
    Connection,
    Fragment,
    HtmxWS,
    append,
    html,
    new_page,
    page_field,
    scripts,
    update,
)
from htmx_ws.types import Receive, Scope, Send
from tests.browser.guests import with_files

ROOM: Final = "numbers"
STORE: Final = Path(os.environ["CHAOS_STORE"])
RESUMES: Final = os.environ.get("CHAOS_RESUMES", "1") == "1"

live = HtmxWS(backend=os.environ.get("CHAOS_BACKEND"), debug=True)


def items() -> list[HTML]:
    return [item(n) for n in STORE.read_text().split()]


def item(n: str) -> HTML:
    return html('<li id="n{}">{}</li>', n, n)


def snapshot(conn: Connection, room: str) -> Fragment:
    return update("#log", items())


live.room(ROOM, history=int(os.environ.get("CHAOS_HISTORY", "400")), snapshot=snapshot)


async def joined(conn: Connection) -> None:
    await conn.join(ROOM)


@live.ws("/ws", conn=joined)
async def ignore() -> None:
    """Nothing is sent here."""


async def publish(n: str) -> bytes:
    with STORE.open("a+") as store:
        store.seek(0)
        if n not in store.read().split():
            store.write(f"{n}\n")
    await live.publish(ROOM, append("#log", item(n)))
    return b"published"


async def kick() -> bytes:
    return b"%d" % await live.disconnect(room=ROOM, code=1012)


async def count_here() -> bytes:
    return b"%d" % len(live.members(ROOM))


async def show(htmx: int) -> bytes:
    page = await live.page("/ws", rooms=[ROOM])
    around = page.connect if RESUMES else live.connect_attrs("/ws", page=new_page())
    return html(
        "<!DOCTYPE html><title>Numbers</title>{}<div {}>{}<ol id=log>{}</ol></div>",
        scripts(htmx, static=f"/static/htmx-{htmx}"),
        around,
        page.hello if RESUMES else page_field(page.token),
        HTML("".join(items())),
    ).encode()


async def pages(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer by HTTP."""
    query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
    answers: dict[str, Callable[[], Awaitable[bytes]]] = {
        "/publish": lambda: publish(query["n"]),
        "/kick": kick,
        "/pages": count_here,
        "/": lambda: show(int(query["htmx"])),
    }
    answer = answers.get(scope["path"])
    body = b"" if answer is None else await answer()
    headers = [(b"content-type", b"text/html; charset=utf-8"), (b"connection", b"close")]
    status = 404 if answer is None else 200
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Be pages, sockets and a lifespan."""
    if scope["type"] == "http":
        await site(scope, receive, send)
    else:
        await live(scope, receive, send)


site = with_files(pages)
