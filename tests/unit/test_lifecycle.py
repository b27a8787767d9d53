"""A page's life: its frames in their order, its hooks, what is finished when it goes."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from htmx_ws import (
    BindingError,
    Connection,
    FrameError,
    HtmxWS,
    Limits,
    Refused,
    append,
    html,
    serialise,
    update,
)
from htmx_ws.clock import Clock
from htmx_ws.testing import Closed, Socket
from htmx_ws.types import Message, Receive, Scope, Send

ROOM = "room"


def item(text: object) -> Any:
    return append("#log", html("<li>{}</li>", text))


def texts(*contents: object) -> list[str]:
    """The messages that contents make."""
    return [message.text for content in contents for message in serialise(content)]


async def soon(event: asyncio.Event | Awaitable[Any]) -> Any:
    """Wait, but not for ever."""
    return await asyncio.wait_for(event.wait() if isinstance(event, asyncio.Event) else event, 5)


async def receive_all(page: Socket, count: int) -> list[str]:
    return [await page.receive() for _ in range(count)]


@pytest.fixture(autouse=True)
def quick_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page reads on soon while its handler works."""
    monkeypatch.setattr(Clock, "TICK", 0.001)


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    yield
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=2)
    assert not left


class Story:
    """An endpoint at ``/ws`` that notes what happens, and events to wait for and to set."""

    def __init__(self, **how: Any) -> None:
        self.live = HtmxWS(**how)
        self.endpoint = self.live.endpoint("/ws")
        self.notes: list[Any] = []
        self.conn: Connection = None  # type: ignore[assignment]  # once a page has connected
        self.begun, self.may_end, self.over = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def keeps_its_connection(self) -> None:
        @self.endpoint.on_connect
        async def connected(conn: Connection) -> None:
            self.conn = conn
            await conn.join(ROOM)

        @self.endpoint.on_disconnect
        async def left() -> None:
            self.notes.append("left")
            self.over.set()

    def page(self, **how: Any) -> Socket:
        return Socket(self.live, "/ws", **how)

    def marks_what_was_read(self) -> None:
        """A frame of ``mark`` sets ``begun`` when all frames before it have been read."""

        @self.endpoint.on("mark", concurrent=True)
        async def mark() -> None:
            self.begun.set()

    @asynccontextmanager
    async def gone_while_it_works(self, **values: Any) -> AsyncIterator[Connection]:
        """A page that sends a frame, whose handler sets ``begun``, and is noticed to have gone."""
        page = self.page()
        await page.open()
        await page.send(values)
        await soon(self.begun)
        noticed = await until_it_goes(self.conn)
        closing = asyncio.create_task(page.close())
        await soon(noticed)
        yield self.conn
        await closing


async def until_it_goes(conn: Connection) -> asyncio.Event:
    """An event that is set when the server notices that the page has gone."""
    begun, gone = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            gone.set()

    conn.start(work())
    await begun.wait()
    return gone


async def done() -> Any:
    return item("done")


@pytest.fixture
async def story() -> Story:
    story = Story()
    story.keeps_its_connection()
    return story


# --- frames in their order -------------------------------------------------------------


@pytest.mark.parametrize("debug", [True, False])
async def test_a_pages_frames_are_handled_one_at_a_time_in_order(story: Story, debug: bool) -> None:
    at_work: list[str] = []

    @story.endpoint.on_message
    async def handler(n: str) -> AsyncIterator[Any]:
        assert not at_work
        at_work.append(n)
        await asyncio.sleep(0)
        yield item(n)
        at_work.remove(n)

    @story.endpoint.on(kind="sync")
    def sync(n: str) -> Any:
        assert not at_work
        return item(n)

    @story.endpoint.on(kind="quick")
    async def quick(n: str) -> Any:
        assert not at_work
        return item(n)

    async with story.page(debug=debug) as page:
        for n in range(30):
            await page.send(n=str(n), kind=("slow", "sync", "quick")[n % 3])
        assert await receive_all(page, 30) == texts(*map(item, range(30)))


async def test_a_pages_frames_wait_for_its_connect_hook() -> None:
    story = Story()
    story.endpoint.on_message(done)

    @story.endpoint.on_connect
    async def connected(send: Any) -> Any:
        story.begun.set()
        await story.may_end.wait()
        await send(item("connected"))
        return item("returned")

    async with story.page() as page:
        await page.send()
        await soon(story.begun)
        assert page.pending == []
        story.may_end.set()
        assert await receive_all(page, 3) == texts(
            item("connected"), item("returned"), item("done")
        )


async def test_other_pages_do_not_wait_for_a_page_whose_handler_works(story: Story) -> None:
    @story.endpoint.on_message
    async def handler(wait: str = "") -> Any:
        if wait:
            story.begun.set()
            await story.may_end.wait()
        return item("done")

    async with story.page() as slow, story.page() as quick:
        await slow.send(wait="1")
        await soon(story.begun)
        for _ in range(3):
            await quick.send()
            await quick.receive()
        story.may_end.set()
        await slow.receive()


# --- reading on ------------------------------------------------------------------------


@pytest.mark.parametrize("debug", [True, False])
async def test_a_stop_button_is_handled_while_a_generator_streams(
    story: Story, debug: bool
) -> None:
    @story.endpoint.on("generate")
    async def generate() -> AsyncIterator[Any]:
        try:
            yield item("first")
            await asyncio.Event().wait()
        finally:
            story.notes.append("closed")

    @story.endpoint.on("stop", concurrent=True)
    async def stop(conn: Connection) -> Any:
        assert conn.cancel("generate") == 1
        return item("stopped")

    story.endpoint.on_message(done)
    async with story.page(debug=debug) as page:
        await page.send(sender="generate")
        await page.send()  # waits for its turn
        assert await page.receive() == texts(item("first"))[0]
        await page.send(sender="stop")
        assert sorted(await receive_all(page, 2)) == sorted(texts(item("stopped"), item("done")))
        assert story.notes == ["closed"]


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_concurrent_handler_runs_while_another_works(
    story: Story, kind: str, debug: bool
) -> None:
    may_end = threading.Event()

    @story.endpoint.on("async")
    async def asynchronous() -> Any:
        await story.may_end.wait()
        return item("worked")

    @story.endpoint.on("sync")
    def synchronous() -> Any:
        assert may_end.wait(5)
        return item("worked")

    @story.endpoint.on("other", concurrent=True)
    async def other() -> Any:
        return item("other")

    story.endpoint.on_message(done)
    async with story.page(debug=debug) as page:
        await page.send(sender=kind)
        await page.send()
        await page.send(sender="other")
        assert await page.receive() == texts(item("other"))[0]
        may_end.set()
        story.may_end.set()
        assert await receive_all(page, 2) == texts(item("worked"), item("done"))
        await page.send()
        await page.receive()


async def test_a_concurrent_handler_does_what_others_do(story: Story) -> None:
    @story.endpoint.on("values", concurrent=True)
    async def values(n: int, send: Any) -> AsyncIterator[Any]:
        await send(item(n))
        yield item(n + 1)

    @story.endpoint.on("nothing", concurrent=True)
    async def nothing() -> None:
        return

    @story.endpoint.on("fails", concurrent=True)
    async def fails() -> None:
        raise ZeroDivisionError

    @story.endpoint.on_error
    async def wrong(error: Exception, frame: Any) -> Any:
        return item(f"{type(error).__name__} {frame.sender}")

    async with story.page() as page:
        await page.send(n="1", sender="values")
        assert await receive_all(page, 2) == texts(item(1), item(2))
        await page.send(sender="nothing")
        await page.send(n="one", sender="values")
        assert await page.receive() == texts(item("BindingError values"))[0]
        await page.send(sender="fails")
        assert await page.receive() == texts(item("ZeroDivisionError fails"))[0]


