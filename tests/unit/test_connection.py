"""One open page: what it is told and when, how slow it may be, its rooms, its work, its end."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import Any

import pytest

from htmx_ws import HTML, Connection, HtmxWS, Limits, append, html, morph, replace, serialise
from htmx_ws.backends import MemoryBackend
from htmx_ws.clock import Clock
from htmx_ws.hub import Hub
from htmx_ws.results import is_deferred, stream
from htmx_ws.testing import Closed, Socket
from htmx_ws.types import ASGIApp, Message, Receive, Scope, Send

ROOM = "room"


def item(text: object) -> Any:
    return append("#log", html("<li>{}</li>", text))


def texts(*contents: object) -> list[str]:
    """The messages that contents make."""
    return [message.text for content in contents for message in serialise(content)]


async def soon(event: asyncio.Event | Awaitable[Any]) -> Any:
    """Wait, but not for ever."""
    return await asyncio.wait_for(event.wait() if isinstance(event, asyncio.Event) else event, 5)


class Desk:
    """An application whose pages join a room, with their connections at hand by name."""

    def __init__(self, **how: Any) -> None:
        self.live = HtmxWS(**how)
        self.conns: dict[str, Connection] = {}
        self.gone: dict[str, asyncio.Event] = {}
        self.endpoint = self.live.endpoint("/{name}")
        self.endpoint.on_connect(self.connected)
        self.endpoint.on_disconnect(self.left)

    async def connected(self, conn: Connection, name: str) -> None:
        self.conns[name], self.gone[name] = conn, asyncio.Event()
        await conn.join(ROOM)

    async def left(self, name: str) -> None:
        self.gone[name].set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.live(scope, receive, send)

    def page(self, name: str, **how: Any) -> Socket:
        return Socket(self, f"/{name}", **how)


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    yield
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=2)
    assert not left


async def receive_all(page: Socket, count: int) -> list[str]:
    return [await page.receive() for _ in range(count)]


# --- what it is ------------------------------------------------------------------------


async def test_a_connection_knows_its_address_and_has_an_id_of_its_own() -> None:
    desk = Desk()
    async with desk.page("a?x=1&y=2&y=3&empty="), desk.page("b") as other:
        first, second = desk.conns["a"], desk.conns["b"]
        assert first.path_params == {"name": "a"}
        assert first.query == {"x": "1", "y": ["2", "3"], "empty": ""}
        assert first.query is first.query
        assert second.query == {}
        assert first.id != second.id
        assert (first.route, other.scope["path"], second.route) == ("/{name}", "/b", "/{name}")
        assert first.address == "127.0.0.1"
        assert repr(first) == f"<Connection {first.id} /a>"
        assert first.app is desk.live
        await other.close()
        assert repr(second) == f"<Connection {second.id} /b gone>"


async def test_its_state_begins_as_the_lifespans_and_dies_with_the_page() -> None:
    desk, shared = Desk(), {"db": object()}
    async with desk.page("a", scope={"state": shared}), desk.page("b", scope={"state": shared}):
        desk.conns["a"].state.mine = 1
        assert desk.conns["a"].state.db is desk.conns["b"].state.db is shared["db"]
        assert not hasattr(desk.conns["b"].state, "mine")
        assert "mine" not in shared


async def test_its_application_is_the_hosts_where_there_is_one() -> None:
    desk, host = Desk(), object()
    async with desk.page("a", scope={"app": host}):
        assert desk.conns["a"].app is host


async def test_it_can_be_made_with_the_least_that_a_scope_holds() -> None:
    conn = Connection({"type": "websocket"}, lambda event: asyncio.sleep(0), Hub(MemoryBackend()))
    assert (conn.query, conn.path_params, vars(conn.state)) == ({}, {}, {})
    assert conn.limits == Limits()
    assert conn.places_nothing
    conn.close(4001)  # nobody serves it
    assert conn.closing == (4001, "")


@pytest.mark.parametrize(
    ("dialect", "address", "before", "after"),
    [
        ("htmx2", "a", None, "htmx2"),
        ("htmx4", "a", None, "htmx4"),
        ("raw", "a", None, None),
        ("raw", "a?hx=2", "htmx2", "htmx2"),
        ("raw", "a?hx=4", "htmx4", "htmx4"),
        ("raw", "a?hx=9", None, None),
        ("htmx4beta", "a?hx=4", "htmx4", "htmx4beta"),
        ("htmx4", "a?hx=2", "htmx2", "htmx4"),  # htmx 4 may read the attributes of htmx 2
    ],
)
async def test_its_dialect_is_known_from_the_address_and_surely_from_a_frame(
    dialect: Any, address: str, before: Any, after: Any
) -> None:
    desk = Desk()
    desk.endpoint.on_message(done)
    async with desk.page(address, dialect=dialect) as page:
        assert desk.conns["a"].dialect == before
        await page.send(msg="hi")
        await page.receive()
        assert desk.conns["a"].dialect == after


async def done() -> Any:
    return item("done")


async def test_a_message_is_written_in_the_pages_own_dialect() -> None:
    desk = Desk()
    content = morph('<p id="a">1</p>')
    (message,) = serialise(content)

    @desk.endpoint.on_message
    async def handler(send: Any) -> Any:
        await send(content)
        return content

    for dialect in ("2", "4"):
        how: dict[str, Any] = {"dialect": f"htmx{dialect}"}
        async with desk.page(f"a?hx={dialect}", **how) as page:
            await desk.live.publish(ROOM, content)  # stepped
            await page.send(msg="")  # from the page's own task
            page.stall()
            desk.conns["a"].send(item("blocks"))
            desk.conns["a"].send(content)  # in the outbox
            page.resume()
            received = await receive_all(page, 5)
            received.remove(texts(item("blocks"))[0])
            assert received == [message.text_for(f"htmx{dialect}")] * 4
    assert message.text_for("htmx2") != message.text_for("htmx4")


# --- send ------------------------------------------------------------------------------


async def test_send_acts_at_once_whether_it_is_awaited_or_not() -> None:
    desk = Desk()
    async with desk.page("a") as page:
        sent = desk.conns["a"].send(item(1))
        assert page.pending == texts(item(1))
        assert sent
        assert await sent is True
        assert await desk.conns["a"].send([item(2), None, item(3)]) is True
        assert page.pending == texts(item(1), item(2), item(3))


async def test_send_of_a_generator_that_is_not_awaited_streams_beside() -> None:
    desk = Desk()
    async with desk.page("a") as page:
        sent = desk.conns["a"].send(map(item, range(3)))
        assert sent
        assert await receive_all(page, 3) == texts(*map(item, range(3)))


async def never_awaited() -> Any:
    raise AssertionError


async def test_after_the_page_has_gone_send_gives_false_whatever_is_sent() -> None:
    """Nor does Python complain of coroutines that were never awaited."""
    desk = Desk()
    async with desk.page("a"):
        pass
    conn = desk.conns["a"]
    contents: list[Any] = [
        item(1),
        "<p id='a'></p>",
        None,
        never_awaited(),
        [item(1), (never_awaited(), item(2))],
        map(item, range(3)),
        pieces_without_end(),
    ]
    for content in contents:
        assert await conn.send(content) is False
    assert not conn.send(item(1))
    assert await conn.drained() is False


async def pieces_without_end(closed: asyncio.Event | None = None) -> AsyncIterator[Any]:
    try:
        n = 0
        while True:
            yield item(n)
            n += 1
            await asyncio.sleep(0)
    finally:
        if closed is not None:
            closed.set()


async def test_a_stream_ends_with_its_page_and_whoever_awaits_it_goes_on() -> None:
    desk, closed, went_on = Desk(), asyncio.Event(), asyncio.Event()

    @desk.endpoint.on_message
    async def handler(send: Any) -> None:
        assert await send(pieces_without_end(closed)) is False
        assert closed.is_set()
        went_on.set()

    async with desk.page("a") as page:
        await page.send(msg="")
        await page.receive()
    await soon(went_on)


async def test_the_generators_of_a_stream_are_closed_inside_out_before_it_ends() -> None:
    desk, closed = Desk(), []

    async def inner() -> AsyncIterator[Any]:
        try:
            yield item("inner")
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            closed.append("inner")

    async def outer() -> AsyncIterator[Any]:
        try:
            yield [item("outer"), inner()]
        finally:
            await asyncio.sleep(0)
            closed.append("outer")

    async with desk.page("a") as page:
        streaming = desk.conns["a"].start(outer())
        await receive_all(page, 2)
        streaming.cancel()
        await asyncio.wait([streaming])
        assert closed == ["inner", "outer"]


async def test_a_cancelled_stream_gives_false_but_a_cancelled_waiter_is_cancelled() -> None:
    desk = Desk()
    async with desk.page("a") as page:
        conn = desk.conns["a"]
        sent = conn.send(pieces_without_end())
        await page.receive()
        assert conn.cancel("send") == 1
        assert await sent is False

        async def wait() -> None:
            await conn.send(pieces_without_end())

        waiter = asyncio.create_task(wait())
        await asyncio.sleep(0)  # now it waits
        assert conn.cancel() == 1
        waiter.cancel()  # at the same time
        await asyncio.wait([waiter])
        assert waiter.cancelled()


async def test_an_error_of_a_stream_reaches_who_awaits_it() -> None:
    desk = Desk()

    async def pieces() -> AsyncIterator[Any]:
        yield item(1)
        raise ZeroDivisionError

    async with desk.page("a") as page:
        with pytest.raises(ZeroDivisionError):
            await desk.conns["a"].send(pieces())
        assert page.pending == texts(item(1))


class Iterated:
    """An async iterator without ``aclose``."""

    def __aiter__(self) -> Iterated:
        return self

    async def __anext__(self) -> Any:
        raise StopAsyncIteration


async def test_what_is_not_there_yet_is_told_from_what_is() -> None:
    waiting = never_awaited()
    deferred = [waiting, map(item, ()), pieces_without_end(), Iterated(), [1, [waiting]]]
    assert all(map(is_deferred, deferred))
    assert not any(map(is_deferred, [None, "", html(""), item(1), [], [item(1)], range(3), 7]))
    assert [piece async for piece in stream(Iterated())] == []
    assert [piece async for piece in stream("<p>")] == ["<p>"]
    waiting.close()


# --- from a thread ---------------------------------------------------------------------


async def test_in_a_thread_everything_blocks_until_it_is_done() -> None:
    desk = Desk()
    results: list[Any] = []

    @desk.endpoint.on_message
    def handler(conn: Connection, send: Any) -> Any:
        assert threading.get_ident() != conn.home.thread
        results.append(bool(send(item(1))))
        results.append(bool(send(map(item, (2, 3)))))
        results.append(bool(conn.join("other")))
        results.append(set(conn.rooms))
        results.append(bool(desk.live.publish("other", item(4))))
        results.append(bool(conn.leave("other")))
        results.append(bool(conn.leave("other")))
        conn.start(asyncio.Event().wait(), "one")
        conn.start(asyncio.Event().wait())
        results.append(conn.cancel("one"))
        results.append(conn.cancel("wait"))
        return item("done")

    async with desk.page("a") as page:
        await page.send(msg="")
        assert await receive_all(page, 5) == texts(*map(item, (1, 2, 3, 4)), item("done"))
    assert results == [True, True, True, {ROOM, "other"}, True, True, False, 1, 1]


async def test_what_is_done_in_a_thread_happens_on_the_loop() -> None:
    threads: list[int] = []

    class Rooms(Hub):
        def join(self, conn: Connection, room: str) -> Awaitable[bool]:
            threads.append(threading.get_ident())
            return super().join(conn, room)

        def leave(self, conn: Connection, room: str) -> Awaitable[bool]:
            threads.append(threading.get_ident())
            return super().leave(conn, room)

    async def write(event: Message) -> None:
        threads.append(threading.get_ident())

    conn = Connection({"type": "websocket"}, write, Rooms(MemoryBackend()))
    for call in (conn.join, conn.leave):
        assert await asyncio.to_thread(call, ROOM)
    assert await asyncio.to_thread(conn.send, item(1))
    assert threads == [threading.get_ident()] * 3
    conn.let_go()
    conn.forget()


async def test_in_a_thread_close_closes() -> None:
    desk = Desk()

    @desk.endpoint.on_message
    def handler(conn: Connection) -> None:
        conn.send(item("bye"))
        conn.close(4001, "enough")

    async with desk.page("a") as page:
        await page.send(msg="")
        assert await page.receive() == texts(item("bye"))[0]
        assert await page.closed() == 4001
        assert page.reason == "enough"


async def test_an_error_of_send_is_raised_in_the_thread() -> None:
    desk, errors = Desk(), []

    @desk.endpoint.on_message
    def handler(send: Any) -> Any:
        try:
            send("<p>nowhere</p>")
        except ValueError as error:
            errors.append(error)
        return item("done")

    async with desk.page("a") as page:
        await page.send(msg="")
        await page.receive()
    assert len(errors) == 1


async def test_in_a_thread_send_waits_for_a_slow_page() -> None:
    desk, blocks, done = Desk(), threading.Event(), threading.Event()

    @desk.endpoint.on_message
    def handler(send: Any) -> None:
        blocks.set()
        assert send(item(1))
        done.set()

    async with desk.page("a") as page:
        page.stall()
        await page.send(msg="")
        await asyncio.to_thread(blocks.wait, 5)
        while not desk.conns["a"]._busy:  # the thread's send has reached the page
            await asyncio.sleep(0)
        assert not done.is_set()
        page.resume()
        assert await page.receive() == texts(item(1))[0]
        assert await asyncio.to_thread(done.wait, 5)


async def test_a_sync_hook_may_keep_send_and_use_it_from_a_thread_of_its_own() -> None:
    live = HtmxWS()
    kept: list[Any] = []
    results: list[bool] = []

    def joined(send: Any) -> None:
        kept.append(send)

    live.ws("/ws", conn=joined)(done)

    def later(text: str) -> None:
        results.append(bool(kept[0](item(text))))

    async with Socket(live, "/ws") as page:
        thread = threading.Thread(target=later, args=("later",))
        thread.start()
        assert await page.receive() == texts(item("later"))[0]
        await asyncio.to_thread(thread.join)
    await asyncio.to_thread(later, "too late")
    assert results == [True, False]


async def test_a_thread_with_a_loop_of_its_own_awaits_send() -> None:
    desk = Desk()

    async def elsewhere() -> Any:
        return await desk.conns["a"].send(item(1)), await desk.conns["a"].join("other")

    async with desk.page("a") as page:
        assert await asyncio.to_thread(lambda: asyncio.run(elsewhere())) == (True, True)
        assert page.pending == texts(item(1))


def test_when_the_loop_is_over_nothing_is_sent_and_nothing_can_be_started() -> None:
    desk = Desk()

    async def visit() -> None:
        async with desk.page("a"):
            pass

    thread = threading.Thread(target=lambda: asyncio.run(visit()))
    thread.start()
    thread.join()
    conn = desk.conns["a"]
    assert not conn.send(item(1))
    assert not conn.send(map(item, (1,)))
    assert not conn.join(ROOM)
    assert not conn.leave(ROOM)
    assert conn.cancel() == 0
    conn.close()
    with pytest.raises(RuntimeError, match="is over"):
        conn.start(map(item, (1,)))


VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


async def test_a_thread_sees_the_context_of_its_page() -> None:
    seen: list[str] = []
    desk = Desk()

    @desk.endpoint.on_message
    def handler() -> Any:
        seen.append(VARIABLE.get())
        VARIABLE.set("by the thread")
        return item("done")

    VARIABLE.set("by the host")
    async with desk.page("a") as page, desk.page("b", debug=False) as other:
        for one in (page, page, other, other):
            await one.send(msg="")
            await one.receive()
    assert seen == ["by the host"] * 4


# --- a slow page -----------------------------------------------------------------------


async def test_a_publisher_and_the_other_pages_do_not_wait_for_a_slow_page() -> None:
    desk = Desk()
    async with desk.page("slow") as slow, desk.page("b") as b, desk.page("c") as c:
        slow.stall()
        for n in range(50):
            assert await desk.live.publish(ROOM, item(n)) == n + 1
        assert b.pending == c.pending == texts(*map(item, range(50)))
        assert slow.pending == []
        slow.resume()
        assert await receive_all(slow, 50) == texts(*map(item, range(50)))
        desk.conns["slow"].send(item("after"))
        assert slow.pending == texts(item("after"))


async def test_awaiting_send_waits_for_the_page_and_not_awaiting_does_not() -> None:
    desk = Desk()
    async with desk.page("a") as page:
        conn = desk.conns["a"]
        page.stall()
        unawaited = conn.send(item(1))
        awaited = asyncio.ensure_future(soon(conn.send(item(2))))
        drained = asyncio.ensure_future(conn.drained())
        for _ in range(5):
            await asyncio.sleep(0)
        assert unawaited
        assert not awaited.done()
        assert not drained.done()
        page.resume()
        assert await awaited is True
        assert await drained is True
        assert await unawaited is True
        assert page.pending == texts(item(1), item(2))
        assert await conn.drained() is True


async def test_one_may_wait_until_a_slow_page_has_taken_what_was_returned() -> None:
    desk = Desk()
    desk.endpoint.on_message(done)
    async with desk.page("a", debug=False) as page:
        page.stall()
        await page.send(msg="")
        while not desk.conns["a"]._busy:
            await asyncio.sleep(0)
        drained = asyncio.ensure_future(desk.conns["a"].drained())
        await asyncio.sleep(0)
        assert not drained.done()
        page.resume()
        assert await soon(drained) is True
        assert page.pending == texts(item("done"))


async def test_pushing_says_whether_the_page_is_there() -> None:
    desk = Desk()
    (message,) = serialise(item(1))
    async with desk.page("a") as page:
        assert desk.conns["a"].push(message) is True
        page.stall()
        assert desk.conns["a"].push(message) is True
    assert desk.conns["a"].push(message) is False


async def test_what_is_returned_to_a_slow_page_keeps_its_order_with_what_is_published() -> None:
    desk = Desk()

    @desk.endpoint.on_message
    async def handler() -> Any:
        return item("returned")

    async with desk.page("a", debug=False) as page:
        page.stall()
        await page.send(msg="")
        while not desk.conns["a"]._busy:
            await asyncio.sleep(0)
        await desk.live.publish(ROOM, item("published"))
        await page.send(msg="")
        page.resume()
        expected = texts(item("returned"), item("published"), item("returned"))
        assert await receive_all(page, 3) == expected


async def test_several_messages_of_one_result_keep_their_order_on_a_slow_page() -> None:
    desk = Desk()
    rows = HTML("".join(f"<tr id='r{n}'><td></td></tr>" for n in range(3)))

    @desk.endpoint.on_message
    async def handler() -> Any:
        return replace(rows)

    async with desk.page("a", debug=False) as page:
        page.stall()
        await page.send(msg="")
        while not desk.conns["a"]._busy:
            await asyncio.sleep(0)
        await desk.live.publish(ROOM, item("published"))
        page.resume()
        received = await receive_all(page, 4)
        received.remove(texts(item("published"))[0])
        assert received == texts(replace(rows))


@pytest.mark.parametrize(
    ("limits", "fits"),
    [
        (Limits(outbox_messages=3), 3),
        (Limits(outbox_bytes=3 * len(texts(item("é"))[0].encode())), 3),
        (Limits(outbox_bytes=0), 0),
    ],
)
async def test_over_the_limits_a_slow_page_is_closed_and_comes_back(
    limits: Limits, fits: int, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(limits=limits)
    async with desk.page("slow") as slow, desk.page("b") as b:
        conn = desk.conns["slow"]
        slow.stall()
        assert conn.send(item("x"))  # this one is with the server
        for _ in range(fits):
            assert conn.send(item("é"))
        assert not conn.gone
        await desk.live.publish(ROOM, item("é"))
        assert conn.gone
        assert await conn.send(item("é")) is False
        assert await slow.closed() == 1012
        await soon(desk.gone["slow"])
        assert b.pending == texts(item("é"))
        assert desk.live.members(ROOM) == [desk.conns["b"]]
    (record,) = caplog.records
    assert "reads too slowly" in record.getMessage()
    assert "Limits.outbox_bytes" in record.getMessage()


@pytest.mark.parametrize("writes", ["its handler", "a publication", "somebody, after a while"])
async def test_a_page_that_reads_nothing_for_too_long_is_closed_and_comes_back(
    writes: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Clock, "TICK", 0.001)
    desk = Desk(limits=Limits(write_seconds=0.01))

    @desk.endpoint.on_message
    async def handler() -> Any:
        return item("x")

    async with desk.page("slow", debug=False) as slow, desk.page("b") as b:
        slow.stall()
        if writes == "its handler":
            await slow.send()
        elif writes == "a publication":
            await desk.live.publish(ROOM, item("x"))
        else:
            clock = desk.live._clock
            assert clock is not None
            while clock._pages:  # it looks at no page that has been idle for a tick
                await asyncio.sleep(0)
            desk.conns["slow"].send(item("x"))
        assert await slow.closed() == 1012
        await soon(desk.gone["slow"])
        assert b.code is None
    (record,) = caplog.records
    assert "has read nothing for 0.01 s" in record.getMessage()
    assert "Limits.write_seconds" in record.getMessage()


async def test_a_page_that_reads_now_and_then_is_not_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk(limits=Limits(write_seconds=5))
    ticks: list[bool] = []
    monkeypatch.setattr(Clock, "TICK", 0.001)
    async with desk.page("a") as page:
        conn = desk.conns["a"]
        for n in range(3):
            page.stall()
            conn.send(item(n))
            conn.send(item(n))
            now = asyncio.get_running_loop().time()
            ticks += [conn.is_writing(now), conn.is_writing(now + 4.9)]
            page.resume()
            assert await receive_all(page, 2) == texts(item(n)) * 2
            assert not conn.is_writing(now + 100)
    assert ticks == [True] * 6
    assert desk.conns["a"].closing is None


async def test_a_handler_of_a_page_that_was_too_slow_is_finished() -> None:
    desk, finished = Desk(limits=Limits(outbox_messages=1)), asyncio.Event()

    @desk.endpoint.on_message
    async def handler(send: Any) -> None:
        for _ in range(3):
            send(item("x"))
        assert await send(item("x")) is False
        finished.set()

    async with desk.page("slow") as slow:
        slow.stall()
        await slow.send(msg="")
        await soon(finished)
        assert await slow.closed() == 1012


async def test_an_outbox_that_was_emptied_has_its_full_size_again() -> None:
    desk = Desk(limits=Limits(outbox_bytes=3 * len(texts(item("é"))[0].encode())))
    async with desk.page("a") as page:
        for _ in range(3):
            page.stall()
            for _ in range(4):
                desk.conns["a"].send(item("é"))
            page.resume()
            assert await receive_all(page, 4) == texts(item("é")) * 4


async def test_a_page_that_goes_while_what_waited_is_written_ends_quietly(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "htmx_ws")
    desk, may_write = Desk(), asyncio.Semaphore(0)

    async def slowly(send: Send, event: Message) -> None:
        await may_write.acquire()
        await send(event)

    page = Socket(Middleware(desk, "/a", slowly), "/a")
    await page.open()
    for number in range(3):
        desk.conns["a"].send(item(number))
    may_write.release()
    assert await receive_all(page, 1) == texts(item(0))
    await page.close()
    await soon(desk.gone["a"])
    assert page.pending == []
    assert caplog.records == []


# --- transports ------------------------------------------------------------------------


class Middleware:
    """A host's middleware around the ``send`` of one page."""

    def __init__(self, app: ASGIApp, path: str, around: Callable[[Send, Message], Any]) -> None:
        self.app, self.path, self.around = app, path, around

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        def wrapped(event: Message) -> Any:
            if scope["path"] == self.path and event["type"] == "websocket.send":
                return self.around(send, event)
            return send(event)

        await self.app(scope, receive, wrapped)


