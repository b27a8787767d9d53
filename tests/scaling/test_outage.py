"""A Redis that is killed and comes back, below two workers that serve on."""

from __future__ import annotations

import pytest

from tests.reliability.pages import close_all

from .workers import ask, fetch, two_workers, visit

pytestmark = pytest.mark.service


async def test_pages_are_served_on_and_hear_what_was_published_since() -> None:
    async with two_workers() as workers:
        pages = [await visit(server.url, "ann", "kept:1") for server in workers.servers]
        await ask(workers.servers[0], "/say", room="kept:1", text="before")
        for page in pages:
            await page.hears("before")
        workers.redis.kill()
        for page, server in zip(pages, workers.servers, strict=True):
            page.page.say(text="still here")
            await page.heard.until(lambda texts: "still here" in texts[-1])
            assert (await fetch(server.url, "/say?room=kept:1&text=lost"))[0] == 500
            await server.prints("BackendError: .*'kept:1' may have no place")
            assert (await fetch(server.url, "/count"))[0] == 500
        late = await visit(workers.servers[1].url, "bob", "kept:1")
        workers.redis.start()
        await ask(workers.servers[1], "/say", room="kept:1", text="after")
        for page in pages:
            await page.hears("after")
            assert page.heard.items() == ["before", "after"]
            assert not page.page.closed.done()
        assert await ask(workers.servers[0], "/count", room="kept:1") == 3
        await ask(workers.servers[0], "/say", room="kept:1", text="later")
        await late.hears("later")
        # Of one who may be elsewhere too, those who are here go though the others cannot be asked.
        workers.redis.kill()
        assert (await fetch(workers.servers[0].url, "/disconnect?user=ann"))[0] == 500
        assert await pages[0].page.closed == 1008
        assert not pages[1].page.closed.done()
        await close_all([pages[1].page, late.page])