async def test_handlers_that_run_beside_are_bounded_and_the_rest_take_their_turn() -> None:
    story = Story(limits=Limits(concurrent=2))
    at_work: set[str] = set()
    most: list[int] = []

    @story.endpoint.on_message(concurrent=True)
    async def handler(n: str) -> Any:
        at_work.add(n)
        most.append(len(at_work))
        if len(at_work) == 3:  # two beside, and one in its turn
            story.begun.set()
        await story.may_end.wait()
        at_work.discard(n)
        return item(n)

    async with story.page() as page:
        for n in range(6):
            await page.send(n=str(n))
        await soon(story.begun)
        story.may_end.set()
        assert sorted(await receive_all(page, 6)) == texts(*map(item, range(6)))
    assert max(most) == 3


class Gauge:
    """Counts how often the application asks a page for more, which it must not do twice at once."""

    def __init__(self, app: Any) -> None:
        self.app, self.asked, self.asks, self.asked_twice = app, 0, False, False
        self.changed = asyncio.Event()

    async def asked_for(self, count: int) -> None:
        while self.asked < count:
            self.changed.clear()
            await soon(self.changed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counted() -> Message:
            self.asked += 1
            self.changed.set()
            self.asked_twice |= self.asks
            self.asks = True
            try:
                return await receive()
            finally:
                self.asks = False

        await self.app(scope, counted, send)


@pytest.mark.parametrize("limit", [0, 1, 3])
async def test_frames_that_wait_hold_reading_back_until_there_is_room(limit: int) -> None:
    story = Story(limits=Limits(frames_waiting=limit))
    gauge = Gauge(story.live)

    @story.endpoint.on_message
    async def handler(n: str) -> Any:
        if n == "0":
            story.begun.set()
            await story.may_end.wait()
        return item(n)

    async with Socket(gauge, "/ws") as page:
        for n in range(10):
            await page.send(n=str(n))
        await soon(story.begun)
        expected = 2 + limit  # the connect, the frame at work, those that wait
        await gauge.asked_for(expected)
        ticks = asyncio.Event()
        asyncio.get_running_loop().call_later(20 * Clock.TICK, ticks.set)
        await soon(ticks)
        assert gauge.asked == expected
        story.may_end.set()
        assert await receive_all(page, 10) == texts(*map(item, range(10)))
        assert gauge.asked >= 10
    assert not gauge.asked_twice


async def test_there_is_room_again_as_soon_as_the_next_frame_is_begun() -> None:
    story = Story(limits=Limits(frames_waiting=1))

    @story.endpoint.on("work")
    async def works(n: str) -> Any:
        if n == "0":
            story.begun.set()
            await story.may_end.wait()
        else:
            await story.over.wait()
        return item(n)

    @story.endpoint.on("stop", concurrent=True)
    async def stop() -> None:
        story.over.set()

    async with story.page() as page:
        await page.send(n="0", sender="work")
        await page.send(n="1", sender="work")
        await page.send(sender="stop")
        await soon(story.begun)
        ticks = asyncio.Event()
        asyncio.get_running_loop().call_later(10 * Clock.TICK, ticks.set)
        await soon(ticks)  # reading is held back
        story.may_end.set()
        assert await receive_all(page, 2) == texts(item(0), item(1))


async def test_a_stream_that_runs_beside_leaves_the_reading_to_the_page() -> None:
    story = Story()
    gauge = Gauge(story.live)

    @story.endpoint.on("feed", concurrent=True)
    async def feed() -> AsyncIterator[Any]:
        yield item("first")
        await story.may_end.wait()
        yield item("last")

    story.endpoint.on_message(done)
    async with Socket(gauge, "/ws") as page:
        await page.send(sender="feed")
        assert await page.receive() == texts(item("first"))[0]
        for _ in range(5):
            await page.send()
            assert await page.receive() == texts(item("done"))[0]
        story.may_end.set()
        assert await page.receive() == texts(item("last"))[0]
    assert not gauge.asked_twice


@pytest.mark.parametrize("debug", [True, False])
async def test_a_frame_waits_until_the_page_has_taken_the_answer_to_the_one_before(
    story: Story, debug: bool
) -> None:
    """Else a page that sends and does not read would have its answers pile up here."""

    @story.endpoint.on_message
    async def handler(n: str) -> Any:
        story.notes.append(n)
        return item(n)

    async with story.page(debug=debug) as page:
        page.stall()
        story.conn.send(item("published"))
        await page.send(n="0")
        await page.send(n="1")
        while not story.notes:
            await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)
        assert story.notes == ["0"]
        page.resume()
        assert await receive_all(page, 3) == texts(item("published"), item(0), item(1))


async def test_reading_is_held_back_more_than_once_in_a_life() -> None:
    story = Story(limits=Limits(frames_waiting=1))

    @story.endpoint.on_message
    async def handler(n: str) -> Any:
        if int(n) % 5 == 0:
            for _ in range(8):
                tick = asyncio.Event()
                asyncio.get_running_loop().call_later(Clock.TICK, tick.set)
                await tick.wait()
        return item(n)

    async with story.page() as page:
        for n in range(12):
            await page.send(n=str(n))
        assert await receive_all(page, 12) == texts(*map(item, range(12)))


async def test_the_clock_rests_when_there_is_nothing_to_do(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Clock, "IDLE", 2)
    story.endpoint.on_message(done)
    async with story.page(debug=False) as page:
        await page.send()
        await page.receive()
        clock = story.live._clock
        assert clock is not None
        assert clock.ticks
        while clock.ticks:
            tick = asyncio.Event()
            clock.loop.call_later(Clock.TICK, tick.set)
            await soon(tick)
        await page.send()
        await page.receive()
        assert clock.ticks


# --- when the page goes ----------------------------------------------------------------


@pytest.mark.parametrize("debug", [True, False])
async def test_a_handler_that_began_is_finished_and_its_sends_do_nothing(
    story: Story, debug: bool
) -> None:
    results: list[Any] = []

    @story.endpoint.on_message
    async def purchase(conn: Connection, send: Any) -> Any:
        gone = await until_it_goes(conn)
        story.begun.set()
        await gone.wait()
        results.append(await send(item(1)))
        results.append(await send(map(item, (1, 2))))
        results.append(await conn.join("other"))
        results.append(await story.live.publish(ROOM, item("published")))
        assert "left" not in story.notes
        results.append("finished")
        return item("returned")

    page = story.page(debug=debug)
    await page.open()
    await page.send()
    await soon(story.begun)
    await page.close()
    assert results == [False, False, False, 1, "finished"]
    assert story.notes == ["left"]
    assert page.pending == []


async def test_frames_that_were_received_are_handled_when_the_page_has_gone(story: Story) -> None:
    @story.endpoint.on_message
    async def handler(n: str, send: Any) -> None:
        story.begun.set()
        await story.may_end.wait()
        story.notes.append((n, await send(item(n))))

    page = story.page()
    await page.open()
    for n in range(4):
        await page.send(n=str(n))
    await soon(story.begun)
    noticed = await until_it_goes(story.conn)
    closing = asyncio.create_task(page.close())
    await soon(noticed)
    story.may_end.set()
    await closing
    assert story.notes == [*((str(n), False) for n in range(4)), "left"]


async def test_frames_and_the_end_may_come_at_once(story: Story) -> None:
    @story.endpoint.on_message
    async def handler(n: str) -> None:
        story.notes.append(n)

    page = story.page()
    await page.open()
    for n in range(3):
        await page.send(n=str(n))
    await page.close()
    assert story.notes == ["0", "1", "2", "left"]