async def test_a_timeout_of_a_middleware_hits_its_own_page_and_never_the_publisher() -> None:
    desk, never = Desk(), asyncio.Event()

    async def within_time(send: Send, event: Message) -> None:
        async with asyncio.timeout(0.02):
            await never.wait()

    published = asyncio.Event()

    async def publish() -> str:
        for n in range(3):
            await desk.live.publish(ROOM, item(n))
        published.set()
        await asyncio.wait_for(desk.gone["slow"].wait(), 5)  # a timeout of its own goes on too
        await desk.live.publish(ROOM, item(3))
        return "unharmed"

    app = Middleware(desk, "/slow", within_time)
    async with desk.page("b") as b, Socket(app, "/slow") as slow, desk.page("c") as c:
        publisher = asyncio.create_task(publish())
        await soon(published)
        assert await publisher == "unharmed"
        assert publisher.cancelling() == 0
        assert await slow.closed() == 1012
        assert b.pending == c.pending == texts(*map(item, range(4)))


@pytest.mark.parametrize("dead", [0, 0.001])
async def test_a_timeout_may_be_over_before_it_began(dead: float) -> None:
    desk, never = Desk(), asyncio.Event()

    async def within_time(send: Send, event: Message) -> None:
        async with asyncio.timeout(dead):
            await never.wait()

    async with Socket(Middleware(desk, "/a", within_time), "/a") as page:
        assert desk.conns["a"].send(item(1))
        assert await page.closed() == 1012


