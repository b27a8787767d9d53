"""A chat for many people in several rooms: plain ASGI, no framework, no JavaScript of its own.

    python examples/plain_asgi/chat.py

Read it from top to bottom: what is said, who says it, how it looks, what the socket does, the
pages. The first page runs htmx 4; with ?htmx=2 in its address the same chat runs on htmx 2.
"""

from __future__ import annotations

import os
import secrets
import socket
from asyncio import sleep
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import cycle
from pathlib import Path
from typing import Annotated, Literal, get_args
from urllib.parse import parse_qsl, urlencode

import uvicorn
from pydantic import StringConstraints

from htmx_ws import (
    HTML,
    Connection,
    Fragment,
    HtmxWS,
    Presence,
    Present,
    append,
    html,
    morph,
    remove,
    scripts,
    update,
)
from htmx_ws.types import Receive, Scope, Send

Room = Literal["lobby", "garden", "kitchen"]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=30)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]

# --- what is said ----------------------------------------------------------------------


@dataclass
class Line:
    author: str
    text: str
    only_for: str = ""  # the name of the one who sees it; empty: everybody
    time: str = field(default_factory=lambda: datetime.now().strftime("%H:%M"))
    # No count: another process would have the same.
    id: str = field(default_factory=lambda: f"line-{secrets.token_hex(8)}")


history: defaultdict[str, deque[Line]] = defaultdict(lambda: deque(maxlen=50))

BOT = "Bot"
ANSWERS = (
    "Good question. I am only a small bot without a mind, but I can show you something: each "
    "of these words is its own message over the websocket, sent as soon as it was there. "
    "Press Stop and the next one never comes.",
    "Let me think aloud. The server yields a word, htmx appends it to this bubble, and no line "
    "of JavaScript was written for it. Meanwhile the room goes on talking.",
)
answers = cycle(ANSWERS)

# --- who says it -----------------------------------------------------------------------


def name_of(conn: Connection) -> str | None:
    """Tell by its address whose page this is: here nobody has to prove his name."""
    return str(conn.query.get("name", "")).strip() or None


live = HtmxWS(backend=os.environ.get("HTMX_WS_BACKEND"), identify=name_of)

# --- how it looks: html() escapes each value that it fills in --------------------------

SEND = live.send_attrs()
FIELD = html(
    '<input id="message" name="message" placeholder="Say something" autocomplete="off" autofocus '
    'aria-label="Message" aria-describedby="say-form-errors">'
)
STOP = html(
    """<button class="stop" type="button" {} hx-vals='{{"action": "stop"}}'>Stop</button>""", SEND
)


def face(name: str) -> HTML:
    hue = sum(map(ord, name)) * 137 % 360
    return html('<span class="face" style="--hue:{}" aria-hidden="true">{}</span>', hue, name[:1])


def kind(author: str) -> str:
    """Give the class of somebody's lines: the same on every page, whoever reads it."""
    return "bot" if author == BOT else f"by-{author.encode().hex()}"


# What is "mine" is so on one's own pages alone, as their style has one's class.
MINE = """<style>
    #log > .{} {{
      --side: end; --way: row-reverse; --gap: auto;
      --fill: var(--mine); --corners: 16px 4px 16px 16px;
    }}
  </style>"""


def bubble(line: Line, more: HTML | str = "") -> HTML:
    return html(
        '<li id="{}" class="{}">{}<div><p class="by"><b>{}</b> <time>{}</time> <i>{}</i></p>'
        '<p class="text">{}</p>{}</div></li>',
        *(line.id, kind(line.author), face(line.author), line.author, line.time),
        *("only you see this" if line.only_for else "", line.text, more),
    )


def log(room: str, reader: str) -> HTML:
    lines = (line for line in history[room] if line.only_for in ("", reader))
    return html("{}", [bubble(line) for line in lines])


def people(room: str) -> HTML:
    """Everybody with a page in the room, in any process; with two pages, once."""
    names = sorted((str(each.key) for each in live.presence(room)), key=str.casefold)
    return html("{}", [html("<li>{}<span>{}</span></li>", face(name), name) for name in names])


# --- the socket ------------------------------------------------------------------------

chat = live.endpoint("/ws/{room}")


async def came_or_left(room: str, who: Present) -> None:
    await live.publish(room, update("#people", people(room)))


# Whoever loads his page again has not left: it takes less than two seconds.
live.room("*", presence=Presence(on_join=came_or_left, on_leave=came_or_left, grace=2))


@chat.on_connect
async def joined(conn: Connection, room: Room, name: Name) -> list[Fragment]:
    """A page is here, or here again: show it what was said while it was not."""
    await conn.join(room)
    return [update("#people", people(room)), morph("#log", log(room, name))]


@chat.on(action="say")
async def say(message: Text, room: Room, conn: Connection) -> HTML:
    """Everybody's page gets the line; the sender's gets a new field too, which is empty."""
    line = Line(conn.identity, message)
    history[room].append(line)
    await live.publish(room, append("#log", bubble(line)))
    return FIELD


