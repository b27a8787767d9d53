"""Rooms whose rule asks the database, joined from wherever a page may join them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from htmx_ws import Connection, MemoryBackend, Refused, html
from htmx_ws.backends import History, Position
from htmx_ws.testing import Page, Socket
from htmx_ws_channels import HtmxWS

from .conftest import shown
from .project.models import Line
from .watching import Watch

pytestmark = pytest.mark.django_db(transaction=True)


class SlowToTell(MemoryBackend):
    """A backend that has to ask a broker where a room is."""

    async def history(self, room: str, since: Position | None, most: int = 1_000) -> History:
        await asyncio.sleep(0)
        return await super().history(room, since, most)


def may_join(conn: Connection, room: str) -> bool:
    return Line.objects.filter(text=room).exists()


def plain(conn: Connection) -> Any:
    assert Line.objects.count() == 1
    try:
        conn.join("lobby")
        conn.join("nowhere")
    except Refused as refused:
        return shown(*conn.rooms, refused)


async def asynchronous(conn: Connection) -> Any:
    try:
        await conn.join("lobby")
        await conn.join("nowhere")
    except Refused as refused:
        return shown(*conn.rooms, refused)


@pytest.fixture
def lobby(transactional_db: None) -> None:
    Line.objects.create(text="lobby")


@pytest.mark.usefixtures("lobby")
@pytest.mark.parametrize("join", [plain, asynchronous])
@pytest.mark.parametrize("at", ["on_connect", "on_message"])
async def test_a_rule_is_asked_in_a_thread_of_its_own_while_the_one_that_joins_waits(
    join: Callable[..., Any], at: str, watch: Watch
) -> None:
    live = HtmxWS()
    live.room("*", may_join=may_join)
    getattr(live.endpoint("ws/chat/"), at)(join)
    async with Socket(live.application(), "/ws/chat/") as page:
        if at == "on_message":
            await page.send(msg="hi")
        assert "<li>lobby not your room" in await page.receive()
    watch.assert_all_is_gone()


@pytest.mark.usefixtures("lobby")
@pytest.mark.parametrize("is_plain", [True, False])
async def test_a_snapshot_is_made_in_a_thread_of_its_own_that_ends_with_it(
    is_plain: bool, watch: Watch
) -> None:
    """The handler that joined has ended by then, and its thread with it."""
    live = HtmxWS(backend=SlowToTell())
    live.room("*", history=2, snapshot=lambda conn, room: shown(Line.objects.count()))
    chat = live.endpoint("ws/chat/")

    @chat.on_message
    def plain(conn: Connection) -> None:
        conn.join("lobby")

    @chat.on("async")
    async def asynchronous(conn: Connection) -> None:
        await conn.join("lobby")

    async with live.lifespan():
        page = await live.page("/ws/chat/")
        form = html('<form id="{}" {}></form>', "a" if is_plain else "async", live.send_attrs())
        markup = html('<div {}>{}<ul id="log"></ul>{}</div>', page.connect, page.hello, form)
        async with Page(live.application(), html=markup) as tab:
            tab.submit("#a" if is_plain else "#async")
            await tab.expect("#log li", text="1")
    watch.assert_all_is_gone()
