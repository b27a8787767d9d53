"""How much pages may ask of the server: frames, rooms, connections; and sending them away."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable
from typing import Any
from uuid import UUID

import pytest

from htmx_ws import (
    Connection,
    FrameError,
    HtmxWS,
    LimitError,
    Limits,
    append,
    html,
    serialise,
)
from htmx_ws.clock import Clock
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
    live = HtmxWS(limits=Limits(frames_per_second=100, frames_burst=5))
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
        monkeypatch.setattr("htmx_ws.pace.asyncio.sleep", nap)
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
    # Not the whole second that a nap for each would be rounded to, but a hundredth for each.
    paid = [nap for nap in naps if nap > 0]
    assert 5 <= len(paid) <= 20
    assert all(nap <= 0.011 for nap in paid)
    (record,) = (each for each in caplog.records if "frames a second" in each.getMessage())
    assert "Limits.frames_per_second" in record.getMessage()


async def test_what_a_page_that_has_gone_sent_too_fast_is_not_waited_for() -> None:
    """A server has it in its memory, and its end stands behind it."""
    live = an_app(limits=Limits(frames_per_second=1, frames_burst=5))
    frame = {"type": "websocket.receive", "text": '{"msg": "1"}'}
    events = iter([{"type": "websocket.connect"}, *[frame] * 1_000])
    scope = {"type": "websocket", "path": "/ws", "query_string": b"", "headers": []}

    async def receive() -> Any:
        return next(events)

    async def send(event: Any) -> None:
        if event["type"] == "websocket.send":
            raise OSError("gone")

    async with asyncio.timeout(5):
        await live(scope, receive, send)
    assert len(list(events)) > 900
    assert await live.count() == 0


async def test_a_page_that_sends_too_fast_and_pauses_is_not_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("htmx_ws.pace.FAST_SECONDS", 0.0)
    monkeypatch.setattr("htmx_ws.pace.PAUSE_SECONDS", 0.0)  # each wait is one
    live = an_app(limits=Limits(frames_per_second=1_000, frames_burst=1))
    async with Socket(live, "/ws") as page:
        for number in range(20):
            await page.send(msg=str(number))
        for number in range(20):
            assert await page.receive() == text_of(item(number))


async def test_a_page_that_sends_too_fast_while_a_handler_works_is_closed_once_and_read_no_further(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What a server has taken of it is not read, with a line in the log for each."""
    monkeypatch.setattr("htmx_ws.pace.FAST_SECONDS", 0.0)
    live = HtmxWS(limits=Limits(frames_per_second=1_000, frames_burst=1))
    endpoint = live.endpoint("/ws")
    closed = asyncio.Event()

    @endpoint.on("work")
    async def work() -> None:
        await closed.wait()

    @endpoint.on_message
    async def echo(msg: str) -> None: ...

    first = {"type": "websocket.receive", "text": '{"HEADERS": {"HX-Trigger": "work"}}'}
    frame = {"type": "websocket.receive", "text": '{"msg": "1"}'}
    events = iter([{"type": "websocket.connect"}, first, *[frame] * 1_000])
    scope = {"type": "websocket", "path": "/ws", "query_string": b"", "headers": []}
    codes: list[int] = []

    async def receive() -> Any:
        return next(events)

    async def send(event: Any) -> None:
        if event["type"] == "websocket.close":
            codes.append(event["code"])
            closed.set()

    async with asyncio.timeout(5):
        await live(scope, receive, send)
    assert codes == [1008]
    assert len(list(events)) > 900
    assert sum("without a pause" in each.getMessage() for each in caplog.records) == 1