async def test_a_timeout_that_is_not_reached_leaves_no_trace() -> None:
    desk, may_go = Desk(), asyncio.Event()

    async def within_time(send: Send, event: Message) -> None:
        async with asyncio.timeout(5):
            await may_go.wait()
            await send(event)

    async with Socket(Middleware(desk, "/a", within_time), "/a") as page:
        for n in range(3):
            desk.conns["a"].send(item(n))
        may_go.set()
        assert await receive_all(page, 3) == texts(*map(item, range(3)))
        assert await desk.conns["a"].send(item(3)) is True


@pytest.mark.parametrize("when", ["while it writes", "when it is idle"])
async def test_whoever_cancels_the_task_of_a_write_cancels_that_page_at_the_most(when: str) -> None:
    """As anyio's cancel scopes do, which note the task that entered them."""
    desk, noted, may_end = Desk(), [], asyncio.Event()
    is_writing = when == "while it writes"

    async def note(send: Send, event: Message) -> None:
        noted.append(asyncio.current_task())
        if is_writing:
            await may_end.wait()
        await send(event)

    async with Socket(Middleware(desk, "/a", note), "/a") as page, desk.page("b") as other:
        await desk.live.publish(ROOM, item(1))
        (task,) = noted
        assert task is not None
        assert task is not asyncio.current_task()
        await asyncio.sleep(0)
        task.cancel()
        if is_writing:
            assert await page.closed() == 1012
            await soon(desk.gone["a"])
        assert await desk.conns["a"].send(item(2)) is not is_writing
        await desk.live.publish(ROOM, item(3))
        assert other.pending == texts(item(1), item(3))
        assert page.pending == ([] if is_writing else texts(item(1), item(2), item(3)))


