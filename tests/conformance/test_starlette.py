"""What is Starlette's own: converters, names, templates, its requests, threads and exceptions."""

from __future__ import annotations

import inspect
import re
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from jinja2 import DictLoader, Environment
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.convertors import CONVERTOR_TYPES, Convertor
from starlette.exceptions import HTTPException, WebSocketException
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.templating import Jinja2Templates
from starlette.websockets import WebSocket

from htmx_ws import Connection, RegistrationError
from htmx_ws.testing import Socket
from htmx_ws_starlette import HtmxWS

from .cases import answer, line
from .server import Server, get


@pytest.fixture
def live() -> HtmxWS:
    return HtmxWS()


def an_app(live: HtmxWS, **how: Any) -> Starlette:
    return Starlette(routes=live.routes, lifespan=live.lifespan, **how)


# --- paths and names -------------------------------------------------------------------


class Language(Convertor[str]):
    regex = "[a-z]{2}"

    def convert(self, value: str) -> str:
        return value.upper()

    def to_string(self, value: str) -> str:
        return value.lower()


@pytest.mark.parametrize("mounted", [False, True], ids=["routes", "mount"])
async def test_a_converter_of_the_application_is_known(
    live: HtmxWS, mounted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RegistrationError, match="names the converter 'language'"):
        live.endpoint("/news/{language:language}")
    monkeypatch.setitem(CONVERTOR_TYPES, "language", Language())
    live.ws("/news/{language:language}", name="news")(lambda language: line(f"in {language}"))
    app = Starlette(routes=[Mount("/", app=live)] if mounted else live.routes)
    assert app.url_path_for("news", language="DE") == "/news/de"
    assert "in DE" in await answer(app, "/news/de")
    with pytest.raises(Exception, match=r"4404|HTTP 40[34]"):
        await answer(app, "/news/deu")


def test_an_endpoint_is_named_by_its_handler_by_you_or_by_its_path(live: HtmxWS) -> None:
    @live.ws("/chat/{room}")
    async def say(room: str) -> None: ...

    live.ws("/named", name="other")(lambda: None)
    live.endpoint("/bare/{n:int}")
    app = an_app(live)
    assert app.url_path_for("say", room="a b") == "/chat/a b"
    assert app.url_path_for("other") == "/named"
    assert app.url_path_for("/bare/{n:int}", n=7) == "/bare/7"


def test_names_below_a_mount_have_its_name_before_them(live: HtmxWS) -> None:
    live.ws("/chat/{room}", name="say")(lambda room: None)
    for mount in (Mount("/a", routes=live.routes, name="in"), Mount("/a", app=live, name="in")):
        app = Starlette(routes=[mount])
        assert app.url_path_for("in:say", room="lobby") == "/a/chat/lobby"


def test_what_is_registered_too_late_is_an_error(live: HtmxWS) -> None:
    live.endpoint("/early")
    an_app(live)
    for register in (live.endpoint, lambda path: live.ws(path)(lambda: None)):
        with pytest.raises(RegistrationError, match=r"'/late' comes too late.*live\.routes was"):
            register("/late")


@pytest.mark.parametrize("nested", [False, True], ids=["mount", "mounts"])
async def test_parameters_of_mounts_are_the_paths(live: HtmxWS, nested: bool) -> None:
    came: list[Any] = []

    async def joined(team: int, conn: Connection) -> None:
        came.append((team, dict(conn.path_params)))

    @live.ws("/chat/{room}", conn=joined, disconn=lambda room, team: came.append((room, team)))
    async def say(team: int, room: str, msg: str) -> Any:
        return line(f"{team!r} {room} {msg}")

    mount = Mount("/teams/{team:int}", routes=live.routes)
    app = Starlette(routes=[Mount("/{org}", routes=[mount]) if nested else mount])
    address = "/acme/teams/7/chat/lobby" if nested else "/teams/7/chat/lobby"
    async with Socket(app, f"{address}?team=8") as page:
        await page.send(team="9", room="EVIL", msg="hi")
        assert "7 lobby hi" in await page.receive()
    params = {"room": "lobby", "team": 7, **({"org": "acme"} if nested else {})}
    assert came == [(7, params), ("lobby", 7)]


async def test_a_mount_whose_parameter_is_the_servers_is_an_error_for_the_log(
    live: HtmxWS, caplog: pytest.LogCaptureFixture
) -> None:
    live.ws("/chat")(lambda user: line(user))
    app = Starlette(routes=[Mount("/of/{user}", routes=live.routes)])
    async with Socket(app, "/of/ann/chat") as page:
        assert await page.closed() == 1013
    assert "give the path's parameter another name" in caplog.text


