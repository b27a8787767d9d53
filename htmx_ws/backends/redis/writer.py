"""What is published, on its way to Redis: one batch at a time, so that calls keep their order.

A batch has a number, which Redis notes as it appends it. So it can be sent again after a lost
connection or a timeout, when nobody knows what became of it, and is appended once.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from contextlib import suppress
from typing import Any, Final, NamedTuple

from redis.exceptions import ResponseError, TimeoutError

from ..contract import PROCESSES, Keep, unplaced
from ..tasks import end
from .address import FAILURES, Backoff, is_for_now
from .calls import Given, Item, read_given
from .link import Link

__all__ = ["Writer"]

_log = logging.getLogger("htmx_ws")

#: How much one batch has, at the most: Redis does nothing else while it is at it.
BATCH_ITEMS: Final = 64
BATCH_BYTES: Final = 1024 * 1024

#: How many bytes wait at the most, when Redis is slower than what is published.
WAITING_BYTES: Final = 64 * 1024 * 1024

#: How long Redis remembers the last batch of a process, in milliseconds: longer than any outage.
DID_MS: Final = 24 * 3_600_000

#: How long the end waits for what is still to be appended.
STOP_SECONDS: Final = 2.0


class _Waiting(NamedTuple):
    item: Item
    future: asyncio.Future[int]


class Writer:
    """Appends for one process, on one event loop."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._did = secrets.token_urlsafe(9)
        self._number = 0
        self._queues = link.address.outage == "queue"
        self._waiting: deque[_Waiting] = deque()
        self._bytes = 0
        self._loop = asyncio.get_running_loop()
        self._backoff = Backoff()
        #: Whether what was tried last was not taken, for now.
        self.is_stuck: bool = False
        self._work, self._idle = asyncio.Event(), asyncio.Event()
        self._writing = self._loop.create_task(self._write(), name="htmx-ws-redis-writer")

    def put(self, room: str, payload: Any, keep: Keep | None) -> asyncio.Future[int]:
        """Put a payload in line; the future gives its offset, or raises ``BackendError``."""
        each = _Waiting(Item(room, bytes(payload), keep), self._loop.create_future())
        size = len(each.item.payload)
        why = self._why_not(room, size)
        if why:
            _fail(each, why)
            return each.future
        self._waiting.append(each)
        self._bytes += size
        self._idle.clear()
        self._work.set()
        return each.future

    def _why_not(self, room: str, size: int) -> str:
        """Say why nothing more can be put in line, if it cannot."""
        where, count = self._link.address.label, len(self._waiting)
        queue = self._link.address.queue
        if self._writing.done():
            return f"{where} is not used any more"
        if room == PROCESSES and self._queues and self.is_stuck and count:
            return f"{where} is away"
        if self._is_away and self._queues and count >= queue:
            return f"{where} is away, and {count} others wait for it: {queue} may (queue=)"
        if self._bytes + size > WAITING_BYTES:
            return f"{count} others of {self._bytes} bytes wait for {where}, which is too slow"
        return ""

    async def stop(self) -> None:
        """Append what is in line if Redis is there, soon, and let nothing more in."""
        if not self._is_away:
            with suppress(asyncio.TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await self._idle.wait()
        await end([self._writing])
        self._fail_all(f"this process ends without {self._link.address.label}")

    async def _write(self) -> None:
        while True:
            if not self._waiting:
                self._idle.set()
                self._work.clear()
                await self._work.wait()
            batch = self._next_batch()
            try:
                given = await self._append([each.item for each in batch])
            except FAILURES as failure:
                is_over = not (self._queues and is_for_now(failure))
                self._fail_all(self._say(failure), but_publications=not is_over)
                continue
            except Exception as error:
                _log.exception("What was published could not be sent to Redis")
                given = [Given(0, repr(error))] * len(batch)
            for each, (offset, why) in zip(batch, given, strict=True):
                self._remove_first()
                if not offset:
                    _fail(each, f"{self._link.address.label}: {why or 'nobody knows why'}")
                elif not each.future.done():
                    each.future.set_result(offset)

    def _next_batch(self) -> list[_Waiting]:
        """Give the first of what waits, which goes on to wait; of one kind, where one kind does."""
        batch: list[_Waiting] = []
        size = 0
        for each in self._waiting:
            size += len(each.item.payload)
            if batch and (size > BATCH_BYTES or len(batch) == BATCH_ITEMS):
                break
            if batch and self._queues and _is_said(each) is not _is_said(batch[0]):
                break
            batch.append(each)
        return batch

    async def _append(self, items: list[Item]) -> list[Given]:
        """Append a batch, and try again as often as the address says."""
        self._number += 1
        call = self._link.keys.append(items, self._did, self._number, DID_MS)
        queues, tries = self._queues and items[0].room != PROCESSES, 0
        while True:
            try:
                given = read_given(await self._link.run(call), len(items))
                if any(each.offset for each in given) or not is_for_now(given[0].why):
                    self._backoff.reset()
                    self.is_stuck = False
                    return given
                raise ResponseError(given[0].why)
            except FAILURES as failure:
                tries += 1
                self._note_stuck(failure)
                # Once at least, as a connection may have ended long ago, with nobody looking.
                is_first = tries == 1 and not isinstance(failure, (ResponseError, TimeoutError))
                if not is_for_now(failure) or not (queues or is_first):
                    raise
                if queues:
                    self._fail_all(self._say(failure), but_publications=True)
            if queues:
                await asyncio.sleep(self._backoff.next())

    @property
    def _is_away(self) -> bool:
        return self.is_stuck or self._link.is_away

    def _note_stuck(self, failure: BaseException) -> None:
        is_there = isinstance(failure, ResponseError)  # or none would answer
        if is_there and is_for_now(failure) and not self.is_stuck:
            _log.warning("%s takes nothing: %s", self._link.address.label, failure)
        self.is_stuck = is_for_now(failure)

    def _remove_first(self) -> _Waiting:
        first = self._waiting.popleft()
        self._bytes -= len(first.item.payload)
        return first

    def _say(self, failure: BaseException) -> str:
        return f"{self._link.address.label}: {failure or type(failure).__name__}"

    def _fail_all(self, why: str, *, but_publications: bool = False) -> None:
        """Fail all that wait: those behind have waited for the same."""
        for _ in range(len(self._waiting)):
            each = self._remove_first()
            if but_publications and not _is_said(each):
                self._waiting.append(each)
                self._bytes += len(each.item.payload)
            else:
                _fail(each, why)


def _is_said(each: _Waiting) -> bool:
    """Whether it is for other processes."""
    return each.item.room == PROCESSES


def _fail(each: _Waiting, why: str) -> None:
    if not each.future.done():
        each.future.set_exception(unplaced(each.item.room, f"may have no place: {why}"))
