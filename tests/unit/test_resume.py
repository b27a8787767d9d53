"""A page that comes back gets what it missed, once and in order, and only what it may see."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from html import unescape
from typing import Any, Final

import pytest

from htmx_ws import (
    Connection,
    HtmxWS,
    Limits,
    Refused,
    append,
    data_only,
    html,
    morph,
    remove,
    update,
)
from htmx_ws import resume as module
from htmx_ws.backends import History, MemoryBackend, Position
from htmx_ws.cursor import AT, RESERVED, RESUME, TAB, id_of
from htmx_ws.errors import BackendError
from htmx_ws.testing import Socket

ROOM: Final = "chat:a"
PATH: Final = f"/a?{RESUME}=1"


def item(n: object) -> Any:
    return append("#log", html("<li id=m{}>{}</li>", n, n))


def text_in(message: str) -> str | None:
    """What a message appends, or sets."""
    found = re.search(r"<(?:li|b)[^>]*>([^<]*)<", message)
    return found[1] if found else None


def cursors_in(text: str) -> list[str]:
    return [unescape(value) for value in re.findall(f'name="{AT}"[^>]* value="([^"]*)"', text)]


class Story:
    """An application with one resumable room, and what its pages have seen."""

    def __init__(self, backend: Any = None, limits: Limits | None = None, **rule: Any) -> None:
        self.live = HtmxWS(backend=backend, limits=limits)
        self.live.room("chat:*", **{"history": 10, **rule})
        self.conns: list[Connection] = []
        self.endpoint = self.live.endpoint("/{name}")
        self.endpoint.on_connect(self.joined)
        self.endpoint.on(action="leave")(self.leave)
        self.endpoint.on(action="join")(self.join)
        self.endpoint.on_message(self.answer)

    async def joined(self, conn: Connection, name: str) -> None:
        self.conns.append(conn)
        await conn.join(f"chat:{name}")

    async def leave(self, conn: Connection) -> None:
        await conn.leave(ROOM)

    async def join(self, conn: Connection) -> None:
        await conn.join(ROOM)

    async def answer(self, msg: str = "") -> Any:
        return update("#x", html("<b>{}</b>", msg))

    async def publish(self, *numbers: object) -> None:
        for n in numbers:
            await self.live.publish(ROOM, item(n))

    async def position(self) -> str:
        page = await self.live.page("/a", rooms=[ROOM])
        (cursor,) = cursors_in(page.hello)
        return cursor

    def page(self, path: str = PATH) -> Socket:
        return Socket(self.live, path)


async def hello(page: Socket, *cursors: str, tab: str = "tab") -> None:
    await page.send({RESERVED: "hello", AT: list(cursors), TAB: tab})


async def receive(page: Socket, count: int) -> tuple[list[str | None], str | None]:
    """What came, and the last cursor that came with it."""
    messages = [await page.receive() for _ in range(count)]
    cursors = [cursor for message in messages for cursor in cursors_in(message)]
    return [text_in(message) for message in messages], cursors[-1] if cursors else None


async def nothing_more(page: Socket) -> None:
    """The page's own answer is the next that comes."""
    await page.send(msg="ping")
    assert text_in(await page.receive()) == "ping"


