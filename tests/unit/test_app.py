"""The application as one ASGI callable: routed to, mounted, wrapped, started and stopped."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute

from htmx_ws import Connection, HtmxWS, MemoryBackend, RegistrationError, append, html, serialise
from htmx_ws.backends import Keep, Receiver
from htmx_ws.testing import Denied, Socket
from htmx_ws.types import ASGIApp, Message, Receive, Scope, Send


def item(text: object) -> Any:
    return append("#log", html("<li>{}</li>", text))


def text_of(content: object) -> str:
    (message,) = serialise(content)
    return message.text


def an_app(path: str = "/ws", **how: Any) -> HtmxWS:
    """An application that echoes on one path, and whose pages join a room."""
    live = HtmxWS(**how)

    async def joined(conn: Connection) -> None:
        await conn.join("room")

    @live.ws(path, conn=joined)
    async def echo(msg: str) -> Any:
        return item(msg)

    return live


async def echoes(app: ASGIApp, path: str, **how: Any) -> None:
    async with Socket(app, path, **how) as page:
        await page.send(msg="hi")
        assert await page.receive() == text_of(item("hi"))


def test_template_engines_are_given_the_names_that_pages_need() -> None:
    live = HtmxWS()
    names = live.template_globals
    assert str(names["connect_attrs"]("/x")) == str(live.connect_attrs("/x"))
    assert str(names["send_attrs"]()) == str(live.send_attrs())
    assert "integrity=" in names["htmx_scripts"](2)


# --- paths -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "address", "params"),
    [
        ("/chat/{room}", "/chat/lobby", {"room": "lobby"}),
        ("/chat/{room}", "/chat/caf%C3%A9%20x", {"room": "café x"}),
        ("/item/{n:int}", "/item/7", {"n": 7}),
        ("/x/{x:float}/y/{y}", "/x/1.5/y/2", {"x": 1.5, "y": "2"}),
        ("/files/{rest:path}", "/files/a/b.txt", {"rest": "a/b.txt"}),
    ],
)
async def test_path_parameters_reach_hooks_and_handlers_converted(
    path: str, address: str, params: dict[str, Any]
) -> None:
    live, seen = HtmxWS(), []

    async def joined(conn: Connection) -> None:
        seen.append(conn.path_params)

    @live.ws(path, conn=joined)
    async def handler(conn: Connection) -> Any:
        seen.append(conn.path_params)
        return item("done")

    async with Socket(live, address) as page:
        await page.send()
        await page.receive()
    assert seen == [params, params]


async def test_the_first_path_that_fits_is_taken() -> None:
    live = HtmxWS()
    for n, path in enumerate(["/chat/main", "/chat/{room}", "/{rest:path}"]):
        live.ws(path)(lambda n=n: item(n))
    for n, address in enumerate(["/chat/main", "/chat/other", "/else/where"]):
        async with Socket(live, address) as page:
            await page.send({"n": str(n)})
            assert await page.receive() == text_of(item(n))


def test_one_path_has_one_endpoint() -> None:
    live = HtmxWS()
    live.endpoint("/chat")
    with pytest.raises(RegistrationError, match="'/chat' has an endpoint already"):
        live.endpoint("/chat")
    with pytest.raises(RegistrationError, match="'/chat' has an endpoint already"):

        @live.ws("/chat")
        async def say() -> None: ...


@pytest.mark.parametrize("root", ["/app", "/app/", "/a/b"])
@pytest.mark.parametrize("full", [True, False])
async def test_it_can_be_mounted_whether_or_not_the_path_holds_the_root(
    root: str, full: bool
) -> None:
    path = root.rstrip("/") + "/ws" if full else "/ws"
    await echoes(an_app(), path, scope={"root_path": root})


async def test_a_scope_may_hold_only_what_it_must() -> None:
    sent: list[Message] = []
    events: list[Message] = [
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": '{"msg":"hi"}'},
        {"type": "websocket.disconnect"},
    ]

    async def receive() -> Message:
        return events.pop(0)

    async def send(event: Message) -> None:
        sent.append(event)

    await an_app()({"type": "websocket", "path": "/ws"}, receive, send)
    assert [event["type"] for event in sent] == ["websocket.accept", "websocket.send"]


@pytest.mark.parametrize("path", ["/ws", "/nowhere"])
async def test_a_page_that_goes_before_it_connects_is_answered_nothing(path: str) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.disconnect"}

    async def send(event: Message) -> None:
        sent.append(event)

    await an_app()({"type": "websocket", "path": path}, receive, send)
    assert sent == []


# --- subprotocols ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("configured", "offered", "agreed"),
    [
        (["chat"], ["chat"], "chat"),
        (["chat", "v2"], ["v3", "v2", "chat"], "v2"),
        (["chat"], ["other"], None),
        (["chat"], [], None),
        ([], ["chat"], None),
    ],
)
@pytest.mark.parametrize("path", ["/ws", "/nowhere"])
async def test_an_offered_subprotocol_is_agreed_to_where_it_is_configured(
    configured: list[str], offered: list[str], agreed: str | None, path: str
) -> None:
    """By a page that is turned away too: its browser would not see the close otherwise."""
    live = an_app(subprotocols=configured)
    async with Socket(live, path, subprotocols=offered) as page:
        assert page.subprotocol == agreed


# --- publishing ------------------------------------------------------------------------


async def test_publish_and_members_are_the_applications_too() -> None:
    live = an_app()
    async with Socket(live, "/ws") as a, Socket(live, "/ws") as b:
        first, second = live.members("room")
        assert await live.publish("room", item(1)) == 1
        assert await live.publish("room", item(2), exclude=first) == 2
        assert await live.publish("room", item(3), to=first.id) == 3
        assert await live.publish("room", lambda conn: item(conn is second)) == 4
        assert await live.publish("room", lambda conn: item("v"), variant=lambda conn: 1) == 5
        assert a.pending == list(map(text_of, map(item, (1, 3, False, "v"))))
        assert b.pending == list(map(text_of, map(item, (1, 2, True, "v"))))
    assert live.members("room") == []


def test_it_gives_the_attributes_of_markup() -> None:
    live = HtmxWS()
    assert live.connect_attrs("/ws")["ws-connect"] == "/ws?hx=2"
    assert "ws-send" in live.send_attrs()


async def test_debug_is_of_the_application_or_of_its_test_client(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for debug_app, debug_page in ((True, False), (False, True), (False, False)):
        live = HtmxWS(debug=debug_app)

        @live.ws("/ws")
        async def injects(msg: str) -> Any:
            return append("#log", f"<li>{msg}</li>")

        caplog.clear()
        async with Socket(live, "/ws", debug=debug_page) as page:
            await page.send(msg="<b>")
            await page.receive()
        assert bool(caplog.records) == (debug_app or debug_page)


@pytest.mark.parametrize("origins", ["https://other.example", ["https://other.example"], None])
async def test_origins_may_be_one_or_several(origins: Any) -> None:
    live = an_app(origins=origins)
    async with Socket(live, "/ws", origin="https://other.example") as page:
        if origins is None:
            assert await page.closed() == 4403
        else:
            await page.send(msg="hi")
            await page.receive()


async def test_one_is_told_at_each_start_that_pages_of_every_site_may_connect(
    caplog: pytest.LogCaptureFixture,
) -> None:
    live = an_app(origins=["https://other.example", "*"])
    assert caplog.records == []
    for _ in range(2):
        caplog.clear()
        async with live.lifespan():
            await echoes(live, "/ws", origin="https://elsewhere.test")
            await echoes(live, "/ws")
        (record,) = caplog.records
        assert record.levelname == "WARNING"
        assert "origins='*'" in record.getMessage()
        assert "page_tokens" in record.getMessage()


@pytest.mark.parametrize(("count", "warns"), [(1, False), (4, True)])
async def test_one_is_told_of_other_workers_soon_after_the_start(
    count: int, warns: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looked = asyncio.Event()

    def count_workers() -> int:
        looked.set()
        return count

    monkeypatch.setattr("htmx_ws.app.count_workers", count_workers)
    monkeypatch.setattr("htmx_ws.app.LOOK_AFTER_SECONDS", 0)
    async with an_app().lifespan():
        await asyncio.wait_for(looked.wait(), 5)
    assert ("This is one of 4 processes" in caplog.text) == warns


# --- SIGTERM ---------------------------------------------------------------------------


@pytest.mark.parametrize("drain_seconds", [5.0, 0])
async def test_it_takes_part_in_sigterm_while_it_serves_unless_it_drains_in_no_time(
    drain_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []

    def drain_at_sigterm(drain: Any) -> Callable[[], None]:
        calls.append(drain)
        return lambda: calls.append("taken back")

    monkeypatch.setattr("htmx_ws.app.drain_at_sigterm", drain_at_sigterm)
    live = an_app(drain_seconds=drain_seconds)
    for _ in range(2):
        calls.clear()
        async with live.lifespan():
            await echoes(live, "/ws")
            assert calls == ([live.drain] if drain_seconds else [])
        assert calls == ([live.drain, "taken back"] if drain_seconds else [])


# --- what is not ours ------------------------------------------------------------------


class Inner:
    """The application that ours is wrapped around: it notes what it is asked."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": 4999})


