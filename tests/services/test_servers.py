"""Every server that we name runs htmx-ws: three cases on each, as a real process.

What a server does otherwise than the first is not skipped: it stands in a table here, and a
server that mends its ways fails the test that says so. docs/servers.md tells users.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.client import ClientConnection

from htmx_ws.testing import build_frame

from .servers import KINDS, TOP, Kind, Server, die, serve_on

#: What a page sees where it is not what the application closes with. daphne closes with 1000
#: and from 3000 on only.
SEES: dict[str, dict[int, int | None]] = {"daphne": {1009: 4009}}

#: What an open page sees at SIGTERM. Every htmx comes back after 1006 and 1012; after 1011,
#: htmx 4 does and htmx 2 from its extension's 2.0.4 on.
SEES_AT_STOP = {
    "uvicorn-sansio": 1012,
    "uvicorn-websockets": 1012,
    "hypercorn": 1012,
    "granian": 1006,
    "daphne": 1006,
}

#: daphne cancels no application while a connection is new, for up to a second.
MAY_SKIP_HOOKS_AT_STOP = {"daphne"}


@pytest.fixture(params=KINDS, ids=str)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture
async def server(kind: Kind) -> AsyncIterator[Server]:
    async with serve_on(kind, "tests.services.site:live") as running:
        yield running
        print(*running.printed, sep="\n")  # pytest shows it where a test fails


async def say(page: ClientConnection, **values: object) -> None:
    await page.send(build_frame(values))


async def read(page: ClientConnection) -> str:
    async with asyncio.timeout(10):
        return str(await page.recv())


async def code_of(page: ClientConnection) -> int | None:
    async with asyncio.timeout(10):
        await page.wait_closed()
    return page.close_code


@pytest.mark.service
async def test_pages_talk_and_each_that_leaves_is_taken_note_of_once(server: Server) -> None:
    async with server.open("/room/a") as ann:
        async with server.open("/room/a") as bob, server.open("/room/a") as eve:
            await say(ann, action="say", msg="hi")
            for page in (ann, bob, eve):
                assert "<li>hi</li>" in await read(page)
            assert ">3<" in await read(ann)
            await say(bob, action="count")
            assert [(await read(bob))[-8:-6] for _ in range(3)] == [">0", ">1", ">2"]
            die(eve)
            assert "left 2" in await read(ann)
        assert "left 1" in await read(ann)
    await server.prints("^left ", count=3)
    await server.stop()
    assert len(await server.prints("^left ")) == 3


@pytest.mark.service
async def test_pages_that_must_stay_away_are_accepted_and_closed(
    kind: Kind, server: Server
) -> None:
    for path, origin, code in [
        ("/room/a", "http://evil.test", 4403),
        ("/nowhere", server.url, 4404),
        ("/room/a", server.url, 1009),
    ]:
        seen = SEES.get(kind.name, {}).get(code, code)
        async with server.open(path, origin=origin) as page:
            if code == 1009:
                await page.send(json.dumps({"msg": "x" * 300_000}))
                await server.prints("^left ")
            if seen is None:
                async with asyncio.timeout(10):
                    await (await page.ping())
            else:
                assert await code_of(page) == seen


@pytest.mark.service
async def test_a_deploy_ends_in_time_and_the_page_is_told_to_come_back(
    kind: Kind, server: Server
) -> None:
    async with server.open("/room/a") as page:
        async with asyncio.timeout(8):
            await server.stop()
        assert await code_of(page) == SEES_AT_STOP[kind.name]
    hooks = [line for line in server.printed if line.startswith("left ")]
    assert len(hooks) == 1 or (not hooks and kind.name in MAY_SKIP_HOOKS_AT_STOP)


def test_the_page_for_users_says_what_is_tested() -> None:
    page = (TOP / "docs" / "servers.md").read_text()
    for kind in KINDS:
        if kind.name != "uvicorn-websockets":  # deprecated by uvicorn, and not advised
            assert f"{kind.command} {kind.advice} " in page
    codes = " | ".join(str(SEES_AT_STOP[kind.name]) for kind in KINDS)
    assert f"| a page of htmx-ws sees | {codes} |" in page
