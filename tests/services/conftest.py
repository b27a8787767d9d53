"""Real server processes on the loopback interface, on ports that the system chose."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
Serve = Callable[[str], Awaitable["Server"]]


class Server:
    """A process that serves on ``url``, an http address without a slash at its end."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self.url = url

    @property
    def ws(self) -> str:
        """The address for websockets."""
        return self.url.replace("http", "ws", 1)

    async def stop(self) -> int:
        """End it as a deploy does, and give its exit status."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            return await self.process.wait()


@asynccontextmanager
async def run_server(script: str) -> AsyncIterator[Server]:
    """Run a Python script that prints the address at which it serves."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, script), cwd=TOP, env={"PORT": "0", "PYTHONPATH": str(TOP)},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            line = (await process.stdout.readline()).decode()
        url = next(word for word in line.split() if word.startswith("http"))
        server = Server(process, url.rstrip("/"))
        yield server
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        process._transport.close()  # type: ignore[attr-defined]  # else its pipe warns when freed


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Run scripts as servers until the test ends."""
    async with AsyncExitStack() as running:

        async def start(script: str) -> Server:
            return await running.enter_async_context(run_server(script))

        yield start
