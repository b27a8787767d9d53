"""Pages that do not read: how soon they are let go, at what cost, and what the others notice.

A page is stalled from when a ``send`` to it does not return: its own buffers, the kernel's and
the server's are full, and what is sent from then on waits in htmx-ws. It is let go when its ASGI
application returns. The buffers of the kernel are made small, or megabytes would fill them first.

The others notice it, or not, by the time from when one of them sends a frame until what its
handler publishes is read: by each of them, so that the 99th percentile is that of a page that
is unlucky.
"""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass
from typing import Final

from .pages import CEILING_SECONDS, Arrivals, Page, close_all, open_page, open_pages
from .strained import Compared, Site, compare, strained

SMALL_BUFFER: Final = (socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
RECEIVE_BUFFER: Final = 4 * 1024

#: Pages that read, where their memory must not be taken for that of those that do not.
FEW: Final = 5
PAGES: Final = 300
STALLED: Final = 20
PER_SECOND: Final = 5
SIZE: Final = 2048

#: Publications that fill the buffers of the kernel and of the server, and begin to fill an outbox.
FILLS: Final = 60


@dataclass(frozen=True)
class Stalled:
    """What became of the pages that did not read, and what the others had of it."""

    p99: Compared
    let_go: tuple[float, ...]  # seconds, by Limits.write_seconds
    let_go_when_full: tuple[float, ...]  # by Limits.outbox_bytes
    memory: float  # bytes that each had waiting in htmx-ws at the most
    closed_with: frozenset[int]
    came_back: int  # to the state of their connect hook


async def measure_stalled(runs: int, seconds: float) -> Stalled:
    """Tell a room of pages something new, without and with some that do not read."""
    async with strained(options=[SMALL_BUFFER]) as site:
        pages = await open_pages(site.url, "/page/a", FEW, None, RECEIVE_BUFFER)
        memory, stalled = await _fill(site, pages)
        when_full = (await site.ask("stuck"))["given_up"]
        for page in stalled:
            page.wire.resume_reading()
        codes = await asyncio.gather(*(page.closed for page in stalled))
        back = await asyncio.gather(*(_come_back(site) for _ in stalled))
        others = PAGES - STALLED - FEW
        pages += await open_pages(site.url, "/page/a", others, None, RECEIVE_BUFFER)
        p99 = await compare(lambda with_it: _run(site, pages, with_it, seconds), runs)
        let_go = (await site.ask("stuck"))["given_up"][len(when_full) :]
        await close_all(pages)
    return Stalled(p99, tuple(let_go), tuple(when_full), memory, frozenset(codes), sum(back))


async def measure_release(most: float, user_timeout: float = 0) -> float | None:
    """Give the seconds until sockets are closed of pages that were let go and still do not read.

    A server cannot say goodbye to them, and waits until they have read what it has written.
    ``user_timeout`` is TCP's: how long what was written may stay where it is.
    """
    options = [SMALL_BUFFER]
    if user_timeout:
        milliseconds = int(user_timeout * 1000)
        options.append((socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds))
    async with strained(options=options) as site:
        pages = await open_pages(site.url, "/page/a", FEW, None, RECEIVE_BUFFER)
        before = (await site.ask("count"))["descriptors"]
        _, stalled = await _fill(site, pages)
        began = time.monotonic()
        count = await site.becomes("count", lambda count: count["descriptors"] <= before, most)
        took = time.monotonic() - began
        await close_all([*pages, *stalled])
    return took if count["descriptors"] <= before else None


async def _run(site: Site, pages: list[Page], with_stalled: bool, seconds: float) -> float:
    """Give the 99th percentile of the pages that read, while the others are stalled and let go."""
    others = await _open_others(site, stalled=with_stalled)
    before = len((await site.ask("stuck"))["given_up"])
    await _say_to_all(pages, FILLS, pause=0.01)
    if with_stalled:
        stuck = await site.becomes("stuck", lambda said: len(said["blocked"]) == STALLED)
        assert len(stuck["blocked"]) == STALLED
    arrivals = await _say_to_all(pages, int(seconds * PER_SECOND), pause=1 / PER_SECOND)
    if with_stalled:
        wanted = before + STALLED
        await site.becomes("stuck", lambda said: len(said["given_up"]) == wanted)
    await close_all(others)
    return arrivals.percentile(99)


async def _open_others(site: Site, *, stalled: bool) -> list[Page]:
    """Open as many pages in either case: without a strain they read."""
    others = await open_pages(site.url, "/page/a", STALLED, None, RECEIVE_BUFFER)
    if stalled:
        for page in others:
            page.wire.pause_reading()
    return others


async def _say_to_all(pages: list[Page], times: int, pause: float) -> Arrivals:
    """Publish, and wait until all of it has been read by all who read."""
    arrivals = Arrivals(times * len(pages))
    for page in pages:
        page.on_text = arrivals
    await _say(pages[0], times, pause)
    await arrivals.of_all()
    return arrivals


async def _say(page: Page, times: int, pause: float) -> None:
    for _ in range(times):
        page.say(action="say", msg=repr(time.monotonic()), size=SIZE)
        await asyncio.sleep(pause)


async def _fill(site: Site, pages: list[Page]) -> tuple[float, list[Page]]:
    """Publish until stalled pages are let go; give the memory that each had beside its server's."""
    stalled = await _open_others(site, stalled=True)
    while len((await site.ask("stuck"))["blocked"]) < STALLED:
        await _say_to_all(pages, 1, pause=0)
    before = most = await site.ask("weigh")
    while (await site.ask("stuck"))["blocked"]:
        await _say_to_all(pages, 2, pause=0)
        most = max(most, await site.ask("weigh"))
    return (most - before) / STALLED, stalled


async def _come_back(site: Site) -> bool:
    """Whether a page that comes is told the state of its room first."""
    first: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    page = await open_page(site.url, "/page/a", first.set_result)
    async with asyncio.timeout(CEILING_SECONDS):
        told = await first
    state = await site.ask("state?room=a")
    await close_all([page])
    return f">{state}<".encode() in told
