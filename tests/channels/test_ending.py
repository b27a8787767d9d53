"""Streams and background work that end with their page, or are stopped: nothing is left of them.

A generator that is cut short is closed in its own thread, before the database connections there:
so a transaction that it is in is rolled back, and a cursor that it reads from is closed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from htmx_ws import Connection
from htmx_ws.testing import Socket
from htmx_ws_channels import HtmxWS

from .conftest import shown
from .project.models import Line
from .watching import Watch

pytestmark = pytest.mark.django_db(transaction=True)


def one_by_one() -> Iterator[Any]:
    yield shown(Line.objects.count())


async def one_by_one_async() -> AsyncIterator[Any]:
    yield shown(await Line.objects.acount())


async def test_background_work_ends_with_its_page_and_its_thread_with_it(watch: Watch) -> None:
    live, begun = HtmxWS(), asyncio.Event()

    async def work() -> None:
        await Line.objects.acount()
        begun.set()
        await asyncio.Event().wait()

    @live.ws("ws/feed/")
    async def begin(conn: Connection) -> None:
        conn.start(work())

    async with Socket(live.application(), "/ws/feed/") as page:
        await page.send()
        async with asyncio.timeout(5):
            await begun.wait()
        assert len(watch.open) == 1
    watch.assert_all_is_gone()


async def test_work_that_is_cancelled_twice_leaves_no_connection(watch: Watch) -> None:
    """The second time it waits for its thread, which is at work, to close what it opened."""
    live = HtmxWS()
    at_work, may_go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def look() -> None:
        Line.objects.count()
        loop.call_soon_threadsafe(at_work.set)
        may_go_on.wait(5)

    feed = live.endpoint("ws/feed/")

    @feed.on("begin")
    async def begin(conn: Connection) -> None:
        conn.start(sync_to_async(look)(), name="look")

    @feed.on("stop")
    async def stop(conn: Connection) -> None:
        for _ in range(2):
            conn.cancel("look")
            for _ in range(10):
                await asyncio.sleep(0)
        may_go_on.set()

    async with Socket(live.application(), "/ws/feed/") as page:
        await page.send(sender="begin")
        async with asyncio.timeout(5):
            await at_work.wait()
        await page.send(sender="stop")
    for thread in watch.threads:
        thread.join(5)
    watch.assert_all_is_gone()


@pytest.mark.parametrize("work", [one_by_one, one_by_one_async, Line.objects.acount])
async def test_work_that_begins_when_its_page_has_gone_is_no_mistake(
    work: Callable[[], Any],
) -> None:
    """Python warns of a coroutine that was never awaited, and a warning is an error here."""
    live, gone = HtmxWS(), asyncio.Event()

    @live.ws("ws/feed/", disconn=gone.set)
    async def begin(conn: Connection) -> None:
        async with asyncio.timeout(5):
            while not conn.gone:
                await asyncio.sleep(0)
        conn.start(work())

    async with Socket(live.application(), "/ws/feed/") as page:
        await page.send()


async def test_a_generator_that_is_cut_short_ends_in_its_thread(watch: Watch) -> None:
    """So a transaction that is open in it is rolled back before its connection is closed."""
    live, ended = HtmxWS(), list[threading.Thread]()
    loop, is_over = asyncio.get_running_loop(), asyncio.Event()
    feed = live.endpoint("ws/feed/")

    def endless() -> Iterator[Any]:
        Line.objects.count()
        try:
            while True:
                yield shown("a")
        finally:
            ended.append(threading.current_thread())
            loop.call_soon_threadsafe(is_over.set)

    made = endless()  # and kept, so that it does not end by being forgotten

    @feed.on("look")
    async def look() -> Any:
        return made

    @feed.on("stop", concurrent=True)
    async def stop(conn: Connection) -> None:
        conn.cancel("look")

    async with Socket(live.application(), "/ws/feed/") as page:
        await page.send(sender="look")
        await page.receive()
        await page.send(sender="stop")
        async with asyncio.timeout(5):
            await is_over.wait()
    watch.assert_all_is_gone()
    assert set(ended) == watch.threads


@pytest.mark.parametrize("pieces_before", [0, 1])
@pytest.mark.parametrize("times", [1, 2])
async def test_a_generator_that_is_cut_short_in_a_step_ends_after_it(
    times: int, pieces_before: int, watch: Watch
) -> None:
    """As where Stop is pressed, and then the page goes, while a step takes long."""
    live, ended = HtmxWS(), list[threading.Thread]()
    at_work, may_go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()
    feed = live.endpoint("ws/feed/")

    def slow() -> Iterator[Any]:
        try:
            for _ in range(pieces_before):
                yield shown("first")
            Line.objects.count()
            loop.call_soon_threadsafe(at_work.set)
            may_go_on.wait(5)
            yield shown("late")
        finally:
            ended.append(threading.current_thread())

    made = slow()  # and kept, so that it does not end by being forgotten

    @feed.on("look")
    async def look() -> Any:
        return made

    @feed.on("stop", concurrent=True)
    async def stop(conn: Connection) -> None:
        for _ in range(times):
            conn.cancel("look")
            for _ in range(10):
                await asyncio.sleep(0)
        may_go_on.set()

    async with Socket(live.application(), "/ws/feed/") as page:
        await page.send(sender="look")
        async with asyncio.timeout(5):
            await at_work.wait()
        await page.send(sender="stop")
    watch.assert_all_is_gone()
    assert set(ended) == watch.threads
