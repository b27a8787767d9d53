"""The hub where several processes share a backend: one order for all pages, and one answer."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htmx_ws import (
    HtmxWS,
    append,
    html,
    morph,
    prepend,
    redirect,
    remove,
    replace,
    title,
    trigger,
    update,
)
from htmx_ws.backends import KEEP_NONE, Backend, Keep, MemoryBackend
from htmx_ws.errors import BackendError, HtmxWSError, LimitError
from htmx_ws.hub import LOST_SECONDS, Hub
from htmx_ws.peers import ANSWER_SECONDS, ROOM, SETTLE_SECONDS
from htmx_ws.publication import MOST_BYTES, Publication
from htmx_ws.rooms import Room
from htmx_ws.telemetry import Event
from htmx_ws.testing import BackendContract, Closed, FaultyBackend, Socket
from htmx_ws.wire.serialise import Message, serialise
from tests.unit.processes import Bus, OnBus, Page, Process, item, leaping_time, said_in

Start = Callable[..., Awaitable[Any]]


class TestTheBus(BackendContract):
    """What the processes of these tests share keeps the contract of backends."""

    seconds: ClassVar[float] = 5.0
    has_history: ClassVar[bool] = False
    shares_rules: ClassVar[bool] = False

    def setup_method(self) -> None:
        self.bus = Bus()

    def make(self) -> Backend:
        return OnBus(self.bus)


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.fixture
async def start(bus: Bus) -> AsyncIterator[Start]:
    """Starts processes, which know each other; at the end they stop, and leave nothing."""
    started: list[Process] = []

    async def start(count: int = 1, told: Any = None) -> Any:
        processes = [await Process(bus, told=told).start() for _ in range(count)]
        started.extend(processes)
        if loop.time is not real_time:
            await asyncio.sleep(SETTLE_SECONDS + 0.5)
        return processes if count > 1 else processes[0]

    loop: Any = asyncio.get_running_loop()
    real_time = loop.time
    with leaping_time(loop):
        yield start
        bus.is_away = False
        for process in started:
            process.backend.queues = process.backend.holds_subscriptions = False
            process.backend.is_held = False
            process.backend.confirm()
            await process.hub.stop()
            assert not process.backend.rooms
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert not [timer for timer in loop._scheduled if not timer.cancelled()]


@pytest.fixture
async def in_real_time(bus: Bus) -> AsyncIterator[Start]:
    """The same, for tests with threads."""
    started: list[Process] = []

    async def start(count: int = 1) -> Any:
        processes = [await Process(bus).start() for _ in range(count)]
        started.extend(processes)
        for process in processes:
            process.hub.peers._settle()
        await bus.quiet()
        return processes if count > 1 else processes[0]

    yield start
    for process in started:
        await process.hub.stop()


async def join(page: Page, room: str) -> None:
    async with asyncio.timeout(5):
        assert await page.hub.join(page.conn, room)


# --- one order -------------------------------------------------------------------------


async def test_a_publication_reaches_the_pages_of_all_processes(start: Start, bus: Bus) -> None:
    processes = await start(3)
    pages = [process.visit(None, "room") for process in processes]
    await bus.quiet()
    assert await processes[1].hub.publish("room", item("hi")) == 1
    await bus.quiet()
    assert [page.received for page in pages] == [["hi"]] * 3


async def test_all_pages_see_one_order_whoever_publishes(start: Start, bus: Bus) -> None:
    processes = await start(3)
    pages = [process.visit(None, "room") for process in processes for _ in range(2)]
    await bus.quiet()
    for number in range(30):
        processes[number % 3].hub.publish("room", item(number))
        if number % 7 == 0:
            await asyncio.sleep(0)
    await bus.quiet()
    assert [page.received for page in pages] == [[str(number) for number in range(30)]] * 6


async def test_a_process_that_hears_late_hears_the_same_order(start: Start, bus: Bus) -> None:
    a, b = await start(2)
    pages = [process.visit(None, "room") for process in (a, b)]
    await bus.quiet()
    a.backend.is_held = True
    a.hub.publish("room", item("from a"))
    b.hub.publish("room", item("from b"))
    await bus.quiet()
    assert pages[0].received == []  # its own neither: the order is not known before
    assert pages[1].received == ["from a", "from b"]
    a.backend.release()
    assert pages[0].received == ["from a", "from b"]


async def test_whatever_may_be_published_arrives_as_it_was(start: Start, bus: Bus) -> None:
    a, b = await start(2)
    pages = [process.visit(None, "room") for process in (a, b)]
    pages[0].conn.dialect, pages[1].conn.dialect = "htmx4", "htmx2"
    await bus.quiet()
    content: list[Any] = [
        *(update("#a", "ü\n<b>"), append("#a", html("<i>{}</i>", "<")), remove("#a"), title("T")),
        *(redirect("/x"), trigger("an-event", {"a": 1}), morph('<p id="m">x</p>')),
        '<p id="plain">plain</p>',
    ]
    await a.hub.publish("room", content)
    await bus.quiet()
    expected = [
        [message.text_for(dialect) for message in serialise(content)]
        for dialect in ("htmx4", "htmx2")
    ]
    assert [page.texts for page in pages] == expected
    assert expected[0] != expected[1]


SOME = [update("#a", "x"), replace('<p id="a">x</p>'), morph('<p id="a">x</p>'), prepend("#a", "ü")]


@given(
    st.lists(st.sampled_from(SOME), max_size=4),
    st.frozensets(st.text(max_size=5), max_size=3),
    st.none() | st.text(max_size=5),
)
def test_a_publication_is_the_same_elsewhere(
    content: list[Any], exclude: frozenset[str], to: str | None
) -> None:
    publication = Publication(serialise(content), exclude=exclude, to=to)
    assert Publication.read(bytes(publication)) == publication


# --- subscriptions ---------------------------------------------------------------------


async def test_a_room_is_subscribed_while_somebody_is_in_it(start: Start, bus: Bus) -> None:
    process = await start()
    assert process.backend.rooms == {ROOM}
    first, second = process.visit(None, "a"), process.visit(None, "a", "b")
    await bus.quiet()
    assert process.backend.rooms == {ROOM, "a", "b"}
    first.go()
    await bus.quiet()
    assert process.backend.rooms == {ROOM, "a", "b"}
    process.hub.leave(second.conn, "a")
    await bus.quiet()
    assert process.backend.rooms == {ROOM, "b"}
    second.go()
    await bus.quiet()
    assert process.backend.rooms == {ROOM}
    assert process.backend.calls == [
        *(("subscribe", ROOM), ("subscribe", "a"), ("subscribe", "b")),
        *(("unsubscribe", "a"), ("unsubscribe", "b")),
    ]


async def test_what_is_published_to_other_rooms_does_not_come_here(start: Start, bus: Bus) -> None:
    a, b = await start(2)
    page = a.visit(None, "a")
    b.visit(None, "b")
    await bus.quiet()
    a.backend.is_held = True
    await b.hub.publish("b", item("not here"))
    assert a.backend.waits == 0
    await b.hub.publish("a", item("here"))
    assert a.backend.waits == 1
    a.backend.release()
    assert page.received == ["here"]


async def test_a_join_waits_until_its_room_is_subscribed(start: Start, bus: Bus) -> None:
    process = await start()
    process.backend.holds_subscriptions = True
    pages = [Page(process.hub) for _ in range(2)]
    joining = [asyncio.ensure_future(process.hub.join(page.conn, "room")) for page in pages]
    await bus.quiet()
    assert not any(each.done() for each in joining)
    assert process.hub.members("room") == [page.conn for page in pages]
    process.backend.confirm()
    assert await asyncio.gather(*joining) == [True, True]
    await process.hub.publish("room", item("at once"))
    await bus.quiet()
    assert [page.received for page in pages] == [["at once"]] * 2
    late = Page(process.hub)
    assert process.hub.join(late.conn, "room")  # which needs no wait
    assert await process.hub.join(late.conn, "room")


async def test_a_join_that_is_not_awaited_holds_all_the_same(start: Start, bus: Bus) -> None:
    process = await start()
    page = process.visit(None, "room")
    await bus.quiet()
    await process.hub.publish("room", item("hi"))
    await bus.quiet()
    assert page.received == ["hi"]


async def test_whoever_leaves_and_joins_again_at_once_is_subscribed(start: Start, bus: Bus) -> None:
    process = await start()
    page = process.visit(None, "room")
    await bus.quiet()
    for _ in range(3):
        process.hub.leave(page.conn, "room")
        process.hub.join(page.conn, "room")
    await bus.quiet()
    assert "room" in process.backend.rooms
    process.hub.join(page.conn, "room")
    process.hub.leave(page.conn, "room")
    await bus.quiet()
    assert "room" not in process.backend.rooms


async def test_each_join_waits_for_the_subscription_that_holds(start: Start, bus: Bus) -> None:
    """And not for an earlier one, which a leave took back."""
    process = await start()
    process.backend.holds_subscriptions = True
    first, second, third = (Page(process.hub) for _ in range(3))
    process.hub.join(first.conn, "room")
    await bus.quiet()
    process.hub.leave(first.conn, "room")
    process.hub.join(second.conn, "room")
    (before,) = process.hub._subscribing.values()
    earlier = process.backend._changes.popleft()
    earlier[2].set_result(None)
    await bus.quiet()
    assert process.hub._subscribing == {"room": before}
    joining = asyncio.ensure_future(process.hub.join(third.conn, "room"))
    await bus.quiet()
    assert not joining.done()
    process.backend.confirm()
    assert await joining
    assert process.hub._subscribing == {}


async def test_a_page_that_goes_while_its_room_is_subscribed_leaves_nothing(
    start: Start, bus: Bus
) -> None:
    process = await start()
    process.backend.holds_subscriptions = True
    page = process.visit(None, "room")
    await asyncio.sleep(0)
    page.go()
    await bus.quiet()
    process.backend.confirm()
    await bus.quiet()
    assert process.backend.rooms == {ROOM}
    assert process.hub._rooms == {}
    assert process.hub._subscribing == {}
    assert not process.hub._leaving


async def test_while_the_broker_is_away_nobody_waits_to_join(start: Start, bus: Bus) -> None:
    process = await start()
    bus.is_away = True
    page = Page(process.hub)
    await join(page, "room")
    bus.come_back()
    await process.hub.publish("room", item("back"))
    await bus.quiet()
    assert page.received == ["back"]


async def test_within_one_process_a_join_waits_for_nothing() -> None:
    hub = Hub(MemoryBackend())
    await hub.start()
    page = Page(hub)
    hub.join(page.conn, "room")
    assert hub._subscribing == {}
    page.go()
    assert not hub._leaving
    await hub.stop()


async def test_the_room_of_processes_is_no_page_s(start: Start) -> None:
    process = await start()
    with pytest.raises(TypeError, match="A room is named by a str such as"):
        process.hub.join(Page(process.hub).conn, ROOM)
    with pytest.raises(TypeError, match="A room is named by a str such as"):
        process.hub.publish(ROOM, item("x"))


# --- who is meant ----------------------------------------------------------------------


async def test_one_may_exclude_pages_of_other_processes(start: Start, bus: Bus) -> None:
    a, b = await start(2)
    one, other = (process.visit(None, "room") for process in (a, b))
    third = Page(b.hub, query=b"htmx-ws-page=token")
    b.hub.join(third.conn, "room")
    await bus.quiet()
    await a.hub.publish("room", item(1), exclude=other.conn)
    await a.hub.publish("room", item(2), exclude=[one.conn, other.conn.id])
    await b.hub.publish("room", item(3), exclude="token")
    await a.hub.publish("room", item(4))
    await bus.quiet()
    assert one.received == ["1", "3", "4"]
    assert other.received == ["3", "4"]
    assert third.received == ["1", "2", "4"]


async def test_one_may_mean_a_single_page_of_another_process(start: Start, bus: Bus) -> None:
    a, b = await start(2)
    pages = [process.visit(None, "room") for process in (a, b)]
    await bus.quiet()
    await a.hub.publish("room", item(1), to=pages[1].conn.id)
    await a.hub.publish("room", item(2), to="nobody")
    await bus.quiet()
    assert [page.received for page in pages] == [[], ["1"]]


# --- what cannot be published ----------------------------------------------------------


async def test_what_is_rendered_for_each_page_cannot_leave_its_process(
    start: Start, bus: Bus
) -> None:
    process = await start()
    before = len(bus.log)
    with pytest.raises(TypeError, match="the other processes behind this backend cannot call it"):
        process.hub.publish("room", lambda conn: item(conn.id))
    assert len(bus.log) == before


async def test_what_is_too_large_for_brokers_is_refused(start: Start, bus: Bus) -> None:
    process = await start()
    page = process.visit(None, "room")
    await bus.quiet()
    room_left = MOST_BYTES - len(bytes(Publication(serialise(update("#a", "")))))
    assert await process.hub.publish("room", update("#a", "x" * room_left)) == 1
    with pytest.raises(LimitError, match=rf"of {MOST_BYTES + 1} bytes .* limit of {MOST_BYTES}: "):
        process.hub.publish("room", update("#a", "x" * (room_left + 1)))
    await bus.quiet()
    assert len(page.texts) == 1


async def test_while_the_broker_is_away_a_publication_says_so(start: Start, bus: Bus) -> None:
    process = await start()
    bus.is_away = True
    with pytest.raises(BackendError, match="the bus is away"):
        await process.hub.publish("room", item("lost"))
    process.hub.publish("room", item("also lost"))
    bus.come_back()
    assert await process.hub.publish("room", item("back")) == 1


async def test_what_is_lost_and_nobody_awaits_is_told_in_one_line(
    start: Start, bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Event] = []
    process = await start(told=told.append)
    process.hub.rules.declare(Room("chat:*"))
    bus.is_away = True
    for room in ("chat:1", "chat:2", "other"):
        process.hub.publish(room, item("lost"))
    held = process.hub.publish("held", item("lost"))
    await asyncio.sleep(0)
    with pytest.raises(BackendError):
        await held
    with pytest.raises(BackendError):
        await asyncio.ensure_future(process.hub.publish("held", item("lost")))
    await asyncio.sleep(LOST_SECONDS + 0.1)
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    said = record.getMessage()
    assert said.startswith("3 publications to ['*', 'chat:*'] are lost")
    assert "the bus is away" in said
    failures = [dict(event.attributes) for event in told if event.name == "failure"]
    assert failures == [{"why": "lost", "route": None}]
    with pytest.raises(BackendError):
        await process.hub.publish("held", item("lost"))
    await asyncio.sleep(LOST_SECONDS + 0.1)
    assert len(caplog.records) == 1


def test_what_is_lost_is_told_though_the_loop_that_was_to_tell_of_it_has_ended(
    caplog: pytest.LogCaptureFixture,
) -> None:
    backend = FaultyBackend()
    backend.is_away = True
    live = HtmxWS(backend=backend)

    async def lose(seconds: float) -> None:
        await live._hub.start()
        live.publish("room", item("lost"))
        with leaping_time(asyncio.get_running_loop()):
            await asyncio.sleep(seconds)

    asyncio.run(lose(0))
    asyncio.run(lose(LOST_SECONDS + 0.1))
    assert [each.getMessage()[:14] for each in caplog.records] == ["2 publications"]


async def test_what_is_lost_on_another_loop_is_told_on_the_one_of_the_pages(
    start: Start, bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    process = await start()
    bus.is_away = True

    async def elsewhere() -> None:
        process.hub.publish("room", item("lost"))
        with pytest.raises(BackendError):
            await process.hub.publish("room", item("lost too, and awaited"))

    await asyncio.to_thread(asyncio.run, elsewhere())
    await asyncio.sleep(LOST_SECONDS + 0.1)
    told = [said[:14] for said in caplog.messages if "publications" in said]
    assert told == ["1 publications"]


async def test_what_is_lost_as_a_process_ends_is_told_before_it_has(
    start: Start, bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    process = await start()
    bus.is_away = True
    process.hub.publish("room", item("lost"))
    await process.hub.stop()
    assert any(said.startswith("1 publications to ['*'] are lost") for said in caplog.messages)


async def test_a_backend_may_give_any_awaitable(caplog: pytest.LogCaptureFixture) -> None:
    backend = FaultyBackend()
    hub = Hub(backend)
    await hub.start()
    backend.is_away = True
    hub.publish("room", item("lost"))
    with pytest.raises(BackendError):
        await hub.publish("room", item("lost"))
    await hub.stop()
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "has the version b''"),
        (b"2{}", "has the version b'2', and this htmx-ws reads b'1'"),
        (b"<p>", "do two versions of it, or another program, share a broker"),
        (b"1", "cannot be read: JSONDecodeError"),
        (b"1\xff", "cannot be read: UnicodeDecodeError"),
        (b"1[]", "cannot be read: TypeError"),
        (b"1null", "cannot be read: TypeError"),
        (b"1{}", "cannot be read: KeyError('messages')"),
        (b'1{"messages":[1]}', "cannot be read: TypeError"),
        (b'1{"messages":[[]]}', "cannot be read: TypeError"),
        (b'1{"messages":[],"exclude":[[]]}', "cannot be read: TypeError"),
    ],
)
async def test_what_cannot_be_read_is_left_out(
    start: Start, bus: Bus, caplog: pytest.LogCaptureFixture, data: bytes, why: str
) -> None:
    told: list[Event] = []
    process = await start(told=told.append)
    page = process.visit(None, "room")
    await bus.quiet()
    bus.place("room", data)
    await process.hub.publish("room", item("next"))
    await bus.quiet()
    assert page.received == ["next"]
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith("What was published to 'room' was left out: A public")
    assert why in record.getMessage()
    failures = [dict(event.attributes) for event in told if event.name == "failure"]
    assert failures == [{"why": "unreadable", "route": None}]


def test_what_is_rendered_for_each_page_is_nothing_elsewhere() -> None:
    """Its size is not known, and a history that holds it counts one byte."""
    publication = Publication(render=lambda conn: "x")
    assert bytes(publication) == b"1"
    with pytest.raises(BackendError):
        Publication.read(bytes(publication))


@pytest.mark.parametrize("room", ["room", None])
async def test_what_may_be_missing_is_reported(
    start: Start, caplog: pytest.LogCaptureFixture, room: str | None
) -> None:
    told: list[Event] = []
    process = await start(told=told.append)
    process.hub.rules.declare(Room("ro*"))
    process.hub.report_gap(room, "the broker was restarted")
    [event] = [event for event in told if event.name == "gap"]
    assert event.attributes == {"why": "gap", "room": room and "ro*"}
    assert caplog.messages == [
        f"Publications to {room or 'all rooms'} may be missing: the broker was restarted. Pages "
        "of rooms that resume are brought up to date"
    ]


# --- outside of what is served ---------------------------------------------------------


async def test_a_process_without_pages_publishes_by_an_appender_of_its_own(
    start: Start, bus: Bus
) -> None:
    """As a script, a task queue or a management command does."""
    process = await start()
    page = process.visit(None, "room")
    await bus.quiet()
    backend = OnBus(bus)
    outside = Hub(backend)

    def publish() -> list[Awaitable[int]]:
        return [outside.publish("room", item(number)) for number in range(2)]

    thread = threading.Thread(target=lambda: published.extend(publish()))
    published: list[Awaitable[int]] = []
    thread.start()
    thread.join()
    assert [await each for each in published] == [1, 2]
    await bus.quiet()
    assert page.received == ["0", "1"]
    assert not backend.is_started
    assert len(backend.appenders) == 1


async def test_it_does_so_from_an_event_loop_too(in_real_time: Start, bus: Bus) -> None:
    process = await in_real_time()
    page = process.visit(None, "room")
    await bus.quiet()
    outside = Hub(OnBus(bus))
    assert await outside.publish("room", item("hi")) == 1
    await bus.quiet()
    assert page.received == ["hi"]


async def test_before_its_first_page_a_process_publishes_to_the_others(
    in_real_time: Start, bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    process = await in_real_time()
    page = process.visit(None, "room")
    await bus.quiet()
    new = Process(bus)
    for number in range(2):
        await new.hub.publish("room", item(number))
    await bus.quiet()
    assert page.received == ["0", "1"]
    await new.start()
    await new.hub.publish("room", item(2))
    await bus.quiet()
    assert page.received == ["0", "1", "2"]
    assert caplog.messages == []
    assert not new.backend.appenders[0].is_closed
    await new.hub.stop()
    assert new.backend.appenders[0].is_closed
    assert await new.hub.publish("room", item(3)) == 4
    assert len(new.backend.appenders) == 2


def test_what_is_published_when_the_loop_that_served_has_ended_is_heard_elsewhere(
    bus: Bus,
) -> None:
    """As in a thread that outlives the server."""
    ended = Hub(OnBus(bus))
    asyncio.run(ended.start())
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(ended.publish, "room", item("hi")).result().value == 1  # type: ignore[attr-defined]  # Done


async def test_an_outage_is_known_outside_too(bus: Bus) -> None:
    bus.is_away = True
    with pytest.raises(BackendError, match="the bus is away"):
        await Hub(OnBus(bus)).publish("room", item("lost"))


@pytest.mark.parametrize("is_shared", [True, False])
async def test_a_process_that_was_forked_publishes_as_one_that_serves_no_pages(
    bus: Bus, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, is_shared: bool
) -> None:
    """It has copies of pages, and of a loop that runs nowhere in it."""
    hub = Hub(OnBus(bus) if is_shared else MemoryBackend())
    await hub.start()
    page = Page(hub)
    await page.conn.join("room")
    forked = os.getpid() + 1
    with monkeypatch.context() as patch:
        patch.setattr("htmx_ws.hub.getpid", lambda: forked)
        published = await asyncio.to_thread(hub.publish, "room", item("from the child"))
        assert await published == is_shared
    assert ("heard by nobody" in caplog.text) is not is_shared
    assert (hub._outside is not None) is is_shared
    await bus.quiet()
    assert len(page.texts) == is_shared  # from the bus, which its own process hears
    await hub.stop()


def test_without_other_processes_it_is_said_once_that_nobody_heard_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[Event] = []
    hub = Hub(MemoryBackend(), telemetry=told.append)
    for number in range(3):
        hub.publish("room", item(number))
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("What was published to 'room' was heard by nobody")
    assert [dict(event.attributes) for event in told] == [{"why": "unheard", "route": None}]


# --- questions to all ------------------------------------------------------------------


def asking(process: Process, do: str = "count", **which: Any) -> Awaitable[int]:
    what = {"do": do, "user": None, "room": None, "conn": None, **which}
    return process.hub.ask(what)


def disconnecting(process: Process, **which: Any) -> Awaitable[int]:
    return asking(process, "disconnect", **{"code": 4001, "reason": "out", **which})


async def test_pages_are_counted_in_all_processes(start: Start, bus: Bus) -> None:
    a, b = await start(2)
    for process, who, room in ((a, "ann", "a"), (b, "ann", "b"), (b, "bob", "b"), (b, None, "b")):
        process.visit(who, room)
    for process in (a, b):
        assert await asking(process) == 4
        assert await asking(process, user="ann") == 2
        assert await asking(process, room="b") == 3
        assert await asking(process, user="ann", room="b") == 1
        assert await asking(process, user="nobody") == 0
        assert await asking(process, room="none") == 0


@pytest.mark.parametrize("by_id", [True, False])
async def test_a_page_is_closed_wherever_it_is(start: Start, by_id: bool) -> None:
    a, b = await start(2)
    pages = [process.visit("ann", "a") for process in (a, b, b)]
    its = pages[1].conn
    assert await disconnecting(a, conn=its.id if by_id else its) == 1
    assert [page.conn.closing for page in pages] == [None, (4001, "out"), None]
    assert await asking(a) == 2


async def test_all_pages_of_a_visitor_or_a_room_are_closed(start: Start) -> None:
    a, b = await start(2)
    ann, bob = ([process.visit(who, who) for process in (a, b)] for who in ("ann", "bob"))
    assert await disconnecting(b, user="ann", code=1012) == 2
    assert [page.conn.closing for page in ann + bob] == [(1012, "out")] * 2 + [None] * 2
    assert await disconnecting(a, room="bob") == 2
    assert [page.conn.closing for page in bob] == [(4001, "out")] * 2


@pytest.mark.parametrize("identity", [7, "ann", UUID(int=7), ("a", 1), 1.5])
async def test_a_visitor_is_found_by_whatever_identifies_him(start: Start, identity: Any) -> None:
    a, b = await start(2)
    for process in (a, b):
        process.visit(identity, "room")
        process.visit("another", "room")
    assert await asking(a, user=identity) == 2
    assert await disconnecting(b, user=identity) == 2
    assert await asking(a) == 2


async def test_pages_are_closed_though_nobody_waits_for_it(start: Start, bus: Bus) -> None:
    a, b = await start(2)
    pages = [process.visit("ann", "a") for process in (a, b)]
    disconnecting(a, user="ann")
    await bus.quiet()
    assert [page.conn.closing for page in pages] == [(4001, "out")] * 2


@pytest.mark.parametrize("which", [{"room": b"room"}, {"conn": 1j}, {"reason": {1, 2}}])
async def test_what_other_processes_cannot_read_is_refused_at_once(
    start: Start, bus: Bus, which: dict[str, Any]
) -> None:
    a, _ = await start(2)
    page = a.visit("ann", "a")
    with pytest.raises(TypeError, match="is not JSON serializable"):
        disconnecting(a, **which)
    await bus.quiet()
    assert page.conn.closing is None
    assert await asking(a) == 1


async def test_who_does_not_answer_holds_nobody_up_for_long(start: Start, bus: Bus) -> None:
    a, b = await start(2)
    pages = [process.visit("ann", "a") for process in (a, b)]
    await bus.quiet()
    b.backend.is_held = True
    before = asyncio.get_running_loop().time()
    assert await disconnecting(a, user="ann") == 1
    assert asyncio.get_running_loop().time() - before <= ANSWER_SECONDS + 0.1
    assert pages[1].conn.closing is None
    b.backend.release()
    assert pages[1].conn.closing == (4001, "out")


async def test_in_an_outage_pages_are_closed_here_and_it_is_said(start: Start, bus: Bus) -> None:
    a, b = await start(2)
    pages = [process.visit("ann", "a") for process in (a, b)]
    await bus.quiet()
    bus.is_away = True
    with pytest.raises(BackendError, match="the bus is away"):
        await disconnecting(a, user="ann")
    assert [page.conn.closing for page in pages] == [(4001, "out"), None]


async def test_whoever_does_not_wait_is_not_told_that_it_failed(
    start: Start, bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    a = await start()
    bus.is_away = True
    disconnecting(a, user="ann")
    await bus.quiet()
    gc.collect()
    assert caplog.messages == ["The other processes could not be told: the bus is away"]


async def test_a_question_that_is_cancelled_is_no_error(start: Start, bus: Bus) -> None:
    a = await start()
    a.backend.is_held = True
    before = asyncio.all_tasks()
    waiting = asking(a)
    await bus.quiet()
    [task] = asyncio.all_tasks() - before
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert a.hub.peers._waiting == {}
    a.backend.release()


async def test_threads_ask_too(in_real_time: Start, bus: Bus) -> None:
    a, b = await in_real_time(2)
    pages = [process.visit("ann", "a") for process in (a, b)]

    def ask() -> list[Any]:
        return [asking(a), disconnecting(a, user="ann")]

    answers = await asyncio.to_thread(ask)
    assert [await each for each in answers] == [2, 2]
    assert [page.conn.closing for page in pages] == [(4001, "out")] * 2
    with pytest.raises(TypeError, match="is not JSON serializable"):
        await asyncio.to_thread(asking, a, room=b"bytes")


@pytest.mark.parametrize("in_a_loop", [True, False])
async def test_a_process_without_pages_closes_those_of_others(
    in_real_time: Start, bus: Bus, in_a_loop: bool
) -> None:
    a, b = await in_real_time(2)
    pages = [process.visit("ann", "a") for process in (a, b)]
    outside = Process(bus)
    if in_a_loop:
        assert await disconnecting(outside, user="ann") == 0  # nobody answers it
    else:
        closing = await asyncio.to_thread(disconnecting, outside, user="ann")
        assert await closing == 0
    await bus.quiet()
    assert [page.conn.closing for page in pages] == [(4001, "out")] * 2
    assert {said["by"] for said in map(json.loads, said_in(bus))} == {a.id, b.id, ""}


async def test_a_process_without_pages_cannot_count(bus: Bus) -> None:
    with pytest.raises(HtmxWSError, match="counted by the processes that serve them"):
        asking(Process(bus))
    assert bus.log == []


async def test_without_other_processes_the_answer_is_known_at_once() -> None:
    hub = Hub(MemoryBackend())
    what = {"do": "count", "user": None, "room": None, "conn": None}
    assert await hub.ask(what) == 0
    await hub.start()
    page = Page(hub, ("any", "thing"))
    assert await hub.ask(what) == 1
    assert await hub.ask({**what, "user": ("any", "thing")}) == 1
    assert await hub.ask(
        {**what, "conn": page.conn, "do": "disconnect", "code": 1008, "reason": ""}
    )
    assert page.conn.closing == (1008, "")
    await hub.stop()


async def test_an_application_closes_and_counts_pages_of_all_its_processes(bus: Bus) -> None:
    lives = [HtmxWS(backend=OnBus(bus), identify=lambda conn: conn.query["who"]) for _ in range(2)]

    async def joined(conn: Any) -> object:
        await conn.join("room")
        return append("#log", "<li>welcome</li>")

    for live in lives:
        live.ws("/ws", conn=joined)(lambda: None)
    async with (
        lives[0].lifespan(),
        lives[1].lifespan(),
        Socket(lives[0], "/ws?who=ann") as ann,
        Socket(lives[1], "/ws?who=bob") as bob,
    ):
        assert ["welcome" in await page.receive() for page in (ann, bob)] == [True, True]
        assert await lives[0].publish("room", append("#log", html("<li>{}</li>", "hi"))) == 1
        assert ["hi" in await page.receive() for page in (ann, bob)] == [True, True]
        for live in lives:
            live._hub.peers._settle()
        assert await lives[0].count(room="room") == 2
        assert await lives[0].disconnect(user="bob", code=4000, reason="bye") == 1
        with pytest.raises(Closed, match="closed with 4000 bye"):
            await bob.receive()
        assert ann.code is None


# --- start and stop --------------------------------------------------------------------


async def test_what_processes_say_is_not_kept(start: Start, bus: Bus) -> None:
    """Even where the rooms of all names have a history."""
    a, b = await start(2)
    for process in (a, b):
        process.hub.rules.declare(Room("*", keep=Keep(100)))
    await asking(a)
    kept = {keep for process in (a, b) for room, keep in process.backend.keeps if room == ROOM}
    assert kept == {KEEP_NONE}


async def test_a_stop_ends_what_is_under_way(start: Start, bus: Bus) -> None:
    process = await start()
    process.backend.holds_subscriptions = True
    page = Page(process.hub)
    joining = asyncio.ensure_future(process.hub.join(page.conn, "a"))
    process.visit(None, "b").go()
    await bus.quiet()
    question = asyncio.ensure_future(asking(process))
    await process.hub.stop()
    await joining
    assert await question == 0
    assert process.hub._subscribing == {}
    assert not process.hub._leaving


async def test_a_second_stop_says_nothing_more(start: Start, bus: Bus) -> None:
    process = await start()
    for _ in range(3):
        await process.hub.stop()
    assert len(process.said("bye")) == 1


def test_a_message_is_what_json_makes_of_it() -> None:
    """Else a publication would not be the same elsewhere."""
    for message in serialise([*SOME]):
        assert Message(*json.loads(json.dumps(message))) == message