async def test_a_page_is_held_back_for_a_time_before_it_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However long it was near the limit before: 51 a second are not closed out of the blue."""
    live = an_app()
    loop = asyncio.get_running_loop()
    clock, sent, passed = loop.time, 0, 0.0
    held: list[float] = []
    monkeypatch.setattr(loop, "time", lambda: clock() + passed)
    scope = {"type": "websocket", "path": "/ws", "query_string": b"", "headers": []}
    events: list[Any] = [{"type": "websocket.connect"}]

    async def sleep(seconds: float) -> None:
        nonlocal passed
        held.append(passed)
        passed += seconds

    async def receive() -> Any:
        nonlocal passed, sent
        if events:
            return events.pop()
        sent += 1
        passed = max(passed, sent / 51)
        return {"type": "websocket.receive", "text": '{"msg": "1"}'}

    async def send(event: Any) -> None:
        if event["type"] == "websocket.close":
            held.append(passed)

    monkeypatch.setattr("htmx_ws.pace.asyncio.sleep", sleep)
    async with asyncio.timeout(1_000):
        await live(scope, receive, send)
    assert held[-1] - held[0] > 29


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


@pytest.mark.parametrize("dialect", ["htmx2", "htmx4", "raw"])
async def test_a_frame_of_more_fields_than_it_may_have_is_an_error_and_the_page_lives(
    dialect: Any,
) -> None:
    live = HtmxWS(limits=Limits(frame_fields=3))
    endpoint = live.endpoint("/ws")

    @endpoint.on_message
    async def count(data: dict[str, str]) -> Any:
        return item(len(data))

    @endpoint.on_error
    async def failed(error: Exception) -> Any:
        return item(type(error) is FrameError and error)

    async with Socket(live, "/ws", dialect=dialect) as page:
        await page.send(dict.fromkeys("abc", "1"))
        assert await page.receive() == text_of(item(3))
        await page.send(dict.fromkeys("abcd", "1"))
        assert "4 fields, and 3 are the most (Limits.frame_fields)" in await page.receive()
        await page.send(dict.fromkeys("abc", "1"))
        assert await page.receive() == text_of(item(3))


# --- pages that read slowly ------------------------------------------------------------


class Desk:
    """An application whose pages are in one room, and whose handlers note what they did."""

    def __init__(self, **limits: Any) -> None:
        self.live = HtmxWS(limits=Limits(**limits))
        self.notes: list[str] = []
        self.noted = asyncio.Event()
        endpoint = self.live.endpoint("/{name}")

        @endpoint.on_connect
        async def joined(conn: Connection) -> None:
            await conn.join("room")

        @endpoint.on("beside", concurrent=True)
        async def beside(name: str) -> None:
            self.note(f"{name}: beside")

        @endpoint.on_message
        async def handler(name: str, msg: str) -> Any:
            self.note(f"{name}: {msg}")
            return item(msg)

    def note(self, text: str) -> None:
        self.notes.append(text)
        self.noted.set()

    async def until_noted(self, text: str) -> None:
        async with asyncio.timeout(5):
            while text not in self.notes:
                self.noted.clear()
                await self.noted.wait()

    def page(self, name: str) -> Socket:
        return Socket(self.live, f"/{name}", debug=False)


@pytest.fixture
def quick_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Clock, "TICK", 0.001)


async def test_a_page_that_is_held_has_nothing_done_for_it_until_it_has_read_all() -> None:
    desk = Desk(slow_pages="hold")
    async with desk.page("slow") as slow, desk.page("quick") as quick:
        slow.stall()
        for number in range(3):
            await desk.live.publish("room", item(number))
        for msg in ("a", "b"):
            await slow.send(msg=msg)
        for msg in ("c", "d"):
            await quick.send(msg=msg)
        # Nobody else is held: neither another page, nor what is published.
        await desk.until_noted("quick: d")
        await desk.live.publish("room", item(3))
        assert [await quick.receive() for _ in range(6)] == [
            text_of(item(each)) for each in (0, 1, 2, "c", "d", 3)
        ]
        assert desk.notes == ["quick: c", "quick: d"]
        slow.resume()
        assert [await slow.receive() for _ in range(6)] == [
            text_of(item(each)) for each in (0, 1, 2, 3, "a", "b")
        ]
        assert desk.notes[2:] == ["slow: a", "slow: b"]


@pytest.mark.parametrize("fate", ["close", "drop"])
async def test_a_page_that_is_not_held_has_its_frames_handled_though_it_reads_nothing(
    fate: str,
) -> None:
    desk = Desk(slow_pages=fate)
    async with desk.page("slow") as slow:
        slow.stall()
        await desk.live.publish("room", item(1))
        await slow.send(msg="a")
        await desk.until_noted("slow: a")
        assert slow.pending == []
        slow.resume()


@pytest.mark.usefixtures("quick_clock")
async def test_what_runs_beside_is_not_held_as_a_stop_button_must_not_be() -> None:
    desk = Desk(slow_pages="hold")
    async with desk.page("slow") as slow:
        slow.stall()
        await desk.live.publish("room", item(1))
        await slow.send(msg="a")
        await slow.send(sender="beside")
        await desk.until_noted("slow: beside")
        assert desk.notes == ["slow: beside"]
        slow.resume()
        await desk.until_noted("slow: a")


@pytest.mark.usefixtures("quick_clock")
@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"outbox_messages": 2}, "Limits.outbox_bytes, outbox_messages"),
        ({"outbox_bytes": 100}, "Limits.outbox_bytes, outbox_messages"),
        ({"write_seconds": 0.01}, "Limits.write_seconds"),
    ],
)
async def test_a_page_that_is_held_and_still_too_slow_is_closed_and_its_frames_are_finished(
    limits: dict[str, Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(slow_pages="hold", **limits)
    async with desk.page("slow") as slow, desk.page("quick") as quick:
        slow.stall()
        await desk.live.publish("room", item(0))
        await slow.send(msg="a")
        if "write_seconds" not in limits:
            for number in range(3):
                await desk.live.publish("room", item(number))
        await desk.until_noted("slow: a")  # it was received, so it is finished
        slow.resume()
        assert await slow.closed() == 1012
        await quick.send(msg="b")
        await desk.until_noted("quick: b")
    assert said in caplog.text


@pytest.mark.usefixtures("quick_clock")
async def test_the_frames_of_a_page_that_goes_while_it_is_held_are_finished() -> None:
    desk = Desk(slow_pages="hold")
    async with desk.page("slow") as slow:
        slow.stall()
        await desk.live.publish("room", item(0))
        for msg in ("a", "b"):
            await slow.send(msg=msg)
    assert desk.notes == ["slow: a", "slow: b"]


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


def behind(*forwarded: str) -> dict[str, Any]:
    """The headers of a page that came by a proxy."""
    return {"headers": [("x-forwarded-for", each) for each in forwarded]}


@pytest.mark.parametrize(
    ("proxies", "first", "second", "counts_as_one"),
    [
        (0, "192.0.2.1", "192.0.2.2", True),  # all pages have the proxy's address
        (1, "192.0.2.1", "192.0.2.2", False),
        (1, "192.0.2.1", "192.0.2.1", True),
        # Whatever else a client writes, it is one client.
        (1, "192.0.2.1", "198.51.100.9, 192.0.2.1", True),
        (1, "1.1.1.1, 192.0.2.1", "2.2.2.2,192.0.2.1", True),
        (1, "nonsense", "192.0.2.1, more", True),
        (2, "192.0.2.1, 10.0.0.2", "192.0.2.2, 10.0.0.2", False),
        (2, "192.0.2.1, 10.0.0.2", "192.0.2.1, 10.0.0.3", True),
    ],
)
async def test_behind_proxies_pages_are_counted_by_the_address_of_their_visitor(
    proxies: int, first: str, second: str, counts_as_one: bool
) -> None:
    live = an_app(limits=Limits(connections_per_address=1), proxies=proxies)
    async with Socket(live, "/ws", **behind(first)):
        if counts_as_one:
            with pytest.raises(Denied):
                await Socket(live, "/ws", **behind(second)).open()
        else:
            async with Socket(live, "/ws", **behind(second)):
                pass
    async with Socket(live, "/ws", **behind(second)):
        pass
    assert dict(live._hub._by_address) == {}


async def test_the_address_is_known_to_whatever_asks_who_a_visitor_is() -> None:
    seen: list[str] = []
    live = HtmxWS(identify=lambda conn: seen.append(conn.address), proxies=1)

    @live.ws("/ws")
    async def address(conn: Connection) -> Any:
        return item(conn.address)

    async with Socket(live, "/ws", **behind("192.0.2.1")) as page:
        await page.send()
        assert await page.receive() == text_of(item("192.0.2.1"))
    assert seen == ["192.0.2.1"]


@pytest.mark.parametrize("proxies", [-1, "1", None])
def test_proxies_that_cannot_be_are_refused(proxies: Any) -> None:
    """Else what the client wrote would count."""
    with pytest.raises(ValueError, match=f"proxies is {proxies!r}: it must be a number of 0 or "):
        HtmxWS(proxies=proxies)


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


@pytest.mark.parametrize(
    ("identity", "user"), [(5, "5"), ("5", 5), (UUID(int=5), str(UUID(int=5)))]
)
async def test_a_visitor_is_found_by_the_text_of_his_identity(identity: Any, user: Any) -> None:
    """An id that is taken from an address is a text."""
    live = HtmxWS(identify=lambda conn: identity, limits=Limits(connections_per_identity=1))
    live.ws("/ws")(lambda: None)
    async with Socket(live, "/ws") as page:
        with pytest.raises(Denied):
            await Socket(live, "/ws").open()
        assert await live.count(user=user) == 1
        assert await live.disconnect(user=user) == 1
        assert await page.closed() == 1008
    async with Socket(live, "/ws"):  # he is forgotten
        assert await live.count(user=identity) == 1


async def test_a_page_whose_address_names_a_room_that_nobody_may_join_stays_away(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Socket(an_app(limits=Limits(room_name=5)), "/ws?room=123456") as page:
        assert await page.closed() == 4400
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert "Limits.room_name" in record.getMessage()


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


async def test_a_process_that_is_drained_takes_no_more_pages_and_closes_those_it_has_evenly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("htmx_ws.hub.DRAIN_RATE", 1)  # ten pages are many
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


@pytest.mark.parametrize(("given", "taken"), [({}, 5.0), ({"drain_seconds": 0.3}, 0.3)])
async def test_how_long_a_drain_takes_is_the_applications_unless_it_is_said(
    given: dict[str, Any], taken: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[float] = []

    async def drain(seconds: float, wait: float) -> None:
        said.append(seconds)

    live = HtmxWS(**given)
    monkeypatch.setattr(live._hub, "drain", drain)
    for seconds in (None, 0, 7):
        await live.drain(seconds)
    assert said == [taken, 0, 7]


async def test_a_page_that_comes_before_the_first_start_does_not_undo_a_drain() -> None:
    live = an_app()
    await live.drain()
    assert not live.is_ready
    with pytest.raises(Denied):
        await Socket(live, "/ws").open()
    assert not live.is_ready


async def test_a_second_drain_and_a_stop_wait_for_the_same_pages() -> None:
    live, begun, may_end = HtmxWS(), asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        begun.set()
        await may_end.wait()

    live.ws("/ws", disconn=slow)(lambda: None)
    async with Socket(live, "/ws") as first, Socket(live, "/ws") as second:
        draining = [asyncio.create_task(live.drain(0.02))]
        assert await first.closed() == 1012
        draining.append(asyncio.create_task(live.drain(0)))
        assert await second.closed() == 1012
        draining.append(asyncio.create_task(live._hub.stop()))
        await asyncio.wait_for(begun.wait(), 5)
        assert not any(each.done() for each in draining)
        may_end.set()
        await asyncio.wait_for(asyncio.gather(*draining), 5)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits long for pages that do not end."""
    monkeypatch.setattr("htmx_ws.app.STOP_SECONDS", 0.01)
    monkeypatch.setattr("htmx_ws.ending.HURRY_SECONDS", 0.01)
    monkeypatch.setattr("htmx_ws.hub.HURRY_SECONDS", 0.01)