async def until(condition: Callable[[], object]) -> None:
    """Wait for what has no event of its own; fails after 5 s."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELLO_SECONDS", 0.02)
    monkeypatch.setattr(module, "_AGAIN_SECONDS", 0.001)


async def test_a_page_gets_what_it_missed_and_then_what_comes() -> None:
    story = Story()
    since = await story.position()
    await story.publish(1, 2)
    async with story.page() as page:
        await hello(page, since)
        seen, cursor = await receive(page, 2)
        assert seen == ["1", "2"]
        await story.publish(3)
        seen, cursor = await receive(page, 1)
        assert seen == ["3"]
    await story.publish(4, 5)
    assert cursor is not None
    async with story.page() as page:
        await hello(page, cursor)
        assert (await receive(page, 2))[0] == ["4", "5"]
        await nothing_more(page)


async def test_what_is_published_before_the_hello_waits_for_it() -> None:
    story = Story()
    since = await story.position()
    async with story.page() as page:
        await story.publish(1)
        await nothing_more(page)
        await hello(page, since)
        assert (await receive(page, 1))[0] == ["1"]


async def test_a_page_without_a_hello_is_live_after_a_while_and_missed_nothing(
    quick: None,
) -> None:
    story = Story()
    await story.publish("old")
    async with story.page() as page:
        await story.publish(1, 2)
        assert (await receive(page, 2))[0] == ["1", "2"]
        await story.publish(3)
        assert (await receive(page, 1))[0] == ["3"]
    async with story.page() as page:
        await asyncio.sleep(0.05)
        await story.publish(4)
        assert (await receive(page, 1))[0] == ["4"]


async def test_a_late_hello_fills_in_what_came_before(quick: None) -> None:
    story = Story()
    since = await story.position()
    await story.publish(1, 2)
    async with story.page() as page:
        await story.publish(3)
        assert (await receive(page, 1)) == (["3"], None)
        await hello(page, since)
        seen, cursor = await receive(page, 3)
        assert seen == ["1", "2", None]
        assert cursor is not None
        assert cursor.startswith("3:")
        await story.publish(4)
        seen, cursor = await receive(page, 1)
        assert (seen, cursor is not None) == (["4"], True)


async def test_a_page_that_is_cut_off_before_its_late_hello_missed_nothing(quick: None) -> None:
    """A cursor before it would say that the page has what it missed."""
    story = Story()
    since = await story.position()
    await story.publish("missed")
    async with story.page() as page:
        await story.publish("live")
        assert (await receive(page, 1)) == (["live"], None)
        await story.live.publish(ROOM, item("not for it"), to="another")
        await nothing_more(page)
    async with story.page() as page:
        await hello(page, since)
        assert (await receive(page, 3))[0] == ["missed", "live", None]


async def test_a_late_hello_brings_back_no_state_that_a_newer_one_replaced(quick: None) -> None:
    story = Story()
    since = await story.position()
    for n in range(2):
        await story.live.publish(ROOM, update(f"#state{n}", html("<b>old</b>")))
    async with story.page() as page:
        await story.live.publish(ROOM, update("#state1", html("<b>new</b>")))
        await story.publish(1)
        assert (await receive(page, 2))[0] == ["new", "1"]
        await hello(page, since)
        assert "#state0" in await page.receive()
        assert cursors_in(await page.receive())[0].startswith("4:")
        await nothing_more(page)


async def test_a_late_hello_that_says_nothing_of_a_room_gets_its_cursor(quick: None) -> None:
    story = Story()
    async with story.page() as page:
        await story.publish(1)
        assert (await receive(page, 1)) == (["1"], None)
        await hello(page)
        field = await page.receive()
        assert "beforeend:#htmx-ws-hello" in field
        assert cursors_in(field)[0].startswith("1:")
        await nothing_more(page)


async def test_a_gap_before_a_late_hello_is_no_reason_for_a_cursor(quick: None) -> None:
    story = Story()
    since = await story.position()
    hub = story.live._hub
    await story.publish("missed")
    async with story.page() as page:
        await story.publish(1)
        assert (await receive(page, 1))[0] == ["1"]
        rooms, hub.delivery._members = hub.delivery._members, {}
        await story.publish(2)
        hub.delivery._members = rooms
        hub.report_gap(ROOM, "the broker was away")
        assert (await receive(page, 1)) == (["2"], None)
        await hello(page, since)
        seen, cursor = await receive(page, 2)
        assert seen == ["missed", None]
        assert cursor is not None
        assert cursor.startswith("3:")


@pytest.mark.parametrize("history", [10, 1])
async def test_a_room_that_is_left_while_a_late_hello_is_filled_in_stays_left(
    quick: None, history: int
) -> None:
    backend = Broken(0)
    story = Story(backend, history=history)
    since = await story.position()
    await story.publish(1, 2)
    async with story.page() as page:
        await story.publish(3)
        assert (await receive(page, 1))[0] == ["3"]

        def leave() -> None:
            backend.during.clear()
            story.conns[0].leave(ROOM)

        backend.during.append(leave)
        await hello(page, since)
        assert f"delete:#{id_of(ROOM)}" in await page.receive()
        await nothing_more(page)
        assert not backend.during


async def test_a_room_that_is_left_before_a_late_hello_is_not_filled_in(quick: None) -> None:
    backend = Broken(0)
    story = Story(backend)
    since = await story.position()
    await story.publish(1)
    left = asyncio.Event()
    async with story.page() as page:

        def leave() -> None:
            backend.during.clear()
            story.conns[0].leave(ROOM)
            left.set()

        backend.during.append(leave)  # when it is asked where the room is
        await left.wait()
        await hello(page, since)
        assert f"delete:#{id_of(ROOM)}" in await page.receive()
        await nothing_more(page)


async def test_a_late_hello_that_is_far_behind_gets_the_snapshot(quick: None) -> None:
    story = Story(snapshot=lambda conn, room: update("#log", html("<b>now</b>")), history=2)
    since = await story.position()
    await story.publish(1, 2, 3, 4)
    async with story.page() as page:
        await story.publish(5)
        assert (await receive(page, 1))[0] == ["5"]
        await hello(page, since)
        assert (await receive(page, 2))[0] == ["now", None]


async def test_a_second_hello_is_not_heard() -> None:
    story = Story()
    since = await story.position()
    await story.publish(1)
    async with story.page() as page:
        for _ in range(2):
            await hello(page, since)
        assert (await receive(page, 1))[0] == ["1"]
        await nothing_more(page)


@pytest.mark.parametrize("kind", ["sync", "async", "awaitable"])
@pytest.mark.parametrize("cursor", ["too old", "0:other-epoch:chat:a", "999999:{}:chat:a"])
async def test_where_the_history_does_not_reach_the_snapshot_is_sent(
    kind: str, cursor: str
) -> None:
    def content(conn: Connection, room: str) -> Any:
        assert (conn, room) == (story.conns[-1], ROOM)
        return update("#log", html("<b>as it is</b>"))

    async def content_async(conn: Connection, room: str) -> Any:
        return content(conn, room)

    snapshot = {"sync": content, "async": content_async}.get(
        kind, lambda conn, room: content_async(conn, room)
    )
    story = Story(snapshot=snapshot, history=2)
    since = await story.position()
    await story.publish(1, 2, 3)
    if cursor != "too old":
        since = cursor.format(since.split(":")[1])
    async with story.page() as page:
        await hello(page, since)
        seen, last = await receive(page, 2)
        assert seen == ["as it is", None]
        assert last is not None
        assert last.startswith("3:")
        await story.publish(4)
        assert (await receive(page, 1))[0] == ["4"]


async def test_without_a_snapshot_the_page_reloads_after_a_while(
    caplog: pytest.LogCaptureFixture,
) -> None:
    story = Story(history=1)
    since = await story.position()
    await story.publish(1, 2, 3)
    async with story.page() as page:
        await hello(page, since)
        reload = await page.receive()
        wait = re.search(
            r'hx-swap-oob="beforeend:body".*http-equiv="refresh" content="(\d)"', reload
        )
        assert wait
        assert 1 <= int(wait[1]) <= module.RELOAD_SECONDS
        assert cursors_in(await page.receive())[0].startswith("3:")
    assert "missed more of 'chat:a' than is kept" in caplog.text


async def test_a_room_that_the_page_has_no_cursor_of_begins_with_the_snapshot() -> None:
    story = Story(snapshot=lambda conn, room: update("#log", html("<b>now</b>")))
    await story.publish(1)
    async with story.page() as page:
        await hello(page)
        assert text_in(await page.receive()) == "now"
        field = await page.receive()
        assert 'hx-swap-oob="beforeend:#htmx-ws-hello"' in field
        assert f'id="{id_of(ROOM)}"' in field
        await story.publish(2)
        seen, cursor = await receive(page, 1)
        assert (seen, cursor is not None) == (["2"], True)


async def test_one_that_has_no_snapshot_begins_with_what_came_since_the_page_is_here() -> None:
    story = Story()
    await story.publish("old")
    async with story.page() as page:
        await story.publish(1)
        await hello(page)
        assert "beforeend:#htmx-ws-hello" in await page.receive()
        await story.publish(2)
        assert (await receive(page, 2))[0] == ["1", "2"]


async def test_one_that_has_a_snapshot_may_still_be_without_a_hello(quick: None) -> None:
    story = Story(snapshot=lambda conn, room: update("#log", html("<b>now</b>")))
    async with story.page() as page:
        await story.publish(1)
        assert (await receive(page, 1))[0] == ["1"]


async def test_a_hello_that_comes_while_the_broker_is_away_is_heard(quick: None) -> None:
    backend = Broken(0)
    story = Story(backend)
    since = await story.position()
    await story.publish(1)
    backend.failures = 1_000_000
    async with story.page() as page:
        await asyncio.sleep(0.05)
        await hello(page, since)
        await nothing_more(page)
        backend.failures = 0
        assert (await receive(page, 1))[0] == ["1"]


async def test_a_rule_that_comes_after_the_page_does_not_hold_for_it() -> None:
    story = Story()
    async with story.page(f"/other?{RESUME}=1") as page:
        live = story.live
        async with Socket(live, f"/x?{RESUME}=1") as late:
            await story.conns[1].join("late")
            live.room("late", history=5)
            await live.publish("late", item(1))
            assert text_in(await late.receive()) == "1"
        await nothing_more(page)


async def test_two_gaps_at_once_are_one() -> None:
    story = Story()
    since = await story.position()
    async with story.page() as page:
        await hello(page, since)
        await nothing_more(page)
        for _ in range(2):
            story.live._hub.report_gap(ROOM, "twice")
        await story.publish(1)
        assert (await receive(page, 1))[0] == ["1"]
        await nothing_more(page)


async def test_what_a_page_was_left_out_of_is_not_filled_in_late(quick: None) -> None:
    story = Story()
    since = await story.position()
    await story.live.publish(ROOM, item("not for it"), to="another")
    await story.publish(1)
    async with story.page() as page:
        await story.publish(2)
        assert (await receive(page, 1))[0] == ["2"]
        await hello(page, since)
        assert (await receive(page, 2))[0] == ["1", None]
        await nothing_more(page)


async def test_a_late_hello_that_missed_nothing_gets_the_cursor_of_what_came(quick: None) -> None:
    story = Story()
    since = await story.position()
    async with story.page() as page:
        await story.publish(1)
        assert (await receive(page, 1))[0] == ["1"]
        await hello(page, since)
        seen, cursor = await receive(page, 1)
        assert seen == [None]
        assert cursor is not None
        assert cursor.startswith("1:")


async def test_a_late_hello_of_a_page_that_nothing_came_to_changes_nothing(quick: None) -> None:
    story = Story()
    since = await story.position()
    async with story.page() as page:
        await until(lambda: story.conns and story.conns[0].resume.bases)  # type: ignore[union-attr]  # it resumes
        await hello(page, since)
        await until(lambda: not story.conns[0].resume.bases)  # type: ignore[union-attr]  # it resumes
        await story.publish(1)
        seen, cursor = await receive(page, 1)
        assert (seen, cursor is not None) == (["1"], True)


async def test_a_snapshot_that_fails_sends_the_page_back_to_try_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(conn: Connection, room: str) -> Any:
        raise LookupError("no database")

    story = Story(snapshot=fail)
    async with story.page() as page:
        await hello(page)
        assert await page.closed() == 1013
    assert "no database" in caplog.text


@pytest.mark.parametrize("kind", ["hangs", "hangs between", "gives up"])
async def test_a_snapshot_that_does_not_come_sends_the_page_back_to_try_again(
    caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    async def snapshot(conn: Connection, room: str) -> Any:
        if kind == "gives up":
            raise asyncio.CancelledError
        if kind == "hangs":
            await asyncio.Event().wait()
        return pieces()

    async def pieces() -> AsyncIterator[Any]:
        yield update("#log", html("<b>a part</b>"))
        await asyncio.Event().wait()

    story = Story(snapshot=snapshot, limits=Limits(hook_seconds=0.02))
    async with story.page() as page:
        await hello(page)
        assert await page.closed() == 1013
    assert "took over 0.02 s (Limits.hook_seconds)" in caplog.text


async def test_a_snapshot_may_come_in_pieces() -> None:
    async def snapshot(conn: Connection, room: str) -> AsyncIterator[Any]:
        yield update("#log", html("<b>one</b>"))
        yield update("#x", html("<b>two</b>"))

    story = Story(snapshot=snapshot)
    async with story.page() as page:
        await hello(page)
        assert (await receive(page, 3))[0] == ["one", "two", None]


@pytest.mark.parametrize("kind", ["ours", "the host's"])
async def test_a_snapshot_may_turn_the_page_away(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    refused = Refused("members only", code=4403, content=update("#log", html("<b>no</b>")))

    def snapshot(conn: Connection, room: str) -> Any:
        raise refused if kind == "ours" else PermissionError

    def refusal(error: Exception) -> Refused | None:
        return refused if isinstance(error, PermissionError) else None

    monkeypatch.setattr(HtmxWS, "host", replace(HtmxWS.host, refusal=refusal))
    story = Story(snapshot=snapshot)
    async with story.page() as page:
        await hello(page)
        assert (await receive(page, 1))[0] == ["no"]
        assert await page.closed() == 4403
    assert "brought up to date" not in caplog.text


async def test_where_no_snapshot_is_as_fast_as_what_is_published_the_page_reloads() -> None:
    made: list[str] = []

    async def snapshot(conn: Connection, room: str) -> Any:
        made.append(room)
        for n in range(3):
            await story.live.publish(room, item(n))
        return update("#log", html("<b>now</b>"))

    story = Story(snapshot=snapshot, history=2)
    async with story.page() as page:
        await hello(page)
        messages = [await page.receive() for _ in range(7)]
        assert 'http-equiv="refresh"' in messages.pop(6)
        assert [text_in(message) for message in messages[::2]] == ["now"] * 3
        assert cursors_in(await page.receive())[0].startswith("9:")
        await nothing_more(page)
    assert made == [ROOM] * 3


async def test_what_is_published_while_a_snapshot_is_made_comes_after_it() -> None:
    asked, may_go = asyncio.Event(), asyncio.Event()

    async def snapshot(conn: Connection, room: str) -> Any:
        asked.set()
        await may_go.wait()
        return update("#log", html("<b>now</b>"))

    story = Story(snapshot=snapshot)
    async with story.page() as page:
        await hello(page)
        await asked.wait()
        await story.publish(1, 2)
        may_go.set()
        assert (await receive(page, 4))[0] == ["now", None, "1", "2"]
        await nothing_more(page)


@pytest.mark.parametrize("limits", [Limits(replay_messages=2), Limits(replay_bytes=200)])
async def test_no_more_is_replayed_than_the_limits_say(limits: Limits) -> None:
    story = Story(
        limits=limits,
        snapshot=lambda conn, room: update("#log", html("<b>now</b>")),
    )
    since = await story.position()
    await story.publish(1, 2, 3)
    async with story.page() as page:
        await hello(page, since)
        assert (await receive(page, 2))[0] == ["now", None]


async def test_of_what_replaces_only_the_newest_is_replayed_and_of_what_appends_all() -> None:
    story = Story()
    since = await story.position()
    for n in range(3):
        await story.live.publish(ROOM, update("#state", html("<b>{}</b>", n)))
    await story.publish("a", "b")
    async with story.page() as page:
        await hello(page, since)
        assert (await receive(page, 3))[0] == ["2", "a", "b"]
        await nothing_more(page)


async def test_a_page_that_is_left_out_gets_the_cursor_alone() -> None:
    story = Story()
    since = await story.position()
    async with story.page() as page, story.page() as other:
        for each in (page, other):
            await hello(each, since)
            await nothing_more(each)
        await story.live.publish(ROOM, item(1), exclude=story.conns[0])
        await story.live.publish(ROOM, item(2), to=story.conns[0])
        alone, cursor = await receive(page, 2)
        assert alone == [None, "2"]
        assert (await receive(other, 2))[0] == ["1", None]
    await story.live.publish(ROOM, item(3), exclude=story.conns[0])
    assert cursor is not None
    async with story.page() as page:
        await hello(page, cursor)
        assert (await receive(page, 1))[0] == ["3"]


async def test_a_tab_that_is_left_out_is_so_when_it_is_back_and_its_twin_is_not() -> None:
    story = Story()
    since = await story.position()
    path = f"{PATH}&htmx-ws-page=its-token"
    async with story.page(path) as page, story.page(path) as twin:
        for tab, each in (("one", page), ("two", twin)):
            await hello(each, since, tab=tab)
            await nothing_more(each)
        await page.close()
        first = story.conns[0]
        await story.live.publish(ROOM, item(1), exclude=first)
        await story.live.publish(ROOM, item(2), exclude=[first.id, "another"], to=first)
        assert (await receive(twin, 2))[0] == ["1", None]
    async with story.page(path) as page:
        await hello(page, since, tab="one")
        assert (await receive(page, 2))[0] == [None, "2"]


async def test_what_is_for_one_page_reaches_it_when_it_is_back() -> None:
    story = Story()
    since = await story.position()
    await story.live.publish(ROOM, item(1), to="its-token")
    async with story.page(f"{PATH}&htmx-ws-page=its-token") as page, story.page() as other:
        await hello(page, since)
        await hello(other, since)
        assert (await receive(page, 1))[0] == ["1"]
        assert (await receive(other, 1))[0] == [None]


async def test_pages_that_do_not_resume_get_no_cursors() -> None:
    story = Story()
    async with story.page("/a") as page:
        await story.publish(1)
        message = await page.receive()
        assert text_in(message) == "1"
        assert not cursors_in(message)


async def test_data_that_takes_no_cursor_is_followed_by_it() -> None:
    story = Story()
    since = await story.position()
    async with story.page() as page:
        await hello(page, since)
        await nothing_more(page)
        await story.live.publish(ROOM, data_only("app", {"n": 1}))
        assert '"channel"' in await page.receive()
        assert cursors_in(await page.receive())[0].startswith("1:")


async def test_what_is_rendered_for_each_page_is_replayed_too() -> None:
    story = Story()
    since = await story.position()

    def render(conn: Connection) -> Any:
        if conn.id == "nobody":
            raise AssertionError
        return item(conn.query.get("as", "nobody"))

    async with story.page(f"{PATH}&as=ann") as page:
        await hello(page, since)
        await nothing_more(page)
        await story.live.publish(ROOM, render)
        seen, cursor = await receive(page, 1)
        assert seen == ["ann"]
        assert cursor is not None
    async with story.page(f"{PATH}&as=bob") as page:
        await hello(page, since)
        assert (await receive(page, 1))[0] == ["bob"]


async def test_morphs_have_their_cursor_in_every_dialect() -> None:
    story = Story()
    since = await story.position()
    async with story.page(f"{PATH}&hx=4") as page:
        await hello(page, since)
        await nothing_more(page)
        await story.live.publish(ROOM, morph(html("<p id=p><b>x</b></p>")))
        message = await page.receive()
        assert "outerMorph" in message
        assert cursors_in(message)


@pytest.mark.parametrize("snapshot", [lambda conn, room: update("#log", html("<b>now</b>")), None])
async def test_a_room_that_is_left_is_nothing_to_the_page_and_joined_again_begins_anew(
    snapshot: Any,
) -> None:
    """What the page showed of it may have made place for another room."""
    story = Story(snapshot=snapshot)
    since = await story.position()
    async with story.page() as page:
        await hello(page, since)
        await nothing_more(page)
        for n in range(2):
            await story.publish(1)
            assert (await receive(page, 1))[0] == ["1"]
            await page.send(action="leave")
            assert f"delete:#{id_of(ROOM)}" in await page.receive()
            await story.publish(2)
            await nothing_more(page)
            await page.send(action="join")
            if snapshot is not None:
                assert text_in(await page.receive()) == "now"
            field = await page.receive()
            assert "beforeend:#htmx-ws-hello" in field
            assert cursors_in(field)[0].startswith(f"{2 * n + 2}:")
        await story.publish(3)
        assert (await receive(page, 1))[0] == ["3"]


async def test_a_page_that_goes_from_room_to_room_begins_anew_in_those_of_before_it_came_back() -> (
    None
):
    story = Story(snapshot=lambda conn, room: update("#log", html("<b>{}</b>", room)))
    since = await story.position()
    await story.publish(1)
    async with story.page(f"/other?{RESUME}=1") as page:
        await hello(page, since)
        assert (await receive(page, 2))[0] == ["chat:other", None]
        await story.conns[0].leave("chat:not-in-it")
        await nothing_more(page)
        await story.conns[0].leave("chat:other")
        left = {await page.receive(), await page.receive()}
        assert left == {
            f'<div hx-swap-oob="delete:#{id_of(room)}"></div>' for room in (ROOM, "chat:other")
        }
        await page.send(action="join")
        assert (await receive(page, 2))[0] == [ROOM, None]
        await nothing_more(page)


async def test_a_room_that_the_page_said_nothing_of_is_left_without_a_word() -> None:
    story = Story()
    async with story.page(f"/other?{RESUME}=1") as page:
        await hello(page)
        assert "beforeend:#htmx-ws-hello" in await page.receive()
        await page.send(action="leave")
        await nothing_more(page)


async def test_a_page_gets_no_snapshot_of_a_room_that_it_has_left() -> None:
    made, may_go = asyncio.Event(), asyncio.Event()

    async def snapshot(conn: Connection, room: str) -> Any:
        if room == ROOM and not may_go.is_set():
            made.set()
            await may_go.wait()
        return update("#log", html("<b>{}</b>", room))

    story = Story(snapshot=snapshot)
    async with story.page() as page:
        await hello(page)
        await made.wait()
        await page.send(action="leave")
        await nothing_more(page)
        await story.conns[0].join("chat:b")
        assert (await receive(page, 2))[0] == ["chat:b", None]
        may_go.set()
        await nothing_more(page)


@pytest.mark.parametrize("says_hello_first", [True, False])
async def test_a_room_that_a_handler_joins_goes_on_where_the_page_says(
    says_hello_first: bool,
) -> None:
    """As a form makes it that is sent whenever the socket opens."""
    story = Story(snapshot=lambda conn, room: update("#log", html("<b>now</b>")))
    since = await story.position()
    await story.publish(1)
    async with story.page(f"/other?{RESUME}=1") as page:
        if says_hello_first:
            await hello(page, since, "0:other:chat:other")
        await page.send(action="join")
        if not says_hello_first:
            await hello(page, since, "0:other:chat:other")
        seen = (await receive(page, 3))[0]
        assert sorted(map(str, seen)) == ["1", "None", "now"]  # the other room's state


async def test_a_cursor_is_no_permission() -> None:
    async def may_join(conn: Connection, room: str) -> bool:
        return room == ROOM

    story = Story(may_join=may_join)
    await story.live.publish("chat:secret", item("secret"))
    other = await story.live.page("/a", rooms=["chat:secret"])
    (cursor,) = cursors_in(other.hello)
    forged = cursor.replace("1:", "0:", 1)
    async with story.page() as page:
        await hello(page, forged, await story.position())
        await nothing_more(page)
    async with story.page(f"/secret?{RESUME}=1") as page:
        await hello(page, forged)
        assert await page.closed() == 4403


class Broken(MemoryBackend):
    """Away for so many questions, and then as it should be."""

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.failures = failures
        self.during: list[Callable[[], None]] = []

    async def history(self, room: str, since: Position | None, most: int = 1_000) -> History:
        if self.failures:
            self.failures -= 1
            raise BackendError("away")
        history = await super().history(room, since, most)
        for act in self.during:
            act()
        return history


async def test_a_broker_that_is_away_is_asked_again(
    quick: None, caplog: pytest.LogCaptureFixture
) -> None:
    backend = Broken(0)
    story = Story(backend)
    since = await story.position()
    await story.publish(1)
    backend.failures = 3
    async with story.page() as page:
        await hello(page, since)
        assert (await receive(page, 1))[0] == ["1"]
    assert caplog.text.count("waits for the history of 'chat:a': away") == 3


async def test_what_comes_while_the_history_is_on_its_way_comes_once() -> None:
    backend = Broken(0)
    story = Story(backend)
    since = await story.position()
    await story.publish(1)
    async with story.page() as page:

        def publish_once() -> None:
            backend.during.clear()
            story.live.publish(ROOM, item(2))

        backend.during.append(publish_once)
        await hello(page, since)
        assert (await receive(page, 2))[0] == ["1", "2"]
        await nothing_more(page)


async def test_a_room_that_is_left_while_it_is_asked_is_not_written_to() -> None:
    backend = Broken(0)
    story = Story(backend)
    since = await story.position()
    await story.publish(1)
    async with story.page() as page:

        def leave() -> None:
            backend.during.clear()
            story.conns[0].leave(ROOM)

        backend.during.append(leave)
        await hello(page, since)
        await nothing_more(page)
        assert not backend.during


async def test_a_room_that_is_left_while_its_snapshot_is_made_stays_left() -> None:
    async def snapshot(conn: Connection, room: str) -> Any:
        await conn.leave(room)

    story = Story(snapshot=snapshot)
    async with story.page() as page:
        await hello(page)
        await nothing_more(page)
        await story.publish(1)
        await nothing_more(page)


async def test_a_room_that_is_left_while_the_page_reads_what_it_missed_stays_left() -> None:
    story = Story()
    since = await story.position()
    await story.publish(1, 2)
    async with story.page() as page:
        await nothing_more(page)
        page.stall()
        await hello(page, since)
        (conn,) = story.conns
        await until(lambda: not conn.is_idle)
        await conn.leave(ROOM)
        page.resume()
        assert (await receive(page, 2))[0] == ["1", "2"]
        assert "delete:" in await page.receive()
        await nothing_more(page)
        assert conn.resume is not None
        assert not conn.resume.special


async def test_what_arrives_late_or_of_another_count_is_known_by_its_position() -> None:
    story = Story(snapshot=lambda conn, room: update("#log", html("<b>now</b>")))
    since = await story.position()
    hub = story.live._hub
    async with story.page() as page:
        await hello(page, since)
        await nothing_more(page)
        await story.publish(1, 2)
        assert (await receive(page, 2))[0] == ["1", "2"]
        epoch = since.split(":")[1]
        again = hub.delivery.publication(ROOM, item(1), (), None, None)
        hub.deliver(ROOM, epoch, 1, again)
        await nothing_more(page)
        hub.backend._begin_epoch()  # type: ignore[attr-defined]  # as a broker with an empty disk
        await story.publish("new")
        assert (await receive(page, 2))[0] == ["now", None]
        await story.publish("newer")
        assert (await receive(page, 1))[0] == ["newer"]


@pytest.mark.parametrize("room", [ROOM, None, "chat:other"])
async def test_after_a_gap_pages_are_brought_up_to_date(room: str | None) -> None:
    story = Story()
    since = await story.position()
    hub = story.live._hub
    async with story.page() as page:
        await hello(page, since)
        await nothing_more(page)
        rooms, hub.delivery._members = hub.delivery._members, {}
        await story.publish("missed")
        hub.delivery._members = rooms
        hub.report_gap(room, "the broker was away")
        if room != "chat:other":
            assert (await receive(page, 1))[0] == ["missed"]
        await nothing_more(page)


async def test_a_payload_that_cannot_be_read_is_passed_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    story = Story()
    since = await story.position()
    await story.live._hub.backend.append(ROOM, b"nonsense", story.live._hub.rules.of(ROOM).keep)
    await story.publish(1)
    async with story.page() as page:
        await hello(page, since)
        assert (await receive(page, 2))[0] == [None, "1"]
    assert "was left out" in caplog.text


async def test_a_page_that_is_refused_leaves_nothing_waiting() -> None:
    story = Story(limits=Limits(connections=0))
    with pytest.raises(Exception, match="503"):
        async with story.page():
            pass
    assert not story.live._hub.connections


async def test_a_page_that_goes_while_it_is_brought_up_to_date_leaves_no_task(
    quick: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    backend = Broken(10_000)
    story = Story(backend)
    before = asyncio.all_tasks()
    async with story.page() as page:
        await hello(page, "1:e:chat:a")
        await nothing_more(page)
    assert asyncio.all_tasks() <= before
    assert not caplog.text


async def test_one_that_resumes_may_be_refused() -> None:
    story = Story()

    async def no(conn: Connection) -> None:
        raise Refused("no")

    closed = story.live.endpoint("/closed/{name}")
    closed.on_connect(no)
    async with story.page(f"/closed/x?{RESUME}=1") as page:
        assert await page.closed() == 1008


async def test_a_hello_of_a_page_that_does_not_resume_is_no_handlers() -> None:
    story = Story()
    async with story.page("/a") as page:
        await hello(page, "1:e:chat:a")
        await nothing_more(page)


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    yield
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=2)
    assert not left


async def test_removals_are_replayed_in_their_place() -> None:
    story = Story()
    since = await story.position()
    await story.publish(1)
    await story.live.publish(ROOM, remove("#m1"))
    async with story.page() as page:
        await hello(page, since)
        assert text_in(await page.receive()) == "1"
        assert "delete:#m1" in await page.receive()


class Slow(MemoryBackend):
    """A broker whose history is there before what it hands over, as a real one's may be."""

    is_shared = True

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Callable[[], None]] | None = None
        self.subscribed = asyncio.Event()

    def append(self, room: str, payload: Any, keep: Any = None) -> Any:
        receiver = self._receiver
        if self.kept is None or receiver is None:
            return super().append(room, payload, keep)
        self._receiver = None
        appended = super().append(room, payload, keep)
        self._receiver = receiver
        place = (room, self._epoch, appended.value, payload)
        self.kept.append(lambda: receiver.deliver(*place))
        return appended

    async def subscribe(self, rooms: Any) -> None:
        if ROOM in rooms:
            await self.subscribed.wait()


