"""A chat for many people: the one of FastHTML's documentation, on the sockets of htmx-ws.

    pip install -r requirements.txt && python chat.py

Read it from top to bottom: the components, the socket, the pages. The README says what is
different from FastHTML's own sockets, and why.
"""

# FastHTML has no types, and so its decorators give none.
# mypy: allow-untyped-decorators

from __future__ import annotations

import os
import secrets
import socket
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fasthtml.common import (
    FT,
    H1,
    B,
    Button,
    Div,
    FastHTML,
    FileResponse,
    Form,
    Header,
    Input,
    Label,
    Li,
    Link,
    Main,
    Meta,
    NotStr,
    P,
    RedirectResponse,
    Request,
    Response,
    Small,
    Span,
    StaticFiles,
    Style,
    Time,
    Title,
    Ul,
)
from pydantic import StringConstraints

from htmx_ws import (
    Connection,
    Fragment,
    Presence,
    Present,
    Refused,
    append,
    redirect,
    scripts,
    update,
)
from htmx_ws_starlette import HtmxWS

HERE = Path(__file__).parent
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


def name_of(conn: Connection) -> str | None:
    """Tell by FastHTML's session who this is: no page can choose another's name."""
    name: str | None = conn.scope["session"].get("name")
    return name


live = HtmxWS(backend=os.environ.get("HTMX_WS_BACKEND"), identify=name_of)
app = FastHTML(
    title="Chat",
    htmlkw={"lang": "en"},
    default_hdrs=False,  # they would load another htmx
    hdrs=(
        Meta(charset="utf-8"),
        Meta(name="viewport", content="width=device-width, initial-scale=1"),
        Link(rel="icon", href="data:,"),
        Link(rel="stylesheet", href="/static/chat.css"),
    ),
    # One of your own keeps people signed in when the server is started again, and in every process.
    secret_key=os.environ.get("SECRET_KEY") or secrets.token_urlsafe(),
    session_cookie="fasthtml_chat",
)
app.mount("/live", live)  # below FastHTML's middleware, so that there is a session
app.mount("/static", StaticFiles(directory=HERE / "static"))

# --- the components --------------------------------------------------------------------


@dataclass
class Message:
    name: str
    text: str
    time: str = field(default_factory=lambda: datetime.now().strftime("%H:%M"))


msgs: deque[Message] = deque(maxlen=100)


def Face(name: str) -> FT:
    hue = sum(map(ord, name)) * 137 % 360
    return Span(name[0], cls="face", style=f"--hue:{hue}", aria_hidden="true")


def by(name: str) -> str:
    """Give the class of somebody's messages: the same on every page, whoever reads it."""
    return f"by-{name.encode().hex()}"


def Mine(me: str) -> FT:
    """Mark what is "mine": a style of one's own pages alone, for one's own class."""
    return Style(
        f"#msg-list > .{by(me)} {{ --side: end; --columns: minmax(0, 1fr) auto; --face-at: 2; "
        "--fill: var(--mine); --corners: 16px 4px 16px 16px; }"
    )


def ChatMessage(msg: Message) -> FT:
    return Li(
        Face(msg.name),
        Div(B(msg.name), " ", Time(msg.time), cls="chat-header"),
        Div(msg.text, cls="chat-bubble"),
        cls=f"chat {by(msg.name)}",
    )


def People() -> FT:
    """Everybody with a page, in any process; with two pages, once."""
    names = sorted((str(each.key) for each in live.presence("chat")), key=str.casefold)
    faces = [Li(Face(name), Span(name)) for name in names]
    return Ul(*faces, id="people", aria_label="Who is here", aria_live="polite")


def mk_input() -> FT:
    return Input(
        id="msg", name="msg", placeholder="Say something", autofocus=True, autocomplete="off",
        aria_label="Message", aria_describedby="form-errors",
    )  # fmt: skip


# --- the socket ------------------------------------------------------------------------


async def came_or_left(room: str, who: Present) -> None:
    await live.publish(room, People())


# Whoever loads his page again has not left: it takes less than two seconds.
live.room("chat", presence=Presence(on_join=came_or_left, on_leave=came_or_left, grace=2))


async def on_conn(conn: Connection) -> tuple[FT, Fragment]:
    """A page is here, or here again: show it what was said while it was not."""
    if conn.identity is None:
        raise Refused("no name", content=redirect("/"))
    await conn.join("chat")
    return People(), update("#msg-list", [ChatMessage(msg) for msg in msgs])


@live.ws("/ws", conn=on_conn)
async def ws(msg: Text, conn: Connection) -> FT:
    """Everybody gets the message; the sender gets a new input too, by its id."""
    said = Message(conn.identity, msg)
    msgs.append(said)
    await live.publish("chat", append("#msg-list", ChatMessage(said)))
    return mk_input()


# --- the pages -------------------------------------------------------------------------


def Entrance() -> FT:
    return Main(
        H1("Come in"),
        P("A chat of FastHTML's components."),
        Form(
            Label("Your name", fr="name"),
            Input(id="name", name="name", required=True, maxlength=30, autofocus=True),
            Button("Enter"),
            method="post",
            action="/enter",
        ),
        cls="card entrance",
    )


def Chat(htmx: int) -> FT:
    return Main(
        Header(
            H1("Chat"),
            Small(f"htmx {htmx}"),
            People(),
            Form(Button("Sign out"), method="post", action="/leave"),
        ),
        Div(
            Ul(*[ChatMessage(msg) for msg in list(msgs)], id="msg-list", aria_label="Messages"),
            cls="scroll",
            tabindex=0,
        ),
        Form(
            Div(id="form-errors", role="alert"),
            mk_input(),
            Button("Send"),
            id="form",
            **live.send_attrs(),
        ),
        cls="card",
        **live.connect_attrs("/live/ws"),
    )


@app.get("/")
def home(request: Request) -> Any:
    asked, name = request.query_params.get("htmx"), request.session.get("name")
    if asked in ("1", "2", "4"):
        request.session["htmx"] = int(asked)
    if name is None:
        return Title("Chat"), Entrance()
    htmx = request.session.get("htmx", 4)
    static = f"/htmx-{htmx}" if NPM.is_dir() else None  # None: from the CDN
    return Title("Chat"), NotStr(scripts(htmx, static=static)), Mine(name), Chat(htmx)


@app.post("/enter")
def enter(name: str, request: Request) -> Response:
    if name := name.strip()[:30]:
        request.session["name"] = name
    return RedirectResponse("/", 303)


@app.post("/leave")
def leave(request: Request) -> Response:
    request.session.clear()
    return RedirectResponse("/", 303)


# A checkout of htmx-ws has files of every htmx; there, none is asked of the CDN.
NPM = HERE.parents[1] / "tests" / "npm" / "node_modules"


@app.get("/htmx-{htmx}/{name}")
def htmx_file(htmx: int, name: str) -> Response:
    folders = (f"htmx-{htmx}/dist", f"htmx-{htmx}/dist/ext", "htmx-ext-ws/dist")
    files = [NPM / folder / name for folder in folders]
    found = next((file for file in files if file.is_file()), None)
    return Response(status_code=404) if found is None else FileResponse(found)


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
