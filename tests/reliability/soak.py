"""A mixed load for a long time: pages come, work, stall and vanish, and the memory stays flat.

The load is the same every time: who does what is drawn from a seeded generator. The memory is
looked at every second; the first third of the time warms up, and the last is compared with the
middle one, by their medians, as garbage comes and goes.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from statistics import median
from typing import Final

from .pages import Arrivals, Page, close_all, open_page, open_pages
from .stalled import RECEIVE_BUFFER, SMALL_BUFFER
from .strained import strained
from .vanish import WAYS

ROOMS: Final = 10
IN_A_ROOM: Final = 10

#: Pages that come, do something and go, at once; how long each waits before the next.
COME_AND_GO: Final = 10
BETWEEN_SECONDS: Final = 0.2

#: Pages of the first room, to which every other publication goes, that read nothing for a while.
SLOW: Final = 5
SLOW_SECONDS: Final = 10

PUBLICATIONS_PER_SECOND: Final = 20
SIZE: Final = 2048


@dataclass(frozen=True)
class Soaked:
    """What passed, and the memory of the server, in bytes."""

    seconds: float
    came: int  # pages that came and went
    reached: int  # messages that pages read
    memory: tuple[int, ...]  # each second
    before: dict[str, int]
    after: dict[str, int]
    hooks: dict[str, int]
    objects: dict[str, int]

    @property
    def growth(self) -> float:
        """By what share the last third is above the middle one."""
        third = len(self.memory) // 3
        return median(self.memory[-third:]) / median(self.memory[third:-third]) - 1


async def measure_soak(seconds: float) -> Soaked:
    """Put the mixed load on a server for that time."""
    draw = random.Random(4)
    came = 0
    arrivals = Arrivals()
    memory: list[int] = []

    async def come_and_go() -> None:
        nonlocal came
        while time.monotonic() < end:
            way = draw.choice(WAYS)
            await way(site.url, f"/page/{draw.randrange(ROOMS)}")
            came += 1
            await asyncio.sleep(draw.uniform(0, 2 * BETWEEN_SECONDS))

    async def stall() -> None:
        while time.monotonic() < end:
            page = await open_page(site.url, "/page/0", None, RECEIVE_BUFFER)
            page.wire.pause_reading()
            await asyncio.sleep(SLOW_SECONDS)
            page.wire.resume_reading()
            await asyncio.wait([page.closed], timeout=1)
            await close_all([page])

    async def publish() -> None:
        while time.monotonic() < end:
            page = draw.choice((pages[0], draw.choice(pages)))
            page.say(action="say", msg=repr(time.monotonic()), size=draw.randrange(2 * SIZE))
            page.say(action="ask", msg="?")
            page.say(action="ask", wrong="field")
            await asyncio.sleep(1 / PUBLICATIONS_PER_SECOND)

    async def look() -> None:
        while time.monotonic() < end:
            memory.append(await site.ask("weigh"))
            await asyncio.sleep(1)

    async with strained(options=[SMALL_BUFFER]) as site:
        pages: list[Page] = []
        for room in range(ROOMS):
            pages += await open_pages(site.url, f"/page/{room}", IN_A_ROOM, arrivals)
        before = await site.ask("count")
        end = time.monotonic() + seconds
        async with asyncio.TaskGroup() as load:
            for work in (look, publish, *[come_and_go] * COME_AND_GO, *[stall] * SLOW):
                load.create_task(work())
        after = await site.becomes("count", lambda count: count == before)
        hooks = await site.ask("count_hooks")
        objects = await site.becomes(
            "count_objects", lambda count: set(count.values()) == {len(pages)}
        )
        await close_all(pages)
    return Soaked(seconds, came, arrivals.count, tuple(memory), before, after, hooks, objects)
