"""Two workers on one Redis, each a real process, and what an operator asks of one."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.reliability.pages import CEILING_SECONDS, Page, address_of, open_page
from tests.services.brokers import RedisServer
from tests.services.servers import KINDS, Server, serve_on

__all__ = ["CEILING_SECONDS", "Heard", "Visit", "Workers", "ask", "fetch", "two_workers", "visit"]


@dataclass
class Workers:
    """Those that serve, their Redis, and its address."""

    servers: list[Server]
    redis: RedisServer

    @property
    def backend(self) -> str:
        return self.redis.url()


@asynccontextmanager
async def two_workers(settings: str = "", **environment: str) -> AsyncIterator[Workers]:
    """Serve the site by two processes until the end of the block; ``settings`` are the server's."""
    async with AsyncExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
        redis = held.enter_context(RedisServer(folder / "data"))
        environment = {
            "SCALING_BACKEND": redis.url(),
            **{f"SCALING_{name}": value for name, value in environment.items()},
        }
        kind = KINDS[0]
        servers = [
            await held.enter_async_context(
                serve_on(
                    kind,
                    "tests.scaling.site:app",
                    f"{kind.advice} {settings}",
                    environment=environment,
                )
            )
            for _ in range(2)
        ]
        yield Workers(servers, redis)


async def fetch(url: str, path: str) -> tuple[int, bytes]:
    """Ask over HTTP; give the status and the body."""
    async with asyncio.timeout(CEILING_SECONDS):
        reader, writer = await asyncio.open_connection(*address_of(url))
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
    if b"chunked" in head.lower():
        body = body.partition(b"\r\n")[2].partition(b"\r\n0\r\n")[0]
    return int(head.split(b" ", 2)[1]), body


async def ask(server: Server, path: str, **query: str | int) -> Any:
    """Have one worker do something; give its answer."""
    status, body = await fetch(server.url, f"{path}?{urlencode(query)}")
    assert status == 200, body
    return json.loads(body)


class Heard:
    """The texts that reached a page, in order, and a wait for what is to come."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._news = asyncio.Event()

    def __call__(self, payload: bytes) -> None:
        self.texts.append(payload.decode())
        self._news.set()

    async def until(self, is_there: Callable[[list[str]], object], most: float = 20) -> None:
        """Wait until the texts are as wanted."""
        async with asyncio.timeout(most):
            while not is_there(self.texts):
                self._news.clear()
                await self._news.wait()

    def items(self) -> list[str]:
        """Give what stands in the list items."""
        return [
            text.partition("<li>")[2].partition("</li>")[0] for text in self.texts if "<li>" in text
        ]


@dataclass
class Visit:
    """A page that has joined its rooms."""

    page: Page
    heard: Heard

    async def hears(self, *items: str, most: float = 20) -> None:
        """Wait until it has heard all of these."""
        await self.heard.until(lambda _: {*items} <= {*self.heard.items()}, most)


async def visit(url: str, user: str = "", rooms: str = "") -> Visit:
    """Open a page, and wait until it is in its rooms."""
    heard = Heard()
    page = await open_page(url, f"/pages?{urlencode({'user': user, 'rooms': rooms})}", heard)
    await heard.until(lambda texts: any('id="here"' in text for text in texts))
    return Visit(page, heard)