async def test_a_write_that_handles_its_cancellation_goes_on() -> None:
    desk, noted, never, again = Desk(), [], asyncio.Event(), asyncio.Event()

    async def stubborn(send: Send, event: Message) -> None:
        task = asyncio.current_task()
        assert task is not None
        noted.append(task)
        try:
            await never.wait()
        except asyncio.CancelledError:
            task.uncancel()
            await again.wait()
        await send(event)

    async with Socket(Middleware(desk, "/a", stubborn), "/a") as page:
        desk.conns["a"].send(item(1))
        await asyncio.sleep(0)
        noted[0].cancel()
        await asyncio.sleep(0)
        again.set()
        assert await page.receive() == texts(item(1))[0]


ERRORS = [OSError("gone"), RuntimeError("gone"), asyncio.CancelledError()]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("when", ["at once", "later", "in the outbox"])
async def test_a_transport_that_fails_loses_its_page_alone(when: str, error: Any) -> None:
    desk, written, may_fail = Desk(), [], asyncio.Event()

    async def fail(send: Send, event: Message) -> None:
        written.append(event)
        if when != "at once":
            await may_fail.wait()
        if when != "in the outbox" or len(written) > 1:
            raise error

    async with (
        desk.page("b") as b,
        Socket(Middleware(desk, "/a", fail), "/a") as page,
        desk.page("c") as c,
    ):
        await desk.live.publish(ROOM, item(1))
        await desk.live.publish(ROOM, item(2))
        may_fail.set()
        assert await page.closed() == 1012
        await soon(desk.gone["a"])
        assert b.pending == c.pending == texts(item(1), item(2))
        assert await desk.conns["a"].send(item(3)) is False


