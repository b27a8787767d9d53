"""Streams and work: what goes on beside the frames, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from htmx_ws import Connection

from .cases import On, case, line, soon


class Endless:
    """A stream that goes on until it is cancelled, and notes that it was."""

    def __init__(self) -> None:
        self.begun, self.ended = asyncio.Event(), asyncio.Event()

    async def __call__(self) -> AsyncIterator[Any]:
        try:
            for n in range(1_000_000):
                yield line(f"piece {n}")
                self.begun.set()
                await asyncio.sleep(0)
        finally:
            self.ended.set()


@case
async def test_a_generator_is_streamed_piece_by_piece(on: On) -> None:
    asked, answered = asyncio.Event(), asyncio.Event()

    @on.live.ws("/ask")
    async def ask(question: str) -> AsyncIterator[Any]:
        yield line(f"{question}? Well")
        asked.set()
        await soon(answered)
        yield line("yes")

    async with on.page("/ask") as page:
        await page.send(question="why")
        assert "why? Well" in await page.receive()
        await soon(asked)
        assert page.pending == []
        answered.set()
        assert "yes" in await page.receive()


@case
async def test_a_stop_button_ends_a_stream_and_not_the_page(on: On) -> None:
    stream = Endless()
    chat = on.live.endpoint("/ask")

    @chat.on("ask-form")
    async def ask() -> Any:
        return stream()

    @chat.on(action="stop", concurrent=True)
    async def stop(conn: Connection) -> None:
        conn.cancel("ask")

    chat.on_message(lambda msg: line(msg))
    async with on.page("/ask") as page:
        await page.send(sender="ask-form")
        assert "piece 0" in await page.receive()
        await page.send(action="stop")
        await soon(stream.ended)
        await page.send(msg="still here")
        while "still here" not in await page.receive():
            pass


@case
async def test_a_page_that_goes_ends_its_streams(on: On) -> None:
    stream = Endless()

    @on.live.ws("/ask")
    async def ask() -> Any:
        return stream()

    async with on.page("/ask") as page:
        await page.send()
        assert "piece 0" in await page.receive()
    assert stream.ended.is_set()


@case
async def test_a_page_that_goes_does_not_cut_a_handler_short(on: On) -> None:
    """On htmx 4 every tab switch is a page that goes."""
    stream, begun, bought = Endless(), asyncio.Event(), asyncio.Event()

    @on.live.ws("/buy")
    async def buy(conn: Connection) -> None:
        conn.start(stream())
        begun.set()
        await soon(stream.ended)  # which says that the page has gone
        assert await conn.send(line("too late")) is False
        bought.set()

    async with on.page("/buy") as page:
        await page.send()
        await soon(begun)
    assert bought.is_set()


@case
async def test_a_handler_may_end_with_its_page(on: On) -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()
    search = on.live.endpoint("/search")

    @search.on_message(cancel=True)
    async def look() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with on.page("/search") as page:
        await page.send()
        await soon(begun)
    assert cancelled.is_set()


@case
async def test_a_hook_may_stream_beside_the_frames(on: On) -> None:
    said = asyncio.Event()

    async def joined() -> AsyncIterator[Any]:
        yield line("first")
        await soon(said)
        yield line("last")

    @on.live.ws("/feed", conn=joined)
    async def say(msg: str) -> Any:
        said.set()
        return line(msg)

    async with on.page("/feed") as page:
        assert "first" in await page.receive()
        await page.send(msg="meanwhile")
        assert "meanwhile" in await page.receive()
        assert "last" in await page.receive()


@case
async def test_background_work_ends_with_its_page(on: On) -> None:
    stream = Endless()

    @on.live.ws("/feed")
    async def begin(conn: Connection) -> Any:
        conn.start(stream(), name="feed")
        return line("begun")

    async with on.page("/feed") as page:
        await page.send()
        await soon(stream.begun)
    assert stream.ended.is_set()
