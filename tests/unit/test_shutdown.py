"""What the signals do that end a process, where a server's own handlers are there to be put off.

The servers here are functions that pytest does not mind being called: each test puts them in the
place of a server's handlers, and they are gone when it ends.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from htmx_ws import HtmxWS, shutdown
from htmx_ws.shutdown import drain_at_sigterm
from htmx_ws.testing import Socket

TERM, INT = signal.SIGTERM, signal.SIGINT
page_of: ContextVar[str] = ContextVar("page_of")


class Server:
    """What a server's own handlers were told, and when, among all that happened."""

    def __init__(self) -> None:
        self.saw: list[object] = []
        self.told = asyncio.Event()

    def handle(self, number: int, frame: Any) -> None:
        self.saw.append(signal.Signals(number))
        self.told.set()

    async def until_told(self) -> list[object]:
        async with asyncio.timeout(5):
            await self.told.wait()
        self.told.clear()
        return self.saw

    def drain(self, name: str = "drained") -> Callable[[float | None], Coroutine[Any, Any, None]]:
        """Make a drain that takes a turn of the loop."""

        async def drain(seconds: float | None) -> None:
            self.saw.append(f"begun {name}")
            await asyncio.sleep(0)
            self.saw.append((name, seconds))

        return drain


class Waiting:
    """A drain that goes on until it is told to end."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.may_end = asyncio.Event()
        self.seconds: list[float | None] = []

    async def __call__(self, seconds: float | None) -> None:
        self.seconds.append(seconds)
        self.began.set()
        await self.may_end.wait()


@pytest.fixture
def handlers() -> Iterator[None]:
    """Put pytest's own handlers back."""
    before = {number: signal.getsignal(number) for number in (TERM, INT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def server(handlers: None) -> Server:
    serving = Server()
    for number in (TERM, INT):
        signal.signal(number, serving.handle)
    return serving


async def test_sigterm_drains_before_it_reaches_the_server(server: Server) -> None:
    drain_at_sigterm(server.drain())
    signal.raise_signal(TERM)
    assert server.saw == []
    assert await server.until_told() == ["begun drained", ("drained", None), TERM]


async def test_whatever_is_in_the_process_drains_at_the_same_time(server: Server) -> None:
    for name in ("a", "b"):
        drain_at_sigterm(server.drain(name))
    signal.raise_signal(TERM)
    assert await server.until_told() == ["begun a", "begun b", ("a", None), ("b", None), TERM]


async def test_sigterm_that_comes_twice_at_once_is_one_order(server: Server) -> None:
    drain_at_sigterm(drain := Waiting())
    signal.raise_signal(TERM)
    signal.raise_signal(TERM)
    await drain.began.wait()
    signal.raise_signal(TERM)
    assert server.saw == []
    drain.may_end.set()
    assert await server.until_told() == [TERM]


async def test_sigterm_that_comes_again_later_is_not_put_off(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutdown, "SAME_ORDER_SECONDS", 0.0)
    drain_at_sigterm(drain := Waiting())
    signal.raise_signal(TERM)
    await drain.began.wait()
    signal.raise_signal(TERM)
    assert server.saw == [TERM]
    drain.may_end.set()
    server.told.clear()
    assert await server.until_told() == [TERM, TERM]
    assert drain.seconds == [None]


async def test_sigint_reaches_the_server_at_once_and_pages_go_meanwhile(server: Server) -> None:
    drain_at_sigterm(drain := Waiting())
    signal.raise_signal(INT)
    assert server.saw == [INT]
    await drain.began.wait()
    signal.raise_signal(INT)
    signal.raise_signal(TERM)
    assert server.saw == [INT, INT, TERM]
    assert drain.seconds == [0.0]
    drain.may_end.set()


async def test_sigint_does_not_wait_for_what_sigterm_began(server: Server) -> None:
    drain_at_sigterm(drain := Waiting())
    signal.raise_signal(TERM)
    await drain.began.wait()
    signal.raise_signal(INT)
    assert server.saw == [INT]
    signal.raise_signal(TERM)
    assert server.saw == [INT, TERM]
    drain.may_end.set()
    server.told.clear()
    assert await server.until_told() == [INT, TERM, TERM]


async def test_a_drain_that_fails_holds_up_neither_the_others_nor_the_server(
    server: Server,
) -> None:
    async def fail(seconds: float | None) -> None:
        raise ValueError("the drain failed")

    logged: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: logged.append(context))
    drain_at_sigterm(fail)
    drain_at_sigterm(server.drain())
    signal.raise_signal(TERM)
    assert await server.until_told() == ["begun drained", ("drained", None), TERM]
    await asyncio.sleep(0)  # for what drained to be let go
    gc.collect()
    assert [str(each["exception"]) for each in logged] == ["the drain failed"]


async def test_drains_know_nothing_of_what_was_interrupted(server: Server) -> None:
    found: list[str | None] = []

    async def drain(seconds: float | None) -> None:
        found.append(page_of.get(None))

    page_of.set("a page's")
    drain_at_sigterm(drain)
    signal.raise_signal(TERM)
    await server.until_told()
    assert found == [None]


# --- what is left alone ----------------------------------------------------------------


async def test_what_is_taken_back_is_as_it_was(server: Server) -> None:
    first, second = drain_at_sigterm(server.drain("a")), drain_at_sigterm(server.drain("b"))
    first()
    first()
    signal.raise_signal(TERM)
    assert await server.until_told() == ["begun b", ("b", None), TERM]
    second()
    for number in (TERM, INT):
        assert signal.getsignal(number) == server.handle


async def test_a_handler_that_came_later_stays_and_passes_on(server: Server) -> None:
    take_back = drain_at_sigterm(server.drain())
    ours: Any = signal.getsignal(TERM)

    def later(number: int, frame: Any) -> None:
        ours(number, frame)

    signal.signal(TERM, later)
    take_back()
    assert signal.getsignal(TERM) is later
    signal.raise_signal(TERM)
    assert server.saw == [TERM]


async def test_in_another_thread_nothing_is_done(server: Server) -> None:
    async def begin() -> None:
        drain_at_sigterm(server.drain())()

    thread = threading.Thread(target=lambda: asyncio.run(begin()))
    thread.start()
    await asyncio.to_thread(thread.join)
    assert signal.getsignal(TERM) == server.handle


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN])
async def test_what_is_no_server_s_is_left_alone(handlers: None, handler: Any) -> None:
    signal.signal(TERM, handler)
    drain_at_sigterm(Waiting())()
    assert signal.getsignal(TERM) is handler


