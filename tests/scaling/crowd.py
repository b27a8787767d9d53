"""Pages of two workers, while three publish at the same time: does each get exactly its own?"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from htmx_ws import Publisher
from tests.reliability.pages import AT_ONCE, Page, close_all, open_page
from tests.services.servers import TOP

from .plan import END, ITEM, PUBLISHERS, ROOMS, item, plan, rooms_of
from .workers import Workers, ask, two_workers


class Witness:
    """What one page gets, room by room, in order."""

    def __init__(self, rooms: list[str]) -> None:
        self.got: dict[str, list[bytes]] = defaultdict(list)
        self.is_here = asyncio.Event()
        self.is_over = asyncio.Event()
        self._open = {*rooms}

    def __call__(self, payload: bytes) -> None:
        found = ITEM.search(payload)
        if found is None:
            self.is_here.set()
            return
        room = found[1].decode()
        if found[2].decode() == END:
            self._open.discard(room)
            if not self._open:
                self.is_over.set()
        else:
            self.got[room].append(found[0])


@dataclass(frozen=True)
class Outcome:
    """What became of it; ``faults`` are sentences, and none is how it must be."""

    pages: int
    published: int
    delivered: int
    seconds: float
    faults: tuple[str, ...]

    def __str__(self) -> str:
        said = "; ".join(self.faults[:5]) or "each got exactly its own, all in one order"
        return (
            f"{self.pages} pages on two workers, {self.published:,} publications by three "
            f"publishers: {self.delivered:,} messages in {self.seconds:.1f} s: {said}"
        )


async def play(pages_each: int, published: int) -> Outcome:
    """Open so many pages on each worker, publish, and compare."""
    each = published // len(PUBLISHERS)
    async with two_workers() as workers, _pages(workers, pages_each) as witnesses:
        async with AsyncExitStack() as held:
            processes = [
                await held.enter_async_context(_publisher(way, workers.backend, each))
                for way in ("sync", "async")
            ]
            began = time.monotonic()
            for process in processes:
                assert process.stdin is not None
                process.stdin.write(b"\n")
            statuses = await asyncio.gather(
                ask(workers.servers[0], "/publish", count=each),
                *(process.wait() for process in processes),
            )
        assert statuses == [each, 0, 0], statuses
        with Publisher(workers.backend) as publisher:
            for room in ROOMS:
                await publisher.apublish(room, item(room, END, 0))
        async with asyncio.timeout(120):
            await asyncio.gather(*(witness.is_over.wait() for witness, *_ in witnesses))
        seconds = time.monotonic() - began
        got = [(witness.got, rooms, page) for witness, rooms, page in witnesses]
        delivered = sum(len(texts) for rooms, *_ in got for texts in rooms.values())
        faults = tuple(_faults(got, each))
    return Outcome(2 * pages_each, each * len(PUBLISHERS), delivered, seconds, faults)


@asynccontextmanager
async def _pages(
    workers: Workers, count: int
) -> AsyncIterator[list[tuple[Witness, list[str], Page]]]:
    pages: list[tuple[Witness, list[str], Page]] = []

    async def come(url: str, number: int) -> None:
        rooms = rooms_of(number)
        witness = Witness(rooms)
        page = await open_page(url, f"/pages?rooms={','.join(rooms)}", witness)
        pages.append((witness, rooms, page))
        await witness.is_here.wait()

    try:
        for first in range(0, count, AT_ONCE):
            numbers = range(first, min(count, first + AT_ONCE))
            async with asyncio.timeout(60):
                await asyncio.gather(
                    *(come(server.url, n) for server in workers.servers for n in numbers)
                )
        yield pages
    finally:
        await close_all(page for *_, page in pages)


@asynccontextmanager
async def _publisher(way: str, url: str, count: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a process that publishes as soon as a line is written to it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.scaling.publish", way, url, str(count)), cwd=TOP,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _faults(got: list[tuple[dict[str, list[bytes]], list[str], Page]], each: int) -> list[str]:
    """Say what is not as it must be."""
    wanted: dict[str, Counter[bytes]] = defaultdict(Counter)
    for publisher in PUBLISHERS:
        for room, number in plan(publisher, each):
            wanted[room][f"<li>{room} {publisher} {number}</li>".encode()] += 1
    faults: list[str] = []
    order: dict[str, list[bytes]] = {}
    for number, (texts, rooms, page) in enumerate(got):
        if page.closed.done():
            faults.append(f"page {number} was closed with {page.closed.result()}")
        if not texts.keys() <= {*rooms}:
            faults.append(f"page {number} is in {rooms} and got of {sorted(texts)}")
        for room in rooms:
            first = order.setdefault(room, texts[room])
            if Counter(texts[room]) != wanted[room]:
                lost, more = (
                    wanted[room] - Counter(texts[room]),
                    Counter(texts[room]) - wanted[room],
                )
                faults.append(
                    f"page {number} of {room} lost {lost.total()}, got {more.total()} more"
                )
            elif texts[room] != first:
                faults.append(f"page {number} has another order in {room}")
    for room, its_texts in order.items():
        for publisher in PUBLISHERS:
            numbers = [
                int(found[3])
                for text in its_texts
                if (found := ITEM.search(text)) and found[2] == publisher.encode()
            ]
            if numbers != sorted(numbers):
                faults.append(f"what {publisher} published to {room} has lost its order")
    return faults
