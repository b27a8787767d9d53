"""A broker's bad day can be had in a test, around any backend, and pages live through it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from htmx_ws import BackendError, Connection, HtmxWS, append, html, update
from htmx_ws.backends import MemoryBackend
from htmx_ws.testing import BackendContract, FaultyBackend, Socket


def item(n: object) -> Any:
    return append("#log", html("<li>{}</li>", n))


def an_app(faulty: FaultyBackend) -> HtmxWS:
    live = HtmxWS(backend=faulty)

    async def joined(conn: Connection) -> None:
        await conn.join("room")

    @live.ws("/ws", conn=joined)
    async def say(msg: str) -> Any:
        try:
            await live.publish("room", item(msg))
        except BackendError:
            return update("#state", html("<b>try again</b>"))
        return None

    return live


async def test_while_the_broker_is_away_what_is_published_fails_and_pages_live() -> None:
    faulty = FaultyBackend()
    async with Socket(an_app(faulty), "/ws") as page:
        faulty.is_away = True
        await page.send(msg="lost")
        assert "try again" in await page.receive()
        with pytest.raises(BackendError, match="the broker is away"):
            await faulty.history("room", None)
        faulty.is_away = False
        await page.send(msg="said")
        assert "said" in await page.receive()


async def test_what_comes_late_comes_in_order() -> None:
    faulty = FaultyBackend()
    async with Socket(an_app(faulty), "/ws") as page:
        faulty.is_late = True
        for n in range(3):
            await page.send(msg=str(n))
        await page.send(msg="")
        faulty.drops = 0
        await asyncio.sleep(0)
        assert not page.pending
        faulty.catch_up()
        for n in range(3):
            assert f"<li>{n}</li>" in await page.receive()


async def test_what_is_dropped_never_comes_and_a_gap_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    faulty = FaultyBackend(MemoryBackend())
    async with Socket(an_app(faulty), "/ws") as page:
        faulty.drops = 1
        await page.send(msg="lost")
        await page.send(msg="said")
        assert "said" in await page.receive()
        faulty.report_gap("room", "one was dropped")
    assert "may be missing: one was dropped" in caplog.text


async def test_it_stops_with_what_it_keeps() -> None:
    faulty = FaultyBackend()
    live = an_app(faulty)
    async with live.lifespan():
        faulty.is_late = True
        await live.publish("room", item(1))
    faulty.catch_up()
    await asyncio.gather(faulty.subscribe(["room"]), faulty.unsubscribe(["room"]))
    assert faulty.sync().append("room", b"x") == 2


class TestAroundTheOneInMemory(BackendContract):
    """It keeps the contract itself, where nothing is wrong."""

    is_shared = False
    shares_rules = False

    def make(self) -> FaultyBackend:
        return FaultyBackend()