async def test_a_connection_that_nobody_serves_can_be_lost_too() -> None:
    async def fail(event: Message) -> None:
        raise OSError("gone")

    conn = Connection({"type": "websocket"}, fail, Hub(MemoryBackend()))
    assert await conn.send(item(1)) is False
    assert conn.gone
    conn.forget()


@pytest.mark.parametrize("error", ERRORS[:2], ids=lambda error: type(error).__name__)
async def test_a_transport_that_fails_for_a_result_loses_its_page(error: Any) -> None:
    desk = Desk()
    handled = asyncio.Event()

    @desk.endpoint.on_message
    async def handler(last: str = "") -> Any:
        if last:
            handled.set()
        return item(1)

    async def fail(send: Send, event: Message) -> None:
        raise error

    async with Socket(Middleware(desk, "/a", fail), "/a", debug=False) as page:
        await page.send(msg="")
        await page.send(last="yes")  # it was sent before the page knew
        assert await page.closed() == 1012
        await soon(handled)


async def test_what_a_page_sent_before_it_could_not_be_written_to_is_handled() -> None:
    desk, handled = Desk(), asyncio.Event()

    @desk.endpoint.on_message
    async def purchase() -> None:
        handled.set()

    async def fail(send: Send, event: Message) -> None:
        raise OSError("gone")

    async with Socket(Middleware(desk, "/a", fail), "/a") as page:
        await page.send(buy="1")
        await desk.live.publish(ROOM, item(1))
        assert not handled.is_set()
        await soon(handled)


