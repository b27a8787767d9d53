"""What is told to a telemetry callable, in which order; and that it costs and disturbs nobody."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from typing import Any

import pytest

from htmx_ws import Connection, HtmxWS, Limits, Refused, append, html, serialise
from htmx_ws.clock import Clock
from htmx_ws.host import Host
from htmx_ws.telemetry import EVENTS, Event, emit
from htmx_ws.testing import Socket, build_frame
from htmx_ws.types import Message, Receive, Scope, Send

NAME = "tests.unit.test_telemetry"


def item(text: object) -> Any:
    return append("#log", html("<li>{}</li>", text))


def size(content: object) -> int:
    return sum(len(message.text.encode()) for message in serialise(content))


async def soon(event: asyncio.Event) -> None:
    await asyncio.wait_for(event.wait(), 5)


@pytest.fixture(autouse=True)
async def nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    monkeypatch.setattr(Clock, "TICK", 0.001)
    yield
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=2)
    assert not left


class Ear:
    """Listens; gives events as tuples, their seconds looked at and left out."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def heard(self, *names: str) -> list[tuple[Any, ...]]:
        """What was told since the last time: of all, or of the events of these names."""
        events, self.events = self.events, []
        told: list[tuple[Any, ...]] = []
        for event in events:
            if names and event.name not in names:
                continue
            numbers = dict(event.measurements)
            if "seconds" in EVENTS[event.name].measurements:
                assert 0 <= numbers.pop("seconds") < 10
            told.append((event.name, numbers, dict(event.attributes)))
        return told


def of_handler(when: str, name: str, kind: str, route: str = "/chat/{room}", **more: Any) -> Any:
    about = {"route": route, "handler": f"{NAME}.{name}", "kind": kind}
    return f"handler.{when}", {}, about | more


def started(name: str, kind: str = "message") -> Any:
    return of_handler("start", name, kind)


def stopped(name: str, kind: str = "message", error: str | None = None) -> Any:
    return of_handler("stop", name, kind, error=error)


def fragment(content: object, route: str = "/chat/{room}") -> Any:
    messages = len(serialise(content))
    return "fragment", {"messages": messages, "bytes": size(content)}, {"route": route}


async def joined(conn: Connection, room: str) -> Any:
    await conn.join(f"chat:{room}")
    return item("welcome")


async def say(msg: str) -> Any:
    return item(msg)


async def left() -> None: ...


def a_chat(ear: Callable[[Event], object], **how: Any) -> HtmxWS:
    live = HtmxWS(telemetry=ear, **how)
    live.room("chat:*")
    live.ws("/chat/{room}", conn=joined, disconn=left)(say)
    return live


# --- a page's life ---------------------------------------------------------------------


@pytest.mark.parametrize("debug", [True, False])
async def test_the_events_of_a_pages_life_are_these_in_this_order(debug: bool) -> None:
    ear = Ear()
    live = a_chat(ear)
    here = {"route": "/chat/{room}", "dialect": "htmx4"}
    async with Socket(live, "/chat/7?hx=4", debug=debug) as page:
        await page.receive()
        assert ear.heard() == [
            ("connection.start", {}, here),
            started("joined", "connect"),
            fragment(item("welcome")),
            stopped("joined", "connect"),
        ]
        frame = build_frame({"msg": "grüße 😀"}, dialect="htmx4", sender="say")
        await page.send(msg="grüße 😀", sender="say")
        await page.receive()
        assert ear.heard() == [
            ("frame", {"bytes": len(frame.encode())}, here),
            started("say"),
            fragment(item("grüße 😀")),
            stopped("say"),
        ]
        await live.publish("chat:7", [item("é"), item("b")])
        numbers = {"pages": 1, "messages": 2, "bytes": size([item("é"), item("b")])}
        assert ear.heard() == [("publish", numbers, {"room": "chat:*"})]
        live.disconnect(room="chat:7", code=4001)
        assert await page.closed() == 4001
    assert ear.heard() == [
        started("left", "disconnect"),
        stopped("left", "disconnect"),
        ("connection.stop", {}, {**here, "code": 4001}),
    ]


async def test_a_page_that_leaves_by_itself_has_no_code_of_ours() -> None:
    ear = Ear()
    async with Socket(a_chat(ear), "/chat/7", dialect="htmx2"):
        pass
    ((_, _, attributes),) = ear.heard("connection.stop")
    assert attributes == {"route": "/chat/{room}", "dialect": None, "code": None}


