"""Rooms whose rule asks the database, joined from wherever a page may join them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from htmx_ws import Connection, Refused
from htmx_ws.testing import Socket
from htmx_ws_channels import HtmxWS

from .conftest import shown
from .project.models import Line
from .watching import Watch

pytestmark = pytest.mark.django_db(transaction=True)


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
