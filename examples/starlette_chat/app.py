"""A chat for many people in several rooms: Starlette, templates, a session.

    pip install -r requirements.txt && python app.py

What is said stands in a file, and each page keeps its place in what is sent: whoever looks at
another tab, shuts his laptop or meets a server that is started again comes back to all of it.

Read it from top to bottom: what is said, who says it, who is here, the socket, the pages. Every
piece of HTML is a template; those that are sent are also what the page is first made of.
"""

from __future__ import annotations

import os
import secrets
import socket
import sqlite3
from asyncio import sleep
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cache
from itertools import cycle
from pathlib import Path
from time import monotonic
from typing import Annotated, Literal, get_args

import uvicorn
from pydantic import StringConstraints
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates
from starlette.types import ASGIApp

from htmx_ws import (
    HTML,
    Connection,
    Fragment,
    Presence,
    Present,
    append,
    html,
    morph,
    redirect,
    remove,
    update,
)
from htmx_ws_starlette import HtmxWS, request_of

HERE = Path(__file__).parent

Room = Literal["lobby", "garden", "kitchen"]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]

# --- what is said, in a file that all processes share, today's and tomorrow's -------------

TABLES = """
    pragma synchronous = off;  -- killing a process loses nothing, only a power cut might
    create table if not exists lines (
        id integer primary key autoincrement, author text, name text, text text, time text,
        only_for text, is_open integer, room text
    );
    create table if not exists signed_out (person text primary key);
    create table if not exists made (name text primary key, value text);
"""


@cache
def store() -> sqlite3.Connection:
    """Open the file, once for each process. It answers at once; a database would be awaited."""
    path = os.environ.get("DATABASE", HERE / "chat.sqlite3")
    opened = sqlite3.connect(path, isolation_level=None)
    opened.executescript(TABLES)
    return opened


@dataclass(frozen=True)
class Person:
    """Two people may have one name; the id is what tells them apart."""

    name: str
    id: str = field(default_factory=secrets.token_urlsafe)

    @property
    def hue(self) -> int:
        return sum(map(ord, self.name)) * 137 % 360


@dataclass(frozen=True)
class Line:
    """``only_for`` is a person's id, or "" for everybody; ``is_open``: the bot is at it."""

    id: int
    author: str
    name: str
    text: str
    time: str
    only_for: str
    is_open: bool

    @property
    def by(self) -> Person:
        return Person(self.name, self.author)


def keep(room: str, by: Person, text: str, *, only_for: str = "", is_open: bool = False) -> Line:
    row = (by.id, by.name, text, f"{datetime.now():%H:%M}", only_for, is_open)
    put = "insert into lines values (null, ?, ?, ?, ?, ?, ?, ?)"
    number = store().execute(put, (*row, room)).lastrowid
    return Line(number or 0, *row)


def lines(room: str, reader: Person) -> list[Line]:
    """Give the last that was said in a room, as far as it is for this reader."""
    newest = store().execute(
        "select id, author, name, text, time, only_for, is_open from lines "
        "where room = ? and only_for in ('', ?) order by id desc limit 50",
        (room, reader.id),
    )
    return [Line(*row) for row in newest][::-1]


# --- who says it -----------------------------------------------------------------------


def with_session(app: ASGIApp) -> ASGIApp:
    """Sign sessions by what is made once, and kept: people stay signed in over a restart."""
    store().execute("insert or ignore into made values ('secret', ?)", [secrets.token_urlsafe()])
    (kept,) = store().execute("select value from made where name = 'secret'").fetchone()
    secret = os.environ.get("SECRET_KEY") or kept
    return SessionMiddleware(app, secret_key=secret, session_cookie="chat")


def person_of(request: Request) -> Person | None:
    """Tell by the session who this is: nothing that a page sends can change the answer."""
    person = request.session.get("person")
    if person is None:
        return None
    # A browser may still send the cookie.
    gone = store().execute("select 1 from signed_out where person = ?", [person["id"]]).fetchone()
    return None if gone else Person(**person)


def who(request: Request) -> Person:
    """Tell who this is, to pages and sockets; whoever has no name is sent to the entrance."""
    person = person_of(request)
    if person is None:
        raise HTTPException(303, headers={"Location": request.url_for("entrance").path})
    return person


