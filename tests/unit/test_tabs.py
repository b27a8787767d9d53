"""Of the sockets of one page the newest is written to; two tabs of it live side by side."""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

import pytest

from htmx_ws import Connection, HtmxWS, Presence, append, html, new_page, update
from htmx_ws import resume as resuming
from htmx_ws import tabs as module
from htmx_ws.cursor import AT, RESERVED, RESUME, TAB
from htmx_ws.markup import PAGE
from htmx_ws.testing import Socket

ROOM: Final = "room"
live = HtmxWS()
live.room(ROOM, presence=Presence(by="connection", grace=0.0))
live.room("kept", history=5)
conns: list[Connection] = []
endpoint = live.endpoint("/ws")


@endpoint.on_connect
async def joined(conn: Connection) -> None:
    conns.append(conn)
    await conn.join(ROOM)
    await conn.join("kept")


@endpoint.on(action="more")
async def more(conn: Connection) -> None:
    await conn.join("more")


@endpoint.on(action="less")
async def less(conn: Connection) -> None:
    await conn.leave("more")


@endpoint.on_message
async def say(msg: str) -> Any:
    return update("#x", html("<b>{}</b>", msg))


@pytest.fixture(autouse=True)
def afresh() -> None:
    conns.clear()


def page(token: str, *, resumes: bool = False) -> Socket:
    return Socket(live, f"/ws?{PAGE}={token}" + (f"&{RESUME}=1" if resumes else ""))


async def hello(socket: Socket, tab: str = "") -> str:
    """Say hello, and give the tab's token, if it is a new one."""
    await socket.send({RESERVED: "hello", TAB: tab, AT: ""})
    if tab:
        return tab
    while True:
        found = re.search(f'id="{TAB}" name="{TAB}" value="([^"]+)"', await socket.receive())
        if found:
            return found[1]


async def texts(socket: Socket) -> list[str]:
    """What came up to the page's own answer."""
    await socket.send(msg="end")
    came: list[str] = []
    while "<b>end<" not in (text := await socket.receive()):
        came += re.findall("<i>(.*?)</i>", text)
    return came


async def publish(text: str, room: str = ROOM) -> None:
    await live.publish(room, append("#log", html("<i>{}</i>", text)))


async def test_of_two_sockets_that_a_page_opens_at_once_the_newer_is_written_to() -> None:
    token = new_page()
    async with page(token) as older, page(token) as newer:
        await publish("once")
        await older.send(msg="asked by the older")
        assert "once" in await newer.receive()
        assert "asked by the older" in await newer.receive()
        assert not older.pending
        assert len(live.members(ROOM)) == 1
        assert [each.key for each in live.presence(ROOM)] == [conns[1].id]
        await older.send(action="more")
        await older.send(msg="joined")
        assert "joined" in await newer.receive()
        assert live.members("more") == [conns[1]]
        await older.send(action="less")
        await older.send(msg="left")
        assert "left" in await newer.receive()
        assert not live.members("more")


async def test_the_heir_may_go_first() -> None:
    token = new_page()
    async with page(token) as older:
        async with page(token):
            pass
        await older.send(msg="to nobody")
        await publish("nobody")
        assert conns[0].heir is conns[1]
    assert not live._hub.connections


@pytest.mark.parametrize("tokens", [(new_page(), new_page()), ("", "")])
async def test_pages_with_tokens_of_their_own_or_none_are_each_written_to(
    tokens: tuple[str, str],
) -> None:
    async with page(tokens[0]) as one, page(tokens[1]) as two:
        await publish("both")
        if tokens[0]:
            assert await texts(one) == await texts(two) == ["both"]
    async with Socket(live, "/ws") as one, Socket(live, "/ws") as two:
        await publish("both")
        assert await texts(one) == await texts(two) == ["both"]


async def test_tabs_of_one_page_that_open_one_after_the_other_are_each_written_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "TWIN_SECONDS", 0.0)
    token = new_page()
    async with page(token) as one, page(token) as two:
        await publish("both")
        assert await texts(one) == await texts(two) == ["both"]


async def test_tabs_that_say_hello_are_told_apart_at_once() -> None:
    token = new_page()
    async with page(token, resumes=True) as one, page(token, resumes=True) as two:
        first, second = await hello(one), await hello(two)
        assert first != second
        for room in (ROOM, "kept"):
            await publish(room, room)
        assert await texts(one) == await texts(two) == [ROOM, "kept"]


