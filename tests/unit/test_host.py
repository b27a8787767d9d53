"""A framework's manners: what an adapter tells the core, by a framework made up here."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from htmx_ws import (
    BindingError,
    Connection,
    Endpoint,
    Frame,
    HtmxWS,
    Refused,
    RegistrationError,
    append,
    html,
    serialise,
    update,
)
from htmx_ws.host import Around, Call, Host
from htmx_ws.results import Runtime
from htmx_ws.routing import Path
from htmx_ws.testing import Closed, Socket
from htmx_ws.types import Scope


def item(text: object) -> Any:
    return append("#log", html("<li>{}</li>", text))


def text_of(content: object) -> str:
    (message,) = serialise(content)
    return message.text


@dataclass
class Request:
    path: str


class Forbidden(Exception):
    """What the framework's users raise to turn somebody away."""


notes: list[Any] = []


@pytest.fixture(autouse=True)
def no_notes() -> Iterator[None]:
    notes.clear()
    yield
    notes.clear()


async def run_sync(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    notes.append("sync")
    return await asyncio.to_thread(function, *args, **kwargs)


def refusal(error: Exception) -> Refused | None:
    return Refused("forbidden", code=4403) if isinstance(error, Forbidden) else None


def around(function: Callable[..., Any], path: str) -> Around | None:
    if "db" not in function.__annotations__ and "db" not in function.__code__.co_varnames:
        return None

    async def run(conn: Connection, frame: Frame | None, call: Call) -> None:
        notes.append(("open", path, None if frame is None else dict(frame.values)))
        try:
            await call({"db": "the database"})
        except Exception as error:
            notes.append(error)
            raise
        finally:
            notes.append("closed")

    return Around(frozenset({"db"}), run)


class Framework(HtmxWS):
    host: ClassVar[Host] = Host(
        path=lambda text: Path("/" + text, {"slug": ("[a-z]+", str.title)}),
        types={Request: lambda conn, frame, third: Request(conn.scope["path"])},
        runtime=Runtime(run_sync=run_sync),
        refusal=refusal,
        around=around,
    )

    async def admit(self, endpoint: Endpoint, scope: Scope) -> Scope:
        match scope["query_string"]:
            case b"forbidden":
                raise Forbidden
            case b"refused":
                raise Refused("x" * 200, code=4001, content=item("go away"))
            case b"broken":
                raise LookupError("a bug")
        return {**scope, "state": {"admitted": True}}


async def get(live: HtmxWS, path: str, **values: Any) -> str:
    async with Socket(live, path) as page:
        await page.send(values)
        return await page.receive()


# --- paths, types, threads -------------------------------------------------------------


async def test_a_host_has_paths_of_its_own() -> None:
    live = Framework()

    @live.ws("chat/{room:slug}")
    async def say(room: str) -> Any:
        return item(room)

    assert await get(live, "/chat/lobby") == text_of(item("Lobby"))


async def test_a_type_of_the_host_is_given_by_annotation_whatever_the_name() -> None:
    live = Framework()

    @live.ws("x")
    async def say(anything: Request, other: Request | None, msg: str) -> Any:
        assert other == anything
        return item(f"{anything.path} {msg}")

    assert await get(live, "/x", anything="evil", msg="hi") == text_of(item("/x hi"))


async def test_plain_functions_run_where_the_host_runs_them() -> None:
    live = Framework()
    here = threading.get_ident()

    @live.ws("x")
    def say() -> Any:
        return item(threading.get_ident() != here)

    assert await get(live, "/x") == text_of(item(True))
    assert notes == ["sync"]


@pytest.mark.parametrize("where", ["connect", "handler", "disconnect"])
async def test_the_steps_of_plain_generators_run_there_too(where: str) -> None:
    live = Framework()
    endpoint = live.endpoint("x")
    done = asyncio.Event()
    loop = asyncio.get_running_loop()

    def pieces() -> Iterator[Any]:
        yield item(1)
        loop.call_soon_threadsafe(done.set)

    async def nothing() -> None: ...

    {"connect": endpoint.on_connect, "disconnect": endpoint.on_disconnect}.get(
        where, endpoint.on_message
    )(pieces)
    if where != "handler":
        endpoint.on_message(nothing)
    async with Socket(live, "/x") as page:
        await page.send()
        if where != "disconnect":
            assert await page.receive() == text_of(item(1))
            await asyncio.wait_for(done.wait(), 5)
    await asyncio.wait_for(done.wait(), 5)
    assert notes == ["sync", "sync"]


async def test_content_that_needs_a_thread_is_rendered_in_one_whoever_gives_it() -> None:
    here = threading.get_ident()

    class Template:
        def __init__(self, name: str) -> None:
            self.name = name

        def __html__(self) -> str:
            assert threading.get_ident() != here, "rendered on the event loop"
            return f'<p id="{self.name}"></p>'

    class Rendering(HtmxWS):
        host: ClassVar[Host] = Host(
            runtime=Runtime(
                run_sync=run_sync, needs_thread=lambda content: type(content) is Template
            )
        )

    live = Rendering()
    chat = live.endpoint("/x")

    @chat.on_connect
    async def joined() -> Any:
        return Template("a")

    @chat.on("plain")
    def plain(send: Any) -> Any:
        send(Template("b"))
        send([update("#b", Template("c"))])
        return [update("#b", Template("d"))]

    @chat.on("pieces")
    def pieces() -> Iterator[Any]:
        yield Template("e")

    @chat.on("async")
    async def returned() -> Any:
        return Template("f")

    @chat.on("stream")
    async def streamed() -> AsyncIterator[Any]:
        yield Template("g")

    @chat.on_error
    async def failed(error: Exception) -> Any:
        return item(error)

    async with Socket(live, "/x") as page:
        assert 'id="a"' in await page.receive()
        await page.send(sender="plain")
        for name in "bcd":
            assert f'id="{name}"' in await page.receive()
        for name, sender in [("e", "pieces"), ("f", "async"), ("g", "stream")]:
            await page.send(sender=sender)
            assert f'id="{name}"' in await page.receive()


async def test_the_steps_of_a_connect_hook_that_streams_are_rendered_in_threads_too() -> None:
    here = threading.get_ident()

    class Template:
        def __html__(self) -> str:
            return f'<p id="{threading.get_ident() == here}"></p>'

    class Rendering(HtmxWS):
        host: ClassVar[Host] = Host(
            runtime=Runtime(needs_thread=lambda content: type(content) is Template)
        )

    live = Rendering()

    async def feed() -> AsyncIterator[Any]:
        yield Template()

    live.ws("/x", conn=feed)(lambda: None)
    async with Socket(live, "/x") as page:
        assert 'id="False"' in await page.receive()


async def test_a_host_may_run_background_work_its_own_way() -> None:
    async def background(work: Coroutine[Any, Any, Any]) -> Any:
        notes.append("begin")
        try:
            return await work
        finally:
            notes.append("end")

    class Careful(HtmxWS):
        host: ClassVar[Host] = Host(runtime=Runtime(background=background))

    live = Careful()

    async def pieces() -> AsyncIterator[Any]:
        yield item("piece")

    async def work(conn: Connection) -> int:
        notes.append("work")
        return 1

    @live.ws("/x")
    async def say(conn: Connection) -> Any:
        assert await conn.start(work(conn)) == 1
        await conn.start(pieces())
        return item("done")

    async with Socket(live, "/x") as page:
        await page.send()
        assert await page.receive() == text_of(item("piece"))
        assert await page.receive() == text_of(item("done"))
    assert notes == ["begin", "work", "end", "begin", "end"]


@pytest.mark.parametrize("cancelled_again", [False, True])
async def test_a_plain_generator_that_is_cut_short_is_closed_where_it_ran(
    cancelled_again: bool,
) -> None:
    live = Framework()
    chat = live.endpoint("x")
    closed, closing, may_close = threading.Event(), threading.Event(), threading.Event()

    @chat.on("count")
    def count() -> Iterator[Any]:
        try:
            while True:
                yield item("piece")
        finally:
            closing.set()
            may_close.wait(5)
            closed.set()

    @chat.on("stop", concurrent=True)
    async def stop(conn: Connection) -> None:
        conn.cancel("count")
        assert await asyncio.to_thread(closing.wait, 5)
        if cancelled_again:
            conn.cancel("count")
            await asyncio.sleep(0)
        may_close.set()

    async with Socket(live, "/x") as page:
        await page.send(sender="count")
        assert await page.receive() == text_of(item("piece"))
        await page.send(sender="stop")
        assert await asyncio.to_thread(closed.wait, 5)


# --- turning away ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "told", "code", "reason"),
    [
        ("forbidden", [], 4403, "forbidden"),
        ("refused", [text_of(item("go away"))], 4001, "x" * 123),
    ],
)
async def test_a_host_may_turn_a_page_away_before_it_is_served(
    query: str, told: list[str], code: int, reason: str
) -> None:
    live = Framework()
    joined: list[Connection] = []

    async def hook(conn: Connection) -> None:
        joined.append(conn)

    live.ws("x", conn=hook)(lambda: None)
    async with Socket(live, f"/x?{query}") as page:
        for text in told:
            assert await page.receive() == text
        with pytest.raises(Closed) as closed:
            await page.receive()
    assert (closed.value.code, closed.value.reason) == (code, reason)
    assert joined == []


