"""Whether a login still holds is asked while a page is open, and a page whose does not goes."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from typing import Any

import pytest

from htmx_ws import Connection, HtmxWS, Limits, MemoryBackend, Refused, append, html
from htmx_ws import reauth as reauth_module
from htmx_ws.host import Host
from htmx_ws.hub import Hub
from htmx_ws.reauth import ask_again
from htmx_ws.testing import Page, Socket
from htmx_ws.types import Message

#: Asked again as soon as can be.
SOON = 0.001


def item(text: object) -> Any:
    return append("#log", html("<li>{}</li>", text))


async def soon(event: asyncio.Event) -> None:
    await asyncio.wait_for(event.wait(), 5)


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    yield
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=2)
    assert not left


class Guard:
    """Asks of pages by their name, which is their query, and notes whom it asked.

    ``out`` holds who has logged out; ``enough`` is set when ``most`` were asked.
    """

    def __init__(self, most: int = 1) -> None:
        self.out: set[object] = set()
        self.asked: list[object] = []
        self.enough = asyncio.Event()
        self.most = most

    async def __call__(self, conn: Connection) -> object:
        name = conn.query.get("name")
        self.asked.append(name)
        if len(self.asked) >= self.most:
            self.enough.set()
        await self.think(name)
        return name not in self.out

    async def think(self, name: object) -> None:
        await asyncio.sleep(0)

    async def asks(self, most: int) -> None:
        """Wait until that many more were asked."""
        self.most = len(self.asked) + most
        self.enough.clear()
        await soon(self.enough)


class Hosted(HtmxWS):
    """An application in a framework that turns visitors away by PermissionError."""

    host = Host(
        refusal=lambda error: (
            Refused("banned", code=4403) if isinstance(error, PermissionError) else None
        )
    )


def an_app(reauth: Any, **how: Any) -> HtmxWS:
    live = Hosted(reauth=reauth, **{"reauth_seconds": SOON, **how})
    live.ws("/ws")(lambda: item("there"))
    return live


async def lives(page: Socket) -> None:
    await page.send()
    assert "there" in await page.receive()


async def test_a_process_that_ends_while_a_login_is_asked_about_says_nothing_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked = asyncio.Event()

    async def answer(conn: Connection) -> object:
        asked.set()
        return await asyncio.Future()

    live = an_app(answer)
    async with live.lifespan(), Socket(live, "/ws") as page:
        await soon(asked)
        await lives(page)
    assert not caplog.records


# --- what it answers -------------------------------------------------------------------


@pytest.mark.parametrize("no", [False, None, 0, "", []])
@pytest.mark.parametrize("kind", ["async", "plain", "plain that gives an awaitable"])
async def test_a_page_whose_login_is_over_is_closed_for_good_and_no_other(
    no: object, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "htmx_ws")
    out: set[object] = set()
    threads: set[int] = set()

    def plain(conn: Connection) -> object:
        threads.add(threading.get_ident())
        return no if conn.query["name"] in out else "yes"

    async def answer(conn: Connection) -> object:
        return plain(conn)

    ask = {"async": answer, "plain": plain}.get(kind, lambda conn: answer(conn))
    live = an_app(ask)
    async with (
        live.lifespan(),
        Socket(live, "/ws?name=ann") as ann,
        Socket(live, "/ws?name=bob") as bob,
    ):
        await lives(ann)
        out.add("ann")
        assert await ann.closed() == 1008
        assert ann.reason == "login over"
        await lives(bob)
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "its login is over, by reauth" in caplog.text
    assert (threading.get_ident() in threads) == (kind != "plain")  # which may ask a database


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (Refused(), 1008, ""),
        (Refused("banned", code=4401), 4401, "banned"),
        (PermissionError(), 4403, "banned"),
    ],
    ids=repr,
)
async def test_a_refusal_closes_by_its_own_code(error: Exception, code: int, reason: str) -> None:
    def ask(conn: Connection) -> object:
        raise error

    live = an_app(ask)
    async with live.lifespan(), Socket(live, "/ws") as page:
        assert await page.closed() == code
        assert page.reason == reason


async def later() -> Any:
    await asyncio.sleep(0)
    return item("sign in")


@pytest.mark.parametrize(
    "content",
    [lambda: item("sign in"), later, lambda: iter([item("sign"), item("in")])],
    ids=["at once", "awaited", "a stream"],
)
async def test_a_refusal_may_tell_the_page_before_it_is_closed(content: Any) -> None:
    async def ask(conn: Connection) -> object:
        raise Refused("out", code=4401, content=content())

    live = an_app(ask)
    async with live.lifespan(), Socket(live, "/ws") as page:
        assert await page.closed() == 4401
        told = "".join(page.pending)
        assert "sign" in told
        assert "in<" in told


async def test_a_refusal_that_cannot_be_told_closes_its_page_and_the_asking_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    guard = Guard()

    async def ask(conn: Connection) -> object:
        if conn.query["name"] == "ann":
            raise Refused("out", content="<p>no place</p>")
        return await guard(conn)

    live = an_app(ask)
    async with live.lifespan(), Socket(live, "/ws?name=ann") as ann:
        assert await ann.closed() == 1008
        async with Socket(live, "/ws?name=bob") as bob:
            await guard.asks(2)
            guard.out.add("bob")
            assert await bob.closed() == 1008
    assert "what it was to be told could not be sent" in caplog.text


async def test_whatever_goes_wrong_with_one_page_the_others_are_asked_on() -> None:
    class Broken(HtmxWS):
        host = Host(refusal=lambda error: Refused("x", code=1))  # no such code: it raises

    guard = Guard()

    async def ask(conn: Connection) -> object:
        if conn.query["name"] == "ann":
            raise ZeroDivisionError
        return await guard(conn)

    live = Broken(reauth=ask, reauth_seconds=SOON)
    live.ws("/ws")(lambda: None)
    async with live.lifespan(), Socket(live, "/ws?name=ann"), Socket(live, "/ws?name=bob") as bob:
        await guard.asks(3)
        guard.out.add("bob")
        assert await bob.closed() == 1008


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("x"), TimeoutError(), asyncio.CancelledError()], ids=repr
)
@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_an_error_is_no_answer_and_the_page_is_asked_again(
    error: BaseException, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []
    again = asyncio.Event()
    loop = asyncio.get_running_loop()

    def plain(conn: Connection) -> object:
        asked.append(conn.id)
        if len(asked) == 1:
            raise error
        loop.call_soon_threadsafe(again.set)
        return True

    async def ask(conn: Connection) -> object:
        return plain(conn)

    live = an_app(ask if kind == "async" else plain)
    async with live.lifespan(), Socket(live, "/ws") as page:
        await soon(again)
        await lives(page)
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert "stays, though reauth failed or took over 10.0 s (Limits.hook" in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[0] is type(error)


async def test_no_answer_in_time_is_no_answer_and_nobody_else_waits_for_it_for_long(
    caplog: pytest.LogCaptureFixture,
) -> None:
    guard = Guard()

    async def ask(conn: Connection) -> object:
        answer = await guard(conn)
        if conn.query["name"] == "stuck":
            await asyncio.Event().wait()
        return answer

    live = an_app(ask, limits=Limits(hook_seconds=0.01))
    async with (
        live.lifespan(),
        Socket(live, "/ws?name=stuck") as stuck,
        Socket(live, "/ws?name=ann") as ann,
    ):
        await guard.asks(6)
        assert guard.asked.count("stuck") >= 2
        guard.out.add("ann")
        assert await ann.closed() == 1008
        await lives(stuck)
    assert "took over 0.01 s (Limits.hook_seconds)" in caplog.text


# --- whom it asks, and when ------------------------------------------------------------


async def test_without_reauth_nobody_is_asked_and_no_task_runs() -> None:
    before = asyncio.all_tasks()
    live = HtmxWS()
    async with live.lifespan():
        assert asyncio.all_tasks() == before


async def test_a_page_is_not_asked_before_its_time() -> None:
    guard = Guard()
    live = an_app(guard, reauth_seconds=3_600)
    async with live.lifespan():
        for _ in range(3):
            async with Socket(live, "/ws?name=ann") as page:
                await lives(page)
    assert guard.asked == []


async def test_a_page_that_has_gone_is_asked_no_more() -> None:
    guard = Guard()
    live = an_app(guard)
    async with live.lifespan(), Socket(live, "/ws?name=bob"):
        async with Socket(live, "/ws?name=ann"):
            await guard.asks(4)
        before = guard.asked.count("ann")
        await guard.asks(4)
        assert guard.asked.count("ann") == before
        assert len(live._hub.connections) == 1


async def test_a_page_that_goes_while_it_is_asked_is_left_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "htmx_ws")
    may_answer, guard = asyncio.Event(), Guard()

    async def ask(conn: Connection) -> object:
        answer = await guard(conn)
        if conn.query["name"] == "ann":
            await may_answer.wait()
        return answer

    live = an_app(ask)
    async with live.lifespan(), Socket(live, "/ws?name=bob") as bob:
        async with Socket(live, "/ws?name=ann"):
            guard.out.add("ann")
            while "ann" not in guard.asked:
                await guard.asks(1)
        may_answer.set()
        await guard.asks(2)
        await lives(bob)
    assert caplog.records == []


async def test_a_page_that_is_closed_while_it_is_asked_is_closed_as_it_was_first(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "htmx_ws")

    async def ask(conn: Connection) -> object:
        conn.close(4001, "kicked")
        raise Refused("out", code=4401, content=item("out"))

    live = an_app(ask)
    async with live.lifespan(), Socket(live, "/ws") as page:
        assert await page.closed() == 4001
        assert page.pending == []
    assert caplog.records == []


async def test_a_page_that_is_on_its_way_out_is_asked_no_more() -> None:
    guard, may_end = Guard(), asyncio.Event()
    live = an_app(guard)

    @live.ws("/slow", disconn=may_end.wait)
    async def nothing() -> None: ...

    async with (
        live.lifespan(),
        Socket(live, "/ws?name=bob"),
        Socket(live, "/slow?name=ann") as ann,
    ):
        await guard.asks(4)
        live.disconnect(conn=next(c for c in live._hub.connections if c.query["name"] == "ann"))
        assert await ann.closed() == 1008
        before = guard.asked.count("ann")
        await guard.asks(4)
        assert guard.asked.count("ann") == before
        assert len(live._hub.connections) == 2  # its disconnect hook is at work
        may_end.set()


class Naps:
    """Stands in for ``asyncio.sleep`` and the loop's time: naps pass at once, up to ``most``."""

    def __init__(self, most: int) -> None:
        self.now = 1_000.0
        self.taken: list[float] = []
        self.most = most
        self.between: Callable[[int], None] = lambda nap: None

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.taken.append(round(seconds, 6))
        self.now += seconds
        self.between(len(self.taken))
        if len(self.taken) >= self.most:
            await asyncio.Event().wait()


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> Naps:
    naps = Naps(most=6)

    class Asyncio:
        sleep = naps.sleep
        gather = asyncio.gather
        timeout = asyncio.timeout
        CancelledError = asyncio.CancelledError

        @staticmethod
        def get_running_loop() -> Naps:
            return naps

    monkeypatch.setattr(reauth_module, "asyncio", Asyncio)
    return naps


