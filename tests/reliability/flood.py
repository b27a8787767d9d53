"""A page that sends as fast as it can: what the other pages have of it.

What it sends is made beforehand and written where the network takes it, and what it is answered
is not looked at. So what it costs is the server's, and not that of this process, which measures
how long the others wait for their answers.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Final

from htmx_ws.testing import build_frame

from .pages import CEILING_SECONDS, Arrivals, Page, close_all, frame_of, open_page, open_pages
from .strained import UNCOMPRESSED, Compared, compare, strained

OTHERS: Final = 20
PER_SECOND: Final = 20
AT_A_TIME: Final = 64 * 1024

#: What floods are of: frames as htmx sends them, text that is no frame, and pings.
FLOODS: Final = {
    "frames": frame_of(1, build_frame({"action": "ask", "msg": "x"}).encode()),
    "text that is no frame": frame_of(1, b"x"),
    "pings": frame_of(9, b""),
}


async def measure_flood(
    of: str, runs: int, seconds: float, settings: str = UNCOMPRESSED
) -> Compared:
    """Let pages ask for answers again and again, without and with a flood beside them."""
    piece = FLOODS[of] * (AT_A_TIME // len(FLOODS[of]))

    async def flood(page: Page) -> None:
        while not page.closed.done():
            page.wire.write(piece)
            await page.may_write.wait()
            await asyncio.sleep(0)

    async def run(with_flood: bool) -> float:
        arrivals = Arrivals(OTHERS * int(seconds * PER_SECOND))
        for page in others:
            page.on_text = arrivals
        flooding = None
        if with_flood:
            page = await open_page(site.url, "/page/flood")
            page.is_deaf = True
            flooding = asyncio.create_task(flood(page))
        await asyncio.gather(*(_ask_often(page, seconds) for page in others))
        with suppress(TimeoutError):
            await arrivals.of_all()
        missing = OTHERS * int(seconds * PER_SECOND) - len(arrivals.seconds)
        arrivals.seconds += [CEILING_SECONDS] * missing  # it is longer than that
        if flooding is not None:
            flooding.cancel()
            await close_all([page])
        return arrivals.percentile(50)

    async with strained(settings=settings) as site:
        others = await open_pages(site.url, "/page/others", OTHERS)
        answers = await compare(run, runs)
        await close_all(others)
    return answers


async def _ask_often(page: Page, seconds: float) -> None:
    for _ in range(int(seconds * PER_SECOND)):
        page.say(action="ask", msg=repr(time.monotonic()))
        await asyncio.sleep(1 / PER_SECOND)
