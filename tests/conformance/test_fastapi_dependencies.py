"""FastAPI's dependencies: solved for each page in hooks, for each frame in handlers, and closed.

Annotations are evaluated where they stand here, since they name what a test has made.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Annotated, Any

import pytest
from fastapi import (
    Depends,
    Header,
)

from htmx_ws import Connection, RegistrationError
from htmx_ws.testing import Socket
from htmx_ws_fastapi import HtmxWS, connection

from .cases import line, soon
from .hosts.fastapi import an_app


@pytest.fixture
def live() -> HtmxWS:
    return HtmxWS()


class Notes(list[str]):
    """What happened; and dependencies that note when they open and close."""

    def resource(self, name: str = "db") -> Callable[[], AsyncIterator[str]]:
        async def get() -> AsyncIterator[str]:
            self.append(f"{name} opens")
            try:
                yield name
            except Exception as error:
                self.append(f"{name} sees {type(error).__name__}")
                raise
            finally:
                self.append(f"{name} closes")

        return get


@pytest.fixture
def notes() -> Notes:
    return Notes()


async def test_hooks_solve_once_for_a_page_and_handlers_for_each_frame(
    live: HtmxWS, notes: Notes
) -> None:
    Db = Annotated[str, Depends(notes.resource())]

    async def joined(db: Db) -> Any:
        notes.append("joined")

    async def left(db: Db) -> Any:
        notes.append("left")

    @live.ws("/chat", conn=joined, disconn=left)
    async def say(db: Db) -> Any:
        notes.append("said")
        return line("hi")

    async with Socket(an_app(live), "/chat") as page:
        for _ in range(2):
            await page.send()
            await page.receive()
    expected = [("db opens", what, "db closes") for what in ("joined", "said", "said", "left")]
    assert notes == [note for three in expected for note in three]


@pytest.mark.parametrize(("use_cache", "calls"), [(True, 1), (False, 2)])
async def test_a_dependency_used_twice_is_called_once_for_each_frame(
    live: HtmxWS, notes: Notes, use_cache: bool, calls: int
) -> None:
    """Unless it says that it is not to be."""

    def now() -> None:
        notes.append("called")

    def other(now: Annotated[None, Depends(now, use_cache=use_cache)]) -> None: ...

    @live.ws("/chat")
    async def say(
        first: Annotated[None, Depends(now, use_cache=use_cache)],
        second: Annotated[None, Depends(other)],
    ) -> Any:
        return line("said")

    async with Socket(an_app(live), "/chat") as page:
        for frames in (1, 2):
            await page.send()
            await page.receive()
            assert len(notes) == frames * calls


async def test_overrides_hold_from_the_next_frame_on(live: HtmxWS) -> None:
    def db() -> str:
        return "the database"

    def fake() -> str:
        return "a fake"

    @live.ws("/chat")
    async def say(db: Annotated[str, Depends(db)]) -> Any:
        return line(db)

    app = an_app(live)
    async with Socket(app, "/chat") as page:
        for overrides, shown in (({}, "the database"), ({db: fake}, "a fake"), ({}, "the data")):
            app.dependency_overrides = dict(overrides)
            await page.send()
            assert shown in await page.receive()


async def test_dependencies_see_an_error_of_the_handler_and_close(
    live: HtmxWS, notes: Notes
) -> None:
    chat = live.endpoint("/chat")

    @chat.on_message
    async def say(db: Annotated[str, Depends(notes.resource())]) -> None:
        raise LookupError("no such line")

    @chat.on_error
    async def failed(error: Exception, log: Annotated[str, Depends(notes.resource("log"))]) -> Any:
        return line(f"{error} in the {log}")

    async with Socket(an_app(live), "/chat") as page:
        await page.send()
        assert "no such line in the log" in await page.receive()
        await page.send()
        await page.receive()
    once = ["db opens", "db sees LookupError", "db closes", "log opens", "log closes"]
    assert notes == once * 2


class Stream:
    """A handler that streams until it is ended, its dependency open."""

    def __init__(self, notes: Notes, live: HtmxWS, **options: Any) -> None:
        self.ended = asyncio.Event()
        chat = live.endpoint("/ask")

        @chat.on("ask-form", **options)
        async def ask(db: Annotated[str, Depends(notes.resource())]) -> AsyncIterator[Any]:
            try:
                while True:
                    yield line(f"from the {db}")
                    await asyncio.sleep(0)
            finally:
                notes.append("the stream ends")
                self.ended.set()

        @chat.on("stop", concurrent=True)
        async def stop(conn: Annotated[Connection, Depends(connection)]) -> None:
            conn.cancel("ask")

        chat.on_message(lambda: line("meanwhile"))


@pytest.mark.parametrize("end", ["the page goes", "it is cancelled"])
@pytest.mark.parametrize("concurrent", [False, True])
async def test_a_stream_holds_its_dependencies_until_it_is_cancelled(
    live: HtmxWS, notes: Notes, end: str, concurrent: bool
) -> None:
    stream = Stream(notes, live, concurrent=concurrent)
    async with Socket(an_app(live), "/ask") as page:
        await page.send(sender="ask-form")
        assert "from the db" in await page.receive()
        if concurrent:
            await page.send()
            while "meanwhile" not in await page.receive():
                pass
        assert notes == ["db opens"]
        if end == "it is cancelled":
            await page.send(sender="stop")
            await soon(stream.ended)
            await page.send()
            while "meanwhile" not in await page.receive():
                pass
            assert notes == ["db opens", "the stream ends", "db closes"]
    assert notes == ["db opens", "the stream ends", "db closes"]


async def test_a_stream_of_a_hook_holds_its_dependencies_until_its_end(
    live: HtmxWS, notes: Notes
) -> None:
    said = asyncio.Event()

    async def joined(db: Annotated[str, Depends(notes.resource())]) -> AsyncIterator[Any]:
        yield line("first")
        await soon(said)
        notes.append("last")
        yield line("last")

    @live.ws("/feed", conn=joined)
    async def say(other: Annotated[str, Depends(notes.resource("other"))]) -> Any:
        return line("meanwhile")

    async with Socket(an_app(live), "/feed") as page:
        assert "first" in await page.receive()
        await page.send()
        assert "meanwhile" in await page.receive()
        said.set()
        assert "last" in await page.receive()
    assert notes == ["db opens", "other opens", "other closes", "last", "db closes"]


async def test_a_handler_that_ends_with_its_page_closes_its_dependencies(
    live: HtmxWS, notes: Notes
) -> None:
    begun = asyncio.Event()
    search = live.endpoint("/search")

    @search.on_message(cancel=True)
    async def look(db: Annotated[str, Depends(notes.resource())]) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            notes.append("cancelled")
            raise

    async with Socket(an_app(live), "/search") as page:
        await page.send()
        await soon(begun)
    assert notes == ["db opens", "cancelled", "db closes"]


async def test_a_plain_handler_has_dependencies_and_runs_in_a_thread(
    live: HtmxWS, notes: Notes
) -> None:
    @live.ws("/chat")
    def say(msg: str, db: Annotated[str, Depends(notes.resource())], send: Any) -> Any:
        notes.append(threading.current_thread().name)
        send(line("at once"))
        return line(f"{msg} in the {db}")

    async with Socket(an_app(live), "/chat") as page:
        await page.send(msg="hi")
        assert "at once" in await page.receive()
        assert "hi in the db" in await page.receive()
    assert notes == ["db opens", "AnyIO worker thread", "db closes"]


async def test_pages_at_once_do_not_mix_their_dependencies(live: HtmxWS) -> None:
    turn: dict[str, asyncio.Event] = {"ann": asyncio.Event(), "bob": asyncio.Event()}

    async def who(
        x_name: Annotated[str, Header()], conn: Annotated[Connection, Depends(connection)]
    ) -> str:
        await soon(turn[x_name])
        return f"{x_name} {conn.query['name']}"

    @live.ws("/chat")
    async def say(msg: str, who: Annotated[str, Depends(who)]) -> Any:
        return line(f"{msg} from {who}")

    app = an_app(live)
    async with (
        Socket(app, "/chat?name=ann", headers=[("x-name", "ann")]) as ann,
        Socket(app, "/chat?name=bob", headers=[("x-name", "bob")]) as bob,
    ):
        await ann.send(msg="one")
        await bob.send(msg="two")
        turn["bob"].set()
        assert "two from bob bob" in await bob.receive()
        assert ann.pending == []
        turn["ann"].set()
        assert "one from ann ann" in await ann.receive()


async def test_an_error_that_a_dependency_keeps_to_itself_is_answered_all_the_same(
    live: HtmxWS,
) -> None:
    async def silent() -> AsyncIterator[None]:
        with suppress(LookupError):
            yield

    chat = live.endpoint("/chat")

    @chat.on_message
    async def say(nothing: Annotated[None, Depends(silent)]) -> Any:
        raise LookupError("not here")

    @chat.on_error
    async def failed(error: Exception) -> Any:
        return line(f"failed: {error}")

    async with Socket(an_app(live), "/chat") as page:
        await page.send()
        assert "failed: not here" in await page.receive()


async def test_what_runs_around_handlers_is_around_them_and_takes_no_dependencies(
    live: HtmxWS, notes: Notes
) -> None:
    Db = Annotated[str, Depends(notes.resource())]

    @live.around
    async def note(conn: Connection) -> AsyncIterator[None]:
        notes.append("before")
        yield
        notes.append("after")

    @live.ws("/ws")
    async def say(db: Db) -> Any:
        notes.append(db)
        return line("said")

    async def in_transaction(db: Db) -> AsyncIterator[None]:
        yield

    with pytest.raises(RegistrationError, match=r"where \['db'\] cannot be had"):
        live.around(in_transaction)
    async with Socket(an_app(live), "/ws") as page:
        await page.send()
        assert "said" in await page.receive()
    assert notes == ["db opens", "before", "db", "after", "db closes"]