async def test_the_dialect_is_told_as_soon_as_it_is_known() -> None:
    ear = Ear()
    async with Socket(a_chat(ear), "/chat/7", dialect="htmx2") as page:
        await page.send(msg="a")
        await page.receive()
        await page.receive()
    told = ear.heard("connection.start", "frame", "connection.stop")
    assert [attributes["dialect"] for _, _, attributes in told] == [None, "htmx2", "htmx2"]


async def test_the_life_of_a_page_is_measured_from_its_first_event_to_its_last() -> None:
    ear = Ear()
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with Socket(a_chat(ear), "/chat/7") as page:
        await page.receive()
    (stop,) = (event for event in ear.events if event.name == "connection.stop")
    assert 0 < stop.measurements["seconds"] <= loop.time() - began


async def test_a_stream_is_one_call_that_ends_when_all_of_it_was_sent() -> None:
    ear = Ear()
    live = HtmxWS(telemetry=ear)

    @live.ws("/ws")
    async def count() -> AsyncIterator[Any]:
        yield item(1)
        yield item(2)

    async with Socket(live, "/ws") as page:
        await page.send()
        await page.receive()
        await page.receive()
    heard = ear.heard("handler.start", "fragment", "handler.stop")
    assert [name for name, _, _ in heard] == [
        *("handler.start", "fragment", "fragment", "handler.stop")
    ]


@pytest.mark.parametrize("how", [{}, {"concurrent": True}, {"cancel": True}])
async def test_an_error_of_a_handler_is_told_by_its_type_and_as_a_failure(
    how: dict[str, bool],
) -> None:
    ear = Ear()
    live = HtmxWS(telemetry=ear)
    endpoint = live.endpoint("/chat/{room}")

    async def fails() -> None:
        raise ZeroDivisionError("with a visitor's name in it")

    fails.__qualname__ = "fails"
    endpoint.on_message(**how)(fails)
    endpoint.on_error(sorry)
    async with Socket(live, "/chat/7") as page:
        await page.send()
        await page.receive()
    heard = ear.heard("handler.start", "handler.stop", "failure", "fragment")
    assert heard == [
        started("fails"),
        stopped("fails", error="ZeroDivisionError"),
        ("failure", {}, {"route": "/chat/{room}", "why": "handler failed"}),
        started("sorry", "error"),
        fragment(item("sorry")),
        stopped("sorry", "error"),
    ]


async def sorry() -> Any:
    return item("sorry")


class Hosted(HtmxWS):
    """An application in a framework that turns visitors away by PermissionError."""

    host = Host(refusal=lambda error: Refused("no") if isinstance(error, PermissionError) else None)


@pytest.mark.parametrize("error", [Refused("no"), PermissionError()], ids=repr)
async def test_a_handler_that_turns_a_visitor_away_has_not_failed(error: Exception) -> None:
    ear = Ear()
    live = Hosted(telemetry=ear)

    async def forbid() -> None:
        raise error

    forbid.__qualname__ = "forbid"
    live.ws("/chat/{room}", disconn=left)(forbid)
    async with Socket(live, "/chat/7") as page:
        await page.send()
    assert ear.heard("handler.stop", "failure") == [
        *(stopped("forbid"), stopped("left", "disconnect"))
    ]


@pytest.mark.parametrize("hook", [True, False])
async def test_a_stream_that_ends_with_its_page_has_not_failed(hook: bool) -> None:
    ear = Ear()
    live = HtmxWS(telemetry=ear)

    async def feed() -> AsyncIterator[Any]:
        yield item("first")
        await asyncio.Event().wait()

    feed.__qualname__ = "feed"
    endpoint = live.endpoint("/chat/{room}")
    (endpoint.on_connect if hook else endpoint.on_message)(feed)
    async with Socket(live, "/chat/7") as page:
        if not hook:
            await page.send()
        await page.receive()
    kind = "connect" if hook else "message"
    assert ear.heard("handler.stop", "failure") == [stopped("feed", kind)]