class Sending:
    """What some servers' ``send`` gives: an awaitable that is no coroutine."""

    def __init__(self, *steps: Awaitable[Any]) -> None:
        self.steps = steps

    def __await__(self) -> Generator[Any, None, None]:
        for step in self.steps:
            yield from step.__await__()


@pytest.mark.parametrize("blocks", [False, True])
async def test_a_servers_send_may_give_any_awaitable(blocks: bool) -> None:
    desk, may_go = Desk(), asyncio.Event()

    def sending(send: Send, event: Message) -> Sending:
        return Sending(*([may_go.wait()] if blocks else []), send(event))

    desk.endpoint.on_message(done)
    async with Socket(Middleware(desk, "/a", sending), "/a", debug=False) as page:
        await page.send(msg="")
        desk.conns["a"].send(item(1))
        desk.conns["a"].send(item(2))
        may_go.set()
        received = await receive_all(page, 3)
        received.remove(texts(item("done"))[0])
        assert received == texts(item(1), item(2))


async def test_one_may_publish_where_there_is_no_task() -> None:
    desk = Desk()
    async with desk.page("a") as page, desk.page("b") as other:
        other.stall()
        asyncio.get_running_loop().call_soon(desk.live.publish, ROOM, item(1))
        assert await page.receive() == texts(item(1))[0]
        other.resume()
        assert await other.receive() == texts(item(1))[0]