async def test_a_concurrent_handler_is_finished_too(story: Story) -> None:
    @story.endpoint.on_message(concurrent=True)
    async def handler(send: Any) -> None:
        story.begun.set()
        await story.may_end.wait()
        story.notes.append(await send(item(1)))

    async with story.gone_while_it_works():
        story.may_end.set()
    assert story.notes == [False, "left"]


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("concurrent", [True, False])
async def test_a_handler_may_opt_in_to_being_cancelled(
    story: Story, concurrent: bool, debug: bool
) -> None:
    @story.endpoint.on_message(cancel=True, concurrent=concurrent)
    async def handler(n: str) -> Any:
        if n == "quick":
            return item("quick")
        story.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            story.notes.append("cancelled")

    page = story.page(debug=debug)
    await page.open()
    await page.send(n="quick")
    assert await page.receive() == texts(item("quick"))[0]
    await page.send(n="slow")
    await soon(story.begun)
    await page.close()
    assert story.notes == ["cancelled", "left"]


async def test_a_handler_that_may_be_cancelled_is_stopped_by_its_name(story: Story) -> None:
    @story.endpoint.on("work", cancel=True)
    async def work() -> None:
        story.begun.set()
        await asyncio.Event().wait()

    @story.endpoint.on("stop", concurrent=True)
    async def stop(conn: Connection) -> None:
        conn.cancel("work")

    story.endpoint.on_message(done)
    async with story.page() as page:
        await page.send(sender="work")
        await page.send()
        await soon(story.begun)
        await page.send(sender="stop")
        assert await page.receive() == texts(item("done"))[0]


