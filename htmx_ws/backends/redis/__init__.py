"""Order and history by Redis: a count and a stream for each room, and pub/sub for what comes.

One script appends: it counts, keeps and publishes in one step, so that the order of a room is
that of its channel for every process. Each process listens on one connection. What a lost
connection, or a Redis that forgot, has made it miss is noticed by the count, and taken from
the history; where it cannot be had, the receiver is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator, Iterable, Mapping
from typing import Any

from ...dual import Done, Waiting
from ...errors import BackendError
from ..contract import History, Keep, Position, Receiver, SyncAppender
from ..keeps import Keeps
from .address import FAILURES, Address, Outage
from .appender import RedisAppender
from .calls import Call, read_answers
from .link import Link
from .listener import Listener
from .order import MOST_OFFSET, Answer
from .writer import Writer

__all__ = ["RedisBackend"]


class RedisBackend:
    """A backend at an address such as ``redis://127.0.0.1:6379/0``, as redis-py takes it.

    ``prefix`` is that of all names in Redis: one for each application. ``outage`` says what
    becomes of what is published while Redis is away: ``"raise"`` a ``BackendError``, or
    ``"queue"`` up to ``queue`` publications of this process until it is back. All three may
    stand in the address too: ``redis://127.0.0.1/0?prefix=shop&outage=queue&queue=500``.
    """

    is_shared: bool = True

    def __init__(
        self,
        url: str,
        *,
        prefix: str | None = None,
        outage: Outage | None = None,
        queue: int | None = None,
    ) -> None:
        self._address = Address.read(url, prefix, outage, queue)
        self._running: _Running | None = None

    def __repr__(self) -> str:
        return f"RedisBackend({self._address.label!r})"

    async def start(self, receiver: Receiver, keeps: Mapping[str, Keep] | None = None) -> None:
        """Begin to connect, and to hand over what comes."""
        await self.stop()
        self._running = _Running(self._address, receiver, None if keeps is None else Keeps(keeps))

    async def stop(self) -> None:
        """Append what is still in line, if Redis is there, and let go of everything."""
        running, self._running = self._running, None
        if running is not None and running.loop is asyncio.get_running_loop():
            await running.stop()  # a loop that is over has ended what it ran

    def append(self, room: str, payload: Any, keep: Keep | None = None) -> Awaitable[int]:
        """Put a payload in line for its place in the room's order."""
        return Waiting(self._run().writer.put(room, payload, keep))

    def subscribe(self, rooms: Iterable[str]) -> Awaitable[None]:
        """Hand over what comes to these rooms from now on."""
        waiting = self._run().listener.add(rooms)
        return _AllOf(waiting) if waiting else Done(None)

    def unsubscribe(self, rooms: Iterable[str]) -> Awaitable[None]:
        """Hand over no more of these rooms."""
        if self._running is not None:
            self._running.listener.drop(rooms)
        return Done(None)

    async def history(self, room: str, since: Position | None, most: int = 1_000) -> History:
        """Give what came after a position, asking again for what is too much for one answer."""
        link = self._run().link
        if since is None or not 0 <= since.offset <= MOST_OFFSET:
            answer = await self._ask(link, link.keys.ask([(link.keys.channel(room), None)]))
            return History(Position(*answer.mark[:2]), is_whole=since is None)
        found: list[tuple[int, bytes]] = []
        epoch, offset = since
        while True:
            call = link.keys.ask_one(room, epoch, offset, most - len(found))
            answer = await self._ask(link, call)
            last = Position(*answer.mark[:2])
            if not answer.is_whole:
                return History(last, is_whole=False)
            for offset, _, payload in answer.entries:
                found.append((offset, payload))
            if offset == last.offset:
                return History(last, tuple(found))

    async def _ask(self, link: Link, call: Call) -> Answer:
        try:
            [answer] = read_answers(await link.run(call))
        except FAILURES as failure:
            raise BackendError(f"{link.address.label} cannot be asked: {failure}.") from None
        if isinstance(answer, str):
            raise BackendError(f"{link.address.label} cannot be asked: {answer}.")
        return answer

    def sync(self) -> SyncAppender:
        """Give what appends without an event loop, on connections of its own."""
        return RedisAppender(self._address)

    def _run(self) -> _Running:
        if self._running is None:
            raise BackendError(f"{self!r} is not started, or was stopped.")
        return self._running


class _Running:
    """What a backend has on one event loop."""

    def __init__(self, address: Address, receiver: Receiver, keeps: Keeps | None) -> None:
        self.loop = asyncio.get_running_loop()
        self.link = Link(address)
        self.writer = Writer(self.link)
        self.listener = Listener(self.link, receiver, keeps)

    async def stop(self) -> None:
        await self.writer.stop()
        await self.listener.stop()
        await self.link.close()


class _AllOf:
    """An awaitable of all of several futures, which it does not cancel."""

    __slots__ = ("_futures",)

    def __init__(self, futures: list[asyncio.Future[None]]) -> None:
        self._futures = futures

    def __await__(self) -> Generator[Any, None, None]:
        for future in self._futures:
            yield from asyncio.shield(future).__await__()
