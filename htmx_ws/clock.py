"""One clock for all pages, so that no handler and no write needs a timer of its own."""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import Final, Protocol

__all__ = ["Clock"]


class Watched(Protocol):
    """What a clock needs of a page."""

    at_work: bool
    is_watched: bool

    def read_on(self) -> None:
        """Go on reading while a handler works."""
        ...

    def is_writing(self, now: float) -> bool:
        """Whether a write is under way; one that takes too long is given up."""
        ...


class Clock:
    """Tells pages whose handler takes long to read on, and gives up writes that do.

    A page says by ``at_work`` that a handler of its runs, and is watched from then on until a
    tick finds it idle, neither at work nor writing. One at work at two ticks reads on.
    """

    TICK: Final = 0.05  # seconds: a Stop button waits for two of these at the most
    IDLE: Final = 20  # ticks without work, after which it rests

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.ticks: bool = False
        self._pages: set[Watched] = set()
        self._seen: set[Watched] = set()
        self._idle = 0
        self._context = Context()  # not that of the page whose handler starts it

    def watch(self, page: Watched) -> None:
        """Look at a page from now on, until it is idle; tick, if it does not."""
        page.is_watched = True
        self._pages.add(page)
        if not self.ticks:
            self.ticks, self._idle = True, 0
            self.loop.call_later(self.TICK, self._tick, context=self._context)

    def _tick(self) -> None:
        now = self.loop.time()
        at_work = {page for page in self._pages if page.at_work}
        busy = at_work | {page for page in self._pages if page.is_writing(now)}
        for page in self._pages - busy:
            page.is_watched = False
        for page in at_work & self._seen:
            page.read_on()
        self._pages, self._seen = busy, at_work
        self._idle = 0 if busy else self._idle + 1
        self.ticks = self._idle < self.IDLE
        if self.ticks:
            self.loop.call_later(self.TICK, self._tick, context=self._context)