async def test_what_fails_before_a_page_is_served_is_logged_and_lets_it_come_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    live = Framework()
    live.ws("x")(lambda: None)
    async with Socket(live, "/x?broken") as page:
        assert await page.closed() == 1013
    assert "could not be let in" in caplog.text
    assert "a bug" in caplog.text


async def test_what_a_host_adds_to_the_scope_is_there() -> None:
    live = Framework()

    @live.ws("x")
    async def say(state: Any) -> Any:
        return item(state.admitted)

    assert await get(live, "/x") == text_of(item(True))


async def test_an_exception_of_the_host_in_a_connect_hook_turns_the_page_away() -> None:
    live = Framework()

    async def hook() -> None:
        raise Forbidden

    live.ws("x", conn=hook)(lambda: None)
    async with Socket(live, "/x") as page:
        assert await page.closed() == 4403


async def test_an_exception_of_the_host_in_a_handler_is_an_answer_and_no_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    live = Framework()
    chat = live.endpoint("x")

    @chat.on_message
    async def say() -> None:
        raise Forbidden

    @chat.on_error
    async def wrong(error: Exception) -> Any:
        return item(type(error).__name__)

    caplog.set_level(logging.INFO)
    assert await get(live, "/x") == text_of(item("Forbidden"))
    (record,) = caplog.records
    assert (record.levelno, record.exc_info) == (logging.INFO, None)
    assert "turned a frame away" in record.getMessage()


