"""Handlers and the database: a thread for each that asks, and no connection left behind.

Django keeps connections by thread. Each message has a thread of its own, as each view has, so that
no page waits for another's query; its connections end with it, whatever CONN_MAX_AGE says.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.db import connection, connections, transaction

from htmx_ws.testing import Socket
from htmx_ws.types import Receive, Scope, Send
from htmx_ws_channels import HtmxWS

from .conftest import Visitor, shown
from .project.models import Line
from .watching import Watch

pytestmark = pytest.mark.django_db(transaction=True)


def count() -> Any:
    Line.objects.create(text="hi")
    return shown(f"{Line.objects.count()} lines")


async def count_async() -> Any:
    await Line.objects.acreate(text="hi")
    return shown(f"{await Line.objects.acount()} lines")


async def count_later() -> Any:
    return count_async()


async def count_in_a_list() -> Any:
    return [await count_async()]


@transaction.atomic
def count_atomic() -> Any:
    return count()


@pytest.mark.usefixtures("max_age")
@pytest.mark.parametrize(
    "handler", [count, count_async, count_later, count_in_a_list, count_atomic]
)
async def test_handlers_ask_the_database(handler: Callable[[], Any], watch: Watch) -> None:
    live = HtmxWS()
    live.ws("ws/chat/")(handler)
    async with Socket(live.application(), "/ws/chat/") as page:
        for n in (1, 2):
            await page.send()
            assert f"{n} lines" in await page.receive()
    watch.assert_all_is_gone()


@pytest.mark.usefixtures("max_age")
@pytest.mark.parametrize("is_async", [True, False], ids=["async", "sync"])
async def test_hooks_ask_the_database(is_async: bool, watch: Watch) -> None:
    live = HtmxWS()
    function = count_async if is_async else count
    chat = live.endpoint("ws/chat/")
    chat.on_connect(function)
    chat.on_disconnect(function)
    chat.on_error(function)

    @chat.on_message
    async def fail() -> None:
        raise LookupError("no room")

    async with Socket(live.application(), "/ws/chat/") as page:
        assert "1 lines" in await page.receive()
        await page.send()
        assert "2 lines" in await page.receive()
    watch.assert_all_is_gone()
    assert await Line.objects.acount() == 3


@pytest.mark.usefixtures("max_age")
async def test_a_handler_that_fails_leaves_no_connection(watch: Watch) -> None:
    live = HtmxWS()
    chat = live.endpoint("ws/chat/")

    @chat.on_message
    def fail() -> None:
        with transaction.atomic():
            count()
            raise LookupError("no room")

    chat.on_error(lambda error: shown(error))
    async with Socket(live.application(), "/ws/chat/") as page:
        await page.send()
        assert "no room" in await page.receive()
    watch.assert_all_is_gone()
    assert not await Line.objects.aexists()


async def test_a_hundred_pages_wait_for_the_database_side_by_side(watch: Watch) -> None:
    pages, milliseconds = 100, 20
    live = HtmxWS()

    @live.ws("ws/chat/")
    def look() -> Any:
        with connection.cursor() as cursor:
            cursor.execute("SELECT sleep_ms(%s)", [milliseconds])
            return shown(cursor.fetchone())

    app = live.application()
    async with AsyncExitStack() as opened:
        every = [await opened.enter_async_context(Socket(app, "/ws/chat/")) for _ in range(pages)]
        began = time.perf_counter()
        for page in every:
            await page.send()
        for page in every:
            assert "20" in await page.receive()
        seconds = time.perf_counter() - began
    assert watch.most_work > 1
    assert seconds < pages * milliseconds / 1000 / 2
    assert len(watch.opened) == pages
    watch.assert_all_is_gone()


async def test_whose_page_it_is_is_looked_up_in_a_thread_of_its_own(
    ann: Visitor, watch: Watch
) -> None:
    """Channels has one for all pages, which would come back after a deploy one after the other."""
    live = HtmxWS()
    live.ws("ws/chat/")(lambda user: shown(user))
    app = live.application()
    for _ in range(2):
        async with Socket(app, "/ws/chat/", headers=ann.headers) as page:
            await page.send()
            assert "ann" in await page.receive()
    assert len(watch.threads) == 2
    watch.assert_all_is_gone()


async def test_a_message_has_one_thread_and_another_message_another() -> None:
    live, came = HtmxWS(), list[threading.Thread]()

    def note() -> None:
        came.append(threading.current_thread())

    @live.ws("ws/chat/")
    async def look() -> Any:
        for _ in range(2):
            await sync_to_async(note)()
        return shown("done")

    async with Socket(live.application(), "/ws/chat/") as page:
        for _ in range(2):
            await page.send()
            await page.receive()
    first, second, third, fourth = came
    assert first is second
    assert third is fourth
    assert first is not third
    for thread in came:
        thread.join(5)
        assert not thread.is_alive()


async def test_a_handler_that_asks_nothing_has_no_thread() -> None:
    live, threads = HtmxWS(), set[threading.Thread]()

    @live.ws("ws/chat/")
    async def look() -> Any:
        threads.update(threading.enumerate())
        return shown("done")

    async with Socket(live.application(), "/ws/chat/") as page:
        await page.send()
        await page.receive()
        threads.clear()
        before = set(threading.enumerate())
        await page.send()
        await page.receive()
    assert threads <= before


async def test_a_thread_sensitive_context_that_is_there_is_kept(watch: Watch) -> None:
    """Then its thread and its connections are those of whoever made it, and not ended here."""
    live, came = HtmxWS(), list[threading.Thread]()

    @live.ws("ws/chat/")
    def look() -> Any:
        came.append(threading.current_thread())
        return count()

    app = live.application()

    async def within(scope: Scope, receive: Receive, send: Send) -> None:
        async with ThreadSensitiveContext():
            await app(scope, receive, send)
            assert came[0].is_alive()
            await sync_to_async(connections.close_all)()

    async with Socket(within, "/ws/chat/") as page:
        for n in (1, 2):
            await page.send()
            assert f"{n} lines" in await page.receive()
    assert came[0] is came[1]
    watch.assert_all_is_gone()


async def test_a_cancelled_handler_leaves_no_connection(watch: Watch) -> None:
    live, begun = HtmxWS(), asyncio.Event()
    chat = live.endpoint("ws/chat/")

    @chat.on_message(cancel=True)
    async def look() -> None:
        await Line.objects.acount()
        begun.set()
        await asyncio.Event().wait()

    async with Socket(live.application(), "/ws/chat/") as page:
        await page.send()
        async with asyncio.timeout(5):
            await begun.wait()
    watch.assert_all_is_gone()
