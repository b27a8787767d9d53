"""Connecting: who comes in, and how a page is told that may not."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import pytest
from pydantic import Field

from htmx_ws import Connection, Refused, html

from .cases import On, case, line

KEY = UUID("6b21f2b3-6c9b-4e22-8f0d-6a5f4d9f2d11")


@case
async def test_a_page_connects_and_its_hook_speaks_first(on: On) -> None:
    async def joined(conn: Connection) -> Any:
        await conn.send(line("welcome"))
        return line("say something")

    @on.live.ws("/chat", conn=joined)
    async def say(msg: str) -> Any:
        return line(f"you said {msg}")

    async with on.page("/chat") as page:
        await page.send(msg="hi <all>")
        for text in ("welcome", "say something", "you said hi &lt;all&gt;"):
            assert f"<li>{text}</li>" in await page.receive()
        assert page.code is None


@case
async def test_path_parameters_come_converted(on: On) -> None:
    came: list[Any] = []

    async def joined(room: str, n: int) -> None:
        came.append((room, n))

    async def left(rest: str, key: UUID) -> None:
        came.append((rest, key))

    @on.live.ws("/{room}/{n:int}/{x:float}/{key:uuid}/{rest:path}", conn=joined, disconn=left)
    async def say(room: str, n: int, x: float, key: UUID, rest: str) -> Any:
        came.append((room, n, x, key, rest))
        return line("done")

    async with on.page(f"/caf%C3%A9%20x/7/1.5/{KEY}/a/b.txt") as page:
        await page.send()
        await page.receive()
    assert came == [
        ("café x", 7),
        ("café x", 7, 1.5, KEY, "a/b.txt"),
        ("a/b.txt", KEY),
    ]


@case
async def test_the_query_of_the_address_reaches_the_hook_typed(on: On) -> None:
    came: list[Any] = []

    async def joined(page: Annotated[int, Field(ge=1)], tag: list[str], mine: bool = False) -> None:
        came.append((page, tag, mine))

    on.live.ws("/list", conn=joined)(lambda: None)
    async with on.page("/list?page=2&tag=a&tag=b&mine=on"):
        pass
    async with on.page("/list?page=0&tag=a") as page:
        assert await page.closed() == 4400
    assert came == [(2, ["a", "b"], True)]


@case
async def test_a_hook_turns_a_page_away_with_a_word(on: On) -> None:
    async def joined() -> None:
        raise Refused("full", code=4001, content=html('<p id="log">Come back tomorrow</p>'))

    on.live.ws("/chat", conn=joined)(lambda: None)
    async with on.page("/chat") as page:
        assert "Come back tomorrow" in await page.receive()
        assert await page.closed() == 4001
        assert page.reason == "full"


@case
async def test_a_hook_that_fails_has_the_page_come_back(
    on: On, caplog: pytest.LogCaptureFixture
) -> None:
    async def joined() -> None:
        raise OSError("no database")

    on.live.ws("/chat", conn=joined)(lambda: None)
    async with on.page("/chat") as page:
        assert await page.closed() == 1013
        assert page.pending == []
    assert "no database" in caplog.text


@case
async def test_a_page_of_another_site_is_turned_away(on: On) -> None:
    came: list[str] = []
    on.live.ws("/chat", conn=lambda: came.append("somebody"))(lambda: None)
    async with on.page("/chat", origin="https://evil.example") as page:
        assert await page.closed() == 4403
    assert came == []


@case
async def test_a_path_that_nobody_has_is_accepted_and_closed(on: On) -> None:
    """A refused handshake makes every htmx try again for ever."""
    on.live.ws("/chat")(lambda: None)
    async with on.page("/nowhere") as page:
        assert await page.closed() == 4404


@case
async def test_an_offered_subprotocol_is_agreed_to(on: On) -> None:
    on.live = on.host.live(subprotocols=["chat"])
    on.live.ws("/chat")(lambda: None)
    async with on.page("/chat", subprotocols=["v2", "chat"]) as page:
        assert page.subprotocol == "chat"