@pytest.mark.parametrize("cancel", ["the page goes", "cancelled by name"])
@pytest.mark.parametrize("debug", [True, False])
async def test_a_handler_whose_awaited_work_is_cancelled_ends_and_nothing_else(
    story: Story, cancel: str, debug: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    @story.endpoint.on_message
    async def handler(conn: Connection, n: str) -> Any:
        if n != "0":
            story.notes.append(n)
            return item(n)
        task = conn.start(asyncio.Event().wait(), name="work")
        story.begun.set()
        return await task

    @story.endpoint.on("stop", concurrent=True)
    async def stop(conn: Connection) -> None:
        conn.cancel("work")

    page = story.page(debug=debug)
    await page.open()
    await page.send(n="0")
    await page.send(n="1")
    await soon(story.begun)
    if cancel == "cancelled by name":
        await page.send(sender="stop")
        assert await page.receive() == texts(item("1"))[0]
    await page.close()
    assert story.notes == ["1", "left"]
    assert "handler waited for was cancelled" in caplog.text


@pytest.mark.parametrize("kind", ["async", "sync", "nested"])
async def test_streams_are_cancelled_and_their_generators_closed(story: Story, kind: str) -> None:
    closed = threading.Event()

    async def asynchronous() -> AsyncIterator[Any]:
        try:
            yield item(1)
            await asyncio.Event().wait()
        finally:
            closed.set()

    def synchronous() -> Iterator[Any]:
        try:
            while True:
                yield item(1)
        finally:
            closed.set()

    @story.endpoint.on_message
    async def handler() -> Any:
        if kind == "nested":
            return [item(0), [asynchronous()]]
        return asynchronous() if kind == "async" else synchronous()

    async with story.page() as page:
        await page.send()
        await page.receive()
    assert await asyncio.to_thread(closed.wait, 5)
    assert story.notes == ["left"]


async def test_background_work_is_cancelled(story: Story) -> None:
    story.endpoint.on_message(done)
    async with story.page() as page:
        gone = await until_it_goes(story.conn)
        started = story.conn.start(map(item, iter(int, 1)))
        await page.receive()
    assert gone.is_set()
    assert started.cancelled()


async def test_handlers_that_take_too_long_after_the_end_are_cancelled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    story = Story(limits=Limits(handler_seconds=0.01))
    story.keeps_its_connection()

    @story.endpoint.on_message
    async def handler(n: str) -> None:
        story.notes.append(n)
        story.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            story.notes.append("cancelled")
            raise

    page = story.page()
    await page.open()
    await page.send(n="0")
    await page.send(n="never handled")
    await soon(story.begun)
    await page.close()
    assert story.notes == ["0", "cancelled", "left"]
    assert "Limits.handler_seconds" in caplog.text


async def test_handlers_beside_have_the_deadline_of_the_one_in_its_turn(
    caplog: pytest.LogCaptureFixture,
) -> None:
    story = Story(limits=Limits(handler_seconds=0.01))
    story.keeps_its_connection()

    async def endless(name: str) -> None:
        story.notes.append(name)
        if len(story.notes) == 2:
            story.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            story.notes.append(f"{name} is cancelled")

    story.endpoint.on("beside", concurrent=True)(lambda: endless("beside"))
    story.endpoint.on("in its turn")(lambda: endless("in its turn"))
    page = story.page()
    await page.open()
    await page.send(sender="beside")
    await page.send(sender="in its turn")
    await soon(story.begun)
    await page.close()
    assert sorted(story.notes[:2]) == ["beside", "in its turn"]
    assert sorted(story.notes[2:4]) == ["beside is cancelled", "in its turn is cancelled"]
    assert story.notes[4:] == ["left"]
    (record,) = caplog.records  # they are late together, and said to be so once
    assert "Limits.handler_seconds" in record.getMessage()


async def test_frames_that_are_handled_after_the_end_have_a_deadline_too() -> None:
    story = Story(limits=Limits(handler_seconds=0.01))
    story.keeps_its_connection()

    @story.endpoint.on_message
    async def handler(n: str) -> None:
        story.notes.append(n)
        if n == "0":
            story.begun.set()
            await (await until_it_goes(story.conn)).wait()
        else:
            await asyncio.Event().wait()

    page = story.page(debug=False)
    await page.open()
    await page.send(n="0")
    await page.send(n="1")
    await soon(story.begun)
    await page.close()
    assert story.notes == ["0", "1", "left"]


async def test_a_frame_that_comes_with_the_end_while_a_slow_page_is_written_to_has_a_deadline() -> (
    None
):
    story = Story(limits=Limits(handler_seconds=0.01))
    story.keeps_its_connection()

    @story.endpoint.on_message
    async def handler(n: str) -> Any:
        story.notes.append(n)
        if n == "1":
            await asyncio.Event().wait()
        await story.may_end.wait()
        return item(n)

    story.marks_what_was_read()

    page = story.page(debug=False)
    await page.open()
    page.stall()
    await page.send(n="0")
    await page.send(n="1")
    await page.send(sender="mark")
    await soon(story.begun)
    story.may_end.set()
    while not story.conn._busy:  # until it is written to
        await asyncio.sleep(0)
    await page.close()
    assert story.notes == ["0", "1", "left"]


async def test_concurrent_handlers_and_work_that_take_too_long_are_cancelled_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    story = Story(limits=Limits(handler_seconds=0.01))
    story.keeps_its_connection()
    cancelled = asyncio.Event()

    @story.endpoint.on_message(concurrent=True)
    async def handler() -> None:
        story.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    page = story.page()
    await page.open()
    await page.send()
    await soon(story.begun)
    await page.close()
    await soon(cancelled)
    assert story.notes == ["left"]
    assert "did not finish" in caplog.text


async def test_a_handler_that_swallows_its_cancellation_ends_when_it_likes() -> None:
    story = Story(limits=Limits(handler_seconds=0))
    story.keeps_its_connection()

    @story.endpoint.on_message
    async def handler() -> None:
        story.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            story.notes.append("swallowed")

    page = story.page()
    await page.open()
    await page.send()
    await soon(story.begun)
    await page.close()
    assert story.notes == ["swallowed", "left"]


# --- closing ---------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "handled"), [(4001, ["0"]), (1012, ["0", "1"])])
async def test_after_a_close_for_good_no_frame_is_handled(
    story: Story, code: int, handled: list[str]
) -> None:
    @story.endpoint.on_message
    async def handler(n: str, conn: Connection) -> None:
        story.notes.append(n)
        await story.may_end.wait()
        conn.close(code)

    story.marks_what_was_read()
    async with story.page() as page:
        await page.send(n="0")
        await page.send(n="1")
        await page.send(sender="mark")
        await soon(story.begun)
        story.may_end.set()
        assert await page.closed() == code
        await soon(story.over)
    assert story.notes == [*handled, "left"]


async def test_frames_that_come_after_a_close_for_good_are_not_read(story: Story) -> None:
    @story.endpoint.on_message
    async def handler() -> Any:
        story.notes.append("handled")

    async with story.page() as page:
        page.stall()
        story.conn.send(item(1))
        story.conn.close(4001)
        await page.send(n="1")
        await page.send_text("not even an error")
        for _ in range(5):
            await asyncio.sleep(0)
        page.resume()
        assert await page.closed() == 4001
        await soon(story.over)
    assert story.notes == ["left"]


async def test_a_close_from_elsewhere_ends_a_page_that_is_idle(story: Story) -> None:
    async with story.page() as page:
        story.conn.close(4001, "elsewhere")
        assert await page.closed() == 4001
        await soon(story.over)


async def test_a_close_ends_a_page_that_stops_reading_on(story: Story) -> None:
    """The handler is finished, and what reads ahead has nothing to read."""

    @story.endpoint.on_message
    async def handler() -> Any:
        await story.may_end.wait()
        return item("done")

    story.marks_what_was_read()
    async with story.page(debug=False) as page:
        await page.send()
        await page.send(sender="mark")
        await soon(story.begun)
        story.may_end.set()
        assert await page.receive() == texts(item("done"))[0]
        story.conn.close(4001)
        assert await page.closed() == 4001
        await soon(story.over)


async def test_frames_that_came_before_a_close_are_handled_though_the_page_reads_nothing(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("htmx_ws.lifecycle.CLOSE_SECONDS", 0.01)

    @story.endpoint.on_message
    async def handler(n: str) -> Any:
        await story.may_end.wait()
        story.notes.append(n)
        return item(n)

    story.marks_what_was_read()
    async with story.page(debug=False) as page:
        page.stall()
        await page.send(n="0")
        await page.send(n="1")
        await page.send(sender="mark")
        await soon(story.begun)
        story.may_end.set()
        while not story.conn._busy:  # until it is written to
            await asyncio.sleep(0)
        story.conn.close(1012)
        assert await page.closed() == 1012
        await soon(story.over)
    assert story.notes == ["0", "1", "left"]


async def test_a_handler_whose_page_is_closed_is_finished(story: Story) -> None:
    begun = asyncio.Event()

    @story.endpoint.on_message
    async def handler(n: str) -> Any:
        if n == "1":
            begun.set()
            await story.over.wait()
            story.notes.append("finished")
        await story.may_end.wait()
        return item(n)

    @story.endpoint.on_error
    async def wrong() -> None: ...

    story.marks_what_was_read()
    async with story.page(debug=False) as page:
        await page.send(n="0")
        await page.send(n="1")
        await page.send(sender="mark")
        await soon(story.begun)
        story.may_end.set()
        await soon(begun)
        story.conn.close(1012)
        assert await page.closed() == 1012
        story.over.set()
    assert story.notes == ["finished", "left"]


async def test_a_page_that_goes_while_it_is_closed_ends_quietly(story: Story) -> None:
    may_fail, may_write = asyncio.Event(), asyncio.Event()
    events: list[Message] = [{"type": "websocket.connect"}]

    async def receive() -> Message:
        if events:
            return events.pop()
        story.begun.set()
        await may_fail.wait()
        raise OSError("gone")

    async def send(event: Message) -> None:
        if event["type"] == "websocket.send":
            await may_write.wait()

    serving = asyncio.create_task(story.live({"type": "websocket", "path": "/ws"}, receive, send))
    await soon(story.begun)
    story.conn.send(item(1))
    story.conn.close(4001)
    may_fail.set()
    for _ in range(5):
        await asyncio.sleep(0)
    may_write.set()
    await soon(serving)
    assert story.notes == ["left"]


async def test_a_handler_has_its_deadline_when_its_page_is_closed() -> None:
    story = Story(limits=Limits(handler_seconds=0.01))
    story.keeps_its_connection()

    @story.endpoint.on_message
    async def handler() -> None:
        story.begun.set()
        await asyncio.Event().wait()

    async with story.page() as page:
        await page.send()
        await soon(story.begun)
        story.conn.close(4001)
        assert await page.closed() == 4001
        await soon(story.over)


# --- the connect hook ------------------------------------------------------------------


async def test_a_connect_hook_that_is_a_generator_streams_beside_the_frames() -> None:
    story = Story()
    story.endpoint.on_message(done)

    @story.endpoint.on_connect
    async def feed() -> AsyncIterator[Any]:
        story.begun.set()
        await story.may_end.wait()
        yield item("first")
        while True:
            await story.over.wait()
            story.over.clear()
            yield item("more")

    async with story.page() as page:
        await page.send()
        await soon(story.begun)
        assert page.pending == []
        story.may_end.set()
        assert await receive_all(page, 2) == texts(item("first"), item("done"))
        for _ in range(2):
            story.over.set()
            assert await page.receive() == texts(item("more"))[0]
        await page.send()
        assert await page.receive() == texts(item("done"))[0]


async def test_a_connect_hook_may_return_all_that_a_handler_may() -> None:
    story = Story()
    story.endpoint.on_message(done)

    @story.endpoint.on_connect
    async def hook() -> Any:
        async def later() -> Any:
            return item(2)

        return [item(1), later(), map(item, (3, 4))]

    async with story.page() as page:
        await page.send()
        received = await receive_all(page, 5)
        assert received[0] == texts(item(1))[0]
        received.remove(texts(item("done"))[0])
        assert received == texts(*map(item, (1, 2, 3, 4)))


@pytest.mark.parametrize("at", ["connect", "handler", "started"])
async def test_a_stream_that_never_waits_lets_everybody_else_go_on(at: str) -> None:
    story = Story()

    async def without_end() -> AsyncIterator[Any]:
        for n in range(100_000):
            yield item(n)
        story.notes.append("nobody else went on")

    @story.endpoint.on_connect
    async def connected(conn: Connection, name: str = "") -> Any:
        if name and at == "started":
            conn.start(without_end())
        return without_end() if name and at == "connect" else None

    story.endpoint.on("stream")(without_end)
    story.endpoint.on_message(done)
    async with story.page() as other, Socket(story.live, "/ws?name=a") as page:
        await page.send(sender="stream" if at == "handler" else None)
        await page.receive()
        for _ in range(3):
            await other.send()
            assert await other.receive() == texts(item("done"))[0]
    assert story.notes == []


@pytest.mark.parametrize("kind", ["returned", "yielded"])
async def test_what_is_published_while_the_connect_hook_reads_comes_after_what_it_read(
    kind: str,
) -> None:
    story, lines = Story(), ["old"]

    async def returned(conn: Connection) -> Any:
        await conn.join(ROOM)
        await conn.join("left again")
        read = list(lines)
        story.begun.set()
        await story.may_end.wait()
        await story.live.publish("left again", item("unheard"))
        await conn.leave("left again")
        return update("#log", [html("<li>{}</li>", line) for line in read])

    async def yielded(conn: Connection) -> AsyncIterator[Any]:
        yield await returned(conn)
        await story.over.wait()

    story.endpoint.on_connect({"returned": returned, "yielded": yielded}[kind])
    page = story.page()
    opening = asyncio.create_task(page.open())
    await soon(story.begun)
    lines.append("new")
    await story.live.publish(ROOM, item("new"))
    story.may_end.set()
    await opening
    assert await receive_all(page, 2) == texts(
        update("#log", html("<li>{}</li>", "old")), item("new")
    )
    await story.live.publish(ROOM, item("newer"))
    assert await receive_all(page, 1) == texts(item("newer"))
    story.over.set()
    await page.close()


async def test_a_feed_is_stopped_by_its_name() -> None:
    story, closed = Story(), asyncio.Event()
    story.endpoint.on_message(done)

    @story.endpoint.on_connect
    async def feed(conn: Connection) -> AsyncIterator[Any]:
        story.conn = conn
        try:
            yield item("first")
            await asyncio.Event().wait()
        finally:
            closed.set()

    async with story.page() as page:
        await page.receive()
        assert story.conn.cancel("feed") == 1
        await soon(closed)
        await page.send()
        assert await page.receive() == texts(item("done"))[0]


async def test_a_feed_that_is_cancelled_before_its_first_piece_lets_the_frames_in() -> None:
    story = Story()
    story.endpoint.on_message(done)

    @story.endpoint.on_connect
    async def feed(conn: Connection) -> AsyncIterator[Any]:
        conn.cancel("feed")
        await asyncio.Event().wait()
        yield None

    async with story.page() as page:
        await page.send()
        assert await page.receive() == texts(item("done"))[0]


async def test_a_feed_is_closed_with_its_page_even_while_it_is_written() -> None:
    story, closed = Story(), asyncio.Event()

    @story.endpoint.on_connect
    async def feed() -> AsyncIterator[Any]:
        try:
            yield item("first")
            story.begun.set()
            yield item("second")
        finally:
            await asyncio.sleep(0)
            closed.set()

    @story.endpoint.on_disconnect
    async def left() -> None:
        story.notes.append(closed.is_set())

    async with story.page() as page:
        await page.receive()
        page.stall()
        await soon(story.begun)
    assert story.notes == [True]


async def test_a_feed_that_fails_after_its_first_piece_is_logged_and_the_page_lives(
    caplog: pytest.LogCaptureFixture,
) -> None:
    story = Story()
    story.endpoint.on_message(done)

    @story.endpoint.on_connect
    async def feed() -> AsyncIterator[Any]:
        yield item("first")
        await story.may_end.wait()
        raise ZeroDivisionError

    async with story.page() as page:
        await page.receive()
        story.may_end.set()
        await page.send()
        assert await page.receive() == texts(item("done"))[0]
    assert "its work 'feed' failed" in caplog.text
    assert "ZeroDivisionError" in caplog.text


class Turned:
    """What a hook says when it turns a page away."""

    CONTENT = html('<p id="why">{}</p>', "full")


def refusing(code: int) -> Refused:
    return Refused("full", code=code, content=Turned.CONTENT)


@pytest.mark.parametrize("code", [1008, 4000, 4999])
@pytest.mark.parametrize("when", ["at once", "sync", "before its first piece", "after it"])
async def test_a_connect_hook_may_turn_a_page_away(when: str, code: int) -> None:
    story = Story()

    async def at_once() -> None:
        raise refusing(code)

    def sync() -> None:
        raise refusing(code)

    async def feed() -> AsyncIterator[Any]:
        if when == "after it":
            yield item("first")
        raise refusing(code)

    hook: Any = {"at once": at_once, "sync": sync}.get(when, feed)
    story.endpoint.on_connect(hook)

    @story.endpoint.on_disconnect
    async def left() -> None:
        story.notes.append("left")

    @story.endpoint.on_message
    async def handler() -> None:
        story.notes.append("handled")

    async with story.page() as page:
        if when == "after it":
            assert await page.receive() == texts(item("first"))[0]
        assert await page.receive() == texts(Turned.CONTENT)[0]
        assert await page.closed() == code
        assert page.reason == "full"
    assert story.notes == ["left"]


@pytest.mark.parametrize("content", [None, "<p>nowhere</p>", 7])
async def test_a_page_is_turned_away_whatever_it_was_to_be_told(
    content: Any, caplog: pytest.LogCaptureFixture
) -> None:
    story = Story()

    @story.endpoint.on_connect
    async def hook() -> None:
        raise Refused("no", content=content)

    async with story.page() as page:
        assert await page.closed() == 1008
        assert page.pending == []
    assert ("could not be sent" in caplog.text) == (content is not None)


async def test_a_handler_may_turn_a_page_away(story: Story) -> None:
    @story.endpoint.on_message
    async def handler() -> None:
        raise refusing(4003)

    @story.endpoint.on("stream")
    async def pieces() -> AsyncIterator[Any]:
        yield item(1)
        raise refusing(4004)

    async with story.page() as page:
        await page.send()
        await page.send()  # and this one is not handled
        assert await page.receive() == texts(Turned.CONTENT)[0]
        assert await page.closed() == 4003
    assert story.notes == ["left"]
    async with story.page() as page:
        await page.send(sender="stream")
        assert await receive_all(page, 2) == texts(item(1), Turned.CONTENT)
        assert await page.closed() == 4004


async def test_an_error_hook_may_turn_a_page_away(story: Story) -> None:
    @story.endpoint.on_message
    async def handler() -> None:
        raise ZeroDivisionError

    @story.endpoint.on_error
    async def enough() -> None:
        raise refusing(4003)

    async with story.page() as page:
        await page.send()
        assert await page.receive() == texts(Turned.CONTENT)[0]
        assert await page.closed() == 4003


# --- the disconnect hook ---------------------------------------------------------------


async def cancelled_work() -> None:
    task = asyncio.create_task(asyncio.Event().wait())
    task.cancel()
    await task


@pytest.mark.parametrize("error", [ZeroDivisionError, OSError, TimeoutError, None])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_connect_hook_that_fails_closes_its_page_which_comes_back(
    error: Any, stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    story = Story()

    async def hook() -> None:
        if error is None:
            await cancelled_work()
        raise error

    async def feed() -> AsyncIterator[Any]:
        await hook()
        yield None

    story.endpoint.on_connect(feed if stream and error else hook)

    @story.endpoint.on_disconnect
    async def left() -> None:
        story.notes.append("left")

    async with story.page() as page:
        assert await page.closed() == 1013
    assert story.notes == ["left"]
    (record,) = caplog.records
    assert "the connect hook" in record.getMessage()
    assert record.exc_info


async def test_a_connect_hook_that_does_not_bind_was_not_entered() -> None:
    story = Story()

    @story.endpoint.on_connect
    async def hook(n: int) -> None:
        story.notes.append("connected")

    @story.endpoint.on_disconnect
    async def left() -> None:
        story.notes.append("left")

    async with story.page() as page:
        assert await page.closed() == 4400
    assert story.notes == []
    async with Socket(story.live, "/ws?n=1"):
        pass
    assert story.notes == ["connected", "left"]


async def test_a_connect_hook_without_a_session_was_not_entered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    story = Story()

    @story.endpoint.on_connect
    async def hook(session: Any) -> None: ...

    @story.endpoint.on_disconnect
    async def left() -> None:
        story.notes.append("left")

    async with story.page() as page:
        assert await page.closed() == 1013
    assert story.notes == []
    assert "session middleware" in caplog.text


async def test_without_a_connect_hook_the_disconnect_hook_runs() -> None:
    story = Story()

    @story.endpoint.on_disconnect
    def left() -> None:
        story.notes.append("left")

    async with story.page():
        pass
    assert story.notes == ["left"]


async def test_a_page_that_is_gone_before_it_was_accepted_runs_no_hook() -> None:
    story = Story()
    story.keeps_its_connection()

    async def send(event: Message) -> None:
        raise OSError("gone")

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    await story.live({"type": "websocket", "path": "/ws"}, receive, send)
    assert story.notes == []


async def test_a_receive_that_fails_is_the_end_of_the_page(story: Story) -> None:
    events: list[Message] = [{"type": "websocket.connect"}]

    async def send(event: Message) -> None: ...

    async def receive() -> Message:
        if events:
            return events.pop()
        raise OSError("gone")

    await story.live({"type": "websocket", "path": "/ws"}, receive, send)
    assert story.notes == ["left"]


async def test_a_page_that_goes_during_its_connect_hook_is_noticed() -> None:
    story = Story()

    @story.endpoint.on_connect
    async def hook(conn: Connection, send: Any) -> Any:
        gone = await until_it_goes(conn)
        story.begun.set()
        await gone.wait()
        story.notes.append(("connected", await send(item(1))))
        return item(2)

    @story.endpoint.on_disconnect
    async def left() -> None:
        story.notes.append("left")

    @story.endpoint.on_message
    async def handler(msg: str) -> None:
        story.notes.append(msg)

    page = story.page()
    await page.open()
    await page.send(msg="sent before")
    await soon(story.begun)
    await page.close()
    assert story.notes == [("connected", False), "sent before", "left"]


async def test_a_connect_hook_that_takes_too_long_after_the_end_is_cancelled() -> None:
    story = Story(limits=Limits(handler_seconds=0.01))

    @story.endpoint.on_connect
    async def hook() -> None:
        story.begun.set()
        await asyncio.Event().wait()

    @story.endpoint.on_disconnect
    async def left() -> None:
        story.notes.append("left")

    page = story.page()
    await page.open()
    await soon(story.begun)
    await page.close()
    assert story.notes == ["left"]


async def serve_by_hand(story: Story, frames: int = 0) -> asyncio.Task[None]:
    """A page whose task a server may cancel."""
    events: asyncio.Queue[Message] = asyncio.Queue()
    events.put_nowait({"type": "websocket.connect"})
    for _ in range(frames):
        events.put_nowait({"type": "websocket.receive", "text": "{}"})

    async def send(event: Message) -> None: ...

    serving = asyncio.create_task(
        story.live({"type": "websocket", "path": "/ws"}, events.get, send)
    )
    await soon(story.begun)
    return serving


@pytest.mark.parametrize(
    "at", ["connect", "feed", "handler", "stream", "cancel", "idle", "concurrent"]
)
async def test_a_server_that_cancels_the_page_still_has_the_disconnect_hook_run_once(
    at: str,
) -> None:
    story = Story()

    async def work() -> None:
        story.begun.set()
        await asyncio.Event().wait()

    async def pieces() -> AsyncIterator[Any]:
        await work()
        yield None

    async def idle() -> None:
        story.begun.set()

    if at in ("connect", "feed"):
        story.endpoint.on_connect({"connect": work, "feed": pieces}[at])
    elif at == "idle":
        story.endpoint.on_connect(idle)
    else:
        register = story.endpoint.on_message(cancel=at == "cancel", concurrent=at == "concurrent")
        register(pieces if at == "stream" else work)

    @story.endpoint.on_disconnect
    async def left(conn: Connection) -> None:
        story.notes.append("left")
        await asyncio.sleep(0)
        story.notes.append("to the end")

    # One that runs beside is waited for, and then cancelled.
    story.live._limits = Limits(handler_seconds=0.01)
    serving = await serve_by_hand(story, frames=1)
    serving.cancel()
    await asyncio.wait([serving], timeout=5)
    assert serving.cancelled()
    assert story.notes == ["left", "to the end"]


async def test_a_server_that_cancels_during_the_disconnect_hook_does_not_cut_it_off() -> None:
    story = Story()

    @story.endpoint.on_disconnect
    async def left() -> None:
        story.notes.append("left")
        story.begun.set()
        await story.may_end.wait()
        story.notes.append("to the end")
        story.over.set()

    serving = asyncio.create_task(story.live(*by_hand({"type": "websocket.disconnect"})))
    await soon(story.begun)
    serving.cancel()
    await asyncio.wait([serving], timeout=5)
    assert serving.cancelled()
    story.may_end.set()
    await soon(story.over)
    assert story.notes == ["left", "to the end"]


def by_hand(*events: Message) -> tuple[Scope, Receive, Send]:
    waiting = [{"type": "websocket.connect"}, *events]

    async def receive() -> Message:
        return waiting.pop(0)

    async def send(event: Message) -> None: ...

    return {"type": "websocket", "path": "/ws"}, receive, send


async def test_a_server_that_cancels_a_page_that_is_closing_is_obeyed(story: Story) -> None:
    @story.endpoint.on_message
    async def handler(conn: Connection) -> None:
        story.begun.set()
        conn.close(4001)
        await asyncio.Event().wait()

    serving = await serve_by_hand(story, frames=1)
    serving.cancel()
    await asyncio.wait([serving], timeout=5)
    assert serving.cancelled()
    assert story.notes == ["left"]


async def test_a_server_that_cancels_what_is_cancelled_for_its_deadline_is_obeyed() -> None:
    story = Story(limits=Limits(handler_seconds=0))
    story.keeps_its_connection()
    cancelled = asyncio.Event()

    @story.endpoint.on_message
    async def handler(conn: Connection) -> None:
        story.begun.set()
        conn.close(4001)
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
            await story.may_end.wait()

    serving = await serve_by_hand(story, frames=1)
    await soon(cancelled)
    serving.cancel()
    await asyncio.wait([serving], timeout=5)
    assert serving.cancelled()
    assert story.notes == ["left"]


@pytest.mark.parametrize("kind", ["async", "sync", "generator", "sync generator"])
async def test_in_the_disconnect_hook_the_page_is_in_no_room_and_knows_which_it_was_in(
    kind: str,
) -> None:
    story = Story()

    @story.endpoint.on_connect
    async def connected(conn: Connection) -> None:
        await conn.join(ROOM)
        await conn.join("other")

    def note(conn: Connection) -> None:
        story.notes.append(conn.rooms)
        story.notes.append(story.live.members(ROOM))
        story.notes.append(conn.gone)

    async def asynchronous(conn: Connection, send: Any) -> Any:
        note(conn)
        assert await send(item(1)) is False
        await story.live.publish(ROOM, item("left"))
        return item("nobody reads this")

    def synchronous(conn: Connection) -> None:
        note(conn)

    async def generator(conn: Connection) -> AsyncIterator[Any]:
        yield item(1)
        note(conn)

    def sync_generator(conn: Connection) -> Iterator[Any]:
        yield item(1)
        note(conn)

    hooks: dict[str, Callable[..., Any]] = {
        "async": asynchronous,
        "sync": synchronous,
        "generator": generator,
        "sync generator": sync_generator,
    }
    story.endpoint.on_disconnect(hooks[kind])
    async with story.page():
        assert len(story.live.members(ROOM)) == 1
    assert story.notes == [{ROOM, "other"}, [], True]


@pytest.mark.parametrize("error", [ZeroDivisionError, None])
async def test_a_disconnect_hook_that_fails_is_logged(
    error: Any, caplog: pytest.LogCaptureFixture
) -> None:
    story = Story()

    @story.endpoint.on_disconnect
    async def left() -> None:
        if error is None:
            await cancelled_work()
        raise error

    async with story.page():
        pass
    (record,) = caplog.records
    assert "the disconnect hook" in record.getMessage()
    assert record.exc_info


async def test_a_disconnect_hook_has_a_deadline(caplog: pytest.LogCaptureFixture) -> None:
    story = Story(limits=Limits(hook_seconds=0.01))

    @story.endpoint.on_disconnect
    async def left() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            story.notes.append("cancelled")

    async with story.page():
        pass
    assert story.notes == ["cancelled"]
    assert "Limits.hook_seconds" in caplog.text


async def test_a_hook_that_takes_its_parameters_from_the_query_may_lack_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    story = Story()

    @story.endpoint.on_disconnect
    async def left(name: str) -> None: ...

    async with story.page():
        pass
    assert "name: Field required" in caplog.text


async def test_nothing_of_a_page_is_left_when_it_has_gone(story: Story) -> None:
    @story.endpoint.on_message
    async def handler(conn: Connection, send: Any) -> AsyncIterator[Any]:
        conn.start(asyncio.Event().wait())
        send(map(item, range(3)))
        yield item("done")

    story.endpoint.on("beside", concurrent=True)(done)
    before = asyncio.all_tasks()
    async with story.page() as page:
        page.stall()
        await page.send()
        await page.send(sender="beside")
        await story.live.publish(ROOM, item("published"))
        page.resume()
        await receive_all(page, 6)
    del page
    assert asyncio.all_tasks() == before
    hub = story.live._hub
    assert not hub.connections
    assert not hub._rooms
    conn = weakref.ref(story.conn)
    story.conn = None  # type: ignore[assignment]  # as before any page
    for _ in range(3):  # the clock may have looked at the page
        tick = asyncio.Event()
        asyncio.get_running_loop().call_later(Clock.TICK, tick.set)
        await soon(tick)
    gc.collect()
    assert conn() is None


# --- isolation -------------------------------------------------------------------------

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE")


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("setter", ["quick", "suspends", "late", "concurrent", "cancel", "stream"])
@pytest.mark.parametrize("reader", ["quick", "sync", "concurrent", "cancel", "stream", "error"])
async def test_what_one_frame_sets_does_not_show_in_the_next(
    setter: str, reader: str, debug: bool
) -> None:
    story = Story()

    async def quick(do: str) -> Any:
        if do == "set":
            VARIABLE.set("by a frame")
        return item(VARIABLE.get()) if do == "read" else item(do)

    async def suspends(do: str) -> Any:
        VARIABLE.set("by a frame")
        await asyncio.sleep(0)
        assert VARIABLE.get() == "by a frame"
        return item(do)

    async def late(do: str) -> Any:
        await asyncio.sleep(0)
        VARIABLE.set("by a frame")
        return item(do)

    def sync(do: str) -> Any:
        return item(VARIABLE.get())

    async def stream(do: str) -> AsyncIterator[Any]:
        if do == "set":
            VARIABLE.set("by a frame")
        yield item(VARIABLE.get() if do == "read" else do)

    async def fails(do: str) -> None:
        raise ZeroDivisionError

    @story.endpoint.on_error
    async def error() -> Any:
        text = VARIABLE.get()
        VARIABLE.set("by the error hook")
        return item(text)

    @story.endpoint.on_disconnect
    async def left() -> None:
        story.notes.append(VARIABLE.get())

    for name, function in {"suspends": suspends, "late": late, "sync": sync}.items():
        story.endpoint.on(name)(function)
    story.endpoint.on("quick")(quick)
    story.endpoint.on("stream")(stream)
    story.endpoint.on("error")(fails)
    story.endpoint.on("concurrent", concurrent=True)(quick)
    story.endpoint.on("cancel", cancel=True)(quick)
    VARIABLE.set("by the host")
    async with story.page(debug=debug) as page:
        await page.send(do="set", sender=setter)
        assert await page.receive() == texts(item("set"))[0]
        for _ in range(2):
            await page.send(do="read", sender=reader)
            assert await page.receive() == texts(item("by the host"))[0]
    assert story.notes == ["by the host"]
    assert VARIABLE.get() == "by the host"


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("stream", [True, False])
async def test_what_the_connect_hook_sets_does_not_show_in_frames(
    stream: bool, debug: bool
) -> None:
    story = Story()

    async def hook() -> Any:
        VARIABLE.set("by the hook")
        return item(VARIABLE.get())

    async def feed() -> AsyncIterator[Any]:
        VARIABLE.set("by the hook")
        yield item(VARIABLE.get())

    story.endpoint.on_connect(feed if stream else hook)

    @story.endpoint.on_message
    async def handler() -> Any:
        return item(VARIABLE.get())

    @story.endpoint.on_disconnect
    async def left() -> None:
        story.notes.append(VARIABLE.get())

    VARIABLE.set("by the host")
    async with story.page(debug=debug) as page:
        await page.send()
        assert await receive_all(page, 2) == texts(item("by the hook"), item("by the host"))
    assert story.notes == ["by the host"]


@pytest.mark.parametrize("debug", [True, False])
async def test_a_page_does_not_see_what_another_pages_handler_sets(
    story: Story, debug: bool
) -> None:
    """Though the clock that tells it to read on was started by that handler."""

    @story.endpoint.on("set")
    async def sets() -> Any:
        VARIABLE.set("by another page")
        return item("set")

    @story.endpoint.on("work")
    async def works() -> None:
        await story.may_end.wait()

    @story.endpoint.on("read", concurrent=True)
    async def reads() -> Any:
        return item(VARIABLE.get())

    VARIABLE.set("by another page's host")
    async with story.page(debug=debug) as other:
        await other.send(sender="set")
        await other.receive()
        VARIABLE.set("by the host")
        async with story.page(debug=debug) as page:
            await page.send(sender="work")
            await page.send(sender="read")
            assert await page.receive() == texts(item("by the host"))[0]
            story.may_end.set()


@pytest.mark.parametrize("debug", [True, False])
async def test_a_stream_sees_what_its_own_handler_set(story: Story, debug: bool) -> None:
    @story.endpoint.on_message
    async def handler(n: str) -> Any:
        async def pieces() -> AsyncIterator[Any]:
            yield item(VARIABLE.get())

        VARIABLE.set(n)
        return pieces()

    async with story.page(debug=debug) as page:
        for n in range(3):
            await page.send(n=str(n))
            assert await page.receive() == texts(item(n))[0]


# --- errors ----------------------------------------------------------------------------


@pytest.mark.parametrize("debug", [True, False])
async def test_an_exception_is_logged_with_its_connection_and_the_page_sees_nothing(
    story: Story, debug: bool, caplog: pytest.LogCaptureFixture
) -> None:
    @story.endpoint.on("async")
    async def asynchronous() -> None:
        raise ZeroDivisionError("secret")

    @story.endpoint.on("sync")
    def synchronous() -> None:
        raise ZeroDivisionError("secret")

    @story.endpoint.on("stream")
    async def pieces() -> AsyncIterator[Any]:
        raise ZeroDivisionError("secret")
        yield

    @story.endpoint.on("os")
    async def of_the_system() -> None:
        raise OSError("secret")

    story.endpoint.on_message(done)
    names = {
        "async": "asynchronous",
        "sync": "synchronous",
        "stream": "pieces",
        "os": "of_the_system",
    }
    async with story.page(debug=debug) as page:
        for sender, name in names.items():
            caplog.clear()
            await page.send(sender=sender)
            await page.send()
            assert await page.receive() == texts(item("done"))[0]
            (record,) = caplog.records
            assert record.levelno == logging.ERROR
            assert record.exc_info
            assert "secret" in caplog.text
            assert story.conn.id in record.getMessage()
            assert f"{name} failed" in record.getMessage()


async def test_an_error_hook_gets_the_error_its_frame_and_the_connection(story: Story) -> None:
    seen: list[Any] = []

    @story.endpoint.on_message
    async def handler(n: int) -> None:
        raise ZeroDivisionError

    @story.endpoint.on_error
    async def wrong(error: Exception, frame: Any, conn: Connection, send: Any, data: Any) -> Any:
        seen.append((type(error), frame and frame.values, conn is story.conn, data))
        await send(item("sent"))
        return [item("returned"), map(item, ("streamed",))]

    async with story.page() as page:
        await page.send(n="1")
        await page.send(n="one")
        await page.send_text("[]")
        answer = texts(item("sent"), item("returned"), item("streamed"))
        assert await receive_all(page, 9) == answer * 3
    assert seen == [
        (ZeroDivisionError, {"n": "1"}, True, {"n": "1"}),
        (BindingError, {"n": "one"}, True, {"n": "one"}),
        (FrameError, None, True, {}),
    ]


@pytest.mark.parametrize("kind", ["async", "sync", "stream", "sync stream"])
async def test_an_error_hook_may_be_whatever_a_handler_may(story: Story, kind: str) -> None:
    @story.endpoint.on_message
    async def handler() -> None:
        raise ZeroDivisionError

    async def asynchronous(error: Exception) -> Any:
        return item("wrong")

    def synchronous(error: Exception) -> Any:
        return item("wrong")

    async def stream() -> AsyncIterator[Any]:
        yield item("wrong")

    def sync_stream() -> Iterator[Any]:
        yield item("wrong")

    hooks: dict[str, Any] = {
        "async": asynchronous,
        "sync": synchronous,
        "stream": stream,
        "sync stream": sync_stream,
    }
    story.endpoint.on_error(hooks[kind])
    async with story.page() as page:
        await page.send()
        assert await page.receive() == texts(item("wrong"))[0]


async def test_an_error_hook_that_fails_is_logged_and_the_page_lives(
    story: Story, caplog: pytest.LogCaptureFixture
) -> None:
    @story.endpoint.on_message
    async def handler(fail: str = "") -> Any:
        if fail:
            raise ZeroDivisionError
        return item("done")

    @story.endpoint.on_error
    async def wrong() -> Any:
        raise KeyError("hook")

    async with story.page() as page:
        await page.send(fail="1")
        await page.send()
        assert await page.receive() == texts(item("done"))[0]
    first, second = caplog.records
    assert "handler failed" in first.getMessage()
    assert "the error hook" in second.getMessage()
    assert second.exc_info


async def test_the_stream_of_an_error_hook_ends_with_its_page(story: Story) -> None:
    @story.endpoint.on_message
    async def handler() -> None:
        raise ZeroDivisionError

    @story.endpoint.on_error
    async def wrong() -> AsyncIterator[Any]:
        try:
            while True:
                yield item("wrong")
                await asyncio.sleep(0)
        finally:
            story.notes.append("closed")

    async with story.page() as page:
        await page.send()
        await page.receive()
    assert story.notes == ["closed", "left"]


async def test_reading_goes_on_while_an_error_hook_works(story: Story) -> None:
    @story.endpoint.on_message
    async def handler() -> None:
        raise ZeroDivisionError

    @story.endpoint.on("stop", concurrent=True)
    async def stop() -> None:
        story.may_end.set()

    @story.endpoint.on_error
    async def wrong() -> Any:
        await story.may_end.wait()
        return item("stopped")

    async with story.page() as page:
        await page.send()
        await page.send(sender="stop")
        assert await page.receive() == texts(item("stopped"))[0]


async def test_an_error_beside_does_not_stop_reading_for_the_handler_at_work(
    story: Story,
) -> None:
    @story.endpoint.on("work")
    async def works() -> Any:
        story.begun.set()
        await story.may_end.wait()
        return item("stopped")

    @story.endpoint.on("fails", concurrent=True)
    async def fails() -> None:
        await story.begun.wait()
        raise ZeroDivisionError

    @story.endpoint.on("stop", concurrent=True)
    async def stop() -> None:
        story.may_end.set()

    @story.endpoint.on_error
    async def wrong() -> None: ...

    async with story.page() as page:
        await page.send(sender="fails")  # before the clock first looks
        await page.send(sender="work")
        await page.send(sender="stop")
        assert await page.receive() == texts(item("stopped"))[0]


@pytest.mark.parametrize("concurrent", [True, False])
async def test_what_is_wrong_is_shown_beside_its_form_until_a_valid_frame_comes(
    story: Story, concurrent: bool
) -> None:
    for sender in ("one", "two"):

        @story.endpoint.on(sender, concurrent=concurrent)
        async def handler(age: int) -> Any:
            return item(age)

    async with story.page() as page:
        for sender in ("one", "two"):
            await page.send(age="<b>", sender=sender)
            shown = await page.receive()
            assert shown.startswith(f'<div hx-swap-oob="innerHTML:#{sender}-errors">')
            assert "valid integer" in shown
            assert "<b>age</b>" in shown
        await page.send(age="1", sender="one")
        assert await receive_all(page, 2) == texts(update("#one-errors", ""), item(1))
        await page.send(age="2", sender="one")
        assert await page.receive() == texts(item(2))[0]
        await page.send(age="3", sender="two")
        assert await receive_all(page, 2) == texts(update("#two-errors", ""), item(3))


@pytest.mark.parametrize("debug", [False, True])
async def test_what_is_wrong_with_a_frame_of_no_element_is_shown_nowhere(
    story: Story, debug: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    @story.endpoint.on_message
    async def handler(age: int = 0) -> Any:
        return item(age)

    async with story.page(debug=debug) as page:
        await page.send(age="x")
        await page.send()
        assert await page.receive() == texts(item(0))[0]
    record, *more = caplog.records
    assert record.levelno == logging.INFO
    assert "handler did not take a frame: age: Input should be" in record.getMessage()
    assert [each.levelno for each in more] == [logging.WARNING] * debug
    assert all("has no id" in each.getMessage() for each in more)


async def test_several_errors_of_a_form_are_shown_at_once(story: Story) -> None:
    @story.endpoint.on_message
    async def handler(age: int, size: float, name: str) -> None: ...

    async with story.page() as page:
        await page.send(age="x", size="y", sender="form")
        shown = await page.receive()
        assert [f"<b>{name}</b>" in shown for name in ("age", "size", "name")] == [True] * 3


async def test_a_page_that_has_gone_is_told_so_by_the_socket() -> None:
    story = Story()
    async with story.page() as page:
        pass
    with pytest.raises(Closed):
        await page.receive()


# --- servers with manners of their own -------------------------------------------------


def as_daphne(
    app: HtmxWS, sent: list[Message]
) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """The application on a server that closes with 1000 and from 3000 on only."""

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        async def picky(event: Message) -> None:
            sent.append(event)
            if event["type"] == "websocket.close" and 1000 < event["code"] < 3000:
                raise ValueError(f"invalid close code {event['code']} (must be 1000 or from 3000)")
            await send(event)

        await app(scope, receive, picky)

    return served


async def test_a_code_that_a_server_cannot_say_is_said_as_one_that_keeps_htmx_away_too() -> None:
    story, sent = Story(), list[Message]()

    @story.endpoint.on_message
    async def refuse(conn: Connection) -> None:
        raise Refused("no")

    async with Socket(as_daphne(story.live, sent), "/ws") as page:
        await page.send()
        assert await page.closed() == 4008
        assert page.reason == "no"
    async with Socket(as_daphne(story.live, sent), "/ws", origin="http://evil.test") as page:
        assert await page.closed() == 4403


async def test_where_no_code_has_a_page_come_back_the_server_is_left_to_end_it() -> None:
    story, sent = Story(), list[Message]()

    @story.endpoint.on_connect
    async def fail() -> None:
        raise LookupError

    page = Socket(as_daphne(story.live, sent), "/ws")
    await page.open()
    with pytest.raises(ValueError, match="invalid close code 1013"):
        await page.close()
    assert [event["type"] for event in sent] == ["websocket.accept", "websocket.close"]


async def test_a_server_that_cancels_a_page_has_it_come_back(story: Story) -> None:
    sent: list[Message] = []

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        async def note(event: Message) -> None:
            sent.append(event)
            await send(event)

        await story.live(scope, receive, note)

    page = Socket(served, "/ws")
    await page.open()
    task = page._opened()
    task.cancel()
    await asyncio.wait([task], timeout=5)
    assert task.cancelled()
    assert (page.code, page.reason) == (1012, "restart")
    assert story.notes == ["left"]
