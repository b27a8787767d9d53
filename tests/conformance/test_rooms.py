"""Rooms: one message for many pages, from wherever it is published."""

from __future__ import annotations

import threading
from typing import Any

from htmx_ws import Connection, html, morph

from .cases import On, case, line
from .server import get


def open_room(on: On, path: str = "/chat/{room}") -> None:
    """Register an endpoint whose pages join the room, and say things to all of it."""

    async def joined(conn: Connection, room: str) -> None:
        await conn.join(room)

    @on.live.ws(path, conn=joined)
    async def say(msg: str, room: str) -> None:
        await on.live.publish(room, line(msg))


@case
async def test_a_publication_reaches_everybody_in_its_room_in_one_order(on: On) -> None:
    open_room(on)
    async with (
        on.page("/chat/lobby") as ann,
        on.page("/chat/lobby") as bob,
        on.page("/chat/other") as eve,
    ):
        for n in range(3):
            await ann.send(msg=f"{n} from ann")
            await bob.send(msg=f"{n} from bob")
        anns = [await ann.receive() for _ in range(6)]
        assert anns == [await bob.receive() for _ in range(6)]
        assert [text for text in anns if "ann" in text] == sorted(
            text for text in anns if "ann" in text
        )
        assert eve.pending == []


@case
async def test_a_publication_may_leave_out_a_page_or_be_for_one(on: On) -> None:
    open_room(on)
    async with on.page("/chat/lobby") as ann, on.page("/chat/lobby") as bob:
        anns, bobs = on.live.members("lobby")
        await on.live.publish("lobby", line("not for ann"), exclude=anns)
        await on.live.publish("lobby", line("for bob"), to=bobs.id)
        await on.live.publish("lobby", lambda conn: line("me" if conn is anns else "them"))
        assert "me" in await ann.receive()
        for text in ("not for ann", "for bob", "them"):
            assert text in await bob.receive()
        assert ann.pending == bob.pending == []


@case
async def test_a_page_that_goes_leaves_its_rooms(on: On) -> None:
    open_room(on)
    async with on.page("/chat/lobby") as ann:
        async with on.page("/chat/lobby"):
            assert len(on.live.members("lobby")) == 2
        (left,) = on.live.members("lobby")
        await on.live.publish("lobby", line("alone"), to=left)
        assert "alone" in await ann.receive()
    assert on.live.members("lobby") == []


@case
async def test_a_plain_handler_publishes_and_joins_from_its_thread(on: On) -> None:
    threads = {threading.get_ident()}

    def joined(conn: Connection) -> Any:
        threads.add(threading.get_ident())
        conn.join("lobby")
        return line("joined")

    @on.live.ws("/chat", conn=joined)
    def say(msg: str) -> None:
        on.live.publish("lobby", line(msg))

    async with on.page("/chat") as ann, on.page("/chat") as bob:
        for page in (ann, bob):
            assert "joined" in await page.receive()
        await ann.send(msg="hi")
        for page in (ann, bob):
            assert "hi" in await page.receive()
    assert len(threads) > 1


@case
async def test_a_plain_view_of_the_framework_publishes(on: On) -> None:
    open_room(on)
    async with on.page("/chat/lobby") as ann, on.page("/chat/other") as eve:
        await get(on.app, "/publish", "text=%3Cb%3E")
        assert await ann.receive() == '<div hx-swap-oob="beforeend:#log"><li>&lt;b&gt;</li></div>'
        assert eve.pending == []


@case
async def test_a_room_may_hold_every_htmx(on: On) -> None:
    open_room(on)
    pages = {dialect: on.page("/chat/lobby", dialect=dialect) for dialect in ("htmx2", "htmx4")}
    for page in pages.values():
        await page.open()
        await page.send(msg="hi")
        while "hi" not in await page.receive():
            pass
    await on.live.publish("lobby", morph(html('<p id="a">{}</p>', "new")))
    for dialect, swap in (("htmx2", "outerHTML"), ("htmx4", "outerMorph")):
        while "new" not in (shown := await pages[dialect].receive()):
            pass
        assert swap in shown
        await pages[dialect].close()