async def nothing() -> Message:
    raise AssertionError


async def discard(event: Message) -> None:
    raise AssertionError


async def test_wrapped_around_an_application_it_takes_its_paths_and_passes_on_the_rest() -> None:
    inner = Inner()
    app = an_app().wrap(inner)
    await echoes(app, "/ws")
    assert inner.scopes == []
    async with Socket(app, "/theirs") as page:
        assert await page.closed() == 4999
    for kind in ("http", "lifespan", "else"):
        scope = {"type": kind, "path": "/ws"}
        await app(scope, nothing, discard)
        assert inner.scopes[-1] is scope
    assert len(inner.scopes) == 4


async def test_unknown_kinds_of_scopes_are_left_alone() -> None:
    await an_app()({"type": "webtransport"}, nothing, discard)


# --- lifespan --------------------------------------------------------------------------


class Backend(MemoryBackend):
    """Counts its starts and stops, and may fail."""

    def __init__(self, fails: str = "") -> None:
        super().__init__()
        self.fails, self.calls = fails, list[str]()

    async def start(self, receiver: Receiver, keeps: Mapping[str, Keep] | None = None) -> None:
        self.calls.append("start")
        if self.fails == "startup":
            raise ConnectionError("no broker")
        await super().start(receiver, keeps)

    async def stop(self) -> None:
        self.calls.append("stop")
        if self.fails == "shutdown":
            raise ConnectionError("no broker")
        await super().stop()


