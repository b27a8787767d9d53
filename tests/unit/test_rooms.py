"""Who may join a room is said beside the room, and holds wherever and however it is joined."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htmx_ws import (
    Connection,
    HtmxWS,
    LimitError,
    Limits,
    Presence,
    Refused,
    RegistrationError,
    append,
    html,
    serialise,
)
from htmx_ws import rooms as rooms_module
from htmx_ws.host import Host
from htmx_ws.rooms import ANY, Room, Rooms
from htmx_ws.testing import Socket


def item(text: object) -> Any:
    return append("#log", html("<li>{}</li>", text))


def texts(*contents: object) -> list[str]:
    return [message.text for content in contents for message in serialise(content)]


async def soon(event: asyncio.Event) -> None:
    await asyncio.wait_for(event.wait(), 5)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def receive_all(page: Socket, count: int) -> list[str]:
    return [await page.receive() for _ in range(count)]


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    yield
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=2)
    assert not left


# --- patterns --------------------------------------------------------------------------


def rules(*patterns: str) -> Rooms:
    rooms = Rooms()
    for pattern in patterns:
        rooms.declare(Room(pattern))
    return rooms


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"),
    [
        ("lobby", ["lobby"], ["Lobby", "lobby ", " lobby", "lobby\n", "lobb", "", "*"]),
        ("chat:*", ["chat:", "chat:7", "chat:a:b", "chat:\n7\n"], ["chat", "achat:7", "chat7"]),
        ("*:admin", [":admin", "a:admin", ":admin:admin"], ["admin", "a:admin:b", "a:admins"]),
        ("*", ["a", "\n", "a*b", "😀"], []),
        ("**", ["a", "a*b"], []),
        ("a*b*c", ["abc", "a1b2c", "abcbc", "abbc", "acbc"], ["acb", "ab", "ac", "abcd"]),
        ("a*a", ["aa", "aba", "aaa"], ["a"]),
        ("a*aa", ["aaa", "aaaa", "abaa"], ["aa", "a"]),
        ("*ab*ab", ["abab", "ababab", "1ab2ab"], ["ab", "aba", "abba"]),
        ("a.c", ["a.c"], ["abc"]),
        ("[ab]?(c)+^$|\\d", ["[ab]?(c)+^$|\\d"], ["a", "ac", "1"]),
        ("café:*", ["café:1"], ["cafe:1"]),
    ],
)
def test_a_star_stands_for_any_text_and_all_else_for_itself(
    pattern: str, fits: list[str], does_not: list[str]
) -> None:
    rooms = rules(pattern)
    assert [rooms.of(room).pattern for room in fits] == [pattern] * len(fits)
    assert [rooms.of(room) for room in does_not] == [ANY] * len(does_not)


@given(st.text("ab*", max_size=7).filter(bool), st.text("ab", max_size=9))
def test_a_pattern_fits_what_a_shells_would(pattern: str, room: str) -> None:
    assert (rules(pattern).of(room) is not ANY) == fnmatchcase(room, pattern)


def test_where_two_patterns_fit_the_one_declared_first_holds() -> None:
    rooms = rules("chat:admin", "chat:*", "*")
    named = {room: rooms.of(room).pattern for room in ("chat:admin", "chat:7", "user:7")}
    assert named == {"chat:admin": "chat:admin", "chat:7": "chat:*", "user:7": "*"}
    assert rules("*", "chat:*").of("chat:7").pattern == "*"


def test_a_rule_that_is_declared_later_holds_for_rooms_that_were_asked_about_before() -> None:
    rooms = rules("user:*")
    assert rooms.of("chat:7") is ANY
    rooms.declare(Room("chat:*"))
    assert rooms.of("chat:7").pattern == "chat:*"


@pytest.mark.parametrize("pattern", ["", None, 5, b"chat:*"])
def test_a_pattern_is_a_text(pattern: Any) -> None:
    with pytest.raises(RegistrationError, match="A room's pattern is text such as 'chat:\\*'"):
        HtmxWS().room(pattern)


def test_a_pattern_has_one_rule() -> None:
    live = HtmxWS()
    live.room("chat:*")
    with pytest.raises(RegistrationError, match="The rooms 'chat:\\*' have a rule already"):
        live.room("chat:*", may_join=lambda conn, room: True)


def test_a_name_that_a_page_chose_is_looked_up_at_once_however_it_is_made() -> None:
    """An expression that tried each star at each place would take minutes for the last."""
    rooms = rules("a:*:*:*:*:*:*:end")
    began = time.process_time()
    for room in ("a" + ":" * 499, "a:" + "b:" * 249, "a" * 500, "a:" + ":" * 490 + ":en"):
        assert rooms.of(room) is ANY
    assert time.process_time() - began < 1


def test_what_is_remembered_of_names_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms_module, "_MOST_KNOWN", 10)
    rooms = rules("chat:*")
    for number in range(100):
        assert rooms.of(f"chat:{number}").pattern == "chat:*"
        assert rooms.of("other") is ANY
        assert len(rooms._known) <= 10


# --- who may join ----------------------------------------------------------------------


class Door:
    """A rule that lets in whose query says so, and notes who was asked about what."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.threads: set[int] = set()

    def plain(self, conn: Connection, room: str) -> object:
        self.asked.append(room)
        self.threads.add(threading.get_ident())
        return conn.query.get("may")

    async def later(self, conn: Connection, room: str) -> object:
        await asyncio.sleep(0)
        return self.plain(conn, room)

    def gives_later(self, conn: Connection, room: str) -> object:
        return self.later(conn, room)

    async def __call__(self, conn: Connection, room: str) -> object:
        return await self.later(conn, room)


