"""Of whichever worker one asks: counting, closing, and who is there."""

from __future__ import annotations

import asyncio

import pytest

from tests.reliability.pages import close_all

from .workers import ask, two_workers, visit

pytestmark = pytest.mark.service

ROOM = "seen:lobby"


async def test_two_workers_count_and_close_and_see_as_one() -> None:
    async with two_workers() as workers:
        here, there = workers.servers
        watchers = [await visit(server.url, "watcher", ROOM) for server in workers.servers]
        ann = [await visit(server.url, "ann", ROOM) for server in workers.servers]
        bob = await visit(there.url, "bob", ROOM)
        await visit(here.url, "eve")  # in no room
        for watcher in watchers:
            await watcher.hears("joined ann", "joined bob")
        for server in workers.servers:
            assert {*await ask(server, "/presence", room=ROOM)} == {"watcher", "ann", "bob"}
            assert await ask(server, "/count", room=ROOM) == 5
            assert await ask(server, "/count", user="ann") == 2
            assert await ask(server, "/count") == 6
            assert await ask(server, "/count", user="nobody") == 0
        assert await ask(here, "/disconnect", user="ann") == 2
        async with asyncio.timeout(10):
            assert [await each.page.closed for each in ann] == [1008, 1008]
        assert await ask(there, "/count", room=ROOM) == 3
        assert await ask(here, "/disconnect", user="bob") == 1  # who is with the other alone
        async with asyncio.timeout(10):
            assert await bob.page.closed == 1008
        assert await ask(here, "/say", room=ROOM, text="still here") > 0
        for watcher in watchers:
            await watcher.hears("still here")
            assert "joined ann" in watcher.heard.items()
            assert watcher.heard.items().count("joined bob") == 1
        await close_all(watcher.page for watcher in watchers)
