"""A deploy: under uvicorn SIGTERM itself sends the pages away, elsewhere a command does before it.

What pages see where neither is done, ``test_servers`` has.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus

from .deploys import DRAIN_SECONDS, SECRET
from .servers import CEILING_SECONDS, KINDS, TOP, Kind, Server, knock, serve_on

pytestmark = pytest.mark.service

APP = "tests.services.deploys:app"
UVICORN, UVICORN_WEBSOCKETS, *OTHERS = KINDS
PAGES = 200

#: How htmx-ws closes pages at a deploy; uvicorn itself gives no reason.
BY_US = (1012, "restart")

#: daphne has no code for that: what is open it cuts at its end, and everybody comes back.
LEAVES_OPEN = {"daphne"}


class Visitors:
    """Open pages, and when each was closed, in the order of that."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.pages: list[ClientConnection] = []
        self.closed_at: list[float] = []
        self._watching: list[asyncio.Task[None]] = []
        self._news = asyncio.Condition()

    async def come(self, count: int) -> None:
        for _ in range(count):
            page = await self.server.open("/idle", compression=None, ping_interval=None)
            self.pages.append(page)
            self._watching.append(asyncio.create_task(self._watch(page)))

    async def _watch(self, page: ClientConnection) -> None:
        await page.wait_closed()
        async with self._news:
            self.closed_at.append(time.monotonic())
            self._news.notify_all()

    async def have_gone(self, count: int | None = None) -> set[tuple[int | None, str | None]]:
        """Wait until that many have been closed, or all; give the codes of those, and reasons."""
        enough = len(self.pages) if count is None else count
        async with asyncio.timeout(CEILING_SECONDS), self._news:
            await self._news.wait_for(lambda: len(self.closed_at) >= enough)
        gone = [page for page in self.pages if page.close_code is not None]
        return {(page.close_code, page.close_reason) for page in gone}


async def get(server: Server, path: str) -> int:
    """Give the status of an address."""

    def ask() -> int:
        try:
            with build_opener(ProxyHandler({})).open(server.url + path, timeout=10) as answer:
                return int(answer.status)
        except HTTPError as error:
            with error:
                return error.code

    return await asyncio.to_thread(ask)


async def drain(server: Server) -> tuple[int | None, str]:
    """Run the command as a platform does before it stops a process; its status, what it says."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "htmx_ws", "drain", f"{server.url}/ready"),
        cwd=TOP, env={"HTMX_WS_SECRET": SECRET, "PYTHONPATH": str(TOP)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(CEILING_SECONDS):
        said, _ = await process.communicate()
    return process.returncode, said.decode()


def assert_each_left_once(server: Server, count: int) -> None:
    """Look at what the disconnect hooks of an application that has ended printed."""
    left = [line for line in server.printed if line.startswith("left ")]
    assert len(left) == len(set(left)) == count


@pytest.mark.parametrize("kind", [UVICORN, UVICORN_WEBSOCKETS], ids=str)
async def test_pages_go_one_after_the_other_while_http_is_served_and_then_the_server(
    kind: Kind,
) -> None:
    async with serve_on(kind, APP) as server:
        visitors = Visitors(server)
        await visitors.come(PAGES)
        assert await get(server, "/ready") == 200
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert await visitors.have_gone(1) == {BY_US}
        assert await get(server, "/ready") == 503
        assert await get(server, "/") == 200
        with pytest.raises(InvalidStatus) as refused:
            await server.open("/idle")
        assert refused.value.response.status_code == 503
        assert len(visitors.closed_at) < PAGES
        assert await visitors.have_gone() == {BY_US}
        took = [closed - began for closed in visitors.closed_at]
        assert took[-1] > 0.9 * DRAIN_SECONDS
        # Evenly, on a machine that is not always quick.
        assert 0.2 * DRAIN_SECONDS < took[PAGES // 2] < 0.8 * took[-1]
        async with asyncio.timeout(5):
            assert await server.process.wait() == -signal.SIGTERM
        await server.end()
        assert_each_left_once(server, PAGES)


async def test_few_pages_are_not_waited_for() -> None:
    async with serve_on(UVICORN, APP) as server:
        visitors = Visitors(server)
        await visitors.come(3)
        async with asyncio.timeout(0.8 * DRAIN_SECONDS):
            assert await server.stop() == -signal.SIGTERM
        assert await visitors.have_gone() == {BY_US}


async def test_every_worker_drains_though_each_is_told_twice() -> None:
    """By systemd, which tells every process of a service, and by their parent."""
    settings = f"{UVICORN.advice} --workers 2"
    async with serve_on(UVICORN, APP, settings) as server:
        await server.prints("Application startup complete", 2)
        await knock(int(server.url.rpartition(":")[2]))
        visitors = Visitors(server)
        await visitors.come(PAGES)
        began = time.monotonic()
        os.killpg(server.process.pid, signal.SIGTERM)
        assert await visitors.have_gone() == {BY_US}
        # Of 100 pages in a second, each has half, or some more or less: not all at once.
        assert visitors.closed_at[-1] - began > 0.3 * DRAIN_SECONDS
        async with asyncio.timeout(5):
            assert await server.process.wait() == 0
        await server.end()
        assert_each_left_once(server, PAGES)


@pytest.mark.parametrize("kind", [UVICORN, *OTHERS], ids=str)
async def test_a_command_sends_the_pages_away_before_the_server_is_told_to_end(kind: Kind) -> None:
    async with serve_on(kind, APP) as server:
        visitors = Visitors(server)
        await visitors.come(3)
        assert await drain(server) == (0, "drained 3 pages\n")
        await server.prints("^left ", 3)
        assert await get(server, "/ready") == 503
        assert await get(server, "/") == 200
        if kind.name in LEAVES_OPEN:
            assert visitors.closed_at == []
            await server.stop()
        assert await visitors.have_gone() == {(1006, "") if kind.name in LEAVES_OPEN else BY_US}
        assert not any("Traceback" in line for line in server.printed)