def identify(conn: Connection) -> str | None:
    person = person_of(request_of(conn))
    return None if person is None else person.id


# --- who is here: by the pages that are open, in all processes -------------------------

# How long somebody is still here when his last page has gone, in seconds: time for a look at
# another tab, for a reload, and to come back after a restart.
GRACE = float(os.environ.get("GRACE", 10))
began = monotonic()


def people(room: str) -> list[Person]:
    those_here = [Person(**each.about) for each in live.presence(room)]
    return sorted(those_here, key=lambda person: (person.name.casefold(), person.id))


def all_here(room: str) -> Fragment | None:
    """Show who is here; None as long as some may be on their way back after a restart."""
    if monotonic() < began + GRACE:
        return None
    return update("#people", render("people.html", people=people(room)))


async def came(room: str, who: Present) -> None:
    """Every page hears of it; where whoever comes back is shown still, he is not shown twice."""
    alone = render("people.html", people=[Person(**who.about)])
    await live.publish(room, all_here(room) or append("#people", alone))


async def left(room: str, who: Present) -> None:
    await live.publish(room, all_here(room))


async def tell_later(room: str) -> None:
    """Whom a page shows that did not come back is gone now."""
    await sleep(GRACE)
    await live.publish(room, all_here(room))


# --- the socket ------------------------------------------------------------------------

live = HtmxWS(backend=os.environ.get("HTMX_WS_BACKEND"), identify=identify)
templates = Jinja2Templates(HERE / "templates")
templates.env.globals.update(live.template_globals)
chat = live.endpoint("/ws/{room}", name="chat")


def render(template: str, **context: object) -> HTML:
    """Render what goes to many pages, and comes from no request."""
    return HTML(templates.get_template(template).render(context))


async def log_now(conn: Connection, room: str) -> Fragment:
    """Show the whole log to a page that missed too much; both its rooms fill it.

    It is read and sent in one step, so nothing that is newer is on the page before.
    """
    return morph("#log", render("lines.html", lines=lines(conn.state.room, conn.state.me)))


async def room_now(conn: Connection, room: str) -> list[Fragment | None]:
    return [await log_now(conn, room), all_here(room)]


# What everybody in a room hears, and what one of them hears alone.
here = Presence(about=lambda conn: asdict(conn.state.me), on_join=came, on_leave=left, grace=GRACE)
live.room("room:*", history=200, snapshot=room_now, presence=here)
live.room("aside:*", history=200, snapshot=log_now)


@chat.on_connect
async def joined(conn: Connection, room: Room, request: Request) -> None:
    """A page is here, or here again: then its rooms give it what it missed."""
    me = conn.state.me = who(request)
    conn.state.room = room
    await conn.join(f"room:{room}")
    await conn.join(f"aside:{room}:{me.id}")
    await conn.join(f"person:{me.id}")  # all the pages that one has open
    if all_here(f"room:{room}") is None:
        conn.start(tell_later(f"room:{room}"))


@chat.on(action="say")
async def say(message: Text, room: Room, conn: Connection, request: Request) -> Response:
    """Everybody's page gets the line; the sender's gets a new field too, which is empty."""
    line = keep(room, conn.state.me, message)  # before it is sent: a page may come between
    await live.publish(f"room:{room}", append("#log", render("line.html", line=line)))
    return templates.TemplateResponse(request, "field.html")


BOT = Person("Bot", "bot")
ANSWERS = (
    "Good question. I am only a small bot without a mind, but I can show you something: each "
    "of these words is its own message over the websocket, sent as soon as it was there. "
    "Press Stop and the next one never comes.",
    "Let me think aloud. The server has one word more, htmx puts it into this bubble, and no line "
    "of JavaScript was written for it. Look at another tab meanwhile: I go on, and the room too.",
)
answers = cycle(ANSWERS)
seconds_per_word = 0.1


