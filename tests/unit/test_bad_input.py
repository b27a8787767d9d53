"""Everything wrong that can reach the server, and for each: what the page sees, what the log
says, whether the socket lives, and that another page never notices."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from htmx_ws import HtmxWS, Limits, append, html, redirect, replace, serialise, update
from htmx_ws.testing import Socket
from htmx_ws.types import Message

SURROGATE = "\ud800"


def item(text: object) -> Any:
    return append("#log", html("<li>{}</li>", text))


def texts(*contents: object) -> list[str]:
    return [message.text for content in contents for message in serialise(content)]


def an_app(**how: Any) -> HtmxWS:
    """An application with a handler for everything that can go wrong."""
    live = HtmxWS(**how)
    endpoint = live.endpoint("/{room}")

    @endpoint.on_connect
    async def connected(conn: Any, n: int = 0) -> None:
        await conn.join("room")

    @endpoint.on_message
    async def echo(msg: str = "", age: int = 0) -> Any:
        return item(msg)

    async def raises() -> None:
        raise ZeroDivisionError("the secret of the server")

    def raises_in_a_thread() -> None:
        raise ZeroDivisionError("the secret of the server")

    async def streams() -> AsyncIterator[Any]:
        yield item("before")
        raise ZeroDivisionError("the secret of the server")

    for function in (raises, raises_in_a_thread, streams):
        endpoint.on(function.__name__)(function)
    for name, content in UNPLACEABLE.items():
        endpoint.on(f"unplaceable {name}")(_sending(content, name))
    live.ws("/typed/{key}")(typed)
    live.ws("/hook/{key}", conn=typed)(typed)
    return live


async def typed(key: UUID) -> Any:
    return item(key)


UNPLACEABLE: dict[str, Callable[[], Any]] = {
    "element without an id": lambda: "<p>hi</p>",
    "text": lambda: "hi",
    "text beside an element": lambda: '<p id="a"></p> and text',
    "script": lambda: "<script>alert(1)</script>",
    "replace by two elements": lambda: replace("#a", "<p></p><p></p>"),
    "row of a table without an id": lambda: "<tr><td></td></tr>",
    "unknown swap": lambda: '<p id="a" hx-swap-oob="nowhere:#b"></p>',
    "stray end tag": lambda: update("#a", "</div></section></htmx-ws><p>out</p>"),
    "redirect to a script": lambda: redirect("java\nscript:alert(1)"),
}


def _sending(content: Callable[[], Any], name: str) -> Callable[[], Awaitable[Any]]:
    async def sends() -> Any:
        return content()

    return sends


@dataclass
class Bad:
    """What a page sends, by text or by frame, and what follows from it."""

    name: str
    text: str | bytes = ""
    sender: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    sees: list[str] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    level: int = logging.WARNING
    code: int | None = None


NOT_A_FRAME = ["what is not a frame of htmx"]
MALFORMED: dict[str, str] = {
    "nothing": "",
    "no JSON": "hello",
    "HTML": "<script>alert(1)</script>",
    "half a frame": '{"msg":"hi","headers":{"HX-Re',
    "trailing text": "{} {}",
    "list": "[]",
    "number": "7",
    "string": '"{}"',
    "null": "null",
    "true": "true",
    "not a number": '{"n":NaN}',
    "infinite": '{"n":1e999}',
    "infinite within": '{"n":[{"x":-1e999}]}',
    "deep": '{"n":' + "[" * 5_000 + "]" * 5_000 + "}",
    "deep objects": '{"n":' * 5_000 + "1" + "}" * 5_000,
    "deep and unclosed": "[" * 60_000,
    "many fields": json.dumps({f"f{n}": "" for n in range(1_001)}),
    "half a character": '{"msg":"\\ud800"}',
    "half a character as it is": f'{{"msg":"{SURROGATE}"}}',
    "control character": '{"msg":"\x00"}',
    "single quotes": "{'msg':'hi'}",
    "byte order mark": "\ufeff{}",
    "huge integer within": '{"n":' + "9" * 5_000 + "e",
}
TABLE = [
    *(Bad(name, text, logs=NOT_A_FRAME) for name, text in MALFORMED.items()),
    Bad("binary", b"\x00\xff", logs=["binary message"]),
    Bad("binary JSON", b"{}", logs=["binary message"]),
    Bad("too long", "x" * (64 * 1024 + 1), logs=["65537 bytes is over the limit of 65536"]),
    Bad("too long in bytes", json.dumps({"m": "é" * 33_000}, ensure_ascii=False), logs=["over"]),
    Bad("as long as may be", "x" * (64 * 1024), logs=NOT_A_FRAME),
    Bad("far too long", "x" * (1024 * 1024 + 1), logs=["over the hard limit"], code=1009),
    Bad(
        "values that do not bind",
        sender="form",
        values={"age": "<b>old</b>"},
        sees=['innerHTML:#form-errors"', "<b>age</b>", "valid integer"],
        logs=["did not take a frame: age:"],
        level=logging.INFO,
    ),
    Bad(
        "a list for a number",
        sender="form",
        values={"age": ["1", "x"]},
        sees=["<b>age</b>"],
        logs=["age"],
        level=logging.INFO,
    ),
    Bad(
        "an id that breaks out of a selector",
        sender='x"]<script>',
        values={"age": "x"},
        sees=["innerHTML:"],
        logs=["age"],
        level=logging.INFO,
    ),
    *(
        Bad(
            f"handler that {name}",
            sender=name,
            sees=texts(item("before")) if name == "streams" else [],
            logs=[f"{name} failed", "ZeroDivisionError", "the secret of the server"],
            level=logging.ERROR,
        )
        for name in ("raises", "raises_in_a_thread", "streams")
    ),
    *(
        Bad(
            f"unplaceable {name}",
            sender=f"unplaceable {name}",
            logs=["sends failed", "FragmentError"],
            level=logging.ERROR,
        )
        for name in UNPLACEABLE
    ),
    Bad(
        "parameter of the path",
        sender="form",
        sees=["<b>key</b>"],
        logs=["key"],
        level=logging.INFO,
    ),
]


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("bad", TABLE, ids=lambda bad: bad.name)
async def test_whatever_a_page_sends(
    bad: Bad, debug: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "htmx_ws")
    live = an_app()
    path = "/typed/no-uuid" if bad.name == "parameter of the path" else "/a"
    async with (
        Socket(live, "/b", debug=debug) as other,
        Socket(live, path, debug=debug, dialect="htmx2") as page,
    ):
        if isinstance(bad.text, bytes):
            await page.send_bytes(bad.text)
        elif bad.text or not bad.sender:
            await page.send_text(bad.text)
        else:
            await page.send(bad.values, sender=bad.sender)
        if bad.code is not None:
            assert await page.closed() == bad.code
            assert page.pending == []
        else:
            seen = []
            await page.send(msg="alive", sender="nobody")
            if path == "/a":
                while (text := await page.receive()) != texts(item("alive"))[0]:
                    seen.append(text)
            else:
                seen.append(await page.receive())
            assert len(seen) == bool(bad.sees)
            assert all(part in seen[0] for part in bad.sees)
            assert "secret" not in "".join(seen)
            assert page.code is None
        await live.publish("room", item("to all"))
        await other.send(msg="mine")
        assert [await other.receive() for _ in range(2)] == texts(item("to all"), item("mine"))
        assert other.code is None
    records = [record for record in caplog.records if "form-errors" not in record.getMessage()]
    record = records[0]
    assert record.levelno == bad.level
    assert record.name == "htmx_ws"
    assert "<Connection " in record.getMessage()
    assert all(part in caplog.text for part in bad.logs)
    assert "\n" not in record.getMessage()  # nobody writes lines of their own into the log


@pytest.mark.parametrize(
    "bad", [bad for bad in TABLE if bad.text or not bad.sender], ids=lambda bad: bad.name
)
async def test_what_is_no_frame_goes_to_the_error_hook_and_to_no_handler(bad: Bad) -> None:
    live = HtmxWS()
    endpoint = live.endpoint("/ws")
    errors: list[Any] = []

    @endpoint.on_message
    async def handler(data: dict[str, Any]) -> Any:
        assert data == {"fine": "1"}
        return item("fine")

    @endpoint.on_error
    async def wrong(error: Exception, frame: Any) -> Any:
        errors.append(frame)
        return item(type(error).__name__)

    async with Socket(live, "/ws") as page:
        if isinstance(bad.text, bytes):
            await page.send_bytes(bad.text)
        else:
            await page.send_text(bad.text)
        if bad.code is not None:
            assert await page.receive() == texts(item("FrameTooBig"))[0]
            assert await page.closed() == bad.code
        else:
            await page.send(fine="1")
            assert await page.receive() == texts(item("FrameError"))[0]
            assert await page.receive() == texts(item("fine"))[0]
    assert errors == [None]


async def test_limits_of_a_frame_can_be_set() -> None:
    live = an_app(limits=Limits(frame_bytes=100, frame_bytes_hard=200))
    async with Socket(live, "/a", dialect="raw") as page:
        await page.send(msg="x" * 80)
        await page.send(msg="x" * 110)
        await page.send(msg="fine")
        assert [await page.receive() for _ in range(2)] == texts(item("x" * 80), item("fine"))
        await page.send(msg="x" * 210)
        assert await page.closed() == 1009


# --- who may connect -------------------------------------------------------------------

COOKIE = ("cookie", "session=1")
HOSTILE: dict[str, dict[str, Any]] = {
    "another site": {"origin": "http://evil.example"},
    "another port": {"origin": "http://testserver:8000"},
    "a subdomain": {"origin": "http://evil.testserver"},
    "a longer name": {"origin": "http://testserver.evil.example"},
    "a name in the user part": {"origin": "http://testserver@evil.example"},
    "null": {"origin": "null"},
    "empty": {"origin": ""},
    "no scheme": {"origin": "testserver"},
    "another scheme": {"origin": "file://testserver"},
    "an extension": {"origin": "chrome-extension://abc"},
    "a path": {"origin": "http://testserver/"},
    "a space": {"origin": "http://testserver evil"},
    "two": {"origin": "http://testserver, http://evil.example"},
    "two headers": {"headers": [("origin", "http://testserver"), ("Origin", "http://evil.x")]},
    "a bad port": {"origin": "http://testserver:99999"},
    "a half address": {"origin": "http://[::1"},
    "http on wss": {"origin": "http://testserver", "scope": {"scheme": "wss"}},
    "none, with a cookie": {"origin": None, "headers": [COOKIE]},
    "none, with authorization": {"origin": None, "headers": [("authorization", "Basic x")]},
    "no host": {"scope": {"headers": [(b"origin", b"http://testserver")]}},
    "bytes": {"scope": {"headers": [(b"origin", b"\xff\xfe"), (b"host", b"testserver")]}},
    "very long": {"origin": "http://" + "x" * 10_000},
    "a line break": {"origin": "http://evil.example\r\nhost: testserver"},
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_page_of_another_site_is_accepted_and_closed_for_good(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    live = an_app()
    async with Socket(live, "/b") as other:
        async with Socket(live, "/a", **HOSTILE[name]) as page:
            assert await page.closed() == 4403
            assert page.reason == "bad origin"
            assert page.pending == []
        await live.publish("room", item("to all"))
        assert await other.receive() == texts(item("to all"))[0]
        assert len(live.members("room")) == 1
    (record,) = caplog.records
    message = record.getMessage()
    assert record.levelno == logging.WARNING
    assert "Refused a websocket" in message
    assert "HtmxWS(origins=" in message
    assert len(message) < 600
    assert "\n" not in message


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"origin": None},
        {"origin": "https://testserver"},  # a proxy ended TLS
        {"origin": "https://testserver:443", "scope": {"scheme": "wss"}},
        {"origin": "HTTP://TESTSERVER:80"},
    ],
)
async def test_a_page_of_the_same_site_connects(how: dict[str, Any]) -> None:
    async with Socket(an_app(), "/a", **how) as page:
        await page.send(msg="hi")
        assert await page.receive() == texts(item("hi"))[0]


# --- where it connects to --------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "code", "reason", "logged"),
    [
        ("/no/where/at/all", 4404, "not found", "No endpoint for '/no/where/at/all'"),
        ("/", 4404, "not found", "No endpoint for '/'"),
        ("/a?n=one", 4400, "bad query", "does not fit"),
        ("/a?n=1&n=two", 4400, "bad query", "n: Input should be a valid integer"),
        ("/hook/no-uuid", 4400, "bad query", "key: Input should be a valid UUID"),
        ("/hook/no-uuid", 4400, "bad query", "its path gives key, all else its query"),
        ("/a?n=one", 4400, "bad query", "its path gives room, all else its query"),
        ("/a?" + "&".join(f"f{n}=" for n in range(1_001)), 4400, "bad query", "The query of"),
    ],
)
async def test_an_address_that_fits_nothing_is_accepted_and_closed_for_good(
    path: str, code: int, reason: str, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "htmx_ws")
    live = an_app()
    async with Socket(live, "/b") as other:
        async with Socket(live, path) as page:
            assert await page.closed() == code
            assert page.reason == reason
            assert page.pending == []
        await other.send(msg="hi")
        assert await other.receive() == texts(item("hi"))[0]
    assert logged in caplog.text


@pytest.mark.parametrize("query", [b"\xff=\xfe", b"%ff=%", b"&&&", b"=", b"n=", b"hx=2&hx=4"])
async def test_odd_queries_are_only_odd(query: bytes) -> None:
    async with Socket(an_app(), "/a", scope={"query_string": query}) as page:
        await page.send(msg="hi")
        assert await page.receive() == texts(item("hi"))[0]


async def test_plain_http_is_answered_404() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError

    async def send(event: Message) -> None:
        sent.append(event)

    for path in ("/a", "/nowhere"):
        await an_app()({"type": "http", "path": path}, receive, send)
    assert [event.get("status") for event in sent] == [404, None, 404, None]
    assert b"serves websockets" in sent[1]["body"]


# --- values that come back -------------------------------------------------------------

TYPED = "<img src=x onerror=alert(1)>"


@pytest.mark.parametrize("how", ["return", "send", "yield", "publish", "thread", "on_error"])
async def test_in_debug_a_value_that_goes_back_unescaped_is_warned_of(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    live = HtmxWS()
    endpoint = live.endpoint("/ws")

    async def returns_it(msg: str) -> Any:
        return append("#log", f"<li>{msg}</li>")

    async def sends_it(msg: str, send: Any) -> None:
        await send(append("#log", f"<li>{msg}</li>"))

    async def yields_it(msg: str) -> AsyncIterator[Any]:
        yield append("#log", f"<li>{msg}</li>")

    async def publishes_it(msg: str, conn: Any) -> None:
        await conn.join("room")
        await live.publish("room", append("#log", f"<li>{msg}</li>"))

    def sends_it_from_a_thread(msg: str, send: Any) -> None:
        send(append("#log", f"<li>{msg}</li>"))

    async def fails(msg: str) -> None:
        raise ZeroDivisionError

    async def answers_it(data: dict[str, Any]) -> Any:
        return append("#log", f"<li>{data['msg']}</li>")

    handlers: dict[str, Any] = {
        "return": returns_it,
        "send": sends_it,
        "yield": yields_it,
        "publish": publishes_it,
        "thread": sends_it_from_a_thread,
        "on_error": fails,
    }
    endpoint.on_message(handlers[how])
    endpoint.on_error(answers_it)
    async with Socket(live, "/ws") as page:
        await page.send(msg=TYPED)
        assert TYPED in await page.receive()
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    message = record.getMessage()
    guilty = answers_it if how == "on_error" else handlers[how]
    assert guilty.__qualname__ in message
    assert "'msg'" in message
    assert "html(" in message


@pytest.mark.parametrize("debug", [True, False])
async def test_a_value_that_is_escaped_is_not_warned_of(
    debug: bool, caplog: pytest.LogCaptureFixture
) -> None:
    live = HtmxWS()

    @live.ws("/ws")
    async def escapes(msg: str, send: Any) -> AsyncIterator[Any]:
        await send(item(msg))
        yield item(msg)
        if not debug:
            yield append("#log", f"<li>{msg}</li>")  # which only debug looks at

    async with Socket(live, "/ws", debug=debug) as page:
        await page.send(msg=TYPED)
        for _ in range(2):
            assert TYPED not in await page.receive()
    assert caplog.records == []


async def test_a_flood_of_bad_frames_leaves_the_others_alone() -> None:
    live = an_app(limits=Limits(frames_burst=1_000))
    async with Socket(live, "/a") as page, Socket(live, "/b") as other:
        for n in range(500):
            await page.send_text(list(MALFORMED.values())[n % len(MALFORMED)])
        for n in range(20):
            await other.send(msg=str(n))
            assert await asyncio.wait_for(other.receive(), 1) == texts(item(n))[0]
        await page.send(msg="alive")
        assert await page.receive() == texts(item("alive"))[0]
