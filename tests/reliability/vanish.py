"""Pages that come and vanish at every point of their life: what is left of them in the server.

Each way to vanish is one of the functions of ``WAYS``, and each is gone some hundred times, many
at once. Afterwards all that the server holds must be what it held before: that of the few pages
that stayed all the time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from .pages import (
    AT_ONCE,
    Page,
    address_of,
    close_all,
    connect,
    handshake,
    open_page,
    open_pages,
    reset,
)
from .strained import strained

STAY: Final = 5

#: How long hooks and handlers work that a page vanishes from.
WORKS: Final = 0.05


@dataclass(frozen=True)
class Vanished:
    """What the server held before and after, and what it says of hooks."""

    cycles: int
    before: dict[str, int]
    after: dict[str, int]
    hooks: dict[str, int]
    objects: dict[str, int]


async def measure_vanishing(cycles: int) -> Vanished:
    """Let pages come and vanish that many times."""
    async with strained() as site:
        await close_all(await open_pages(site.url, "/page/warm", STAY))
        stay = await open_pages(site.url, "/page/stay", STAY)
        before = await site.becomes("count", lambda count: count["connections"] == STAY)
        left = iter(range(cycles))

        async def come_and_vanish() -> None:
            for number in left:
                await WAYS[number % len(WAYS)](site.url, f"/page/{number % 100}")

        await asyncio.gather(*(come_and_vanish() for _ in range(AT_ONCE)))
        after = await site.becomes("count", lambda count: count == before)
        hooks = await site.ask("count_hooks")
        objects = await site.becomes("count_objects", lambda count: set(count.values()) == {STAY})
        await close_all(stay)
    return Vanished(cycles, before, after, hooks, objects)


async def knock_and_go(url: str, path: str) -> None:
    await _begin(url, b"")


async def half_a_handshake(url: str, path: str) -> None:
    await _begin(url, handshake(url, path)[:60])


async def not_wait_for_the_answer(url: str, path: str) -> None:
    await _begin(url, handshake(url, path))


async def _begin(url: str, request: bytes) -> None:
    wire, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, *address_of(url))
    wire.write(request)
    await asyncio.sleep(0)
    reset(wire)


async def vanish_at_once(url: str, path: str) -> None:
    (await open_page(url, path)).reset()


async def leave_at_once(url: str, path: str) -> None:
    await _leave(await open_page(url, path))


async def half_a_frame(url: str, path: str) -> None:
    page = await open_page(url, path)
    page.wire.write(b"\x81\xfe\x10\x00\0\0\0\0" + b'{"msg": "')
    await asyncio.sleep(0)
    page.reset()


async def vanish_from_the_connect_hook(url: str, path: str) -> None:
    page = await connect(url, f"{path}?works={WORKS}")
    await page.opened
    page.reset()


async def leave_the_connect_hook(url: str, path: str) -> None:
    page = await connect(url, f"{path}?works={WORKS}")
    await page.opened
    await _leave(page)


async def be_turned_away(url: str, path: str) -> None:
    await (await open_page(url, f"{path}?turns_away=true")).closed


async def be_turned_away_late_and_vanish(url: str, path: str) -> None:
    page = await open_page(url, f"{path}?works={WORKS}&turns_away=true")
    await asyncio.sleep(WORKS)
    page.reset()


async def vanish_from_a_handler(url: str, path: str) -> None:
    page = await open_page(url, path)
    page.say(action="work", seconds=WORKS)
    await asyncio.sleep(WORKS / 2)
    page.reset()


async def leave_a_handler(url: str, path: str) -> None:
    page = await open_page(url, path)
    page.say(action="work", seconds=WORKS)
    page.say(action="say", msg="waits")
    await _leave(page)


async def vanish_from_a_stream(url: str, path: str) -> None:
    page = await open_page(url, path)
    page.say(action="stream")
    await asyncio.sleep(WORKS)
    page.reset()


async def vanish_from_background_work(url: str, path: str) -> None:
    page = await open_page(url, path)
    page.say(action="start")
    await asyncio.sleep(WORKS / 2)
    page.reset()


async def _leave(page: Page) -> None:
    page.leave()
    await page.closed


WAYS: Final[tuple[Callable[[str, str], Awaitable[None]], ...]] = (
    knock_and_go,
    half_a_handshake,
    not_wait_for_the_answer,
    vanish_at_once,
    leave_at_once,
    half_a_frame,
    vanish_from_the_connect_hook,
    leave_the_connect_hook,
    be_turned_away,
    be_turned_away_late_and_vanish,
    vanish_from_a_handler,
    leave_a_handler,
    vanish_from_a_stream,
    vanish_from_background_work,
)