async def test_what_the_history_had_before_the_broker_handed_it_over_comes_once() -> None:
    backend = Slow()
    story = Story(backend)
    since = await story.position()
    backend.kept = []
    async with story.live.lifespan(), story.page() as page, story.page("/a") as other:
        await hello(page, since)
        await story.publish(1, 2)
        backend.subscribed.set()
        assert (await receive(page, 2))[0] == ["1", "2"]
        for hand_over in backend.kept:
            hand_over()
        backend.kept = None
        await story.publish(3)
        assert (await receive(page, 1))[0] == ["3"]
        assert (await receive(other, 3))[0] == ["1", "2", "3"]


async def test_pages_that_do_not_resume_are_nothing_to_a_broker_that_forgot() -> None:
    story = Story()
    async with story.page("/a") as page, story.page() as resuming:
        await hello(resuming)
        await story.publish(1)
        story.live._hub.backend._begin_epoch()  # type: ignore[attr-defined]  # its disk is empty
        await story.publish(2)
        assert (await receive(page, 2))[0] == ["1", "2"]


async def test_a_page_that_goes_while_it_is_asked_for_joins_nothing() -> None:
    async def may_join(conn: Connection, room: str) -> bool:
        conn.let_go()
        return True

    story = Story(may_join=may_join)
    async with story.page("/nobody") as page:
        await page.close()
    assert not story.live._hub._rooms


