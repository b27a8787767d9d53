"""What users do around handlers: before and after, instead, and when they fail."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any

import pytest

from htmx_ws import Connection, Endpoint, Frame, HtmxWS, html, update
from htmx_ws.errors import RegistrationError
from htmx_ws.host import Around, Call, Host
from htmx_ws.testing import Socket

PIECE = update("#x", "a")
TENANT: ContextVar[str] = ContextVar("tenant", default="nobody")


@pytest.fixture
def live() -> HtmxWS:
    return HtmxWS()


@pytest.fixture
def chat(live: HtmxWS) -> Endpoint:
    return live.endpoint("/chat/{room}")


async def ask(live: HtmxWS, **values: Any) -> str:
    """Send a frame, and give what comes for it."""
    async with asyncio.timeout(10), Socket(live, "/chat/a") as page:
        await page.send(values)
        return await page.receive()


async def test_it_runs_before_and_after_what_a_handler_sends(live: HtmxWS, chat: Endpoint) -> None:
    notes: list[object] = []

    @live.around
    async def outer(conn: Connection, room: str) -> AsyncIterator[None]:
        notes.append(("outer", conn.path_params["room"] == room))
        yield
        notes.append("outer ends")

    @chat.on_message
    async def say(msg: str) -> AsyncIterator[Any]:
        notes.append(msg)
        yield PIECE
        notes.append("the stream ends")

    @chat.around
    async def inner(data: dict[str, Any]) -> AsyncIterator[None]:
        notes.append(data)
        yield
        notes.append("inner ends")

    @chat.on_connect
    async def hook() -> None:
        notes.append("hook")

    async with asyncio.timeout(10), Socket(live, "/chat/a") as page:
        await page.send({"msg": "hi"})
        assert "a" in await page.receive()
    ends = ["the stream ends", "inner ends", "outer ends"]
    assert notes == ["hook", ("outer", True), {"msg": "hi"}, "hi", *ends]


async def test_endpoints_that_come_later_have_it_too(live: HtmxWS) -> None:
    @live.around
    async def with_tenant(room: str) -> AsyncIterator[None]:
        token = TENANT.set(room)
        yield
        TENANT.reset(token)

    @live.ws("/chat/{room}")
    async def say() -> Any:
        return update("#x", await asyncio.to_thread(TENANT.get))

    async with asyncio.timeout(10), Socket(live, "/chat/a") as page:
        for _ in range(2):
            await page.send({})
            assert ">a<" in await page.receive()
    assert TENANT.get() == "nobody"


async def test_without_a_yield_the_handler_is_not_called(live: HtmxWS, chat: Endpoint) -> None:
    called: list[str] = []

    @chat.around
    async def writers_only(user: Any, send: Any) -> AsyncIterator[None]:
        if user is None:
            await send(update("#x", "read only"))
            return
        yield

    @chat.on_message
    async def say() -> None:
        called.append("said")

    assert "read only" in await ask(live)
    assert called == []


async def test_an_error_is_raised_where_it_yields(
    live: HtmxWS, chat: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Exception] = []

    @chat.around
    async def in_transaction() -> AsyncIterator[None]:
        try:
            yield
        except Exception as error:
            seen.append(error)
            raise

    @chat.on_message
    async def say() -> None:
        raise LookupError("no such room")

    @chat.on_error
    async def answer(error: Exception) -> Any:
        return update("#x", html("{}", error))

    assert "no such room" in await ask(live)
    assert [str(error) for error in seen] == ["no such room"]
    [record] = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert "say" in record.getMessage()


async def test_it_may_deal_with_an_error(
    live: HtmxWS, chat: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    @chat.around
    async def patient(send: Any) -> AsyncIterator[None]:
        try:
            yield
        except LookupError:
            await send(update("#x", "try again"))

    @chat.on_message
    async def say() -> None:
        raise LookupError("no such room")

    assert "try again" in await ask(live)
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


@pytest.mark.parametrize("fails", [True, False])
async def test_a_second_yield_is_an_error(live: HtmxWS, chat: Endpoint, fails: bool) -> None:
    closed: list[str] = []

    @chat.around
    async def twice() -> AsyncIterator[None]:
        try:
            try:
                yield
            except LookupError:
                yield
            yield
        finally:
            closed.append("closed")

    @chat.on_message
    async def say() -> None:
        if fails:
            raise LookupError

    @chat.on_error
    async def answer(error: Exception) -> Any:
        return update("#x", html("{}", error))

    assert "yields more than once" in await ask(live)
    assert closed == ["closed"]


async def test_it_is_around_handlers_that_run_beside_others_or_are_cancelled(
    live: HtmxWS, chat: Endpoint
) -> None:
    around: list[str] = []

    @chat.around
    async def note() -> AsyncIterator[None]:
        around.append("begins")
        yield
        around.append("ends")

    @chat.on("stop", concurrent=True, cancel=True)
    async def stop() -> Any:
        return PIECE

    async with asyncio.timeout(10), Socket(live, "/chat/a") as page:
        await page.send({}, sender="stop")
        await page.receive()
    assert around == ["begins", "ends"]


def test_it_has_to_be_an_async_generator(chat: Endpoint) -> None:
    async def plain() -> None: ...

    def sync() -> Any:
        yield

    for function in (plain, sync):
        with pytest.raises(RegistrationError, match="with one `yield` where the handler runs"):
            chat.around(function)


def test_it_takes_no_values_by_name(chat: Endpoint) -> None:
    async def wants(msg: str) -> AsyncIterator[None]:
        yield

    async def wants_error(error: Exception) -> AsyncIterator[None]:
        yield

    for function, name in ((wants, "msg"), (wants_error, "error")):
        with pytest.raises(RegistrationError) as raised:
            chat.around(function)
        said = str(raised.value)
        assert f"`{name}` is nothing that what runs around handlers gets" in said
        assert "the form are in `data`" in said
        assert ", error" not in said


def test_what_a_framework_gives_to_handlers_it_does_not_give_here() -> None:
    async def run(conn: Connection, frame: Any, call: Call) -> None:
        await call({"db": "a session"})

    host = Host(around=lambda function, path: Around(frozenset({"db"}), run))

    async def in_transaction(db: Any) -> AsyncIterator[None]:
        yield

    with pytest.raises(RegistrationError, match=r"where \['db'\] cannot be had"):
        Endpoint("/chat", host=host).around(in_transaction)


async def test_an_endpoint_below_another_path_has_it_too(live: HtmxWS, chat: Endpoint) -> None:
    @chat.around
    async def note(shop: str = "none", room: str = "none") -> AsyncIterator[None]:
        yield

    [(_, bind)] = chat.beneath(["shop"]).wrappers
    seen: list[dict[str, Any]] = []

    @chat.on_message
    async def look(conn: Connection, frame: Frame) -> Any:
        conn.path_params["shop"] = "a shop"  # type: ignore[index]  # as a mount does
        seen.append(bind(conn, frame))
        return PIECE

    await ask(live)
    assert seen == [{"shop": "a shop", "room": "a"}]


@pytest.mark.parametrize("end", ["the page goes", "it is cancelled"])
@pytest.mark.parametrize("concurrent", [False, True])
@pytest.mark.parametrize("streams", [False, True])
async def test_what_is_cancelled_is_so_where_it_yields_and_the_page_goes_on(
    live: HtmxWS, chat: Endpoint, end: str, concurrent: bool, streams: bool
) -> None:
    """Else a transaction around it would keep the half of it."""
    over = asyncio.Event()
    notes: list[str] = []

    @chat.around
    async def in_a_transaction(frame: Frame) -> AsyncIterator[None]:
        if frame.sender != "buy":
            yield
            return
        try:
            yield
        except asyncio.CancelledError:
            notes.append("rolled back")
            raise
        else:
            notes.append("kept")
        finally:
            over.set()

    async def stream() -> AsyncIterator[Any]:
        yield PIECE
        await asyncio.Event().wait()

    async def buy(conn: Connection) -> None:
        await conn.send(PIECE)
        await asyncio.Event().wait()

    handler = stream if streams else buy
    chat.on("buy", concurrent=concurrent, cancel=not streams)(handler)

    @chat.on("stop", concurrent=True)
    async def stop(conn: Connection) -> None:
        conn.cancel(handler.__name__)

    @chat.on_message
    async def say() -> Any:
        return update("#x", "still here")

    async with asyncio.timeout(10):
        async with Socket(live, "/chat/a") as page:
            await page.send({}, sender="buy")
            await page.receive()
            if end == "it is cancelled":
                await page.send({}, sender="stop")
                await over.wait()
                await page.send({})
                assert "still here" in await page.receive()
        await over.wait()
    assert notes == ["rolled back"]