async def test_of_values_that_do_not_bind_no_handler_is_told() -> None:
    ear = Ear()
    live = HtmxWS(telemetry=ear)

    @live.ws("/ws")
    async def take(n: int) -> None: ...

    async with Socket(live, "/ws") as page:
        await page.send(n="x", sender="form")
        await page.receive()
        assert [name for name, _, _ in ear.heard()] == [
            *("connection.start", "frame", "frame.refused", "fragment")
        ]


async def test_a_page_that_its_connect_hook_turns_away_has_begun_and_ended() -> None:
    ear = Ear()
    live = HtmxWS(telemetry=ear)

    async def nobody() -> None:
        raise Refused("no", code=4401, content=item("sign in"))

    nobody.__qualname__ = "nobody"
    live.ws("/chat/{room}", conn=nobody)(say)
    async with Socket(live, "/chat/7") as page:
        assert await page.closed() == 4401
    here = {"route": "/chat/{room}", "dialect": None}
    assert ear.heard() == [
        ("connection.start", {}, here),
        started("nobody", "connect"),
        stopped("nobody", "connect"),
        fragment(item("sign in")),
        ("connection.stop", {}, {**here, "code": 4401}),
    ]


async def test_a_page_that_is_not_let_in_neither_begins_nor_ends() -> None:
    ear = Ear()
    async with Socket(a_chat(ear), "/chat/7", origin="https://evil.test") as page:
        assert await page.closed() == 4403
    about = {"route": "/chat/{room}", "why": "bad origin", "code": 4403}
    assert ear.heard() == [("handshake.refused", {}, about)]


async def test_a_page_that_is_gone_before_it_was_accepted_neither_begins_nor_ends() -> None:
    ear = Ear()
    live = a_chat(ear)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def broken(event: Message) -> None:
            raise OSError("the network is down")

        await live(scope, receive, broken)

    with pytest.raises(AssertionError, match="ended without accepting"):
        await Socket(app, "/chat/7").open()
    assert ear.heard() == []


# --- contexts --------------------------------------------------------------------------

span: ContextVar[str] = ContextVar("span", default="none")


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("how", [{}, {"concurrent": True}, {"cancel": True}])
async def test_the_start_of_a_handler_is_told_in_its_context_and_so_is_its_stop(
    how: dict[str, bool], debug: bool
) -> None:
    """So a tracer can make a span current there, which the handler's own spans are of."""
    seen: list[str] = []

    def tracer(event: Event) -> None:
        if event.name == "handler.start":
            seen.append(f"start in {span.get()}")
            span.set(str(event.attributes["kind"]))
        elif event.name == "handler.stop":
            seen.append(f"stop in {span.get()}")

    live = HtmxWS(telemetry=tracer)
    endpoint = live.endpoint("/ws")

    @endpoint.on_message(**how)
    async def handler() -> Any:
        await asyncio.sleep(0)
        return item(span.get())

    @endpoint.on_connect
    async def connected() -> Any:
        return item(span.get())

    async with Socket(live, "/ws", debug=debug) as page:
        assert "connect" in await page.receive()
        for _ in range(2):
            await page.send()
            assert "message" in await page.receive()
    assert seen == ["start in none", "stop in connect", *["start in none", "stop in message"] * 2]
    assert span.get() == "none"


# --- publishing ------------------------------------------------------------------------


async def test_a_publication_is_told_with_the_pages_that_it_was_meant_for() -> None:
    ear = Ear()
    live = a_chat(ear)
    async with Socket(live, "/chat/7") as page, Socket(live, "/chat/7"):
        await page.receive()
        first, second = live.members("chat:7")
        ear.heard()
        await live.publish("chat:7", item("a"), exclude=first)
        await live.publish("chat:7", lambda conn: item(conn is second))
        await live.publish("chat:7", lambda conn: item("same"), variant=lambda conn: 1)
        await live.publish("nowhere", item("b"))
        one = {"pages": 2, "messages": 1, "bytes": size(item("same"))}
        each = {"pages": 2, "messages": 2, "bytes": size(item(True)) + size(item(False))}
        assert ear.heard() == [
            ("publish", {"pages": 1, "messages": 1, "bytes": size(item("a"))}, {"room": "chat:*"}),
            ("publish", each, {"room": "chat:*"}),
            ("publish", one, {"room": "chat:*"}),
        ]