KINDS = ["plain", "later", "gives_later", "partial", "object"]


def rule_of(door: Door, kind: str) -> Any:
    return {"partial": partial(door.later), "object": door}.get(kind) or getattr(door, kind)


def an_app(may_join: Any, pattern: str = "chat:*", **how: Any) -> HtmxWS:
    """An application whose connect hook joins the room of its path, and whose frames do too."""
    live = HtmxWS(**how)
    live.room(pattern, may_join=may_join)

    async def connected(conn: Connection, room: str) -> Any:
        await conn.join(room)
        return item("joined")

    live.ws("/{room}", conn=connected)(lambda: item("there"))
    endpoint = live.endpoint("/")

    @endpoint.on_message
    async def join(conn: Connection, room: str) -> Any:
        return item(await conn.join(room))

    return live


@pytest.mark.parametrize("kind", KINDS)
async def test_a_page_that_may_is_in_the_room_and_one_that_may_not_is_turned_away(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "htmx_ws")
    door = Door()
    live = an_app(rule_of(door, kind))
    async with Socket(live, "/chat:7?may=yes") as ann, Socket(live, "/chat:7") as bob:
        assert await receive_all(ann, 1) == texts(item("joined"))
        assert await bob.closed() == 4403
        assert bob.reason == "not your room"
        assert bob.pending == []
        (conn,) = live.members("chat:7")
        assert conn.rooms == {"chat:7"}
        await live.publish("chat:7", item("news"))
        assert await receive_all(ann, 1) == texts(item("news"))
    assert door.asked == ["chat:7"] * 2
    (record,) = caplog.records
    assert record.levelname == "INFO"
    assert "may not join 'chat:7'" in record.getMessage()
    # A plain function may ask a database, for which the event loop must not wait.
    assert (threading.get_ident() in door.threads) == (kind != "plain")


async def test_other_rooms_are_joined_at_once_and_nobody_is_asked() -> None:
    door = Door()
    live = an_app(door)
    live.room("free:*")
    async with Socket(live, "/free:7") as page, Socket(live, "/lobby") as other:
        await receive_all(page, 1)
        await receive_all(other, 1)
        (conn,) = live.members("lobby")
        conn.join("free:8")
        assert live.members("free:8") == [conn]
    assert door.asked == []


async def test_a_room_that_a_page_is_in_is_not_asked_about_again() -> None:
    door = Door()
    live = an_app(door)
    async with Socket(live, "/?may=yes") as page:
        for _ in range(3):
            await page.send(room="chat:7")
        assert await receive_all(page, 3) == texts(item(True)) * 3
    assert door.asked == ["chat:7"]


async def test_a_page_that_left_is_asked_about_when_it_comes_again() -> None:
    door = Door()
    live = an_app(door)
    async with Socket(live, "/chat:7?may=yes") as page:
        await receive_all(page, 1)
        (conn,) = live.members("chat:7")
        assert await conn.leave("chat:7")
        assert await conn.join("chat:7")
    assert door.asked == ["chat:7"] * 2