@chat.on(action="ask", concurrent=True)
async def ask(message: Text, room: Room, conn: Connection, request: Request) -> None:
    """The bot answers one alone, on every page that he has in the room, or will have again."""
    me = conn.state.me
    aside = f"aside:{room}:{me.id}"
    question = keep(room, me, message, only_for=me.id)
    answer = keep(room, BOT, "", only_for=me.id, is_open=True)
    for line in (question, answer):
        await live.publish(aside, append("#log", render("line.html", line=line)))
    await conn.send(templates.TemplateResponse(request, "field.html"))
    said = ""
    for word in next(answers).split():
        said += f"{word} "
        add = "update lines set text = ? where id = ? and is_open"
        if not store().execute(add, (said, answer.id)).rowcount:  # it was stopped
            return
        # Its whole text: of all that a page missed of it, the last is enough.
        await live.publish(aside, update(f"#text-{answer.id}", html("{}", said)))
        await sleep(seconds_per_word)
    await finish(answer.id, aside, me)


@chat.on(action="stop")
async def stop(line: int, room: Room, conn: Connection) -> None:
    """Whichever page or process it is that the answer began in."""
    me = conn.state.me
    await finish(line, f"aside:{room}:{me.id}", me)


async def finish(line: int, aside: str, me: Person) -> None:
    close = "update lines set is_open = 0 where id = ? and only_for = ? and is_open"
    if store().execute(close, (line, me.id)).rowcount:
        await live.publish(aside, remove(f"#line-{line} .stop"))


# --- the pages -------------------------------------------------------------------------


async def entrance(request: Request) -> Response:
    if person_of(request) is not None:
        return RedirectResponse(request.url_for("room", room="lobby"), 303)
    return templates.TemplateResponse(request, "entrance.html", {"htmx": htmx_of(request)})


async def enter(request: Request) -> Response:
    async with request.form() as form:
        name = str(form.get("name", "")).strip()[:30]
    if name:
        request.session["person"] = asdict(Person(name))
    return RedirectResponse(request.url_for("entrance"), 303)


async def leave(request: Request) -> Response:
    """Sign out: the pages that one still has open elsewhere go to the entrance too."""
    me = who(request)
    request.session.clear()
    store().execute("insert or ignore into signed_out values (?)", [me.id])
    await live.publish(f"person:{me.id}", redirect(request.url_for("entrance").path))
    return RedirectResponse(request.url_for("entrance"), 303)


async def room_page(request: Request) -> Response:
    me, room, htmx = who(request), request.path_params["room"], htmx_of(request)
    if room not in get_args(Room):
        raise HTTPException(404)
    # Before anything is read: what comes from now on will reach this page by its socket.
    rooms = [f"room:{room}", f"aside:{room}:{me.id}"]
    page = await live.page(request.url_for("chat", room=room), rooms=rooms)
    context = {
        "me": me,
        "room": room,
        "rooms": get_args(Room),
        "page": page,
        "lines": lines(room, me),
        "people": people(f"room:{room}"),
        "htmx": htmx,
        "static": f"/htmx-{htmx}" if NPM.is_dir() else None,  # None: from the CDN
    }
    return templates.TemplateResponse(request, "room.html", context)


def htmx_of(request: Request) -> int:
    """Which htmx the pages run: 4, until one of them is asked for with ?htmx=2 or ?htmx=1."""
    asked = request.query_params.get("htmx")
    if asked in ("1", "2", "4"):
        request.session["htmx"] = int(asked)
    return int(request.session.get("htmx", 4))


# A checkout of htmx-ws has files of every htmx; there, none is asked of the CDN.
NPM = HERE.parents[1] / "tests" / "npm" / "node_modules"


async def htmx_file(request: Request) -> Response:
    htmx, name = request.path_params["htmx"], request.path_params["name"]
    folders = (f"htmx-{htmx}/dist", f"htmx-{htmx}/dist/ext", "htmx-ext-ws/dist")
    files = [NPM / folder / name for folder in folders]
    found = next((file for file in files if file.is_file()), None)
    return Response(status_code=404) if found is None else FileResponse(found)


app = Starlette(
    routes=[
        Route("/", entrance, name="entrance"),
        Route("/enter", enter, methods=["POST"], name="enter"),
        Route("/leave", leave, methods=["POST"], name="leave"),
        Route("/rooms/{room}", room_page, name="room"),
        Route("/htmx-{htmx:int}/{name}", htmx_file),
        Mount("/static", StaticFiles(directory=HERE / "static"), name="static"),
        *live.routes,
    ],
    middleware=[Middleware(with_session)],
    lifespan=live.lifespan,
)


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
