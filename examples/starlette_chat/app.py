"""A chat for many people in several rooms: Starlette, templates, a session.

    pip install -r requirements.txt && python app.py

Read it from top to bottom: what is said, who says it, what the socket does, the pages. Every
piece of HTML is a template; those that are sent are also what the page is first made of.
"""

from __future__ import annotations

import os
import secrets
import socket
from asyncio import sleep
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import count, cycle
from pathlib import Path
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

from htmx_ws import Connection, Fragment, append, html, morph, redirect, remove, update
from htmx_ws_starlette import HtmxWS, request_of

HERE = Path(__file__).parent

live = HtmxWS()
templates = Jinja2Templates(HERE / "templates")
templates.env.globals.update(live.template_globals)

Room = Literal["lobby", "garden", "kitchen"]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]

# --- what is said, and who says it -----------------------------------------------------


@dataclass(frozen=True)
class Person:
    """Two people may have one name; the id is what tells them apart."""

    name: str
    id: str = field(default_factory=secrets.token_urlsafe)

    @property
    def hue(self) -> int:
        return sum(map(ord, self.name)) * 137 % 360


numbers = count(1)


@dataclass
class Line:
    author: Person
    text: str
    only_for: Person | None = None  # None: everybody
    time: str = field(default_factory=lambda: datetime.now().strftime("%H:%M"))
    id: str = field(default_factory=lambda: f"line-{next(numbers)}")

    def kind(self, reader: Person) -> str:
        return "bot" if self.author == BOT else "mine" if self.author == reader else "theirs"


history: defaultdict[str, deque[Line]] = defaultdict(lambda: deque(maxlen=50))

BOT = Person("Bot")
ANSWERS = (
    "Good question. I am only a small bot without a mind, but I can show you something: each "
    "of these words is its own message over the websocket, sent as soon as it was there. "
    "Press Stop and the next one never comes.",
    "Let me think aloud. The server yields a word, htmx appends it to this bubble, and no line "
    "of JavaScript was written for it. Meanwhile the room goes on talking.",
)
answers = cycle(ANSWERS)
seconds_per_word = 0.1


def lines(room: str, reader: Person) -> list[Line]:
    return [line for line in history[room] if line.only_for in (None, reader)]


def people(room: str) -> list[Person]:
    those_here = {page.state.me for page in live.members(room)}
    return sorted(those_here, key=lambda person: (person.name.casefold(), person.id))


signed_out: set[str] = set()  # ids, since a browser may still send the cookie


def person_of(request: Request) -> Person | None:
    """Tell by the session who this is: nothing that a page sends can change the answer."""
    person = request.session.get("person")
    return None if person is None or person["id"] in signed_out else Person(**person)


def who(request: Request) -> Person:
    """Tell who this is, to pages and sockets; whoever has no name is sent to the entrance."""
    person = person_of(request)
    if person is None:
        raise HTTPException(303, headers={"Location": request.url_for("entrance").path})
    return person


# --- the socket ------------------------------------------------------------------------

chat = live.endpoint("/ws/{room}", name="chat")


@chat.on_connect
async def joined(conn: Connection, room: Room, request: Request) -> Fragment:
    """A page is here, or here again: show it what was said while it was not."""
    me = conn.state.me = who(request)
    await conn.join(room)
    await conn.join(me.id)  # a room of one's own: every page that one has open
    await publish_people(room)
    context = {"lines": lines(room, me), "me": me}
    return morph("#log", templates.TemplateResponse(request, "lines.html", context))


@chat.on_disconnect
async def left(room: Room) -> None:
    await publish_people(room)


async def publish_people(room: str) -> None:
    # No request is at hand when somebody has left, and none is needed.
    those_here = templates.get_template("people.html").render(people=people(room))
    await live.publish(room, update("#people", those_here))


@chat.on(action="say")
async def say(message: Text, room: Room, conn: Connection, request: Request) -> Response:
    """Everybody's page gets the line; the sender's gets a new field too, which is empty."""
    line = Line(conn.state.me, message)
    history[room].append(line)

    def show(page: Connection) -> Fragment:
        context = {"line": line, "me": page.state.me}
        return append("#log", templates.TemplateResponse(request_of(page), "line.html", context))

    # Rendered twice: for its author, and for everybody else.
    await live.publish(room, show, variant=lambda page: page.state.me == line.author)
    return templates.TemplateResponse(request, "field.html")


@chat.on(action="ask", concurrent=True)
async def ask(
    message: Text, room: Room, conn: Connection, request: Request
) -> AsyncIterator[Fragment | Response]:
    """The bot answers: what is yielded goes to the page at once."""
    me = conn.state.me
    question, answer = Line(me, message, only_for=me), Line(BOT, "", only_for=me)
    history[room] += question, answer
    for line in (question, answer):
        context = {"line": line, "me": me, "can_stop": line is answer}
        yield append("#log", templates.TemplateResponse(request, "line.html", context))
    yield templates.TemplateResponse(request, "field.html")
    for word in next(answers).split():
        answer.text += f"{word} "
        yield append(f"#{answer.id} .text", html("{} ", word))
        await sleep(seconds_per_word)
    yield remove(f"#{answer.id} .stop")


@chat.on(action="stop", concurrent=True)
async def stop(conn: Connection) -> Fragment:
    """It is concurrent: it has to come before what it stops is over."""
    conn.cancel("ask")
    return remove("#log .stop")


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
    signed_out.add(me.id)
    await live.publish(me.id, redirect(request.url_for("entrance").path))
    return RedirectResponse(request.url_for("entrance"), 303)


async def room_page(request: Request) -> Response:
    me, room, htmx = who(request), request.path_params["room"], htmx_of(request)
    if room not in get_args(Room):
        raise HTTPException(404)
    context = {
        "me": me,
        "room": room,
        "rooms": get_args(Room),
        "lines": lines(room, me),
        "people": people(room),
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
    middleware=[
        Middleware(
            SessionMiddleware,
            # One of your own keeps people signed in when the server is started again.
            secret_key=os.environ.get("SECRET_KEY") or secrets.token_urlsafe(),
            session_cookie="chat",
        )
    ],
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