async def nobody(event: Message) -> None: ...


def a_page(name: str) -> Connection:
    scope = {"type": "websocket", "query_string": f"name={name}".encode()}
    return Connection(scope, nobody, Hub(MemoryBackend()))


async def ask_until(naps: Naps, pages: dict[Connection, float], ask: Any) -> None:
    """Ask with 60 s between, until all naps are taken."""
    asking = asyncio.create_task(ask_again(pages, ask, 60.0, lambda error: None))
    async with asyncio.timeout(5):
        while len(naps.taken) < naps.most:
            await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait([asking])


async def test_a_page_is_asked_once_in_its_seconds_and_nobody_in_vain(naps: Naps) -> None:
    asked: list[tuple[object, float]] = []

    async def ask(conn: Connection) -> bool:
        asked.append((conn.query["name"], naps.now))
        return True

    pages = {a_page("a"): naps.now, a_page("b"): naps.now + 10}
    await ask_until(naps, pages, ask)
    assert naps.taken == [60, 10, 50, 10, 50, 10]
    assert asked == [
        *(("a", 1060), ("b", 1070), ("a", 1120), ("b", 1130), ("a", 1180)),
    ]


async def test_many_pages_are_asked_a_few_at_a_time_each_in_its_turn(naps: Naps) -> None:
    asked: list[object] = []
    at_once: list[int] = [0]
    at_work = 0

    async def ask(conn: Connection) -> bool:
        nonlocal at_work
        asked.append(conn.query["name"])
        at_work += 1
        at_once.append(at_work)
        for _ in range(3):
            await asyncio.sleep(0)
        at_work -= 1
        return True

    names = [str(number) for number in range(50)]
    naps.most = 3
    await ask_until(naps, {a_page(name): naps.now for name in names}, ask)
    assert asked == names * 2
    assert naps.taken == [60, 60, 60]
    assert max(at_once) == reauth_module._AT_ONCE < len(names)


