"""The site under strain: a server process with its window open, and what is told of it.

It runs on uvicorn unless a measurement is about servers, and without compression, which would
make what is sent small and what a page costs large.
"""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any, Final

from tests.services.servers import KINDS, Kind, Server, run, serve_on

from .pages import CEILING_SECONDS, address_of

SITE: Final = "tests.reliability.site:app"
UVICORN: Final = KINDS[0]
UNCOMPRESSED: Final = f"{UVICORN.advice} --ws-per-message-deflate false"

#: How much is shown of what a server said, which says something of every page.
MOST_LINES: Final = 40

#: Level, name and value, as setsockopt takes them.
Option = tuple[int, int, int]


@dataclass(frozen=True)
class Site:
    """A server that serves the site, at ``url``."""

    server: Server

    @property
    def url(self) -> str:
        return self.server.url

    async def ask(self, question: str) -> Any:
        """Look through the window."""

        def get() -> Any:
            connection = HTTPConnection(*address_of(self.url), timeout=CEILING_SECONDS)
            try:
                connection.request("GET", f"/{question}")
                return json.loads(connection.getresponse().read())
            finally:
                connection.close()

        return await asyncio.to_thread(get)

    async def becomes(
        self, question: str, wanted: Callable[[Any], bool], most: float = CEILING_SECONDS
    ) -> Any:
        """Ask again and again, until it is as wanted or the ceiling is reached; give the last.

        What a server does when a page has gone, as closing its socket, is told to nobody.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + most
        while not wanted(said := await self.ask(question)) and loop.time() < end:
            await asyncio.sleep(0.02)
        return said


@asynccontextmanager
async def strained(
    kind: Kind = UVICORN, settings: str = UNCOMPRESSED, options: Sequence[Option] = ()
) -> AsyncIterator[Site]:
    """Serve the site, with as many descriptors as may be had, here and there.

    ``options`` are those of the listening socket, which its connections inherit.
    """
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # which the server inherits
    serving = _serve_on(kind, settings, options) if options else serve_on(kind, SITE, settings)
    try:
        async with serving as server:
            try:
                yield Site(server)
            finally:
                said = [line for line in server.printed if not line.startswith("INFO:")]
                print(*said[-MOST_LINES:], sep="\n", file=sys.stderr)  # shown of failed tests
            assert not any(line.startswith("Traceback") for line in said)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, most))


@asynccontextmanager
async def _serve_on(kind: Kind, settings: str, options: Sequence[Option]) -> AsyncIterator[Server]:
    assert kind.listen_fd is not None
    with socket.create_server(("127.0.0.1", 0)) as listening:
        for option in options:
            listening.setsockopt(*option)
        number = listening.fileno()
        words = f"{kind.command} {settings} {kind.listen_fd.format(number)} {SITE}".split()
        command = [str(Path(sys.executable).with_name(words[0])), *words[1:]]
        async with run(command, kind.ready, descriptors=[number]) as server:
            yield server


@dataclass(frozen=True)
class Compared:
    """A figure, in seconds, of runs without and with a strain, in turns."""

    without: tuple[float, ...]
    with_it: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """The median of the ratios of each two runs, which were measured one after the other."""
        return median(b / a for a, b in zip(self.without, self.with_it, strict=True))

    def __str__(self) -> str:
        before, after = map(_say, (median(self.without), median(self.with_it)))
        ratio = f"{self.ratio:.2f}" if self.ratio < 10 else f"{self.ratio:,.0f}"
        return f"{before} without, {after} with: {ratio} times"


def _say(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.1f} ms"


async def compare(measure: Callable[[bool], Awaitable[float]], runs: int) -> Compared:
    """Measure without and with a strain, in turns, so that the machine's moods meet both."""
    without, with_it = [], []
    for _ in range(runs):
        without.append(await measure(False))
        with_it.append(await measure(True))
    return Compared(tuple(without), tuple(with_it))
