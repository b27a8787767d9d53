"""Numbers are published to a page in a browser that is cut off again and again; are they all there?

Each is published when the one before is, so the page must show all of them, once, in order. What
cuts it off comes in turn; meanwhile numbers are published on, and the next cut comes when the page
is back.
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

from playwright.async_api import Page, WebSocket, async_playwright

from tests.browser.guests import FLAGS, HIDE, chromium_path
from tests.services.servers import KINDS, Server, serve_on

from .road import Road, road_to

#: No page takes as long to come back: htmx 2 waits up to a second, then two, four and so on.
CEILING_SECONDS: Final = 60

_SHOWN: Final = "() => [...document.querySelectorAll('#log > li')].map(each => each.textContent)"


@dataclass
class Outcome:
    """What became of ``published`` numbers: each list holds numbers."""

    published: int
    cuts: Counter[str] = field(default_factory=Counter)
    lost: list[int] = field(default_factory=list)
    doubled: list[int] = field(default_factory=list)
    displaced: list[int] = field(default_factory=list)
    sockets: int = 0

    @classmethod
    def of(cls, published: int, shown: list[int], cuts: Counter[str]) -> Outcome:
        """Compare what a page shows with what was published."""
        times = Counter(shown)
        return cls(
            published,
            cuts,
            lost=[n for n in range(1, published + 1) if n not in times],
            doubled=[n for n, count in times.items() if count > 1],
            displaced=[b for a, b in pairwise(shown) if b < a],
        )

    @property
    def is_whole(self) -> bool:
        """Whether nothing is lost, doubled or out of order."""
        return not (self.lost or self.doubled or self.displaced)

    def __str__(self) -> str:
        cuts = ", ".join(f"{count} x {name}" for name, count in self.cuts.items())
        return (
            f"{self.published} messages, {sum(self.cuts.values())} disconnections ({cuts}), "
            f"{self.sockets} sockets: {len(self.lost)} lost, {len(self.doubled)} doubled, "
            f"{len(self.displaced)} out of order"
        )


class Stage:
    """Servers, the road to them, and a page; ``cuts`` are the ways to cut it off, by name."""

    def __init__(self, page: Page, road: Road, servers: list[Server], restart: Restart) -> None:
        self.page = page
        self.road = road
        self._servers = servers
        self._restart = restart
        self._turn = 0
        self.sockets = 0
        self._old = 0  # how many sockets there were when the last cut began
        self._news = asyncio.Event()
        page.on("websocket", self._count)

    def _count(self, socket: WebSocket) -> None:
        self.sockets += 1
        number = self.sockets

        def note(_: object) -> None:
            # One that is refused sends nothing.
            if number > self._old:
                self._news.set()

        socket.on("framesent", note)

    async def get(self, path: str) -> bytes:
        """Ask one of the servers, until one answers."""
        async with asyncio.timeout(CEILING_SECONDS):
            while True:
                answer = await _get(self.road.port, path)
                if answer is not None:
                    return answer
                await asyncio.sleep(0.05)

    def forget_news(self) -> None:
        self._old = self.sockets
        self._news.clear()

    async def news(self) -> None:
        """Wait until the page has said hello through a socket that opened since."""
        async with asyncio.timeout(CEILING_SECONDS):
            await self._news.wait()

    # --- the cuts ----------------------------------------------------------------------

    async def cut_wires(self, publish_some: Publish) -> None:
        self.road.cut()
        await publish_some()

    async def close_with_1012(self, publish_some: Publish) -> None:
        await self.get("/kick")
        await publish_some()

    async def hide_tab(self, publish_some: Publish) -> None:
        await self.page.evaluate(HIDE, True)
        await publish_some()
        await self.page.evaluate(HIDE, False)

    async def kill_server(self, publish_some: Publish) -> None:
        at = self._turn % len(self._servers)
        self._turn += 1
        await self._move_to(_port_of(self._servers[at]))
        os.killpg(self._servers[at].process.pid, signal.SIGKILL)
        if len(self._servers) > 1:
            await publish_some()
        self._servers[at] = await self._restart()
        self.road.ports[at] = _port_of(self._servers[at])
        await publish_some()

    async def _move_to(self, port: int) -> None:
        """Have the page be with one of several servers, whose end is to cut it off."""
        if await _get(port, "/pages") == b"0":
            self.road.only = port
            self.road.cut()
            await self.news()
            self.road.only = None
            self.forget_news()


Publish = Callable[[], Awaitable[None]]
Restart = Callable[[], Awaitable[Server]]


async def play(
    htmx: int,
    *,
    published: int,
    disconnections: int,
    servers: int = 1,
    backend: str = "",
    resumes: bool = True,
    kills: int | None = None,
) -> Outcome:
    """Play one run, and give what became of the numbers; ``kills`` bounds how often a server is.

    ``backend`` is the address of what several servers share.
    """
    async with _stage(htmx, servers, backend, resumes) as stage:
        ways: dict[str, Callable[[Publish], Awaitable[None]]] = {
            "TCP cut": stage.cut_wires,
            "close 1012": stage.close_with_1012,
            "server killed": stage.kill_server,
        }
        if htmx == 4:
            ways["tab hidden"] = stage.hide_tab
        n = 0
        done: Counter[str] = Counter()
        apart = max(1, published // (disconnections + 1))

        async def publish(count: int) -> None:
            nonlocal n
            for _ in range(min(count, published - n)):
                n += 1
                assert await stage.get(f"/publish?n={n}") == b"published"

        await publish(apart // 2)
        for number in range(disconnections):
            names = [
                name
                for name in ways
                if name != "server killed" or kills is None or done[name] < kills
            ]
            name = names[number % len(names)]
            stage.forget_news()
            await ways[name](lambda: publish(apart // 3))
            done[name] += 1
            if resumes:
                await stage.news()
            else:
                await stage.page.wait_for_timeout(1_500)
            await publish(apart - apart // 3)
        await publish(published - n)
        shown = await _settled(stage.page, published)
        outcome = Outcome.of(published, shown, done)
        outcome.sockets = stage.sockets
        return outcome


async def _settled(page: Page, published: int) -> list[int]:
    """Give what the page shows once it shows as many as were published, or shows no more."""
    shown: list[int] = []
    for _ in range(50):
        shown = [int(text) for text in await page.evaluate(_SHOWN)]
        if len(shown) >= published:
            break
        await asyncio.sleep(0.1)
    return shown


@asynccontextmanager
async def _stage(htmx: int, count: int, backend: str, resumes: bool) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
        store = folder / "numbers"
        store.touch()
        environment = {
            "CHAOS_STORE": str(store),
            "CHAOS_BACKEND": backend or "memory://",
            "CHAOS_RESUMES": "1" if resumes else "0",
        }

        async def start() -> Server:
            kind = KINDS[0]
            serving = serve_on(kind, "tests.chaos.site:app", environment=environment)
            return await held.enter_async_context(serving)

        servers = [await start() for _ in range(count)]
        road = await held.enter_async_context(road_to([_port_of(each) for each in servers]))
        playwright = await held.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(
            executable_path=chromium_path(), args=list(FLAGS)
        )
        held.push_async_callback(browser.close)
        page = await browser.new_page()
        stage = Stage(page, road, servers, start)
        await page.goto(f"http://127.0.0.1:{road.port}/?htmx={htmx}")
        if resumes:
            await stage.news()
        else:
            await page.wait_for_timeout(1_000)
        yield stage


def _port_of(server: Server) -> int:
    return int(server.url.rpartition(":")[2])


async def _get(port: int, path: str) -> bytes | None:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
    except OSError:
        return None
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head.partition(b"\r\n")[0]:
        return None
    if b"chunked" in head.lower():
        body = body.partition(b"\r\n")[2].partition(b"\r\n")[0]
    return body
