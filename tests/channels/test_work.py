"""Streams and background work, and the database: they outlive the handler that began them.

So they have a thread of their own. A plain generator stays in one thread from its first piece to
its last, because it may be reading from a cursor, and nothing closes its connection meanwhile.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from htmx_ws import Connection
from htmx_ws.testing import Socket
from htmx_ws_channels import HtmxWS

from .conftest import shown
from .project.models import Line
from .watching import Watch

pytestmark = pytest.mark.django_db(transaction=True)

TEXTS = ("a", "b", "c")


def read() -> Iterator[Any]:
    """Read on from one cursor, between the pieces."""
    for line in Line.objects.order_by("pk").iterator(chunk_size=1):
        yield shown(line)
    yield shown("end")


async def read_async() -> AsyncIterator[Any]:
    async for line in Line.objects.order_by("pk"):
        yield shown(line)
    yield shown("end")


class Lazy:
    """HTML that asks the database when it is rendered."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __html__(self) -> str:
        return f'<li id="a">{Line.objects.get(text=self.text)}</li>'


def render() -> Iterator[Any]:
    yield from map(Lazy, TEXTS)
    yield shown("end")


async def render_async() -> AsyncIterator[Any]:
    for text in TEXTS:
        yield Lazy(text)
    yield shown("end")


streams = pytest.mark.parametrize("stream", [read, read_async, render, render_async])


@pytest.fixture(autouse=True)
def lines(transactional_db: None) -> None:
    Line.objects.bulk_create(Line(text=text) for text in TEXTS)


async def pieces(page: Socket) -> list[str]:
    """What a page is told, to the end of a stream."""
    texts: list[str] = []
    while not texts or texts[-1] != "end":
        texts += re.findall("<li[^>]*>(.*)</li>", await page.receive())
    return texts[:-1]


@pytest.mark.usefixtures("max_age")
@streams
@pytest.mark.parametrize("is_async", [True, False], ids=["async", "sync"])
async def test_a_handler_streams_what_it_reads(
    stream: Callable[[], Any], is_async: bool, watch: Watch
) -> None:
    live = HtmxWS()

    async def look_async() -> Any:
        return stream()

    live.ws("ws/feed/")(look_async if is_async else lambda: stream())
    async with Socket(live.application(), "/ws/feed/") as page:
        for _ in range(2):
            await page.send()
            assert await pieces(page) == [*TEXTS]
    watch.assert_all_is_gone()


@pytest.mark.usefixtures("max_age")
@streams
async def test_a_generator_is_a_handler_and_a_hook(stream: Callable[[], Any], watch: Watch) -> None:
    live = HtmxWS()
    feed = live.endpoint("ws/feed/")
    feed.on_connect(stream)
    feed.on_message(stream)
    async with Socket(live.application(), "/ws/feed/") as page:
        assert await pieces(page) == [*TEXTS]
        await page.send()
        assert await pieces(page) == [*TEXTS]
    watch.assert_all_is_gone()


async def test_a_hook_may_return_a_stream(watch: Watch) -> None:
    live, came = HtmxWS(), list[threading.Thread]()

    def look() -> Iterator[Any]:
        for piece in render():
            came.append(threading.current_thread())
            yield piece

    async def joined() -> Any:
        return look()

    live.ws("ws/feed/", conn=joined)(lambda: None)
    async with Socket(live.application(), "/ws/feed/") as page:
        assert await pieces(page) == [*TEXTS]
    assert len(set(came)) == 1
    watch.assert_all_is_gone()


@pytest.mark.parametrize("stream", [render, read_async, render_async])
async def test_a_stream_that_is_sent_may_outlive_its_handler(
    stream: Callable[[], Any], watch: Watch
) -> None:
    live = HtmxWS()

    @live.ws("ws/feed/")
    async def look(conn: Connection) -> None:
        conn.send(stream())

    async with Socket(live.application(), "/ws/feed/") as page:
        await page.send()
        assert await pieces(page) == [*TEXTS]
    watch.assert_all_is_gone()


@pytest.mark.usefixtures("max_age")
@streams
@pytest.mark.parametrize("is_async", [True, False], ids=["async", "sync"])
async def test_background_work_streams_what_it_reads(
    stream: Callable[[], Any], is_async: bool, watch: Watch
) -> None:
    live = HtmxWS()

    def begin(conn: Connection) -> None:
        conn.start(stream())

    async def begin_async(conn: Connection) -> None:
        conn.start(stream())

    live.ws("ws/feed/")(begin_async if is_async else begin)
    async with Socket(live.application(), "/ws/feed/") as page:
        await page.send()
        assert await pieces(page) == [*TEXTS]
    watch.assert_all_is_gone()


@pytest.mark.usefixtures("max_age")
async def test_background_work_asks_the_database_after_its_handler(watch: Watch) -> None:
    live, ended = HtmxWS(), asyncio.Event()

    async def work(conn: Connection) -> None:
        await ended.wait()
        conn.send(shown(await Line.objects.acount()))

    chat = live.endpoint("ws/feed/")

    @chat.on("begin")
    async def begin(conn: Connection) -> Any:
        await Line.objects.acreate(text="d")  # in a thread that has ended when the work goes on
        conn.start(work(conn))
        return shown("begun")

    @chat.on("go")
    async def go() -> None:
        ended.set()

    async with Socket(live.application(), "/ws/feed/") as page:
        await page.send(sender="begin")
        assert "begun" in await page.receive()
        await page.send(sender="go")
        assert "<li>4</li>" in await page.receive()
    watch.assert_all_is_gone()


async def test_a_generator_stays_in_one_thread(watch: Watch) -> None:
    live, came = HtmxWS(), list[threading.Thread]()

    @live.ws("ws/feed/")
    def look() -> Iterator[Any]:
        for piece in read():
            came.append(threading.current_thread())
            yield piece

    async with Socket(live.application(), "/ws/feed/") as page:
        await page.send()
        await pieces(page)
    assert len(came) == 4
    assert len(set(came)) == 1
    assert threading.main_thread() not in came