@chat.on(action="ask", concurrent=True)
async def ask(message: Text, room: Room, conn: Connection) -> AsyncIterator[Fragment | HTML]:
    """The bot answers: what is yielded goes to the page at once."""
    me = conn.identity
    question, answer = Line(me, message, only_for=me), Line(BOT, "", only_for=me)
    history[room] += question, answer
    yield append("#log", [bubble(question), bubble(answer, STOP)])
    yield FIELD
    for word in next(answers).split():
        answer.text += f"{word} "
        yield append(f"#{answer.id} .text", html("{} ", word))
        await sleep(0.1)
    yield remove(f"#{answer.id} .stop")


@chat.on(action="stop", concurrent=True)
async def stop(conn: Connection) -> Fragment:
    """It is concurrent: it has to come before what it stops is over."""
    conn.cancel("ask")
    return remove("#log .stop")


# --- the pages -------------------------------------------------------------------------

HERE = Path(__file__).parent
NPM = HERE.parent.parent / "tests" / "npm" / "node_modules"
HTMX = {
    1: ("htmx-1/dist/htmx.min.js", "htmx-1/dist/ext/ws.js"),
    2: ("htmx-2/dist/htmx.min.js", "htmx-ext-ws/dist/ws.min.js"),
    4: ("htmx-4/dist/htmx.min.js", "htmx-4/dist/ext/hx-ws.min.js"),
}
FILES = {"/static/chat.css": HERE / "chat.css"} | {
    f"/static/htmx-{generation}/{Path(path).name}": NPM / path
    for generation, paths in HTMX.items()
    for path in paths
}
PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{title}</title>
  <link rel="icon" href="data:,">
  <link rel="stylesheet" href="/static/chat.css">
  {head}
</head>
<body>{body}</body>
</html>"""
ENTRANCE = """
<main class="entrance card">
  <h1>Come in</h1>
  <p>A chat on plain ASGI and htmx {htmx}.</p>
  <form>
    <label for="name">Your name</label>
    <input id="name" name="name" required maxlength="30" autocomplete="nickname" autofocus>
    <input type="hidden" name="htmx" value="{htmx}">
    <button>Enter</button>
  </form>
</main>"""
CHAT = """
<div id="chat" class="chat" {connect}>
  <aside>
    <h1>Chat</h1>
    <nav aria-label="Rooms">{rooms}</nav>
    <h2 id="here">Who is here</h2>
    <ul id="people" aria-labelledby="here" aria-live="polite"></ul>
  </aside>
  <main class="card">
    <h2># {room} <small>htmx {htmx}</small></h2>
    <div class="scroll" tabindex="0"><ol id="log" role="log" aria-label="Messages">{log}</ol></div>
    <form id="say-form" {send}>
      <div id="say-form-errors" role="alert"></div>
      {field}
      <button name="action" value="say">Send</button>
      <button name="action" value="ask" class="quiet">Ask the bot</button>
    </form>
  </main>
</div>"""


def entrance(htmx: int) -> HTML:
    return html(PAGE, title="Chat", head="", body=html(ENTRANCE, htmx=htmx))


def chat_page(name: str, room: str, htmx: int) -> HTML:
    current = HTML('aria-current="page"')
    links = [
        html(
            '<a href="?{}" {}># {}</a>',
            urlencode({"name": name, "room": other, "htmx": htmx}),
            current if other == room else "",
            other,
        )
        for other in get_args(Room)
    ]
    body = html(
        CHAT,
        connect=live.connect_attrs(f"/ws/{room}?{urlencode({'name': name})}"),
        rooms=links,
        room=room,
        htmx=htmx,
        log=log(room, name),
        send=SEND,
        field=FIELD,
    )
    static = f"/static/htmx-{htmx}" if NPM.is_dir() else None  # None: from the CDN
    head = [scripts(htmx, static=static), html(MINE, kind(name))]
    return html(PAGE, title=f"# {room}", head=head, body=body)


async def site(scope: Scope, receive: Receive, send: Send) -> None:
    """All that is no websocket of ours. Any ASGI application could stand here."""
    if scope["type"] != "http":
        await live(scope, receive, send)  # it starts and stops with the server
        return
    status, kind, body = 200, "text/html; charset=utf-8", b""
    file = FILES.get(scope["path"])
    if file is not None and file.exists():
        kind, body = "text/css" if file.suffix == ".css" else "text/javascript", file.read_bytes()
    elif scope["path"] == "/":
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        name, room = query.get("name", "").strip()[:30], query.get("room", "lobby")
        htmx = int(query["htmx"]) if query.get("htmx") in ("1", "2") else 4
        is_ready = name and room in get_args(Room)
        body = (chat_page(name, room, htmx) if is_ready else entrance(htmx)).encode()
    else:
        status, body = 404, b"Not found"
    headers = [(b"content-type", kind.encode()), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


app = live.wrap(site)


def listen() -> socket.socket:
    """Take $PORT, or the first port from 8000 on that nobody has."""
    ports = [int(os.environ["PORT"])] if "PORT" in os.environ else range(8000, 8100)
    for port in ports:
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:
            continue
    raise SystemExit(f"Another program listens on port {ports[0]}: choose one with PORT=...")


if __name__ == "__main__":
    listening = listen()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
    print(f"The chat is at {url} (Ctrl+C ends it)", flush=True)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
    with suppress(KeyboardInterrupt):  # which uvicorn raises again when it has ended
        uvicorn.Server(config).run(sockets=[listening])