async def test_a_handler_that_is_refused_may_say_so_instead() -> None:
    live = HtmxWS()
    live.room("*", may_join=Door())

    @live.ws("/ws")
    async def join(conn: Connection) -> Any:
        try:
            await conn.join("room")
        except Refused as refused:
            return item(refused.close_code)

    async with Socket(live, "/ws") as page:
        await page.send()
        assert await receive_all(page, 1) == texts(item(4403))
        assert page.code is None
        assert live.members("room") == []


@pytest.mark.parametrize("kind", ["plain", "async"])
async def test_a_rule_may_refuse_by_a_code_and_content_of_its_own(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "htmx_ws")

    def plain(conn: Connection, room: str) -> object:
        raise Refused("members only", code=4402, content=item("join us"))

    async def later(conn: Connection, room: str) -> object:
        return plain(conn, room)

    live = an_app(plain if kind == "plain" else later)
    async with Socket(live, "/chat:7") as page:
        assert await page.closed() == 4402
        assert page.reason == "members only"
        assert page.pending == texts(item("join us"))
    assert [record.levelname for record in caplog.records] == ["INFO"]


class Hosted(HtmxWS):
    """An application in a framework that turns visitors away by PermissionError."""

    host = Host(
        refusal=lambda error: (
            Refused("forbidden", code=4401) if isinstance(error, PermissionError) else None
        )
    )


async def test_a_rule_may_refuse_as_the_framework_does() -> None:
    live = Hosted()

    async def forbids(conn: Connection, room: str) -> bool:
        raise PermissionError

    live.room("*", may_join=forbids)

    async def connected(conn: Connection) -> None:
        await conn.join("room")

    live.ws("/ws", conn=connected)(lambda: None)
    async with Socket(live, "/ws") as page:
        assert await page.closed() == 4401
        assert live.members("room") == []


@pytest.mark.parametrize("at", ["connect", "message"])
async def test_a_rule_that_fails_lets_nobody_in(at: str, caplog: pytest.LogCaptureFixture) -> None:
    def fails(conn: Connection, room: str) -> bool:
        raise ZeroDivisionError

    live = an_app(fails)
    if at == "connect":
        async with Socket(live, "/chat:7") as page:
            assert await page.closed() == 1013
    else:
        async with Socket(live, "/") as page:
            await page.send(room="chat:7")
            await page.send(room="lobby")
            assert await receive_all(page, 1) == texts(item(True))
    assert live.members("chat:7") == []
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


# --- not awaited, in threads, in the page's context ------------------------------------


async def test_a_join_that_is_not_awaited_happens_when_the_rule_has_answered() -> None:
    may_answer, answered = asyncio.Event(), asyncio.Event()

    async def rule(conn: Connection, room: str) -> bool:
        await may_answer.wait()
        answered.set()
        return True

    live = HtmxWS()
    live.room("*", may_join=rule)

    async def connected(conn: Connection) -> Any:
        assert conn.join("room")
        return item("connected")

    live.ws("/ws", conn=connected)(lambda: item("there"))
    async with Socket(live, "/ws") as page:
        assert await receive_all(page, 1) == texts(item("connected"))
        assert live.members("room") == []
        await live.publish("room", item("too early"))
        await page.send()
        assert await receive_all(page, 1) == texts(item("there"))
        may_answer.set()
        await soon(answered)
        await until(lambda: live.members("room"))
        await live.publish("room", item("news"))
        assert await receive_all(page, 1) == texts(item("news"))


async def test_a_refusal_that_nobody_awaits_keeps_the_page_out_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "htmx_ws")
    door = Door()
    live = HtmxWS()
    live.room("*", may_join=door)

    @live.ws("/ws")
    async def join(conn: Connection) -> Any:
        conn.join("room")
        return item("there")

    async with Socket(live, "/ws") as page:
        for _ in range(2):
            await page.send()
        assert await receive_all(page, 2) == texts(item("there")) * 2
        await until(lambda: len(caplog.records) == 2)
        assert page.code is None
        assert live.members("room") == []
    assert all("may not join 'room'" in message for message in caplog.messages)


async def test_a_rule_that_fails_where_nobody_awaits_it_is_heard_of() -> None:
    heard: list[dict[str, Any]] = []
    told = asyncio.Event()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        heard.append(context)
        told.set()

    def fails(conn: Connection, room: str) -> bool:
        raise ZeroDivisionError

    live = HtmxWS()
    live.room("*", may_join=fails)

    @live.ws("/ws")
    async def join(conn: Connection) -> Any:
        conn.join("room")
        return item("there")

    asyncio.get_running_loop().set_exception_handler(handle)
    async with Socket(live, "/ws") as page:
        await page.send()
        assert await receive_all(page, 1) == texts(item("there"))
        await soon(told)
        assert live.members("room") == []
    assert type(heard[0]["exception"]) is ZeroDivisionError


