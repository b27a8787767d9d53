"""In the framework: what its application gives a page, and when things start and end."""

from __future__ import annotations

from typing import Any

import pytest

from htmx_ws import Connection, Refused
from htmx_ws.testing import Socket

from .cases import Backend, On, case, line
from .server import Server, get


@case
async def test_it_starts_and_stops_with_the_application(on: On) -> None:
    backend = Backend()
    on.live = on.host.live(backend=backend)
    on.live.ws("/chat")(lambda: line("hi"))
    async with Server(on.app) as server:
        assert server.has_lifespan, "there is no lifespan"
        assert backend.calls == ["start"]
        async with on.page("/chat", scope={"state": {**server.state}}) as page:
            await page.send()
            assert "hi" in await page.receive()
            await server.stop()
            assert await page.closed() == 1012
    assert backend.calls == ["start", "stop"]


@case
async def test_without_a_lifespan_it_starts_at_its_first_page(on: On) -> None:
    backend = Backend()
    on.live = on.host.live(backend=backend)
    on.live.ws("/chat")(lambda: None)
    for _ in range(2):
        async with on.page("/chat"):
            assert backend.calls == ["start"]


@case
async def test_state_of_the_lifespan_reaches_the_page(on: On) -> None:
    @on.live.ws("/chat")
    async def say(state: Any) -> Any:
        return line(f"the db is {getattr(state, 'db', 'no db')}")

    async with (
        Server(on.app) as server,
        on.page("/chat", scope={"state": dict(server.state)}) as page,
    ):
        await page.send()
        assert "the db is open" in await page.receive()


@pytest.mark.parametrize(
    "end", ["the page goes", "it is closed", "it is refused", "the hook fails"]
)
@case
async def test_its_hooks_run_once_each(on: On, end: str) -> None:
    ran: list[str] = []

    async def joined(conn: Connection) -> None:
        ran.append("joined")
        if end == "it is refused":
            raise Refused("full")
        if end == "the hook fails":
            raise LookupError("no room")

    async def left(conn: Connection) -> None:
        ran.append("left")

    @on.live.ws("/chat", conn=joined, disconn=left)
    async def say(conn: Connection) -> Any:
        if end == "it is closed":
            conn.close(4000)
        return line("hi")

    async with on.page("/chat") as page:
        if end in ("the page goes", "it is closed"):
            await page.send()
            assert "hi" in await page.receive()
        if end != "the page goes":
            await page.closed()
    assert ran == ["joined", "left"]


@case
async def test_no_hook_runs_for_a_page_that_does_not_get_as_far(on: On) -> None:
    ran: list[str] = []

    async def joined(page: int) -> None:
        ran.append("joined")

    on.live.ws("/list", conn=joined, disconn=lambda: ran.append("left"))(lambda: None)
    async with on.page("/list?page=x") as page:
        assert await page.closed() == 4400
    async with on.page("/list?page=1", origin="https://evil.example") as page:
        assert await page.closed() == 4403
    assert ran == []


@case
async def test_the_session_of_the_visitor_is_at_hand(on: On) -> None:
    chat = on.live.endpoint("/chat")
    chat.on_message(lambda session: line(f"from {session.get('name')}"))
    chat.on_error(lambda error: line(error))
    cookie = (await get(on.app, "/sign-in")).cookie
    for headers, name in (([], "None"), ([("cookie", cookie)], "ann")):
        async with on.page("/chat", headers=headers) as page:
            await page.send()
            shown = await page.receive()
            assert f"from {name}" in shown, shown


@case
async def test_the_user_is_at_hand(on: On) -> None:
    @on.live.ws("/chat")
    async def say(user: Any) -> Any:
        return line(f"from {getattr(user, 'username', None)}")

    cookie = (await get(on.app, "/sign-in")).cookie
    async with on.page("/chat", headers=[("cookie", cookie)]) as page:
        await page.send()
        assert "from ann" in await page.receive()


@case
async def test_it_can_be_mounted_below_a_path(on: On) -> None:
    @on.live.ws("/chat/{room}")
    async def say(room: str) -> Any:
        return line(f"in {room}")

    app = on.host.build_below(on.live, "/app")
    async with Socket(app, "/app/chat/lobby", dialect=on.dialect) as page:
        await page.send()
        assert "in lobby" in await page.receive()


@case
async def test_a_prefix_may_have_a_parameter(on: On) -> None:
    @on.live.ws("/chat/{room}")
    async def say(room: str, team: int) -> Any:
        return line(f"{team!r} in {room}")

    app = on.host.build_below(on.live, "/teams/{team:int}")
    async with Socket(app, "/teams/7/chat/lobby", dialect=on.dialect) as page:
        await page.send(team="8", room="EVIL")
        assert "7 in lobby" in await page.receive()


@case
async def test_an_endpoint_has_an_address_by_its_name(on: On) -> None:
    @on.live.ws("/chat/{room}/{n:int}")
    async def say(room: str, n: int) -> Any:
        return line(f"{room} {n}")

    address = on.host.reverse(on.app, "say", room="lobby", n=7)
    async with on.page(address) as page:
        await page.send()
        assert "lobby 7" in await page.receive()
