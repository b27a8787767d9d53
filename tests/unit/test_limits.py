"""How much pages may ask of the server: frames, rooms, connections; and sending them away."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable
from typing import Any

import pytest

from htmx_ws import Connection, HtmxWS, LimitError, Limits, append, html, serialise
from htmx_ws.testing import Denied, Socket


def item(text: object) -> Any:
    return append("#log", html("<li>{}</li>", text))


def text_of(content: object) -> str:
    (message,) = serialise(content)
    return message.text


def an_app(**how: Any) -> HtmxWS:
    """An application that echoes; pages are who their query says, and in the room it names."""
    live = HtmxWS(identify=lambda conn: conn.query.get("user"), **how)

    async def joined(conn: Connection, room: str = "room") -> None:
        await conn.join(room)

    @live.ws("/ws", conn=joined)
    async def echo(msg: str) -> Any:
        return item(msg)

    return live


# --- frames ----------------------------------------------------------------------------


@pytest.mark.parametrize("while_at_work", [False, True])
async def test_a_page_that_sends_too_fast_is_read_more_slowly_and_loses_nothing(
    while_at_work: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = HtmxWS(limits=Limits(frames_per_second=1_000, frames_burst=5))
    naps: list[float] = []
    sleep = asyncio.sleep

    async def nap(seconds: float) -> None:
        naps.append(seconds)
        await sleep(seconds)

    endpoint = live.endpoint("/ws")
    reading_on = asyncio.Event()

    @endpoint.on("wait")
    async def wait() -> None:
        await reading_on.wait()

    @endpoint.on("go", concurrent=True)
    async def go() -> None:
        reading_on.set()

    @endpoint.on_message
    async def echo(msg: str) -> Any:
        return item(msg)

    async with Socket(live, "/ws") as page, Socket(live, "/ws") as other:
        monkeypatch.setattr("htmx_ws.lifecycle.asyncio.sleep", nap)
        if while_at_work:
            await page.send(sender="wait")
        for n in range(20):
            await page.send(msg=str(n))
        if while_at_work:
            await page.send(sender="go")
        await other.send(msg="x")
        assert await other.receive() == text_of(item("x"))
        for n in range(20):
            assert await page.receive() == text_of(item(n))
    # Not the whole second that a nap for each would be rounded to, but a thousandth for each.
    paid = [nap for nap in naps if nap > 0]
    assert 5 <= len(paid) <= 20
    assert all(nap <= 0.0011 for nap in paid)
    (record,) = (each for each in caplog.records if "frames a second" in each.getMessage())
    assert "Limits.frames_per_second" in record.getMessage()


async def test_time_makes_good_what_was_sent() -> None:
    live = an_app(limits=Limits(frames_per_second=1e9, frames_burst=0))
    async with Socket(live, "/ws") as page:
        for n in range(50):
            await page.send(msg=str(n))
            assert await page.receive() == text_of(item(n))


async def test_a_page_that_may_send_nothing_is_not_read_and_can_be_closed() -> None:
    live = an_app(limits=Limits(frames_per_second=0, frames_burst=1))
    async with Socket(live, "/ws?user=ann") as page:
        await page.send(msg="1")
        assert await page.receive() == text_of(item("1"))
        await page.send(msg="2")
        await asyncio.sleep(0)
        assert await live.disconnect(user="ann", code=4001) == 1
        assert await page.closed() == 4001
        assert page.pending == []


# --- rooms -----------------------------------------------------------------------------


async def test_a_page_is_in_no_more_rooms_than_it_may_be_and_lives() -> None:
    live = HtmxWS(limits=Limits(rooms=2, room_name=5))
    errors: list[Exception] = []
    endpoint = live.endpoint("/ws")

    @endpoint.on_message
    async def join(conn: Connection, room: str) -> Any:
        await conn.join(room)
        return item(len(conn.rooms))

    @endpoint.on_error
    async def failed(error: Exception) -> Any:
        errors.append(error)
        return item(error)

    async with Socket(live, "/ws") as page:
        for room, answer in [("a", "1"), ("b", "2"), ("a", "2")]:
            await page.send(room=room)
            assert await page.receive() == text_of(item(answer))
        for room, said in [("c", "is in 2 rooms"), ("123456", "has 6 characters")]:
            await page.send(room=room)
            assert said in await page.receive()
        assert live.members("c") == []
        await page.send(room="b")
        assert await page.receive() == text_of(item("2"))
    assert all(type(error) is LimitError for error in errors)
    assert "Limits.rooms" in str(errors[0])
    assert "Limits.room_name" in str(errors[1])


# --- connections -----------------------------------------------------------------------

ANN, BOB = "/ws?user=ann", "/ws?user=bob"
FAR: dict[str, Any] = {"client": ("10.0.0.9", 1)}


@pytest.mark.parametrize(
    ("limits", "open_", "refused", "admitted"),
    [
        (Limits(connections=2), [ANN, BOB], ANN, None),
        (Limits(connections_per_identity=1), [ANN, BOB, "/ws", "/ws"], ANN, "/ws?user=eve"),
        (Limits(connections_per_address=2), [ANN, BOB], ANN, "far"),
        (Limits(connections_per_identity=None), [ANN, ANN], None, ANN),
    ],
)
async def test_one_page_too_many_is_refused_for_now_and_comes_in_when_another_has_gone(
    limits: Limits,
    open_: list[str],
    refused: str | None,
    admitted: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    live = an_app(limits=limits)
    pages = [Socket(live, path) for path in open_]
    for page in pages:
        await page.open()
    if admitted is not None:
        far = admitted == "far"
        async with Socket(live, ANN if far else admitted, scope=FAR if far else None):
            pass
    if refused is not None:
        with pytest.raises(Denied) as denied:
            await Socket(live, refused).open()
        assert denied.value.status == 503
        assert "try again later" in str(denied.value)
        assert "Limits.connections" in caplog.text
        await pages[0].close()
        async with Socket(live, refused):
            pass
    for page in pages[refused is not None :]:
        await page.close()
    hub = live._hub
    assert (hub.connections, hub._by_identity, dict(hub._by_address)) == ({}, {}, {})


async def test_a_server_without_denials_is_left_to_refuse_by_its_own_means() -> None:
    live = an_app(limits=Limits(connections=0))
    with pytest.raises(Denied) as denied:
        await Socket(live, "/ws", scope={"extensions": {}}).open()
    assert denied.value.status == 403


async def test_who_a_visitor_is_may_be_asked_of_a_database() -> None:
    async def identify(conn: Connection) -> object:
        await asyncio.sleep(0)
        return ("user", conn.query["user"])

    live = HtmxWS(identify=identify)

    @live.ws("/ws")
    async def who(conn: Connection) -> Any:
        return item(conn.identity)

    async with Socket(live, ANN) as page:
        await page.send()
        assert "ann" in await page.receive()


# --- sending away ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("which", "away"),
    [
        ({"user": "ann"}, [0, 1]),
        ({"room": "a"}, [0, 2]),
        ({"user": "ann", "room": "a"}, [0]),
        ({"user": "eve"}, []),
        ({"room": "none"}, []),
        ({"conn": "nobody"}, []),
    ],
)
@pytest.mark.parametrize("from_a_thread", [False, True])
async def test_the_pages_of_a_visitor_or_a_room_are_sent_away(
    which: dict[str, Any], away: list[int], from_a_thread: bool
) -> None:
    live = an_app()
    paths = [f"{ANN}&room=a", f"{ANN}&room=b", f"{BOB}&room=a", "/ws?room=b"]
    pages = [Socket(live, path) for path in paths]
    for page in pages:
        await page.open()
    if from_a_thread:
        told = await asyncio.to_thread(live.disconnect, code=4401, reason="bye", **which)
    else:
        told = live.disconnect(code=4401, reason="bye", **which)
    assert await told == len(away)
    for n in away:
        assert await pages[n].closed() == 4401
        assert pages[n].reason == "bye"
    for page in pages:
        await page.close()
    assert [page.code for page in pages] == [4401 if n in away else None for n in range(4)]


async def test_one_page_is_sent_away_by_its_connection_or_its_id() -> None:
    live = an_app()
    async with Socket(live, "/ws") as a, Socket(live, "/ws") as b:
        first, second = live.members("room")
        assert await live.disconnect(conn=first) == 1
        assert await live.disconnect(conn=second.id, code=1012) == 1
        assert (await a.closed(), await b.closed()) == (1008, 1012)


async def test_where_no_page_is_served_nobody_is_sent_away() -> None:
    assert await an_app().disconnect(user="ann") == 0


def test_one_says_whom_to_send_away() -> None:
    with pytest.raises(TypeError, match="takes user=, room= or conn="):
        an_app().disconnect()


async def test_a_thread_may_send_away_though_the_loop_has_ended() -> None:
    live = an_app()
    async with Socket(live, ANN):
        pass
    home = live._hub._home
    assert home is not None
    answers: list[Awaitable[int]] = []
    home.loop = asyncio.new_event_loop()
    home.loop.close()
    thread = threading.Thread(target=lambda: answers.append(live.disconnect(user="ann")))
    thread.start()
    await asyncio.to_thread(thread.join)
    assert [await answer for answer in answers] == [0]


# --- draining --------------------------------------------------------------------------


async def test_a_process_that_is_drained_takes_no_more_pages_and_closes_those_it_has_evenly() -> (
    None
):
    live, left = HtmxWS(), list[float]()
    loop = asyncio.get_running_loop()

    async def gone() -> None:
        left.append(loop.time())

    live.ws("/ws", disconn=gone)(lambda: None)
    pages = [Socket(live, "/ws") for _ in range(10)]
    for page in pages:
        await page.open()
    assert live.is_ready
    began = loop.time()
    draining = asyncio.create_task(live.drain(0.4))
    assert await pages[0].closed() == 1012
    assert not live.is_ready
    with pytest.raises(Denied) as denied:
        await Socket(live, "/ws").open()
    assert denied.value.status == 503
    await asyncio.wait_for(draining, 5)
    assert [page.code for page in pages] == [1012] * 10
    assert len(left) == 10
    assert left[-1] - began >= 0.3
    # The middle one goes in the middle, on a machine that is not always quick.
    assert left[4] - began < left[-1] - began
    for page in pages:
        await page.close()


async def test_draining_nothing_or_at_once_takes_no_time() -> None:
    live = an_app()
    async with Socket(live, "/ws") as page:
        await asyncio.wait_for(live.drain(0), 5)
        assert await page.closed() == 1012
    await asyncio.wait_for(live.drain(), 5)


async def test_pages_that_do_not_end_are_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("htmx_ws.hub.STOP_SECONDS", 0.01)
    live, may_end = HtmxWS(), asyncio.Event()

    async def slow() -> None:
        await may_end.wait()

    live.ws("/ws", disconn=slow)(lambda: None)
    async with Socket(live, "/ws"):
        await live.drain(0)
        assert "1 pages did not end" in caplog.text
        may_end.set()


def test_a_process_that_was_drained_serves_again_on_another_loop() -> None:
    live = an_app()

    async def drain() -> None:
        async with Socket(live, "/ws"):
            await live.drain(0)

    async def serve() -> None:
        async with Socket(live, "/ws") as page:
            await page.send(msg="hi")
            assert await page.receive() == text_of(item("hi"))

    asyncio.run(drain())
    asyncio.run(serve())
    assert live.is_ready
