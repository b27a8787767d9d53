"""The processor time of a server for each message that reaches a page through Redis, side by side.

    python -m tests.benchmarks.through_redis             # some minutes
    python -m tests.benchmarks.through_redis --pages 50

Each application runs on the same uvicorn and the same Redis, with as many pages in one room. What
this process publishes reaches every page before the next is published, so nobody is overrun, and
nothing is dropped. Counted is the time that the kernel has given the server's process, as user
and as system; the applications take turns, and the median of each one's turns is what counts. It
writes the table into docs/performance.md.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Final

from htmx_ws import Publisher, append, html
from htmx_ws.wire.serialise import serialise
from tests.reliability.pages import Page, close_all, open_pages
from tests.services.brokers import RedisServer
from tests.services.servers import KINDS, TOP, serve_on

from .redis_sites import CORE_LAYER, PUBSUB_LAYER, ROOM, channel_layer, litestar_backend

PAGE: Final = TOP / "docs" / "performance.md"
BEGIN: Final = "<!-- through redis: begin -->"
END: Final = "<!-- through redis: end -->"

#: Publishes one message, which is given by its number.
Publish = Callable[[int], Awaitable[object]]


def content(number: int) -> object:
    return append("#log", html("<li>hello {}</li>", number))


def text(number: int) -> str:
    """Give what others send, which is what htmx-ws makes of the content."""
    (message,) = serialise(content(number))
    return message.text


@asynccontextmanager
async def to_htmx_ws(url: str) -> AsyncIterator[Publish]:
    with Publisher(url) as publisher:
        yield lambda number: publisher.apublish(ROOM, content(number))


@asynccontextmanager
async def to_litestar(url: str) -> AsyncIterator[Publish]:
    backend = litestar_backend(url)
    try:
        yield lambda number: backend.publish(text(number).encode(), [ROOM])
    finally:
        await backend._redis.aclose()


@asynccontextmanager
async def to_channels(url: str, name: str) -> AsyncIterator[Publish]:
    layer = channel_layer(name, url)
    try:
        yield lambda number: layer.group_send(ROOM, {"type": "say", "text": text(number)})
    finally:
        await (layer.close_pools() if name == CORE_LAYER else layer.flush())


@dataclass(frozen=True)
class Subject:
    """An application, by its factory, and how one publishes to it."""

    name: str
    factory: str
    publisher: Callable[[str], AbstractAsyncContextManager[Publish]]


SUBJECTS: Final = (
    Subject("htmx-ws", "by_htmx_ws", to_htmx_ws),
    Subject("htmx-ws, a room with a history", "by_htmx_ws_keeping", to_htmx_ws),
    Subject("Litestar, `RedisChannelsPubSubBackend`", "by_litestar", to_litestar),
    Subject(
        "Channels, `RedisPubSubChannelLayer`",
        "by_channels_pubsub",
        lambda url: to_channels(url, PUBSUB_LAYER),
    ),
    Subject(
        "Channels, `RedisChannelLayer`", "by_channels", lambda url: to_channels(url, CORE_LAYER)
    ),
)


class Arrivals:
    """Counts messages, and waits for so many."""

    def __init__(self) -> None:
        self.count = 0
        self._wanted = 0
        self._are_there = asyncio.Event()

    def __call__(self, payload: bytes) -> None:
        self.count += 1
        if self.count == self._wanted:
            self._are_there.set()

    def want(self, count: int) -> None:
        self.count, self._wanted = 0, count
        self._are_there.clear()

    async def are_there(self, most: float) -> None:
        async with asyncio.timeout(most):
            await self._are_there.wait()


def cpu_seconds(pid: int) -> float:
    """Give the time that a process had, as user and as system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(subject: Subject, pages: int, publications: int) -> float:
    """Give the microseconds of processor time for each message that reached a page."""
    with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder) / "data") as redis:
        kind, url = KINDS[0], redis.url()
        settings = f"{kind.advice} --ws-per-message-deflate false --no-access-log --factory"
        application = f"tests.benchmarks.redis_sites:{subject.factory}"
        environment = {"BENCH_REDIS": url}
        async with (
            serve_on(kind, application, settings, environment=environment) as server,
            subject.publisher(url) as publish,
        ):
            arrivals = Arrivals()
            its_pages: list[Page] = []
            while (
                len(its_pages) < pages
            ):  # few at once, as redis-py has no more than 100 connections
                its_pages += await open_pages(server.url, "/room", 20, arrivals)

            async def publish_to_all(number: int, most: float = 30) -> None:
                arrivals.want(pages)
                await publish(number)
                await arrivals.are_there(most)

            while True:  # until all have joined
                try:
                    await publish_to_all(0, most=2)
                except TimeoutError:
                    continue
                break
            for number in range(publications // 10):
                await publish_to_all(number)
            before = cpu_seconds(server.process.pid)
            for number in range(publications):
                await publish_to_all(number)
            took = cpu_seconds(server.process.pid) - before
            await close_all(its_pages)
    return took / (pages * publications) * 1e6


def render(figures: dict[Subject, float], pages: int) -> str:
    """Make the part between the markers."""
    kernel = ".".join(platform.release().split(".")[:2])
    names = ("uvicorn", "redis", "litestar", "channels", "channels_redis")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    python = platform.python_version()
    made = f"With {pages} pages in the room; CPython {python}, {versions}, Linux {kernel}."
    base = figures[SUBJECTS[0]]
    table = ["| one message to one page, through Redis | processor time | ratio |", "|---|---|---|"]
    table += [
        f"| {subject.name} | {figure:.1f} µs | {figure / base:.2f} |"
        for subject, figure in figures.items()
    ]
    return "\n\n".join([BEGIN, made, "\n".join(table), END])


def write(part: str) -> None:
    """Put it in the place of the last one."""
    page = PAGE.read_text()
    PAGE.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: part, page, flags=re.DOTALL))


def main() -> int:
    """Measure; the status is 1 where another is ahead."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.through_redis")
    parser.add_argument("--pages", type=int, default=300)
    parser.add_argument("--publications", type=int, default=300)
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args()
    given.pages -= given.pages % 20
    turns: dict[Subject, list[float]] = {subject: [] for subject in SUBJECTS}
    for _ in range(given.turns):
        for subject, figures in turns.items():
            figures.append(asyncio.run(measure(subject, given.pages, given.publications)))
            print(f"{subject.name}: {figures[-1]:.2f} µs", file=sys.stderr, flush=True)
    middle = {subject: median(figures) for subject, figures in turns.items()}
    part = render(middle, given.pages)
    print(part)
    write(part)
    ours, others = SUBJECTS[:2], SUBJECTS[2:]
    return int(max(middle[each] for each in ours) >= min(middle[each] for each in others))


if __name__ == "__main__":
    sys.exit(main())
