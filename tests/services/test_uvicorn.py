"""The core under a real server: what a unit test's fakes cannot show."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from htmx_ws.testing import build_frame

from .conftest import Serve, Server

pytestmark = pytest.mark.service
SITE = "tests/services/site.py"


def page(server: Server, path: str, **options: Any) -> connect:
    return connect(server.ws + path, origin=options.pop("origin", server.url), **options)


async def say(socket: ClientConnection, **values: object) -> None:
    await socket.send(build_frame(values))


async def code_of(socket: ClientConnection) -> int | None:
    async with asyncio.timeout(10):
        await socket.wait_closed()
    return socket.close_code


async def test_pages_talk_and_leave(serve: Serve) -> None:
    server = await serve(SITE)
    async with page(server, "/room/a") as ann:
        async with page(server, "/room/a") as bob:
            await say(ann, action="say", msg="hi")
            assert "<li>hi</li>" in str(await bob.recv())
            assert "<li>hi</li>" in str(await ann.recv())
            assert ">2<" in str(await ann.recv())
        assert "left 1" in str(await ann.recv())
        await say(ann, action="count")
        assert [str(await ann.recv())[-8:-6] for _ in range(3)] == [">0", ">1", ">2"]


async def test_pages_that_must_stay_away_are_accepted_and_closed(serve: Serve) -> None:
    server = await serve(SITE)
    for path, origin, code in [
        ("/room/a", "http://evil.test", 4403),
        ("/room/a", "null", 4403),
        ("/nowhere", server.url, 4404),
    ]:
        async with page(server, path, origin=origin) as socket:
            assert await code_of(socket) == code


async def test_a_frame_over_the_hard_limit_closes_its_socket_alone(serve: Serve) -> None:
    server = await serve(SITE)
    async with page(server, "/room/a") as ann, page(server, "/room/a") as bob:
        await ann.send(json.dumps({"msg": "x" * 1_100_000}))
        assert await code_of(ann) == 1009
        assert "left 1" in str(await bob.recv())


async def test_a_page_that_does_not_read_holds_up_nobody_and_is_closed(serve: Serve) -> None:
    server = await serve(SITE)
    async with (
        page(server, "/room/a") as ann,
        page(server, "/room/a", max_queue=1, compression=None) as stalled,
    ):
        stalled.transport.pause_reading()
        async with asyncio.timeout(20):
            text = ""
            while "left 1" not in text:
                await say(ann, action="flood", size=30_000)
                text = str(await ann.recv())
        stalled.transport.abort()


async def test_a_deploy_ends_in_time_and_pages_come_back(serve: Serve) -> None:
    server = await serve(SITE)
    async with page(server, "/room/a") as ann:
        stopping = asyncio.create_task(server.stop())
        assert await code_of(ann) == 1012
        assert await stopping is not None