async def test_a_write_may_publish_itself() -> None:
    desk = Desk()

    async def echo(send: Send, event: Message) -> None:
        await send(event)
        if "echo" not in event["text"]:
            await desk.live.publish(ROOM, item("echo"), exclude=desk.conns["a"])

    async with Socket(Middleware(desk, "/a", echo), "/a") as page, desk.page("b") as other:
        task = asyncio.current_task()
        await desk.live.publish(ROOM, item(1))
        assert asyncio.current_task() is task
        assert page.pending == texts(item(1))
        assert other.pending == texts(item(1), item("echo"))


# --- rooms and gates -------------------------------------------------------------------


async def test_a_page_gets_what_is_published_while_it_is_in_a_room() -> None:
    desk = Desk()
    async with desk.page("a") as page:
        conn = desk.conns["a"]
        assert await conn.leave(ROOM) is True
        await desk.live.publish(ROOM, item(1))
        assert await conn.leave(ROOM) is False
        assert await conn.join(ROOM) is True
        await desk.live.publish(ROOM, item(2))
        assert page.pending == texts(item(2))
        assert conn.rooms == {ROOM}


async def test_a_page_that_has_gone_joins_nothing() -> None:
    desk = Desk()
    async with desk.page("a"):
        pass
    conn = desk.conns["a"]
    assert await conn.join("other") is False
    assert not await asyncio.to_thread(conn.join, "other")
    assert conn.rooms == {ROOM}  # it still knows where it was
    assert desk.live.members("other") == desk.live.members(ROOM) == []


@pytest.mark.parametrize("slow", [False, True])
async def test_a_gate_holds_its_room_alone_and_keeps_the_order(slow: bool) -> None:
    desk = Desk()
    async with desk.page("a") as page, desk.page("b") as other:
        conn = desk.conns["a"]
        await conn.join("other")
        conn.hold(ROOM)
        for n in (1, 2):
            await desk.live.publish(ROOM, item(n))
        conn.hold(ROOM)  # once more holds nothing back twice
        await desk.live.publish(ROOM, [item(3), item(4)])
        await desk.live.publish(ROOM, lambda conn: item(5))
        await desk.live.publish("other", item("other"))
        await conn.send(item("sent"))
        assert page.pending == texts(item("other"), item("sent"))
        assert len(other.pending) == 5
        if slow:
            page.stall()
        conn.release(ROOM)
        await desk.live.publish(ROOM, item(6))
        conn.release(ROOM)
        page.resume()
        received = await receive_all(page, 8)
        assert received[2:] == texts(*map(item, range(1, 7)))


async def test_a_returned_fragment_passes_a_closed_gate() -> None:
    desk = Desk()
    desk.endpoint.on_message(done)
    for debug in (True, False):
        async with desk.page("a", debug=debug) as page:
            desk.conns["a"].hold(ROOM)
            await page.send(msg="")
            assert await page.receive() == texts(item("done"))[0]