async def test_any_other_exception_in_a_connect_hook_lets_the_page_come_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    live = Framework()

    async def hook() -> None:
        raise LookupError

    live.ws("x", conn=hook)(lambda: None)
    async with Socket(live, "/x") as page:
        assert await page.closed() == 1013
    assert "the connect hook" in caplog.text


# --- around ----------------------------------------------------------------------------


async def test_what_is_around_a_handler_fills_its_parameters_and_ends_with_what_it_sends() -> None:
    live = Framework()
    chat = live.endpoint("x")

    @chat.on("say")
    async def say(msg: str, db: Any) -> Any:
        notes.append("said")
        return item(f"{msg} {db}")

    @chat.on("count")
    async def count(db: Any) -> AsyncIterator[Any]:
        for n in range(2):
            notes.append(n)
            yield item(n)

    async with Socket(live, "/x") as page:
        await page.send(msg="hi", db="evil", sender="say")
        assert await page.receive() == text_of(item("hi the database"))
        await page.send(sender="count")
        assert await page.receive() == text_of(item(0))
        assert await page.receive() == text_of(item(1))
    opened = ("open", "/x", {"msg": "hi", "db": "evil"})
    assert notes == [opened, "said", "closed", ("open", "/x", {}), 0, 1, "closed"]


@pytest.mark.parametrize("how", [{"cancel": True}, {"concurrent": True}])
async def test_there_is_something_around_handlers_of_every_kind(how: dict[str, bool]) -> None:
    live = Framework()

    @live.endpoint("x").on_message(**how)
    def say(db: Any) -> Any:
        return item(db)

    assert await get(live, "/x") == text_of(item("the database"))
    assert notes == [("open", "/x", {}), "sync", "closed"]


async def test_what_does_not_bind_has_nothing_around_it(caplog: pytest.LogCaptureFixture) -> None:
    live = Framework()
    chat = live.endpoint("x")

    @chat.on_message
    async def say(n: int, db: Any) -> None: ...

    @chat.on_error
    async def wrong(error: BindingError, db: Any) -> Any:
        return item(f"{error} {db}")

    caplog.set_level(logging.CRITICAL)
    assert await get(live, "/x") == text_of(item("n: Field required the database"))
    assert notes == [("open", "/x", {}), "closed"]


async def test_an_error_passes_through_what_is_around() -> None:
    live = Framework()
    chat = live.endpoint("x")
    error = LookupError("no")

    @chat.on_message
    async def say(db: Any) -> None:
        raise error

    @chat.on_error
    async def wrong(error: Exception) -> Any:
        return item(error)

    assert await get(live, "/x") == text_of(item("no"))
    assert notes == [("open", "/x", {}), error, "closed"]