async def test_a_tab_that_is_back_inherits_from_its_socket_that_seems_to_live_still() -> None:
    token = new_page()
    async with page(token, resumes=True) as dead:
        tab = await hello(dead)
        async with page(token, resumes=True) as back, page(token, resumes=True) as other:
            await hello(back, tab)
            await hello(other)
            await publish("kept", "kept")
            assert await texts(back) == await texts(other) == ["kept"]
            assert not any("<i>" in text for text in dead.pending)
            assert conns[0].heir is conns[1]
        assert conns[2].heir is None


@pytest.mark.parametrize("who_first", ["hello", "silence"])
async def test_a_second_socket_that_says_no_hello_is_the_pages_other_one(
    monkeypatch: pytest.MonkeyPatch, who_first: str
) -> None:
    monkeypatch.setattr(resuming, "HELLO_SECONDS", 0.02)
    token = new_page()
    async with page(token, resumes=True) as silent, page(token, resumes=True) as page_itself:
        if who_first == "silence":
            await asyncio.sleep(0.05)
        await hello(page_itself)
        if who_first == "hello":
            await asyncio.sleep(0.05)
        await publish("once", "kept")
        assert await texts(page_itself) == ["once"]
        assert not silent.pending
        assert conns[0].heir is conns[1]


async def test_a_silent_socket_that_opens_after_the_hello_is_the_pages_other_one_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resuming, "HELLO_SECONDS", 0.02)
    token = new_page()
    async with page(token, resumes=True) as page_itself:
        await hello(page_itself)
        async with page(token, resumes=True) as silent:
            await asyncio.sleep(0.05)
            await publish("once", "kept")
            assert await texts(page_itself) == ["once"]
            assert not silent.pending


async def test_a_page_without_a_token_may_say_hello() -> None:
    async with Socket(live, f"/ws?{RESUME}=1") as socket:
        await socket.send({RESERVED: "hello", TAB: ""})
        await publish("kept", "kept")
        assert "beforeend:#htmx-ws-hello" in await socket.receive()
        assert "<i>kept</i>" in await socket.receive()


async def test_a_tabs_token_that_is_too_long_is_replaced() -> None:
    async with page(new_page(), resumes=True) as socket:
        await socket.send({RESERVED: "hello", TAB: "x" * 1000})
        found = re.search(f'name="{TAB}" value="([^"]+)"', await socket.receive())
        assert found
        assert len(found[1]) < 40


@pytest.mark.parametrize("whose", ["", "&user=eve"])
@pytest.mark.parametrize("says", ["nothing", "hello", "the other's hello"])
async def test_a_visitor_who_knows_the_token_of_anothers_page_inherits_nothing_of_it(
    monkeypatch: pytest.MonkeyPatch, says: str, whose: str
) -> None:
    """Tokens stand in the logs of servers: another visitor's socket is another tab."""
    monkeypatch.setattr(resuming, "HELLO_SECONDS", 0.02)
    live = HtmxWS(identify=lambda conn: conn.query.get("user"))
    live.ws("/ws", conn=joined)(say)
    address = f"/ws?{PAGE}={new_page()}" + ("" if says == "nothing" else f"&{RESUME}=1")
    async with Socket(live, f"{address}&user=ann") as ann:
        tab = "" if says == "nothing" else await hello(ann)
        async with Socket(live, f"{address}{whose}") as eve:
            if says != "nothing":
                await hello(eve, tab if says == "the other's hello" else "")
            assert await texts(eve) == []  # what she says has been heard
            await live.publish(ROOM, append("#log", html("<i>both</i>")))
            await live.publish(ROOM, append("#log", html("<i>hers</i>")), to=conns[0])
            assert await texts(ann) == ["both", "hers"]
            assert await texts(eve) == ["both"]
            assert conns[0].heir is None
            assert conns[1].heir is None
    assert not live._hub.tabs._by_page


@pytest.mark.parametrize("hello_first", [True, False])
async def test_nor_where_one_of_the_two_says_no_hello(
    monkeypatch: pytest.MonkeyPatch, hello_first: bool
) -> None:
    monkeypatch.setattr(resuming, "HELLO_SECONDS", 0.02)
    live = HtmxWS(identify=lambda conn: conn.query.get("user"))
    live.room("kept", history=5)
    live.ws("/ws", conn=joined)(say)
    address = f"/ws?{PAGE}={new_page()}&{RESUME}=1"
    async with (
        Socket(live, f"{address}&user=ann") as ann,
        Socket(live, f"{address}&user=eve") as eve,
    ):
        if hello_first:
            await hello(eve)
        await live.publish("kept", append("#log", html("<i>once</i>")))
        assert "once" in await ann.receive()  # when it is live without a hello
        if not hello_first:
            await hello(eve)
        assert conns[0].heir is None


def test_nothing_is_left_of_pages_that_have_gone() -> None:
    assert not live._hub.tabs._by_page
    assert not live._hub.tabs._tab_of