class Lifespan:
    """A server's side of the lifespan of an application."""

    def __init__(self, app: ASGIApp) -> None:
        self.events: asyncio.Queue[Message] = asyncio.Queue()
        self.answers: asyncio.Queue[Message] = asyncio.Queue()
        scope = {"type": "lifespan", "state": {}}
        self.task = asyncio.ensure_future(app(scope, self.events.get, self.answers.put))

    async def ask(self, phase: str) -> Message:
        self.events.put_nowait({"type": f"lifespan.{phase}"})
        return await asyncio.wait_for(self.answers.get(), 5)


async def test_as_the_root_it_handles_the_lifespan() -> None:
    backend = Backend()
    live = an_app(backend=backend)
    server = Lifespan(live)
    assert await server.ask("startup") == {"type": "lifespan.startup.complete"}
    assert backend.calls == ["start"]
    await echoes(live, "/ws")
    assert await server.ask("shutdown") == {"type": "lifespan.shutdown.complete"}
    await server.task
    assert backend.calls == ["start", "stop"]


@pytest.mark.parametrize("phase", ["startup", "shutdown"])
async def test_what_fails_at_the_start_or_the_end_is_told_to_the_server(
    phase: str, caplog: pytest.LogCaptureFixture
) -> None:
    server = Lifespan(an_app(backend=Backend(fails=phase)))
    answer = await server.ask("startup")
    if phase == "shutdown":
        answer = await server.ask("shutdown")
    assert answer == {"type": f"lifespan.{phase}.failed", "message": "no broker"}
    await server.task
    (record,) = caplog.records
    assert phase in record.getMessage()
    assert record.exc_info


