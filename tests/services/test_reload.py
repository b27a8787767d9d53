"""What whoever writes an application does all day: save a file, or press Ctrl-C.

Neither may hang, whatever its pages are at. uvicorn waits for the task of every page, and for ever.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from htmx_ws.app import DEBUG_STOP_SECONDS
from htmx_ws.ending import HURRY_SECONDS
from htmx_ws.testing import build_frame

from .deploys import STOP_SECONDS
from .servers import KINDS, Server, knock, serve_on

pytestmark = pytest.mark.service

APPS = "tests.services.deploys"
PATHS = ("/idle", "/work", "/stream", "/never")

#: What a page's end may take longer than it is waited for: its work and its hook are hurried.
HURRIED = 2 * HURRY_SECONDS
#: What it takes a process to start, and to end, on a machine that does other things too.
SLACK = 3.0


@asynccontextmanager
async def open_page(server: Server, path: str) -> AsyncIterator[ClientConnection]:
    """Open a page, and see to it that it is at what its path says."""
    async with server.open(path) as page:
        if path == "/work":
            await page.send(build_frame({}))
            await server.prints("^at work")
        if path == "/stream":
            await page.recv()
        yield page


async def code_of(page: ClientConnection) -> int | None:
    """Read a page to its end."""
    async with asyncio.timeout(10):
        try:
            while True:
                await page.recv()
        except ConnectionClosed:
            return page.close_code


async def save(server: Server, file: Path) -> None:
    """Save a file, and again where the server did not look yet."""
    while not any("Reloading" in line for line in server.printed):
        file.write_text(f"{time.monotonic()}\n")
        try:
            async with asyncio.timeout(2):
                await server.prints("Reloading")
        except TimeoutError:
            continue


async def reload_with(path: str, app: str, within: float, folder: Path) -> None:
    """Save a file while a page is open; the new process serves it in that many seconds."""
    settings = f"--reload --reload-dir {folder}"
    async with serve_on(KINDS[0], f"{APPS}:{app}", settings) as server:
        await server.prints("Application startup complete")
        await knock(int(server.url.rpartition(":")[2]))
        async with open_page(server, path) as page:
            await save(server, folder / "saved.py")
            began = time.monotonic()
            assert await code_of(page) == 1012
            await server.prints("Application startup complete", 2)
            assert time.monotonic() - began < within + SLACK
        async with open_page(server, path):
            pass


async def interrupt_with(path: str, app: str, within: float) -> None:
    """Press Ctrl-C while a page is open; the server ends in that many seconds."""
    async with serve_on(KINDS[0], f"{APPS}:{app}", "") as server, open_page(server, path) as page:
        began = time.monotonic()
        server.process.send_signal(signal.SIGINT)
        assert await code_of(page) == 1012
        async with asyncio.timeout(within + SLACK):
            assert await server.process.wait() == 0
        assert time.monotonic() - began < within + SLACK


@pytest.mark.parametrize("path", PATHS)
async def test_in_debug_neither_waits_for_what_a_page_is_at(path: str, tmp_path: Path) -> None:
    within = DEBUG_STOP_SECONDS + HURRIED
    async with asyncio.TaskGroup() as group:
        group.create_task(reload_with(path, "in_debug", within, tmp_path))
        group.create_task(interrupt_with(path, "in_debug", within))


@pytest.mark.parametrize("path", ["/work", "/never"])
async def test_without_debug_they_wait_no_longer_than_a_deploy(path: str, tmp_path: Path) -> None:
    within = STOP_SECONDS + HURRIED
    async with asyncio.TaskGroup() as group:
        group.create_task(reload_with(path, "app", within, tmp_path))
        group.create_task(interrupt_with(path, "app", within))
