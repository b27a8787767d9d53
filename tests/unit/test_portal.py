"""What a plain test does to its pages itself: publishing, asking, closing, from any thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from htmx_ws import Connection, HtmxWS, append, html
from htmx_ws.dual import Home
from htmx_ws.testing import Page, assert_joined
from htmx_ws.testing.portal import Portal

MARK = '<div hx-ext="ws" ws-connect="/ws"><ul id="log"></ul></div>'


def item(text: object) -> Any:
    return append("#log", html("<li>{}</li>", text))


def make(**settings: Any) -> HtmxWS:
    live = HtmxWS(**settings)

    async def joined(conn: Connection) -> None:
        await conn.join("room")

    live.ws("/ws", conn=joined)(lambda msg: item(msg))
    return live


def value_of(given: Any) -> Any:
    """What was known when a call had returned."""
    return given.value


def in_a_thread(work: Callable[[], Any]) -> Any:
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.append(work()))
    thread.start()
    thread.join(10)
    assert got, "it hangs, or it raised"
    return got[0]


@pytest.mark.parametrize("where", [lambda work: work(), in_a_thread])
def test_what_a_plain_test_does_to_its_pages_has_happened_when_it_returns(where: Any) -> None:
    live = make()
    live.room("room", presence=True, history=10)
    with Page(live, html=MARK) as page, Page(live, html=MARK, htmx="2.0.11") as other:
        assert value_of(where(lambda: live.publish("room", item("a")))) == 1
        assert value_of(where(lambda: live.publish("room", item("b")))) == 2
        other.expect("#log li", text="b")
        page.expect("#log li", count=2)
        assert value_of(where(lambda: live.count(room="room"))) == 2
        assert len(where(lambda: live.presence("room"))) == 2
        assert 'value="2:' in where(lambda: live.page("/ws", rooms="room")).hello
        conn = live.members("room")[0]
        assert value_of(where(lambda: conn.send(item("c"))))
        page.expect("#log li", text="c")
        assert value_of(where(lambda: conn.leave("room")))
        assert conn not in live.members("room")
        assert value_of(where(lambda: live.disconnect(room="room", code=4401))) == 1
        other.expect_close(4401)


def test_a_mistake_of_a_plain_test_is_raised_in_it() -> None:
    live = make()
    with Page(live, html=MARK):
        [conn] = live.members("room")
        with pytest.raises(TypeError, match="A room is named by"):
            conn.join("")


def test_another_event_loop_may_publish_to_the_pages_of_a_plain_test() -> None:
    live = make()
    with Page(live, html=MARK) as page:

        async def elsewhere() -> int:
            went_on: list[str] = []
            publishing = asyncio.ensure_future(asyncio.wait_for(live.publish("room", item("a")), 5))
            publishing.add_done_callback(lambda _: went_on.append("published"))
            went_on.append("goes on")
            offset = await publishing
            assert went_on[0] == "goes on"
            return offset

        assert asyncio.run(elsewhere()) == 1
        page.expect("#log li", text="a")


@pytest.mark.filterwarnings("ignore:The anyio.abc.BlockingPortal alias:DeprecationWarning")
@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_view_that_another_client_asks_may_publish(kind: str) -> None:
    live = make()

    def plain(request: Request) -> Response:
        return PlainTextResponse(str(value_of(live.publish("room", item("plain")))))

    async def view(request: Request) -> Response:
        return PlainTextResponse(str(await live.publish("room", item("async"))))

    from starlette.testclient import TestClient  # older ones have newer versions of anyio warn

    app = Starlette(routes=[Route("/", plain if kind == "def" else view, methods=["POST"])])
    with Page(live, html=MARK) as page:
        assert TestClient(app).post("/").text == "1"
        page.expect("#log li", text="plain" if kind == "def" else "async")


def test_a_second_loop_does_not_take_the_pages_of_a_plain_test_away() -> None:
    live = make()
    with Page(live, html=MARK) as page:
        with pytest.raises(RuntimeError, match="serves pages on another event loop"):
            asyncio.run(live._hub.start())
        live.publish("room", item("a"))
        page.expect("#log li", text="a")


def test_a_plain_test_waits_for_who_joins() -> None:
    live = HtmxWS()
    may_join = threading.Event()

    def joined(conn: Connection) -> None:
        may_join.wait(5)
        conn.join("room")

    live.ws("/ws", conn=joined)(lambda: None)
    assert_joined(live, "room", pages=0)
    with pytest.raises(AssertionError, match="No page is in the room 'room'"):
        assert_joined(live, "room")
    with Page(live, html=MARK) as page:
        with pytest.raises(AssertionError, match="No page is in the room 'room'"):
            assert_joined(live, "room", timeout=0.01)
        may_join.set()
        assert_joined(live, "room", pages=1)
        live.publish("room", item("a"))
        page.expect("#log li", text="a")
    assert_joined(live, "room", pages=0)


def test_what_comes_after_the_last_page_reaches_nobody_and_does_not_hang(
    caplog: pytest.LogCaptureFixture,
) -> None:
    live = make()
    with Page(live, html=MARK):
        [conn] = live.members("room")
    assert not Home.on_demand
    assert value_of(live.publish("room", item("a"))) == 1
    assert "heard by nobody" in caplog.text
    assert value_of(live.count()) == 0
    assert value_of(conn.send(item("b"))) is False


def test_a_loop_that_is_over_takes_no_work_of_the_test() -> None:
    portal = Portal()
    ran: list[str] = []

    async def work() -> None:
        ran.append("work")

    portal.begin(work()).result()
    portal.close()
    with pytest.raises(RuntimeError, match="closed"):
        portal.begin(work()).result()
    assert ran == ["work"]


def test_what_is_asked_of_a_thread_that_waits_amid_such_work_is_done() -> None:
    """As by a plain rule of a room that a plain handler joins, both in the test's thread."""
    portal: Any = Portal.enter()
    loop = portal._loop

    async def rule() -> int:
        return int(await loop.run_in_executor(portal._here, threading.get_ident))

    async def work() -> int:
        handler = loop.run_in_executor(portal._here, lambda: portal.begin(rule()).result())
        return 0 if is_over_first else await handler

    for is_over_first in (False, True):
        assert portal.run(work()) == (0 if is_over_first else threading.get_ident())
    portal.leave()


def test_who_gives_up_on_what_a_thread_is_asked_for_breaks_nothing() -> None:
    portal: Any = Portal.enter()
    began, ran = threading.Event(), list[str]()

    async def work() -> str:
        first = portal._loop.run_in_executor(portal._here, began.wait, 5)
        second = portal._loop.run_in_executor(portal._here, ran.append, "second")
        second.cancel()
        await asyncio.sleep(0)  # so that the thread's side of it is, too
        began.set()
        assert await first
        return "done"

    assert portal.run(work()) == "done"
    portal.leave()
    assert not ran