async def test_stopping_closes_every_page_which_comes_back() -> None:
    live, left = HtmxWS(), []

    async def gone(name: str) -> None:
        await asyncio.sleep(0)
        left.append(name)

    live.ws("/{name}", disconn=gone)(lambda: None)
    server = Lifespan(live)
    await server.ask("startup")
    async with Socket(live, "/a") as a, Socket(live, "/b") as b, Socket(live, "/c") as c:
        c.stall()
        await server.ask("shutdown")
        assert sorted(left) == ["a", "b", "c"]  # their hooks are over before the server is
        assert [await page.closed() for page in (a, b, c)] == [1012] * 3
        assert a.reason == "restart"
    await server.task


@pytest.mark.parametrize("debug", [False, True])
async def test_a_page_that_does_not_end_does_not_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, debug: bool
) -> None:
    """In debug, where somebody waits for a reload, less than in production."""
    where = "htmx_ws.app.DEBUG_STOP_SECONDS" if debug else "htmx_ws.hub.STOP_SECONDS"
    monkeypatch.setattr(where, 0.01)
    live, may_end = HtmxWS(debug=debug), asyncio.Event()

    async def gone() -> None:
        await may_end.wait()

    live.ws("/ws", disconn=gone)(lambda: None)
    server = Lifespan(live)
    await server.ask("startup")
    async with Socket(live, "/ws"):
        await server.ask("shutdown")
        assert "1 pages did not end in 0.01 s" in caplog.text
        may_end.set()
    await server.task


async def test_nested_three_times_it_starts_once_and_stops_with_the_last() -> None:
    backend = Backend()
    live = an_app(backend=backend)
    async with live.lifespan():
        async with live.lifespan(object()):
            async with live.lifespan():
                assert backend.calls == ["start"]
            await echoes(live, "/ws")
        assert backend.calls == ["start"]
    assert backend.calls == ["start", "stop"]
    async with live.lifespan():
        assert backend.calls == ["start", "stop", "start"]
        await echoes(live, "/ws")


async def test_without_a_lifespan_it_starts_itself_at_its_first_page() -> None:
    backend = Backend()
    live = an_app(backend=backend)
    assert await live.publish("room", item("nobody")) == 1
    assert backend.calls == []
    for _ in range(2):
        await echoes(live, "/ws")
    assert backend.calls == ["start"]


def test_it_serves_on_a_second_loop_after_the_first_has_ended() -> None:
    backend = Backend()
    live = an_app(backend=backend)

    async def visit() -> None:
        async with Socket(live, "/ws") as page:
            await live.publish("room", item(1))
            await page.receive()
            await page.send(msg="hi")
            await page.receive()
            assert len(live.members("room")) == 1

    for _ in range(3):
        asyncio.run(visit())
    assert backend.calls == ["start"] * 3


def test_pages_that_a_loop_took_with_it_are_forgotten() -> None:
    live = an_app()

    async def leave_open() -> None:
        await Socket(live, "/ws").open()
        assert len(live.members("room")) == 1

    asyncio.run(leave_open())
    asyncio.run(leave_open())


async def test_two_loops_at_once_are_refused() -> None:
    live = an_app()
    errors: list[BaseException] = []

    def elsewhere() -> None:
        try:
            asyncio.run(echoes(live, "/ws"))
        except RuntimeError as error:
            errors.append(error)

    async with Socket(live, "/ws"):
        thread = threading.Thread(target=elsewhere)
        thread.start()
        await asyncio.to_thread(thread.join)
        await echoes(live, "/ws")
    (error,) = errors
    assert "another event loop that still runs" in str(error)


# --- within Starlette ------------------------------------------------------------------


class Everyone(AuthenticationBackend):
    async def authenticate(self, conn: Any) -> Any:
        return AuthCredentials(["chat"]), SimpleUser("ann")


def starlette(live: HtmxWS, route: str) -> Starlette:
    routes: dict[str, list[Any]] = {
        "Mount": [Mount("/app", live)],
        "Mount in a Mount": [Mount("/app", routes=[Mount("/inner", live)])],
        "WebSocketRoute": [WebSocketRoute("/app/ws/{name}", live)],
    }
    return Starlette(
        routes=[*routes[route], Route("/page", lambda request: PlainTextResponse("page"))],
        middleware=[
            Middleware(SessionMiddleware, secret_key="secret"),
            Middleware(AuthenticationMiddleware, backend=Everyone()),
        ],
        lifespan=live.lifespan,
    )