@pytest.mark.parametrize("when", ["before the hello", "before a late hello"])
async def test_a_room_that_is_left_before_the_hello_and_joined_again_begins_anew(
    when: str, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that is left after it: the page shows of it what is not known here."""
    if when == "before the hello":
        monkeypatch.setattr(module, "HELLO_SECONDS", 60.0)
    story = Story(snapshot=lambda conn, room: update("#log", html("<b>now</b>")))
    since = await story.position()
    await story.publish("missed")
    async with story.page() as page:
        await page.send(action="leave")
        await page.send(action="join")
        await nothing_more(page)
        if when == "before a late hello":
            await until(lambda: story.conns[0].resume and story.conns[0].resume.bases)
        await hello(page, since)
        assert f"delete:#{id_of(ROOM)}" in await page.receive()
        if when == "before the hello":
            assert text_in(await page.receive()) == "now"
        seen = await page.receive()
        assert "beforeend:#htmx-ws-hello" in seen
        assert cursors_in(seen)[0].startswith("1:")
        await nothing_more(page)


async def test_of_the_rooms_that_are_left_before_the_hello_no_more_are_remembered_than_it_may_say(
    quick: None,
) -> None:
    story = Story(limits=Limits(rooms=2))
    story.live.room("*", history=1)
    async with story.page() as page:
        await nothing_more(page)
        (conn,) = story.conns
        for n in range(5):
            await conn.join(f"{n}")
            await conn.leave(f"{n}")
        assert isinstance(conn.resume, module.Resume)
        assert len(conn.resume._left_early) == 2
        await hello(page, f"0:x:{n}")
        await conn.leave("other")
        assert "beforeend:#htmx-ws-hello" in await page.receive()


# --- pages that are written wrongly ----------------------------------------------------


def has_no_timer(story: Story, which: int = 0) -> bool:
    """Whether nothing more is to be told of a page."""
    resume = story.conns[which].resume
    assert isinstance(resume, module.Resume)
    return resume._timer is None


@pytest.fixture
def tells_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TELL_SECONDS", 0.1)


async def test_of_pages_that_say_no_hello_the_log_tells_once(
    quick: None, tells_soon: None, caplog: pytest.LogCaptureFixture
) -> None:
    story = Story()
    async with story.page() as page, story.page() as other:
        for each in (page, other):
            await nothing_more(each)
        await until(lambda: has_no_timer(story, 0) and has_no_timer(story, 1))
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "{{ page.hello }}" in record.getMessage()


async def test_a_page_whose_hello_is_late_or_that_goes_before_is_not_told_of(
    quick: None, caplog: pytest.LogCaptureFixture
) -> None:
    story = Story()
    since = await story.position()
    async with story.page() as page:
        await story.publish(1)
        assert (await receive(page, 1))[0] == ["1"]  # it is live without
        assert not has_no_timer(story)
        await hello(page, since)
        assert "outerHTML" in await page.receive()
        assert has_no_timer(story)
    async with story.page() as page:
        await story.publish(2)
        assert (await receive(page, 1))[0] == ["2"]
    assert has_no_timer(story, 1)
    assert not caplog.records


async def test_of_a_hello_whose_page_does_not_resume_the_log_tells_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    story = Story()
    async with story.page("/a") as page, story.page("/a") as other:
        for each in (page, page, other):
            await hello(each)
            await nothing_more(each)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "{{ page.connect }}" in record.getMessage()


async def test_of_a_room_that_a_page_was_rendered_for_and_is_not_in_the_log_tells_once(
    tells_soon: None, caplog: pytest.LogCaptureFixture
) -> None:
    story = Story()
    async with story.page() as page, story.page() as other:
        for each in (page, other):
            await hello(each, "0:x:chat:\nb", "0:x:chat:c", tab="")
            await nothing_more_but(each, "beforeend:#htmx-ws-hello")
        await until(lambda: has_no_timer(story, 0) and has_no_timer(story, 1))
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert r"'chat:\nb'" in record.getMessage()
    assert "rooms=" in record.getMessage()


async def test_a_room_that_a_handler_joins_soon_or_has_left_is_not_told_of(
    tells_soon: None, caplog: pytest.LogCaptureFixture
) -> None:
    story = Story()
    since = await story.position()
    async with story.page(f"/b?{RESUME}=1") as page, story.page() as other:
        await hello(page, since, tab="")
        await page.send(action="join")
        await hello(other, since, tab="")
        await other.send(action="leave")
        await until(lambda: has_no_timer(story, 0) and has_no_timer(story, 1))
    assert not caplog.records


async def test_a_page_that_is_back_says_where_it_was_in_rooms_that_its_handlers_join() -> None:
    story = Story()
    async with story.page(f"/b?{RESUME}=1") as page:
        await hello(page, await story.position(), tab="a tab's token")
        await nothing_more(page)
        assert has_no_timer(story)


async def nothing_more_but(page: Socket, what: str) -> None:
    assert what in await page.receive()
    await nothing_more(page)