async def test_in_a_thread_a_join_returns_when_the_rule_has_answered() -> None:
    live = HtmxWS()
    live.room("chat:*", may_join=Door().later)

    @live.ws("/ws")
    def join(conn: Connection) -> Any:
        try:
            return item(bool(conn.join("chat:7")))
        except Refused as refused:
            return item(refused.reason)

    async with Socket(live, "/ws?may=yes") as ann, Socket(live, "/ws") as bob:
        await ann.send()
        assert await receive_all(ann, 1) == texts(item(True))
        assert len(live.members("chat:7")) == 1
        await bob.send()
        assert await receive_all(bob, 1) == texts(item("not your room"))
        assert len(live.members("chat:7")) == 1


mine: ContextVar[str] = ContextVar("mine", default="none")


@pytest.mark.parametrize("kind", ["plain", "async"])
async def test_a_rule_sees_the_context_of_whoever_joins(kind: str) -> None:
    seen: list[str] = []

    def plain(conn: Connection, room: str) -> bool:
        seen.append(mine.get())
        return True

    async def later(conn: Connection, room: str) -> bool:
        return plain(conn, room)

    live = HtmxWS()
    live.room("*", may_join=plain if kind == "plain" else later)

    @live.ws("/ws")
    async def join(conn: Connection) -> Any:
        mine.set("the handler's")
        await conn.join("room")
        return item("done")

    async with Socket(live, "/ws") as page:
        await page.send()
        await page.receive()
    assert seen == ["the handler's"]


# --- while it is asked -----------------------------------------------------------------


class Slow:
    """A rule that answers when it may, and notes how it ended."""

    def __init__(self, *, insists: bool = False) -> None:
        self.begun, self.may_answer, self.over = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.insists = insists
        self.ended = ""

    async def __call__(self, conn: Connection, room: str) -> bool:
        self.begun.set()
        try:
            await self.may_answer.wait()
            self.ended = "answered"
        except asyncio.CancelledError:
            self.ended = "cancelled"
            if not self.insists:
                raise
        finally:
            self.over.set()
        return True


async def test_what_is_published_while_a_connect_hook_reads_comes_after_what_it_read() -> None:
    """From its join on, which is when the rule has answered; before it is in no room."""
    slow, reading, may_return = Slow(), asyncio.Event(), asyncio.Event()
    live = HtmxWS()
    live.room("*", may_join=slow)

    async def connected(conn: Connection) -> Any:
        await conn.join("room")
        reading.set()
        await may_return.wait()
        return item("read")

    live.ws("/ws", conn=connected)(lambda: None)
    async with Socket(live, "/ws") as page:
        await soon(slow.begun)
        await live.publish("room", item("before"))
        slow.may_answer.set()
        await soon(reading)
        await live.publish("room", item("meanwhile"))
        assert page.pending == []
        may_return.set()
        assert await receive_all(page, 2) == texts(item("read"), item("meanwhile"))
        await live.publish("room", item("after"))
        assert await receive_all(page, 1) == texts(item("after"))


async def test_a_join_that_is_answered_after_the_connect_hook_holds_nothing_back() -> None:
    slow = Slow()
    live = HtmxWS()
    live.room("*", may_join=slow)

    async def connected(conn: Connection) -> Any:
        conn.join("room")
        return item("connected")

    live.ws("/ws", conn=connected)(lambda: None)
    async with Socket(live, "/ws") as page:
        assert await receive_all(page, 1) == texts(item("connected"))
        slow.may_answer.set()
        await until(lambda: live.members("room"))
        await live.publish("room", item("news"))
        assert await receive_all(page, 1) == texts(item("news"))


@pytest.mark.parametrize("insists", [False, True])
async def test_a_page_that_goes_while_it_is_asked_about_joins_nothing(insists: bool) -> None:
    slow, answers = Slow(insists=insists), list[bool]()
    live = HtmxWS()
    live.room("*", may_join=slow)

    @live.ws("/ws")
    async def join(conn: Connection) -> None:
        answers.append(await conn.join("room"))
        answers.append(await conn.join("other"))

    async with Socket(live, "/ws") as page:
        await page.send()
        await soon(slow.begun)
    assert slow.ended == "cancelled"
    assert answers == [False, False]
    assert live.members("room") == live.members("other") == []
    assert live._hub._rooms == {}


