"""No event holds what a page or a visitor chose, and each is as the table of events says."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import pytest

from htmx_ws import Connection, HtmxWS, Limits, Refused, append, html, update
from htmx_ws.telemetry import EVENTS, Event
from htmx_ws.testing import Denied, Socket

#: What is in every name, value and address that somebody chose.
HERS = "ann.of.cleves"


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Iterator[list[Event]]:
    """The events, which are looked at when the test has ended."""
    caplog.set_level(logging.CRITICAL, "htmx_ws")
    events: list[Event] = []
    yield events
    assert events
    for event in events:
        assert HERS not in repr(event)
        assert set(event.measurements) == set(EVENTS[event.name].measurements), event
        assert set(event.attributes) <= set(EVENTS[event.name].attributes), event


def app(told: list[Event], **how: Any) -> HtmxWS:
    return HtmxWS(telemetry=told.append, secret="a secret of the tests", **how)


def whys(told: list[Event]) -> set[Any]:
    return {event.attributes["why"] for event in told if "why" in event.attributes}


async def test_of_pages_and_rooms_only_patterns_are_told(told: list[Event]) -> None:
    live = app(told, identify=lambda conn: f"user {HERS}")
    live.room("user:*")
    chat = live.endpoint("/chat/{room}")

    @chat.on_connect
    async def joined(conn: Connection, room: str, nick: str) -> Any:
        await conn.join(f"user:{room}")
        await conn.join(f"no pattern fits {room}")
        return update("#a", nick)

    @chat.on("say", concurrent=True)
    async def say(conn: Connection, msg: str, room: str) -> AsyncIterator[Any]:
        for name in (f"user:{room}", f"no pattern fits {room}"):
            await live.publish(name, append("#log", html("{}", msg)))
            await live.publish(name, lambda conn: append("#log", html("{}", msg)))
        yield update("#a", msg)

    @chat.on_disconnect
    async def left(room: str) -> None:
        await live.publish("somewhere", append("#log", room))

    async with Socket(live, f"/chat/{HERS}?nick={HERS}&{HERS}=1", dialect="htmx2") as page:
        await page.receive()
        await page.send(**{"msg": HERS, HERS: HERS}, sender="say", sender_name=HERS)
        for _ in range(5):
            await page.receive()
        live.disconnect(user=f"user {HERS}", code=4000, reason=HERS)
        assert await page.closed() == 4000
    await live.drain(0)
    assert {event.name for event in told} == {
        *("connection.start", "connection.stop", "frame", "fragment", "publish"),
        *("handler.start", "handler.stop", "drain.start", "drain.stop"),
    }
    assert {event.attributes["room"] for event in told if event.name == "publish"} == {
        *("user:*", "*"),
    }
    routes = {event.attributes["route"] for event in told if "route" in event.attributes}
    assert routes == {"/chat/{room}"}


async def test_of_what_goes_wrong_only_its_name_is_told(told: list[Event]) -> None:
    live = app(told, limits=Limits(room_name=30, frame_bytes=200, frame_bytes_hard=400))
    live.room("own:*", may_join=lambda conn, room: False)
    chat = live.endpoint("/chat/{room}")

    @chat.on("say")
    async def say(count: int) -> None: ...

    @chat.on("join")
    async def join(conn: Connection, room: str) -> None:
        await conn.join(f"a name that is too long for a room {room}")

    @chat.on("own")
    async def own(conn: Connection, room: str) -> None:
        with suppress(Refused):
            await conn.join(f"own:{room}")

    @chat.on("work")
    async def work(conn: Connection, room: str) -> None:
        async def fail() -> None:
            raise RuntimeError(room)

        await asyncio.wait([conn.start(fail(), name=room)])
        await live.publish("all", lambda page: 1 / 0)

    @chat.on_error
    async def answer(error: Exception, room: str) -> Any:
        if isinstance(error, ValueError) and "count" in str(error):
            raise RuntimeError(room)
        return update("#a", room)

    @chat.on_connect
    async def joined(conn: Connection) -> None:
        await conn.join("all")

    async with Socket(live, f"/chat/{HERS}") as page:
        await page.send(**{"count": HERS, HERS: HERS}, sender="say")
        await page.send(sender="join", hers=HERS)
        await page.receive()
        await page.send(sender="own")
        await page.send(sender="work")
        await page.send(**{HERS: HERS}, sender=HERS)
        await page.send_text(json.dumps(HERS))
        await page.receive()
        await page.send_text(json.dumps({HERS: "x" * 200}))
        await page.receive()
        await page.send_text(json.dumps({HERS: "x" * 400}))
        assert await page.closed() == 1009
    assert whys(told) == {
        *("bad values", "error hook failed", "handler failed", "join refused", "work failed"),
        *("rendering failed", "no handler", "bad frame", "too big"),
    }
    assert {event.attributes["limit"] for event in told if event.name == "limit"} == {"room_name"}


async def test_of_a_page_that_is_not_let_in_only_the_cause_is_told(told: list[Event]) -> None:
    live = app(told, limits=Limits(connections=1), page_tokens=lambda conn: "")

    @live.ws("/plain/{room}")
    async def say() -> None: ...

    async def turn_away(conn: Connection, room: int) -> None:
        raise (Refused if room else RuntimeError)(f"not you, {HERS}")

    @live.ws("/strict/{room}", conn=turn_away)
    async def other() -> None: ...

    token = f"htmx-ws-page={live.new_page()}"
    for path, how, code in [
        (f"/plain/{HERS}", {}, 4403),
        (f"/plain/{HERS}?{'&'.join([HERS] * 1_001)}", {}, 4400),
        (f"/plain/{HERS}?{token}", {"origin": f"https://{HERS}"}, 4403),
        (f"/{HERS}", {}, 4404),
        (f"/strict/{HERS}?{token}", {}, 4400),
        (f"/strict/1?{token}", {}, 1008),
        (f"/strict/0?{token}", {}, 1013),
    ]:
        async with Socket(live, path, **how) as page:  # type: ignore[arg-type]  # by case
            assert await page.closed() == code, path
    async with Socket(live, f"/plain/{HERS}?{token}"):
        with pytest.raises(Denied):
            await Socket(live, f"/plain/{HERS}?{token}").open()
    assert whys(told) >= {
        *("bad page token", "bad query", "bad origin", "not found", "bad address"),
        *("connect hook failed", "full"),
    }


@pytest.mark.parametrize("slow_pages", ["close", "drop"])
async def test_of_a_page_that_reads_slowly_only_the_measure_is_told(
    told: list[Event], slow_pages: Any
) -> None:
    live = app(told, limits=Limits(outbox_messages=2, slow_pages=slow_pages))

    async def joined(conn: Connection, room: str) -> None:
        await conn.join(room)

    @live.ws("/chat/{room}", conn=joined)
    async def say() -> None: ...

    async with Socket(live, f"/chat/{HERS}") as page:
        page.stall()
        for number in range(6):
            await live.publish(HERS, append("#log", f"{HERS} {number}"))
        page.resume()
        if slow_pages == "close":
            assert await page.closed() == 1012
        while slow_pages == "drop" and f"{HERS} 5" not in await page.receive():
            pass
    outbox = [event for event in told if event.name == "outbox"]
    assert {event.attributes["why"] for event in outbox} == {
        "outbox full" if slow_pages == "close" else "dropped"
    }
    assert all(event.measurements["messages"] >= 2 for event in outbox)
