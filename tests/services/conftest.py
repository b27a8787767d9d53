"""Real server processes on the loopback interface, on ports that the system chose."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from .servers import Server, run

__all__ = ["Serve", "Server"]

Serve = Callable[[str], Awaitable[Server]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Run Python scripts that print the address at which they serve, until the test ends."""
    async with AsyncExitStack() as running:

        async def start(script: str) -> Server:
            command = [sys.executable, script]
            server = await running.enter_async_context(run(command, r"http://\S+:(\d+)"))
            running.callback(lambda: print(*server.printed, sep="\n"))  # shown of failed tests
            return server

        yield start