async def test_a_new_page_stands_behind_those_that_came_before(naps: Naps) -> None:
    asked: list[object] = []

    async def ask(conn: Connection) -> bool:
        asked.append(conn.query["name"])
        return True

    pages = {a_page(name): naps.now for name in "abc"}

    def comes(nap: int) -> None:
        if nap == 1:
            pages[a_page("d")] = naps.now

    naps.between = comes
    naps.most = 3
    await ask_until(naps, pages, ask)
    assert asked == [*"abc", *"dabc"]  # it came just before they were asked, so it goes first


async def test_pages_that_go_while_others_are_asked_are_no_matter(naps: Naps) -> None:
    asked: list[object] = []
    pages = {a_page(str(number)): naps.now for number in range(40)}

    async def ask(conn: Connection) -> bool:
        asked.append(conn.query["name"])
        for each in [each for each in pages if each.query["name"] not in asked]:
            del pages[each]
        return True

    naps.most = 3
    await ask_until(naps, pages, ask)
    assert asked == [*map(str, range(reauth_module._AT_ONCE)), "0"]


async def test_where_there_is_nobody_it_looks_now_and_then(naps: Naps) -> None:
    asked: list[float] = []

    async def ask(conn: Connection) -> bool:
        asked.append(naps.now)
        return True

    pages: dict[Connection, float] = {}

    def comes(nap: int) -> None:
        if nap == 3:
            pages[a_page("a")] = naps.now

    naps.between = comes
    await ask_until(naps, pages, ask)
    assert naps.taken == [1, 1, 1, 60, 60, 60]
    assert asked == [1063, 1123]