async def test_hooks_have_it_around_them_once_each() -> None:
    live = Framework()
    chat = live.endpoint("x")
    chat.on_message(lambda: None)

    @chat.on_connect
    async def joined(db: Any) -> Any:
        return item(db)

    @chat.on_disconnect
    async def left(db: Any) -> None:
        notes.append("left")

    async with Socket(live, "/x") as page:
        assert await page.receive() == text_of(item("the database"))
        assert notes == [("open", "/x", None), "closed"]
        notes.clear()
    assert notes == [("open", "/x", None), "left", "closed"]


async def test_around_a_connect_hook_that_streams_it_lasts_as_long_as_the_stream() -> None:
    live = Framework()
    chat = live.endpoint("x")
    may_go_on = asyncio.Event()

    @chat.on_connect
    async def feed(db: Any) -> AsyncIterator[Any]:
        yield item(db)
        await may_go_on.wait()
        yield item("more")

    @chat.on_message
    async def say() -> Any:
        return item("said")

    async with Socket(live, "/x") as page:
        assert await page.receive() == text_of(item("the database"))
        await page.send()
        assert await page.receive() == text_of(item("said"))
        assert notes == [("open", "/x", None)]
        may_go_on.set()
        assert await page.receive() == text_of(item("more"))
    assert notes == [("open", "/x", None), "closed"]


# --- below a path of the host ----------------------------------------------------------


async def test_parameters_of_a_path_above_are_the_paths_and_no_field_stands_in_for_them() -> None:
    live = Framework()
    chat = live.endpoint("x")
    seen: list[Any] = []

    @chat.on_connect
    async def joined(team: int) -> None:
        seen.append(team)

    @chat.on_disconnect
    async def left(team: int) -> None:
        seen.append(team)

    @chat.on("say", cancel=True)
    async def say(team: int, msg: str) -> Any:
        return item(f"{team} {msg}")

    @chat.on(action="like")
    async def like(team: int) -> Any:
        return item(f"like {team}")

    @chat.on_message
    async def rest(team: int) -> Any:
        raise LookupError

    @chat.on_error
    async def wrong(conn: Connection) -> Any:
        return item(f"wrong {conn.path_params['team']}")

    for team in (3, 4):
        above: dict[str, Any] = {"path_params": {"team": team}}
        async with Socket(live, "/x?team=9", scope=above) as page:
            await page.send(team="9", msg="hi", sender="say")
            assert await page.receive() == text_of(item(f"{team} hi"))
            await page.send(team="9", action="like")
            assert await page.receive() == text_of(item(f"like {team}"))
            await page.send(team="9")
            assert await page.receive() == text_of(item(f"wrong {team}"))
    assert seen == [3, 3, 4, 4]
    async with Socket(live, "/x?team=9") as page:
        await page.send(team="9", action="like")
        assert await page.receive() == text_of(item("like 9"))


async def test_a_handler_that_is_registered_later_is_there_below_such_a_path_too() -> None:
    live = Framework()
    chat = live.endpoint("x")
    above: dict[str, Any] = {"path_params": {"team": 3}}
    async with Socket(live, "/x", scope=above):
        pass

    @chat.on_message
    async def say(team: int) -> Any:
        return item(team)

    async with Socket(live, "/x", scope=above) as page:
        await page.send(team="9")
        assert await page.receive() == text_of(item(3))


async def test_a_router_may_bring_a_page_straight_to_its_endpoint() -> None:
    live = Framework()
    chat = live.endpoint("x/{room:slug}", name="chat")

    @chat.on_message
    async def say(room: str, team: int) -> Any:
        return item(f"{room} {team}")

    assert chat.name == "chat"
    there: dict[str, Any] = {"path_params": {"room": "a", "team": 1}}
    async with Socket(chat, "/elsewhere", scope=there) as page:
        await page.send(team="2")
        assert await page.receive() == text_of(item("a 1"))


def test_an_endpoint_that_comes_after_its_routes_were_copied_is_refused() -> None:
    class Copied(HtmxWS):
        @property
        def routes(self) -> list[Endpoint]:
            self._copied = "live.routes"
            return list(self._endpoints.values())

    live = Copied()
    chat = live.endpoint("/chat")
    assert live.routes == [chat]
    chat.on_message(lambda: None)  # the endpoint is there: its handlers may come later
    with pytest.raises(
        RegistrationError, match=r"'/late' comes too late: .* live\.routes was read"
    ):
        live.ws("/late")(lambda: None)
