"""The test client, against tiny ASGI applications: it does what a page and a server would."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htmx_ws import testing
from htmx_ws.security import check_origin
from htmx_ws.testing import Closed, Denied, Socket, build_frame
from htmx_ws.testing.handshake import build_scope
from htmx_ws.types import ASGIApp, Message, Receive, Scope, Send
from htmx_ws.wire.frame import Dialect, parse

DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
ACCEPT = {"type": "websocket.accept"}


def text(content: str) -> Message:
    return {"type": "websocket.send", "text": content}


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Send back what comes, as it is, until the page goes."""
    assert (await receive())["type"] == "websocket.connect"
    await send(ACCEPT)
    while (event := await receive())["type"] == "websocket.receive":
        await send(text(event["text"] if "text" in event else repr(event["bytes"])))


def sends(*events: Message, then: str = "waits") -> ASGIApp:
    """Make an application that sends these events, and then waits for the page, or ends."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        for event in events:
            await send(event)
        while then == "waits" and (await receive())["type"] != "websocket.disconnect":
            pass

    return app


async def fails(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send(ACCEPT)
    await receive()
    raise ZeroDivisionError("the application's own")


# --- a conversation --------------------------------------------------------------------


async def test_a_page_sends_and_receives() -> None:
    async with Socket(echo, "/") as page:
        await page.send_text("one")
        await page.send_text("two")
        assert await page.receive() == "one"
        assert await page.receive() == "two"


async def test_a_page_sends_frames_of_its_dialect() -> None:
    async with Socket(echo, "/", dialect="htmx2") as page:
        await page.send(msg="hi", sender="say-form", sender_name="say")
        frame = parse(await page.receive())
    assert frame.values == {"msg": "hi"}
    assert (frame.dialect, frame.sender, frame.htmx.trigger_name) == ("htmx2", "say-form", "say")


async def test_htmx_4_is_the_default_dialect() -> None:
    async with Socket(echo, "/") as page:
        await page.send({"msg": "hi"}, sender="say", sender_tag="button")
        frame = parse(await page.receive())
    assert (frame.dialect, frame.sender, frame.htmx.tag) == ("htmx4", "say", "button")


async def test_fields_may_be_named_as_the_parameters_are() -> None:
    values = {"sender": "a", "name": "Ann", "tag": "b", "values": "c"}
    async with Socket(echo, "/", dialect="raw") as page:
        await page.send(values)
        assert json.loads(await page.receive()) == values
        await page.send({"msg": "a"}, msg="b", values="c")
        assert json.loads(await page.receive()) == {"msg": "b", "values": "c"}
        await page.send()
        assert json.loads(await page.receive()) == {}


async def test_a_page_sends_binary_messages() -> None:
    async with Socket(echo, "/") as page:
        await page.send_bytes(b"\xff")
        assert await page.receive() == r"b'\xff'"


async def test_what_has_come_and_was_not_received_is_pending() -> None:
    async with Socket(sends(ACCEPT, text("a"), text("b")), "/") as page:
        assert await page.receive() == "a"
        assert page.pending == ["b"]
        page.pending.clear()
        assert await page.receive() == "b"
        assert page.pending == []


async def test_the_application_sees_how_the_page_left() -> None:
    seen: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(await receive())
        await send(ACCEPT)
        seen.append(await receive())

    async with Socket(app, "/"):
        pass
    async with Socket(app, "/") as page:
        await page.close(1005)
        await page.close(1000)  # the second time there is nothing left to do
    assert seen == [
        {"type": "websocket.connect"},
        {"type": "websocket.disconnect", "code": 1001},
        {"type": "websocket.connect"},
        {"type": "websocket.disconnect", "code": 1005},
    ]


async def test_leaving_waits_until_the_application_is_done() -> None:
    done: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await echo(scope, receive, send)
        for _ in range(10):
            await asyncio.sleep(0)
        done.append("cleaned up")

    async with Socket(app, "/"):
        pass
    assert done == ["cleaned up"]


async def test_sending_to_a_page_that_has_left_is_what_servers_raise() -> None:
    errors: list[Exception] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await echo(scope, receive, send)
        for event in (text("too late"), {"type": "websocket.close", "code": 1012}):
            with pytest.raises(OSError, match="the page has gone") as caught:
                await send(event)
            errors.append(caught.value)

    async with Socket(app, "/") as page:
        pass
    assert len(errors) == 2
    assert page.pending == []
    assert page.code is None


async def test_a_page_that_has_left_sends_and_receives_no_more() -> None:
    async with Socket(sends(ACCEPT, text("a")), "/") as page:
        await page.close()
        with pytest.raises(Closed, match="closed with 1001 by the page itself"):
            await page.send(msg="hi")
        assert await page.receive() == "a"
        with pytest.raises(Closed, match="closed with 1001 by the page itself"):
            await page.receive()


# --- the application closes ------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "code", "reason"),
    [
        ({"type": "websocket.close"}, 1000, ""),
        ({"type": "websocket.close", "code": 1012}, 1012, ""),
        ({"type": "websocket.close", "code": 4403, "reason": "members only"}, 4403, "members only"),
        ({"type": "websocket.close", "code": 1008, "reason": None}, 1008, ""),
    ],
)
async def test_a_page_sees_the_code_and_reason(event: Message, code: int, reason: str) -> None:
    async with Socket(sends(ACCEPT, text("last words"), event), "/") as page:
        assert await page.closed() == code
        assert (page.code, page.reason) == (code, reason)
        assert await page.receive() == "last words"
        with pytest.raises(Closed, match=f"^closed with {code} ?{reason}$") as caught:
            await page.receive()
    assert (caught.value.code, caught.value.reason) == (code, reason)


async def test_sending_after_the_application_closed_raises_that() -> None:
    async with Socket(sends(ACCEPT, {"type": "websocket.close", "code": 4404}), "/") as page:
        await page.closed()
        for send in (page.send(msg="a"), page.send_text("a"), page.send_bytes(b"a")):
            with pytest.raises(Closed, match="closed with 4404"):
                await send


async def test_the_application_is_told_that_its_close_is_done() -> None:
    seen: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(ACCEPT)
        await send({"type": "websocket.close", "code": 1008})
        seen.append(await receive())
        with pytest.raises(OSError, match="the page has gone"):
            await send({"type": "websocket.close", "code": 4000})
        with pytest.raises(OSError, match="the page has gone"):
            await send(text("too late"))

    async with Socket(app, "/") as page:
        assert await page.closed() == 1008
    assert seen == [{"type": "websocket.disconnect", "code": 1008}]
    assert page.code == 1008


async def test_an_application_that_ends_without_a_close_looks_like_a_drop() -> None:
    async with Socket(sends(ACCEPT, text("a"), then="ends"), "/") as page:
        assert await page.receive() == "a"
        with pytest.raises(Closed, match="1006 the application ended without closing the socket"):
            await page.receive()
        with pytest.raises(AssertionError, match="the application ended without closing"):
            await page.closed()


# --- the handshake is refused ----------------------------------------------------------


async def test_a_close_before_accept_is_http_403() -> None:
    with pytest.raises(Denied, match=r"^the handshake was refused with HTTP 403$") as caught:
        await Socket(sends({"type": "websocket.close", "code": 1008}), "/").open()
    assert (caught.value.status, caught.value.body) == (403, b"")


async def test_a_denial_response_gives_its_status_and_body() -> None:
    app = sends(
        {"type": "websocket.http.response.start", "status": 503, "headers": []},
        {"type": "websocket.http.response.body", "body": b"too ", "more_body": True},
        {"type": "websocket.http.response.body", "body": b"busy\n"},
        {"type": "websocket.http.response.body"},
    )
    with pytest.raises(
        Denied, match=r"^the handshake was refused with HTTP 503 too busy$"
    ) as caught:
        async with Socket(app, "/"):
            raise AssertionError("not reached")
    assert (caught.value.status, caught.value.body) == (503, b"too busy\n")


async def test_an_application_may_end_with_its_denial() -> None:
    with pytest.raises(Denied):
        await Socket(sends({"type": "websocket.close"}, then="ends"), "/").open()


def test_a_denial_without_a_body_is_one() -> None:
    assert str(Denied(401)) == "the handshake was refused with HTTP 401"


# --- what goes wrong -------------------------------------------------------------------


async def test_an_error_before_accept_is_raised_where_the_page_opens() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Socket(app, "/").open()


@pytest.mark.parametrize("waiting", [Socket.receive, Socket.closed])
async def test_an_error_of_the_application_is_raised_where_the_page_waits(
    waiting: Callable[[Socket], Any],
) -> None:
    page = Socket(fails, "/")
    await page.open()
    await page.send_text("go on")
    with pytest.raises(ZeroDivisionError, match="the application's own"):
        await waiting(page)
    with pytest.raises(ZeroDivisionError):
        await page.close()


async def test_an_error_of_the_application_is_raised_when_the_page_leaves() -> None:
    with pytest.raises(ZeroDivisionError):
        async with Socket(fails, "/"):
            pass


async def test_an_application_that_ends_before_accept_is_an_error() -> None:
    with pytest.raises(AssertionError, match="ended without accepting the socket"):
        await Socket(sends(then="ends"), "/").open()


async def test_an_application_that_never_accepts_is_a_timeout_that_leaves_nothing_behind() -> None:
    ended: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    with pytest.raises(TimeoutError, match="neither accepted nor refused the socket within 0 s"):
        await Socket(app, "/", timeout=0).open()
    await asyncio.sleep(0)
    assert ended == ["cancelled"]


async def test_a_message_that_does_not_come_is_a_timeout_that_says_so() -> None:
    async with Socket(echo, "/", timeout=0.01) as page:
        with pytest.raises(TimeoutError, match=r"^no message came within 0.01 s$"):
            await page.receive()
        with pytest.raises(TimeoutError, match=r"^no message came within 0 s$"):
            await page.receive(timeout=0)


async def test_a_close_that_does_not_come_is_a_timeout_that_names_what_came_instead() -> None:
    async with Socket(sends(ACCEPT, text("a"), text("b")), "/") as page:
        with pytest.raises(TimeoutError, match="the socket within 0 s; not received yet: 2"):
            await page.closed(timeout=0)


async def test_an_application_that_never_ends_is_cancelled_and_a_timeout() -> None:
    ended: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(ACCEPT)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    page = Socket(app, "/", timeout=0.01)
    await page.open()
    with pytest.raises(TimeoutError, match="does it still work, or ignore"):
        await page.close()
    assert ended == ["cancelled"]
    await page.close()


async def test_an_application_that_ignores_even_its_cancellation_does_not_hang_the_test() -> None:
    may_end = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(ACCEPT)
        while not may_end.is_set():
            try:
                await may_end.wait()
            except asyncio.CancelledError:
                continue

    page = Socket(app, "/", timeout=0.01)
    await page.open()
    with pytest.raises(TimeoutError):
        await page.close()
    may_end.set()
    await page.close()


@pytest.mark.parametrize(
    "use",
    [
        lambda page: page.send(msg="a"),
        lambda page: page.send_text("a"),
        lambda page: page.receive(),
        lambda page: page.closed(),
        lambda page: page.close(),
    ],
)
async def test_a_socket_that_was_not_opened_says_how_to(use: Callable[[Socket], Any]) -> None:
    with pytest.raises(
        RuntimeError, match=r"not open: use `async with Socket\(app, path\) as page"
    ):
        await use(Socket(echo, "/"))


@pytest.mark.parametrize(
    ("events", "error"),
    [
        ([text("early")], "sent websocket.send where websocket.accept is due"),
        ([{"type": "http.response.start"}], "sent http.response.start where websocket.accept"),
        ([{"type": "websocket.http.response.body"}], "response.body where websocket.accept is due"),
        ([{"type": "websocket.close"}, ACCEPT], "websocket.accept where websocket.accept is due"),
        ([{"type": "websocket.close"}] * 2, "sent websocket.close where websocket.accept is due"),
        ([ACCEPT, ACCEPT], "sent websocket.accept after it had accepted the socket"),
        (
            [ACCEPT, {"type": "websocket.http.response.start", "status": 403}],
            "sent websocket.http.response.start after it had accepted",
        ),
    ],
)
async def test_events_out_of_order_are_errors_in_the_application(
    events: list[Message], error: str
) -> None:
    page = Socket(sends(*events), "/")
    with pytest.raises(RuntimeError, match=re.escape(error)):
        async with page:
            await page.receive()


@pytest.mark.parametrize("event", [{"bytes": b"a"}, {"bytes": b"a", "text": None}, {}])
async def test_a_binary_message_to_a_page_is_an_error(event: Message) -> None:
    page = Socket(sends(ACCEPT, {"type": "websocket.send", **event}), "/")
    with pytest.raises(TypeError, match="binary message, which no htmx reads: send text"):
        async with page:
            await page.receive()


# --- a page that reads slowly ----------------------------------------------------------


async def test_while_a_page_stalls_the_applications_send_blocks() -> None:
    sent: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(ACCEPT)
        await receive()
        for number in range(3):
            await send(text(str(number)))
            sent.append(number)
        await receive()

    async with Socket(app, "/") as page:
        page.stall()
        await page.send_text("begin")
        with pytest.raises(TimeoutError):
            await page.receive(timeout=0.01)
        assert sent == []
        page.resume()
        assert [await page.receive() for _ in range(3)] == ["0", "1", "2"]
        assert sent == [0, 1, 2]


async def test_a_stalled_page_that_leaves_lets_the_blocked_send_go() -> None:
    errors: list[OSError] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(ACCEPT)
        await receive()
        try:
            await send(text("never"))
        except OSError as error:
            errors.append(error)

    async with Socket(app, "/") as page:
        page.stall()
        await page.send_text("begin")
        await asyncio.sleep(0)
    assert len(errors) == 1


# --- the handshake ---------------------------------------------------------------------


async def test_a_subprotocol_is_offered_and_agreed_to() -> None:
    offered: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        offered.extend(scope["subprotocols"])
        await receive()
        await send({"type": "websocket.accept", "subprotocol": scope["subprotocols"][1]})
        await receive()

    async with Socket(app, "/", subprotocols=iter(["a", "b"])) as page:
        assert page.subprotocol == "b"
    assert offered == ["a", "b"]
    async with Socket(echo, "/") as page:
        assert page.subprotocol is None


def test_the_scope_is_what_a_server_makes_of_an_address() -> None:
    scope = build_scope("/chat/a b/%2F/ü?name=é&x=%20 y")
    assert scope["type"] == "websocket"
    assert scope["path"] == "/chat/a b///ü"
    assert scope["raw_path"] == b"/chat/a%20b/%2F/%C3%BC"
    assert scope["query_string"] == b"name=%C3%A9&x=%20%20y"
    assert scope["state"] == {}
    assert scope["extensions"] == {"websocket.http.response": {}}


@pytest.mark.parametrize("path", ["chat", "", "?a=b"])
def test_a_path_without_a_slash_is_an_error_that_shows_it_with_one(path: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"must start with a slash: '/{path}'")):
        Socket(echo, path)


def headers(**how: Any) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = Socket(echo, "/", **how).scope["headers"]
    return found


def test_by_default_the_page_is_from_the_same_host() -> None:
    assert headers() == [(b"host", b"testserver"), (b"origin", b"http://testserver")]


@pytest.mark.parametrize("how", [{}, {"scope": {"scheme": "wss"}}, {"scope": {"scheme": "http"}}])
@pytest.mark.parametrize("host", [[], [("Host", "example.test:8000")]])
def test_the_same_origin_passes_the_check(how: dict[str, Any], host: Any) -> None:
    assert check_origin(Socket(echo, "/", headers=host, **how).scope) is None


def test_a_page_may_send_no_origin_or_any() -> None:
    assert headers(origin=None) == [(b"host", b"testserver")]
    assert headers(origin="http://evil.test")[1:] == [(b"origin", b"http://evil.test")]
    assert headers(origin="")[1:] == [(b"origin", b"")]


def test_headers_are_added_or_take_the_place_of_the_usual() -> None:
    assert headers(headers=[("Cookie", "a=ü"), ("cookie", "b")])[1:3] == [
        (b"cookie", "a=ü".encode()),
        (b"cookie", b"b"),
    ]
    assert headers(headers=[("HOST", "a.test")]) == [
        (b"host", b"a.test"),
        (b"origin", b"http://a.test"),
    ]
    assert headers(headers=[("Origin", "null")]) == [(b"host", b"testserver"), (b"origin", b"null")]


def test_the_scope_takes_what_a_hosts_middleware_would_add() -> None:
    session = {"user": "Ann"}
    more: dict[str, Any] = {"session": session, "root_path": "/app", "headers": []}
    scope = Socket(echo, "/", scope=more).scope
    assert scope["session"] is session
    assert scope["root_path"] == "/app"
    assert scope["headers"] == []
    assert scope["path"] == "/"


def test_a_page_asks_for_the_checks_of_debug_mode() -> None:
    assert "htmx_ws.testing" in Socket(echo, "/").scope["extensions"]
    assert "htmx_ws.testing" in Socket(echo, "/", scope={"extensions": None}).scope["extensions"]
    assert "htmx_ws.testing" not in Socket(echo, "/", debug=False).scope["extensions"]


# --- frames ----------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.dictionaries(
    texts.filter(lambda field: field.lower() != "headers"),
    texts | st.lists(texts) | st.integers(-5, 5) | st.booleans() | st.none(),
    max_size=5,
)


@given(values, st.sampled_from(DIALECTS), texts, st.none() | texts)
def test_what_is_built_is_parsed_as_what_went_in(
    fields: dict[str, Any], dialect: Dialect, sender: str, name: str | None
) -> None:
    built = build_frame(fields, dialect=dialect, sender=sender, name=name)
    frame = parse(built)
    if dialect == "raw":
        assert frame.values == json.loads(built) == fields
        return
    assert (frame.values, frame.dialect) == (fields, dialect)
    assert frame.sender == (sender or None)
    assert frame.htmx.current_url == "http://testserver/"
    assert frame.htmx.trigger_name == (name if dialect == "htmx2" else None)


def test_htmx_2_says_that_a_sender_has_neither_id_nor_name() -> None:
    assert json.loads(build_frame({"msg": "hi"}, dialect="htmx2")) == {
        "msg": "hi",
        "HEADERS": {
            "HX-Request": "true",
            "HX-Trigger": None,
            "HX-Trigger-Name": None,
            "HX-Target": None,
            "HX-Current-URL": "http://testserver/",
        },
    }


def test_htmx_4_names_the_tag_and_encodes_the_id() -> None:
    frame = json.loads(build_frame({}, sender="a ü", tag="button", url="http://a.test/b"))
    assert frame == {
        "headers": {
            "HX-Request": "true",
            "HX-Source": "button#a%20%C3%BC",
            "HX-Current-URL": "http://a.test/b",
            "HX-Target": "button#a%20%C3%BC",
        }
    }
    assert json.loads(build_frame({}))["headers"]["HX-Source"] == "form"


# --- the package -----------------------------------------------------------------------


def test_everything_is_named_by_the_package() -> None:
    assert all(hasattr(testing, name) for name in testing.__all__)