async def test_asking_that_takes_longer_than_its_seconds_goes_on_at_once(naps: Naps) -> None:
    asked: list[float] = []
    enough = asyncio.Event()

    async def ask(conn: Connection) -> bool:
        asked.append(naps.now)
        naps.now += 100
        if len(asked) == 3:
            enough.set()
            await asyncio.Event().wait()
        return True

    asking = asyncio.create_task(ask_again({a_page("a"): 0.0}, ask, 60.0, lambda error: None))
    await soon(enough)
    asking.cancel()
    await asyncio.wait([asking])
    assert asked == [1000, 1100, 1200]
    assert naps.taken == []


# --- its task --------------------------------------------------------------------------


async def test_it_asks_outside_of_every_pages_context() -> None:
    mine: ContextVar[str] = ContextVar("mine", default="none")
    seen: list[str] = []
    asked = asyncio.Event()

    async def ask(conn: Connection) -> bool:
        seen.append(mine.get())
        asked.set()
        return True

    live = an_app(ask)
    mine.set("of the first page")
    async with Socket(live, "/ws"):
        await soon(asked)
        assert set(seen) == {"none"}
        await live._hub.stop()


async def test_it_ends_with_the_application_and_begins_again_with_it() -> None:
    guard = Guard()
    live = an_app(guard)
    for _ in range(2):
        before = asyncio.all_tasks()
        async with live.lifespan():
            async with Socket(live, "/ws?name=ann"):
                await guard.asks(2)
            assert len(asyncio.all_tasks() - before) == 1
        await asyncio.sleep(0)
        assert asyncio.all_tasks() <= before


async def test_time_that_a_test_lets_pass_passes_for_it_too() -> None:
    live = HtmxWS(reauth=lambda conn: False, reauth_seconds=60)
    live.ws("/ws")(lambda: item("there"))
    async with Page(live, html='<div hx-ext="ws" ws-connect="/ws"></div>') as page:
        await page.advance(59)
        assert page.closed_with is None
        await page.advance(2)
        await page.expect_close(1008)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), "60"])
@pytest.mark.parametrize("reauth", [None, lambda conn: True])
def test_seconds_that_cannot_be_are_refused(seconds: Any, reauth: Any) -> None:
    with pytest.raises(ValueError, match=r"reauth_seconds is .*: it must be a number over 0"):
        HtmxWS(reauth=reauth, reauth_seconds=seconds)
