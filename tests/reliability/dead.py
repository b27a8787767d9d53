"""Pages whose network is cut: after how long which server notices.

Nothing is said when a laptop closes its lid: neither a close frame nor a reset. A proxy stands
here between page and server that stops to forward, and keeps both of its connections. So what
the server writes is acknowledged, as it is by the proxies that stand before most servers, and
only an answer that does not come can tell. Another page of the same room, which has its network,
is told when the disconnect hook of the dead one runs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from tests.services.servers import Kind

from .pages import Arrivals, address_of, close_all, open_page
from .strained import strained

#: What servers must be told beside the settings that we advise, to notice within 40 s. hypercorn
#: does not wait for answers to its pings, but may for anything at all; uvicorn's older
#: implementation waits another ten seconds for an end that it has begun.
MORE_SETTINGS: Final = {
    "hypercorn": "--read-timeout 40",
    "uvicorn-websockets": "--ws-ping-timeout 10",
}

#: After which a page is said not to be noticed.
NEVER_SECONDS: Final = 90


async def measure_dead(kind: Kind, more: str = "", most: float = NEVER_SECONDS) -> float | None:
    """Give the seconds until a page is noticed whose network is cut; None where it is not."""
    async with (
        strained(kind, f"{kind.advice} {more}") as site,
        proxy_of(site.url) as (url, cut),
    ):
        told = Arrivals(1)
        watches = await open_page(site.url, "/watched/a", told)
        await open_page(url, "/watched/a")
        await site.becomes("count", lambda count: count["members"] == 2)
        cut()
        began = time.monotonic()
        try:
            noticed = await told.of_all(most) - began
        except TimeoutError:
            noticed = None
        assert not watches.closed.done()  # it has its network, and reads and answers
        await close_all([watches])
    return noticed


@asynccontextmanager
async def proxy_of(url: str) -> AsyncIterator[tuple[str, Callable[[], None]]]:
    """Stand before a server; give the address, and what cuts all connections."""
    forwarding: list[asyncio.Task[None]] = []
    ends: list[asyncio.StreamWriter] = []

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends.append(writer)
        while data := await reader.read(64 * 1024):
            writer.write(data)

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(*address_of(url))
        forwarding.append(asyncio.create_task(forward(reader, to_server)))
        forwarding.append(asyncio.create_task(forward(from_server, writer)))

    def cut() -> None:
        for task in forwarding:
            task.cancel()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", cut
    finally:
        cut()
        for end in ends:
            end.transport.abort()
        server.close()
        await server.wait_closed()