async def test_a_page_that_leaves_while_it_is_asked_about_is_not_in_the_room() -> None:
    slow, answers = Slow(), list[bool]()
    live = HtmxWS()
    live.room("*", may_join=slow)

    @live.ws("/ws")
    async def join(conn: Connection) -> Any:
        joining = conn.join("room")
        await soon(slow.begun)
        answers.append(await conn.leave("room"))
        slow.may_answer.set()
        answers.append(await joining)
        return item("done")

    async with Socket(live, "/ws") as page:
        await page.send()
        await receive_all(page, 1)
        assert live.members("room") == []
    assert answers == [False, False]


async def test_a_room_that_is_joined_twice_at_once_is_joined_once() -> None:
    live = HtmxWS(limits=Limits(rooms=1))
    live.room("*", may_join=Door())

    @live.ws("/ws")
    async def join(conn: Connection) -> Any:
        first, second = conn.join("room"), conn.join("room")
        return item((await first, await second, len(live.members("room"))))

    async with Socket(live, "/ws?may=yes") as page:
        await page.send()
        assert await receive_all(page, 1) == texts(item((True, True, 1)))


async def test_the_limit_of_rooms_holds_again_when_the_rule_has_answered() -> None:
    """Or a page that asks for many at once would be in all of them."""
    live = HtmxWS(limits=Limits(rooms=2))
    slow = Slow()
    live.room("*", may_join=slow)

    @live.ws("/ws")
    async def join(conn: Connection) -> Any:
        joining = [conn.join(str(number)) for number in range(5)]
        slow.may_answer.set()
        found = await asyncio.gather(*map(wait_for, joining), return_exceptions=True)
        with pytest.raises(LimitError, match=r"Limits\.rooms"):
            conn.join("one more")
        return item([each is True or type(each).__name__ for each in found])

    async def wait_for(joining: Any) -> Any:
        return await joining

    async with Socket(live, "/ws") as page:
        await page.send()
        assert await receive_all(page, 1) == texts(item([True, True, *["LimitError"] * 3]))
        assert [len(live.members(str(number))) for number in range(5)] == [1, 1, 0, 0, 0]


async def test_over_the_limits_nobody_is_asked() -> None:
    door = Door()
    live = HtmxWS(limits=Limits(rooms=0, room_name=5))
    live.room("*", may_join=door)

    @live.ws("/ws")
    async def join(conn: Connection) -> Any:
        for room in ("a", "a long name"):
            with pytest.raises(LimitError):
                conn.join(room)
        return item("done")

    async with Socket(live, "/ws?may=yes") as page:
        await page.send()
        assert await receive_all(page, 1) == texts(item("done"))
    assert door.asked == []


async def test_other_pages_and_frames_do_not_wait_while_a_page_is_asked_about() -> None:
    slow = Slow()
    live = HtmxWS()
    live.room("slow", may_join=slow)
    endpoint = live.endpoint("/ws")

    @endpoint.on("join")
    async def join(conn: Connection) -> Any:
        await conn.join("slow")
        return item("joined")

    endpoint.on("beside", concurrent=True)(lambda: item("beside"))
    endpoint.on_message(lambda: item("there"))
    async with Socket(live, "/ws") as page, Socket(live, "/ws") as other:
        await page.send(sender="join")
        await soon(slow.begun)
        await other.send()
        assert await receive_all(other, 1) == texts(item("there"))
        await page.send(sender="beside")
        assert await receive_all(page, 1) == texts(item("beside"))
        slow.may_answer.set()
        assert await receive_all(page, 1) == texts(item("joined"))


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({"presence": Presence}, "True or a Presence"),
        ({"may_join": True}, "may_join is called"),
        ({"snapshot": "x"}, "snapshot is called"),
        ({"history": "100"}, "how many publications"),
        ({"history": -1}, "how many publications"),
        ({"history": 1, "max_age": "1h"}, "max_age is '1h': it must be a number of 0 or more"),
    ],
)
def test_a_rule_that_cannot_hold_is_refused_where_it_is_made(rule: Any, why: str) -> None:
    with pytest.raises((TypeError, ValueError), match=why):
        HtmxWS().room("chat:*", **rule)