@pytest.mark.parametrize("route", ["Mount", "Mount in a Mount", "WebSocketRoute"])
async def test_within_starlette_its_session_user_auth_and_state_are_at_hand(route: str) -> None:
    live, seen = HtmxWS(), []
    path = {"WebSocketRoute": "/app/ws/{name}"}.get(route, "/ws/{name}")

    @live.ws(path)
    async def handler(
        name: str, session: Any, user: Any, auth: Any, state: Any, app: Any, conn: Connection
    ) -> Any:
        seen.append((name, dict(session), user.username, auth.scopes, state.db, app))
        return item("done")

    app = starlette(live, route)
    address = "/app/inner/ws/x" if route == "Mount in a Mount" else "/app/ws/x"
    async with Socket(app, address, scope={"state": {"db": 7}}) as page:
        await page.send()
        assert await page.receive() == text_of(item("done"))
    assert seen == [("x", {}, "ann", ["chat"], 7, app)]


@pytest.mark.parametrize("origin", ["same", "https://evil.test"])
async def test_an_endpoint_that_a_router_leads_to_lets_in_whom_its_application_would(
    origin: str,
) -> None:
    live = HtmxWS()
    endpoint = live.endpoint("/ws/{name}")
    endpoint.on_message(lambda name: item(name))
    app = Starlette(routes=[WebSocketRoute("/theirs/{name}", endpoint)])
    async with Socket(app, "/theirs/x", origin=origin) as page:
        if origin == "same":
            await page.send()
            assert await page.receive() == text_of(item("x"))
        else:
            assert await page.closed() == 4403


async def test_within_starlette_the_lifespan_is_the_hosts() -> None:
    backend = Backend()
    live = an_app(backend=backend)
    app = starlette(live, "Mount")
    server = Lifespan(app)
    assert (await server.ask("startup"))["type"] == "lifespan.startup.complete"
    assert backend.calls == ["start"]
    await echoes(app, "/app/ws")
    assert (await server.ask("shutdown"))["type"] == "lifespan.shutdown.complete"
    assert backend.calls == ["start", "stop"]
    await server.task


async def test_a_hosts_own_lifespan_may_hold_ours() -> None:
    backend, order = Backend(), []
    live = an_app(backend=backend)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        async with live.lifespan(app):
            order.append("up")
            yield {"db": 1}
        order.append("down")

    server = Lifespan(Starlette(routes=[Mount("/app", live)], lifespan=lifespan))
    await server.ask("startup")
    await server.ask("shutdown")
    await server.task
    assert (order, backend.calls) == (["up", "down"], ["start", "stop"])


async def test_an_http_request_to_a_mounted_application_is_not_found() -> None:
    with pytest.raises(Denied):  # Starlette itself refuses what no route takes
        await Socket(starlette(an_app(), "Mount"), "/elsewhere").open()
    sent: list[Message] = []

    async def send(event: Message) -> None:
        sent.append(event)

    scope = {"type": "http", "path": "/ws", "method": "GET", "headers": []}
    await an_app()(scope, nothing, send)
    start, body = sent
    assert start["status"] == 404
    assert dict(start["headers"])[b"content-length"] == str(len(body["body"])).encode()


async def test_nothing_is_logged_while_all_is_well(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "htmx_ws")
    live = an_app()
    async with live.lifespan():
        await echoes(live, "/ws")
    assert caplog.records == []


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"drain_seconds": -1}, "drain_seconds is -1: it must be a number of 0 or more"),
        ({"drain_seconds": "5"}, "drain_seconds is '5': it must be a number of 0 or more"),
        ({"strict_html": "no"}, "strict_html is 'no': it is True or False"),
        ({"debug": 0}, "debug is 0: it is True or False"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_name(given: dict[str, Any], why: str) -> None:
    with pytest.raises((TypeError, ValueError), match=why):
        HtmxWS(**given)