async def test_a_route_of_everything_else_answers_paths_that_nobody_has(live: HtmxWS) -> None:
    live.ws("/chat")(lambda: line("hi"))
    app = Starlette(routes=[*live.routes, WebSocketRoute("/{path:path}", live)])
    assert "hi" in await answer(app, "/chat")
    async with Socket(app, "/nowhere") as page:
        assert await page.closed() == 4404


# --- markup ----------------------------------------------------------------------------

PAGE = """{{ htmx_scripts(4) }}
<div {{ connect_attrs(url_for("say", room="caf\u00e9 & co").include_query_params(page=2)) }}>
  <form id="say-form" {{ send_attrs() }}>"""


@pytest.mark.parametrize("prefix", ["", "/app"])
async def test_a_template_connects_to_where_url_for_says(live: HtmxWS, prefix: str) -> None:
    templates = Jinja2Templates(env=Environment(loader=DictLoader({"p": PAGE}), autoescape=True))
    templates.env.globals.update(live.template_globals)

    @live.ws("/chat/{room}", conn=lambda page: line(f"page {page}"))
    async def say(room: str) -> Any:
        return line(room)

    async def page(request: Request) -> Any:
        return templates.TemplateResponse(request, "p")

    routes = [Route("/", page), *live.routes]
    app = Starlette(routes=[Mount(prefix, routes=routes)] if prefix else routes)
    text = (await get(app, f"{prefix}/")).text
    assert text.count("integrity=") == 2
    assert text.count("hx-ws:send") == 1
    for attribute, dialect in (("ws-connect", "htmx2"), ("hx-ws:connect", "htmx4")):
        (address,) = re.findall(f' {attribute}="(.*?)"', text)
        assert address.startswith(f"{prefix}/chat/café &amp; co?page=2&amp;"), address
        async with Socket(app, address.replace("&amp;", "&")) as socket:
            assert "page 2" in await socket.receive()
            (conn,) = live._hub.connections
            assert conn.dialect == dialect
            await socket.send()
            assert "café &amp; co" in await socket.receive()


# --- what Starlette's middleware gives -------------------------------------------------


class Everyone(AuthenticationBackend):
    async def authenticate(self, conn: HTTPConnection) -> Any:
        return AuthCredentials(["chat"]), SimpleUser(conn.headers["x-name"])


async def test_session_user_auth_and_state_are_at_hand_in_hooks_and_handlers(live: HtmxWS) -> None:
    came: list[Any] = []

    async def joined(session: dict[str, Any], user: SimpleUser, auth: Any, state: Any) -> None:
        came.append((session, user.username, auth.scopes, state.db))

    @live.ws("/chat", conn=joined)
    async def say(session: dict[str, Any], user: SimpleUser, auth: Any, state: Any) -> Any:
        came.append((session, user.username, auth.scopes, state.db))
        return line("done")

    app = an_app(
        live,
        middleware=[
            Middleware(SessionMiddleware, secret_key="a test's"),
            Middleware(AuthenticationMiddleware, backend=Everyone()),
        ],
    )
    async with Server(app):
        await answer(app, "/chat", headers=[("x-name", "ann")], scope={"state": {"db": "open"}})
    assert came == [({}, "ann", ["chat"], "open")] * 2


async def test_the_handshake_is_at_hand_as_starlettes_request(live: HtmxWS) -> None:
    async def joined(request: Request, connection: HTTPConnection) -> Any:
        return line(f"{request.cookies['a']} {connection.query_params['b']} {request.method}")

    @live.ws("/chat/{room}", conn=joined)
    async def say(wanted: Request, msg: str = "") -> Any:
        return line(f"{wanted.url_for('home')} {wanted.path_params['room']} {msg}")

    app = Starlette(routes=[Route("/home", lambda request: None, name="home"), *live.routes])
    async with Socket(app, "/chat/lobby?b=2", headers=[("cookie", "a=1")]) as page:
        assert "1 2 GET" in await page.receive()
        await page.send(msg="hi", wanted="EVIL")
        assert "http://testserver/home lobby hi" in await page.receive()