async def test_a_room_without_a_pattern_is_told_as_any() -> None:
    ear = Ear()
    live = HtmxWS(telemetry=ear)
    live.room("chat:*")

    @live.ws("/{room}")
    async def join(conn: Connection, room: str) -> None:
        await conn.join(room)
        await live.publish(room, item("a"))

    for room in ("user-ann", "chat:ann"):
        async with Socket(live, f"/{room}") as page:
            await page.send()
            await page.receive()
    assert [attributes for _, _, attributes in ear.heard("publish")] == [
        *({"room": "*"}, {"room": "chat:*"})
    ]


# --- limits, slow pages, the end -------------------------------------------------------


@pytest.mark.parametrize("slow_pages", ["close", "drop", "hold"])
async def test_what_waits_for_a_slow_page_is_measured_when_it_is_too_much(slow_pages: Any) -> None:
    ear = Ear()
    live = a_chat(ear, limits=Limits(outbox_messages=2, slow_pages=slow_pages))
    async with Socket(live, "/chat/7") as page:
        await page.receive()
        page.stall()
        for n in range(4):  # one is written, two wait
            await live.publish("chat:7", item(n))
        why = "dropped" if slow_pages == "drop" else "outbox full"
        waiting = 2 if slow_pages == "drop" else 3
        numbers = {"messages": waiting, "bytes": waiting * size(item(0))}
        about = {"route": "/chat/{room}", "why": why}
        assert ear.heard("outbox") == [("outbox", numbers, about)]


async def test_what_was_held_for_a_page_is_measured_when_it_is_too_much() -> None:
    ear = Ear()
    live = a_chat(ear, limits=Limits(outbox_messages=2))
    async with Socket(live, "/chat/7") as page:
        await page.receive()
        (conn,) = live.members("chat:7")
        conn.hold("chat:7")
        for n in range(3):
            await live.publish("chat:7", item(n))
        assert await page.closed() == 1012
    numbers = {"messages": 3, "bytes": 3 * size(item(0))}
    about = {"route": "/chat/{room}", "why": "held too long"}
    assert ear.heard("outbox") == [("outbox", numbers, about)]


@pytest.mark.parametrize(
    ("limits", "name", "limit"),
    [(Limits(rooms=0), "a", "rooms"), (Limits(room_name=3), "abcd", "room_name")],
)
async def test_a_limit_of_rooms_is_told_when_it_is_reached(
    limits: Limits, name: str, limit: str
) -> None:
    ear = Ear()
    live = HtmxWS(telemetry=ear, limits=limits)

    @live.ws("/ws")
    async def join(conn: Connection) -> None:
        await conn.join(name)

    async with Socket(live, "/ws") as page:
        await page.send()
    assert ear.heard("limit") == [("limit", {}, {"route": "/ws", "limit": limit})]


async def test_a_drain_is_told_with_its_pages_and_how_long_it_took() -> None:
    ear = Ear()
    live = a_chat(ear)
    async with Socket(live, "/chat/7") as page, Socket(live, "/chat/8"):
        await page.receive()
        await live.drain(0)
        await live.drain(0)
    assert ear.heard("drain.start", "drain.stop") == [
        ("drain.start", {"pages": 2}, {}),
        ("drain.stop", {"pages": 2}, {}),
        ("drain.start", {"pages": 0}, {}),
        ("drain.stop", {"pages": 0}, {}),
    ]


async def test_a_logout_and_a_room_that_is_refused_are_no_failures() -> None:
    ear = Ear()
    live = HtmxWS(telemetry=ear, reauth=lambda conn: "in" in conn.query, reauth_seconds=0.001)
    live.room("*", may_join=lambda conn, room: False)

    @live.ws("/ws")
    async def join(conn: Connection) -> None:
        await conn.join("room")

    async with live.lifespan():
        async with Socket(live, "/ws?in=1") as page:
            await page.send()
            assert await page.closed() == 4403
        async with Socket(live, "/ws") as page:
            assert await page.closed() == 1008
    assert ear.heard("refused", "failure") == [
        ("refused", {}, {"route": "/ws", "why": "join refused"}),
        ("refused", {}, {"route": "/ws", "why": "login over"}),
    ]