class Endless:
    """A handler or hook that never ends, and notes how it did."""

    def __init__(self) -> None:
        self.begun, self.ended = asyncio.Event(), list[str]()

    async def __call__(self) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except BaseException as error:
            self.ended.append(type(error).__name__)
            raise


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    "kind", ["message", "concurrent", "cancel", "connect", "disconnect", "error"]
)
async def test_a_drain_cancels_what_never_ends_and_its_page_ends(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    live, endless, over = HtmxWS(), Endless(), asyncio.Event()
    endpoint = live.endpoint("/ws")

    async def fails() -> None:
        raise ZeroDivisionError

    how = {kind: True} if kind in ("concurrent", "cancel") else {}
    endpoint.on_message(**how)(fails if kind == "error" else endless)
    if kind == "connect":
        endpoint.on_connect(endless)
    if kind == "error":
        endpoint.on_error(endless)

    @endpoint.on_disconnect
    async def left() -> None:
        over.set()
        if kind == "disconnect":
            await endless()

    async with Socket(live, "/ws", debug=False) as page:
        if kind not in ("connect", "disconnect"):
            await page.send()
        if kind != "disconnect":
            await asyncio.wait_for(endless.begun.wait(), 5)
        await asyncio.wait_for(live.drain(0), 5)
        assert await page.closed() == 1012
        await asyncio.wait_for(over.wait(), 5)  # its disconnect hook has run all the same
        assert live._hub.connections == {}
    assert endless.ended == ["CancelledError"]
    # A handler that may be cancelled is so when its page goes, and holds nothing up.
    assert ("1 pages did not end in 0.01 s" in caplog.text) == (kind != "cancel")


@pytest.mark.usefixtures("hurried")
async def test_a_drain_does_not_wait_for_what_will_not_be_cancelled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    live, begun, may_end = HtmxWS(), asyncio.Event(), asyncio.Event()

    @live.ws("/ws")
    async def stubborn() -> None:
        begun.set()
        while not may_end.is_set():
            try:
                await may_end.wait()
            except asyncio.CancelledError:
                continue

    async with Socket(live, "/ws", debug=False) as page:
        await page.send()
        await asyncio.wait_for(begun.wait(), 5)
        await asyncio.wait_for(live.drain(0), 5)
        assert "1 pages did not end" in caplog.text
        assert len(live._hub.connections) == 1
        may_end.set()


async def test_in_debug_whoever_waits_for_a_reload_does_not_wait_long(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("htmx_ws.app.DEBUG_STOP_SECONDS", 0.01)
    live, endless = HtmxWS(debug=True), Endless()
    live.ws("/ws")(endless)
    async with Socket(live, "/ws") as page:
        await page.send()
        await asyncio.wait_for(endless.begun.wait(), 5)
        await asyncio.wait_for(live.drain(0), 5)
    assert endless.ended == ["CancelledError"]
    assert "1 pages did not end in 0.01 s" in caplog.text


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