async def test_a_template_response_is_sent_with_what_its_request_knows(live: HtmxWS) -> None:
    source = '<p id="x">{{ request.url_for("home") }} {{ request.session.name }} {{ msg }}</p>'
    templates = Jinja2Templates(env=Environment(loader=DictLoader({"x": source}), autoescape=True))

    @live.ws("/chat")
    async def say(request: Request, msg: str) -> Any:
        return templates.TemplateResponse(request, "x", {"msg": msg})

    app = Starlette(routes=[Route("/home", lambda request: None, name="home"), *live.routes])
    session = {"session": {"name": "ann"}}
    async with Socket(app, "/chat", scope=session) as page:
        await page.send(msg="<b>")
        text = "http://testserver/home ann &lt;b&gt;"
        assert await page.receive() == f'<p hx-swap-oob="outerHTML" id="x">{text}</p>'


async def test_plain_functions_run_in_starlettes_threads(live: HtmxWS) -> None:
    names: set[str] = set()

    def joined(room: str) -> None:
        names.add(threading.current_thread().name)

    @live.ws("/chat/{room}", conn=joined, disconn=joined)
    def say() -> Any:
        names.add(threading.current_thread().name)
        return pieces()

    def pieces() -> Any:
        names.add(threading.current_thread().name)
        yield line("hi")

    assert "hi" in await answer(an_app(live), "/chat/lobby")
    assert names == {"AnyIO worker thread"}


# --- exceptions ------------------------------------------------------------------------

SEE_OTHER = HTTPException(303, headers={"Location": "/login?next=/chat"})


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (SEE_OTHER, 4303, "See Other"),
        (HTTPException(401), 4401, "Unauthorized"),
        (HTTPException(403, "members only"), 4403, "members only"),
        (HTTPException(404), 4404, "Not Found"),
        (HTTPException(408), 1013, "error"),
        (HTTPException(429), 1013, "error"),
        (HTTPException(503), 1013, "error"),
        (WebSocketException(1008, "no"), 1008, "no"),
        (WebSocketException(4001, "no"), 4001, "no"),
        (WebSocketException(1011, "no"), 1008, "no"),
    ],
    ids=repr,
)
async def test_exceptions_of_a_connect_hook_turn_a_page_away(
    live: HtmxWS, error: Exception, code: int, reason: str
) -> None:
    def joined() -> None:
        raise error

    live.ws("/chat", conn=joined)(lambda: None)
    async with Socket(an_app(live), "/chat") as page:
        assert await page.closed() == code
        assert page.reason == reason
        told = "".join(page.pending)
        assert ("/login?next=/chat" in told) is (error is SEE_OTHER)


async def test_exceptions_of_a_handler_are_the_error_hooks(live: HtmxWS) -> None:
    chat = live.endpoint("/chat")

    @chat.on_message
    async def say(status: int) -> None:
        raise HTTPException(status)

    chat.on_error(lambda error: line(f"{type(error).__name__} {error.status_code}"))
    async with Socket(an_app(live), "/chat") as page:
        for status in (303, 403, 503):
            await page.send(status=status)
            assert f"HTTPException {status}" in await page.receive()
        assert page.code is None


@pytest.mark.parametrize("name", ["ws", "websocket"])
def test_a_websocket_of_starlette_is_refused_with_what_to_take(name: str) -> None:
    def handler(**arguments: Any) -> None: ...

    kind = inspect.Parameter.KEYWORD_ONLY
    parameter = inspect.Parameter(name, kind, annotation=WebSocket)
    handler.__signature__ = inspect.Signature([parameter])  # type: ignore[attr-defined]  # PEP 362
    with pytest.raises(RegistrationError, match="take `conn: Connection` to send"):
        HtmxWS().ws("/chat")(handler)


def test_an_address_that_is_text_is_written_as_it_is() -> None:
    assert HtmxWS().connect_attrs("wss://b.example/x")["ws-connect"] == "wss://b.example/x?hx=2"


@pytest.mark.parametrize(
    ("user", "identity"),
    [
        (SimpleUser("ann"), "ann"),
        (SimpleNamespace(is_authenticated=True, identity=7, display_name="Ann"), 7),
        (SimpleNamespace(is_authenticated=True), None),
        (SimpleNamespace(is_authenticated=False, identity=7), None),
        (None, None),
    ],
)
async def test_who_a_visitor_is_is_what_the_middleware_found(
    user: object, identity: object
) -> None:
    live = HtmxWS()
    live.ws("/chat")(lambda conn: line(repr(conn.identity)))
    async with Socket(Starlette(routes=live.routes), "/chat", scope={"user": user}) as page:
        await page.send()
        assert line(repr(identity)).html in await page.receive()