async def test_a_loop_that_has_the_signal_keeps_it(handlers: None) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(TERM, told.set)
    its = signal.getsignal(TERM)
    drain_at_sigterm(Waiting())()
    assert signal.getsignal(TERM) is its
    signal.raise_signal(TERM)
    async with asyncio.timeout(5):
        await told.wait()
    loop.remove_signal_handler(TERM)


def test_pythons_own_handlers_of_sigint_are_left_alone(server: Server) -> None:
    async def of_a_runner() -> None:
        its = signal.getsignal(INT)
        assert "Runner" in str(its)
        drain_at_sigterm(server.drain())
        assert (signal.getsignal(INT), signal.getsignal(TERM) == server.handle) == (its, False)

    signal.signal(INT, signal.default_int_handler)
    asyncio.run(of_a_runner())

    async def of_none() -> None:
        signal.signal(INT, signal.default_int_handler)
        drain_at_sigterm(server.drain())
        assert signal.getsignal(INT) is signal.default_int_handler

    signal.signal(TERM, server.handle)
    asyncio.run(of_none())


# --- loops and processes ---------------------------------------------------------------


def test_after_its_loop_has_ended_the_signal_is_not_put_off(server: Server) -> None:
    async def begin() -> None:
        drain_at_sigterm(server.drain("ended"))

    asyncio.run(begin())
    signal.raise_signal(TERM)
    assert server.saw == [TERM]

    async def again() -> None:
        drain_at_sigterm(server.drain("runs"))
        server.told = asyncio.Event()
        signal.raise_signal(TERM)
        await server.until_told()

    for _ in range(2):
        server.saw.clear()
        asyncio.run(again())
        assert server.saw == ["begun runs", ("runs", None), TERM]


def test_a_loop_that_ends_meanwhile_does_not_lose_the_signal(server: Server) -> None:
    async def end() -> None:
        drain_at_sigterm(drain := Waiting())
        signal.raise_signal(TERM)
        await drain.began.wait()

    asyncio.run(end())
    assert server.saw == [TERM]


async def test_a_process_that_was_forked_ends_at_once(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has copies of the handler, and of a loop that is said to run."""
    drain_at_sigterm(server.drain())
    other = os.getpid() + 1
    monkeypatch.setattr(os, "getpid", lambda: other)
    signal.raise_signal(TERM)
    assert server.saw == [TERM]


# --- HtmxWS ----------------------------------------------------------------------------


async def test_pages_are_sent_away_before_a_server_ends(server: Server) -> None:
    live, was_ready = HtmxWS(), list[bool]()
    live.ws("/ws", disconn=lambda: was_ready.append(live.is_ready))(lambda: None)
    async with live.lifespan(), Socket(live, "/ws") as page:
        signal.raise_signal(TERM)
        assert await page.closed() == 1012
        await server.until_told()
        assert was_ready == [False]
    assert signal.getsignal(TERM) == server.handle


async def test_a_server_may_keep_the_signals_for_itself(server: Server) -> None:
    live = HtmxWS(drain_seconds=0)
    async with live.lifespan():
        assert signal.getsignal(TERM) == server.handle