# --- whoever listens -------------------------------------------------------------------


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), RuntimeError(), Refused("no")])
async def test_a_callable_that_raises_disturbs_nobody_and_is_logged(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "htmx_ws")
    names: list[str] = []

    def telemetry(event: Event) -> None:
        names.append(event.name)
        raise error

    live = a_chat(telemetry)
    async with Socket(live, "/chat/7") as page:
        assert await page.receive() == serialise(item("welcome"))[0].text
        await page.send(msg="hi")
        assert await page.receive() == serialise(item("hi"))[0].text
        await live.publish("chat:7", item("all"))
        assert await page.receive() == serialise(item("all"))[0].text
    assert live.members("chat:7") == []
    assert names[0] == "connection.start"
    assert names[-1] == "connection.stop"
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [f"The telemetry callable failed at {name!r}" for name in names]
    assert all(record.exc_info for record in caplog.records)


async def test_what_stops_a_process_is_not_kept_from_it() -> None:
    """A KeyboardInterrupt that hits the callable is not the callable's."""

    def telemetry(event: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        emit(telemetry, "frame")


async def test_a_callable_may_act_on_the_application() -> None:
    """To publish numbers to a dashboard, say: which is told in its turn."""
    told: list[str] = []

    def telemetry(event: Event) -> None:
        told.append(event.name)
        if event.name == "connection.start":
            live.publish("dashboard", item("one more"))

    live = a_chat(telemetry)

    async def watch(conn: Connection) -> None:
        await conn.join("dashboard")

    live.ws("/dashboard", conn=watch)(left)
    async with Socket(live, "/dashboard") as dashboard, Socket(live, "/chat/7"):
        assert "one more" in await dashboard.receive()
    assert "publish" in told


def test_an_async_callable_is_refused_as_nobody_would_await_it() -> None:
    async def telemetry(event: Event) -> None: ...

    with pytest.raises(TypeError, match="called and not awaited"):
        HtmxWS(telemetry=telemetry)


async def test_where_nobody_listens_no_event_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def note(name: str, *rest: object) -> Event:
        made.append(name)
        return Event(name)

    monkeypatch.setattr("htmx_ws.telemetry.Event", note)

    async def a_life(telemetry: Any) -> None:
        limits = Limits(outbox_messages=0, rooms=1)
        live = HtmxWS(telemetry=telemetry, limits=limits)
        live.ws("/chat/{room}", conn=joined, disconn=left)(say)
        async with Socket(live, "/chat/7", dialect="htmx2") as page:
            await page.receive()
            await page.send(msg="hi")
            await page.receive()
            await page.send_text("no frame")
            live.publish("chat:7", lambda conn: 1 / 0)
            page.stall()
            for n in range(3):
                live.publish("chat:7", item(n))
        async with Socket(live, "/chat/7", origin="https://evil.test") as page:
            await page.closed()
        await live.drain(0)

    await a_life(None)
    assert made == []
    await a_life(lambda event: None)  # as the same life does make some
    assert {"connection.start", "frame", "frame.refused", "outbox", "publish"} <= set(made)


async def test_where_nobody_listens_frames_keep_to_their_quick_way() -> None:
    """With telemetry each has a context of its own; without, as before, it has none."""
    seen: list[Any] = []
    for telemetry in (None, lambda event: None):
        live = HtmxWS(telemetry=telemetry)

        @live.ws("/ws")
        async def handler() -> Any:
            seen.append(span.get())
            span.set("mine")
            return item("done")

        async with Socket(live, "/ws", debug=False) as page:
            for _ in range(3):
                await page.send()
                await page.receive()
    assert seen == ["none"] * 6


# --- events ----------------------------------------------------------------------------


def test_an_event_is_a_name_with_numbers_and_attributes_and_does_not_change() -> None:
    event = Event("frame", {"bytes": 3}, {"route": "/ws"})
    assert (event.name, event.measurements, event.attributes) == (
        *("frame", {"bytes": 3}, {"route": "/ws"}),
    )
    assert Event("drain.start") == Event("drain.start", {}, {})
    assert Event("a").measurements is not Event("b").measurements
    with pytest.raises(AttributeError):
        event.name = "other"  # type: ignore[misc]  # refused


@pytest.mark.parametrize("name", EVENTS)
def test_the_table_of_events_is_in_words_and_names_nothing_twice(name: str) -> None:
    told = EVENTS[name]
    assert told.when
    assert not set(told.measurements) & set(told.attributes)
    assert all(each.isidentifier() for each in (*told.measurements, *told.attributes))


def test_emitting_to_nobody_does_nothing() -> None:
    emit(None, "frame", {"bytes": 1}, route="/ws")