async def test_a_gate_that_nobody_opens_has_a_limit(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(limits=Limits(outbox_messages=3))
    async with desk.page("a") as page:
        desk.conns["a"].hold(ROOM)
        for n in range(3):
            await desk.live.publish(ROOM, item(n))
        assert not desk.conns["a"].gone
        await desk.live.publish(ROOM, item(3))
        assert await page.closed() == 1012
        assert page.pending == []
    (record,) = caplog.records
    assert "were held for it and not released" in record.getMessage()


# --- background work -------------------------------------------------------------------


async def test_work_runs_beside_the_frames_and_is_cancelled_by_its_name() -> None:
    desk = Desk()
    desk.endpoint.on_message(done)

    async def tick() -> None:
        while True:
            await desk.conns["a"].send(item("tick"))
            await asyncio.sleep(0)

    async with desk.page("a") as page:
        conn = desk.conns["a"]
        tasks = [conn.start(tick(), name="one"), conn.start(tick(), name="two")]
        tasks.append(conn.start(tick()))
        assert conn.work == tasks
        await page.send(msg="")
        while await page.receive() != texts(item("done"))[0]:
            pass
        assert conn.cancel("none") == 0
        assert conn.cancel("one") == 1
        await asyncio.wait(tasks[:1])
        assert [task.cancelled() for task in tasks] == [True, False, False]
        assert conn.cancel("tick") == 1  # without a name it has the function's
        await asyncio.wait(tasks[2:])
        assert conn.cancel() == 1
        await asyncio.wait(tasks)
        assert conn.work == []


async def some_pieces() -> AsyncIterator[Any]:
    for n in range(3):
        yield item(n)


def some_sync_pieces() -> Iterator[Any]:
    return map(item, range(3))


@pytest.mark.parametrize(
    "work", [some_pieces, some_sync_pieces, lambda: [item(0), item(1), item(2)]]
)
async def test_a_generator_or_content_can_be_started_and_is_sent(work: Any) -> None:
    desk = Desk()
    async with desk.page("a") as page:
        assert await desk.conns["a"].start(work(), name="feed") is True
        assert page.pending == texts(*map(item, range(3)))


async def test_a_stream_has_its_functions_name() -> None:
    desk = Desk()
    async with desk.page("a") as page:
        started = desk.conns["a"].start(pieces_without_end())
        await page.receive()
        assert desk.conns["a"].cancel("pieces_without_end") == 1
        await asyncio.wait([started])
        assert started.cancelled()


async def test_work_that_fails_is_logged_and_the_page_lives(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = Desk()

    async def fail() -> None:
        raise ZeroDivisionError

    async def fail_later() -> AsyncIterator[Any]:
        yield item(1)
        raise ZeroDivisionError

    async with desk.page("a") as page:
        conn = desk.conns["a"]
        await asyncio.wait([conn.start(fail(), name="sums"), conn.start(fail_later())])
        assert await page.receive() == texts(item(1))[0]
        assert await conn.send(item(2)) is True
        assert sorted(record.getMessage() for record in caplog.records) == [
            f"{conn!r}: its work 'fail_later' failed",
            f"{conn!r}: its work 'sums' failed",
        ]
    assert all(record.exc_info for record in caplog.records)
    assert all(record.levelno == logging.ERROR for record in caplog.records)


async def test_work_ends_with_the_page_and_none_begins_after() -> None:
    desk, begun = Desk(), []

    async def work(text: str) -> None:
        begun.append(text)
        await asyncio.Event().wait()

    async with desk.page("a"):
        before = desk.conns["a"].start(work("before"))
        await asyncio.sleep(0)
    after = desk.conns["a"].start(work("after"))
    await asyncio.wait([before, after])
    assert before.cancelled()
    assert after.cancelled()
    assert begun == ["before"]


# --- the end ---------------------------------------------------------------------------


@pytest.mark.parametrize("code", [1008, 1012, 4001])
async def test_close_sends_what_was_sent_before_and_then_the_code(code: int) -> None:
    desk = Desk()
    async with desk.page("a") as page:
        conn = desk.conns["a"]
        page.stall()
        conn.send(item(1))
        conn.send(item(2))
        conn.close(code, "enough")
        conn.close(4999, "the first close counts")
        assert conn.closing == (code, "enough")
        assert page.code is None
        page.resume()
        assert await receive_all(page, 2) == texts(item(1), item(2))
        with pytest.raises(Closed, match=f"{code} enough"):
            await page.receive()
        await soon(desk.gone["a"])


async def test_closing_is_for_good_by_default() -> None:
    desk = Desk()
    async with desk.page("a") as page:
        desk.conns["a"].close()
        assert await page.closed() == 1008


async def test_a_close_waits_for_a_result_that_is_under_way() -> None:
    desk = Desk()
    desk.endpoint.on_message(done)
    async with desk.page("a", debug=False) as page:
        page.stall()
        await page.send(msg="")
        while not desk.conns["a"]._busy:
            await asyncio.sleep(0)
        desk.conns["a"].close(4001)
        for _ in range(3):
            await asyncio.sleep(0)
        page.resume()
        assert await page.receive() == texts(item("done"))[0]
        assert await page.closed() == 4001


@pytest.mark.parametrize("returned", [False, True])
async def test_a_page_that_reads_nothing_is_closed_all_the_same(
    returned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("htmx_ws.lifecycle.CLOSE_SECONDS", 0.01)
    desk = Desk()
    desk.endpoint.on_message(done)
    async with desk.page("a", debug=False) as page:
        page.stall()
        if returned:
            await page.send(msg="")
            while not desk.conns["a"]._busy:
                await asyncio.sleep(0)
        else:
            desk.conns["a"].send(item(1))
        desk.conns["a"].close(4001)
        assert await page.closed() == 4001
        await soon(desk.gone["a"])


async def test_a_server_that_takes_no_close_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("htmx_ws.lifecycle.CLOSE_SECONDS", 0.01)
    desk = Desk()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def without_close(event: Message) -> None:
            if event["type"] == "websocket.close":
                await asyncio.Event().wait()
            await send(event)

        await desk(scope, receive, without_close)

    async with Socket(app, "/a"):
        desk.conns["a"].close(4001)
        await soon(desk.gone["a"])


async def test_a_reason_is_cut_to_what_a_close_frame_takes() -> None:
    desk = Desk()
    async with desk.page("a") as page:
        desk.conns["a"].close(4001, "é" * 100)
        await page.closed()
        assert page.reason == "é" * 61


async def test_closing_a_page_that_has_gone_does_nothing() -> None:
    desk = Desk()
    async with desk.page("a") as page:
        pass
    desk.conns["a"].close(4001)
    assert desk.conns["a"].closing is None
    assert page.code is None


async def test_a_connection_that_nobody_serves_can_be_abandoned() -> None:
    conn = Connection({"type": "websocket"}, lambda event: asyncio.sleep(0), Hub(MemoryBackend()))
    assert (conn.route, conn.address) == ("", "")
    for _ in range(2):
        conn.abandon()
        assert conn.gone
    conn.forget()


async def test_letting_go_twice_is_as_once() -> None:
    desk = Desk()
    async with desk.page("a"):
        pass
    desk.conns["a"].let_go()
    assert desk.conns["a"].gone
