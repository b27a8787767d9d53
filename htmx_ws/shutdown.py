"""Takes part in SIGTERM, where a server lets it: the pages go before the server does.

uvicorn closes every socket at once when it is told to end, before it says so to anybody, and
so sends all of its pages to the other processes in the same second. Its handler is a plain
one, as daphne's is, and can be called a little later. Where the event loop itself has the
signal, or a parent that serves nothing, as under hypercorn, or the server is no Python, as
granian, nothing can come before it.

Ctrl-C is for whoever does not want to wait, so SIGINT does what it did, at once. But uvicorn
then waits for as long as handlers work, and with a drain beside it that has an end.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, Final

__all__ = ["drain_at_sigterm"]

#: Drains over that many seconds; None: over its own.
Drain = Callable[[float | None], Coroutine[Any, Any, None]]

#: SIGTERM that comes again so soon, in seconds, is the same order: systemd gives it to every
#: process of a service, and the parent of some, as of uvicorn's workers, gives it to them too.
SAME_ORDER_SECONDS: Final = 2.0


def drain_at_sigterm(drain: Drain) -> Callable[[], None]:
    """Let SIGTERM drain first, on the running loop, and then do what it does now.

    Sent again after two seconds it does that at once. SIGINT does at once what it does now, and
    drains in no time beside it. Gives what takes it back; does nothing outside of the main
    thread, or where no plain handler of a server is there.
    """
    if threading.current_thread() is not threading.main_thread():
        return _nothing
    found: Any = signal.getsignal(signal.SIGTERM)
    if not isinstance(found, _Handler) and not _is_plain(found):
        return _nothing
    handler = found if isinstance(found, _Handler) else _Handler()
    return handler.add(drain, asyncio.get_running_loop())


class _Handler:
    """What the signals call that end this process: one, whose drains are those of every HtmxWS."""

    def __init__(self) -> None:
        found: dict[int, Any] = {
            each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)
        }
        self._before = {number: each for number, each in found.items() if _is_plain(each)}
        self._drains: dict[object, tuple[asyncio.AbstractEventLoop, Drain]] = {}
        self._process = os.getpid()
        self._is_told = False
        self._same_order_until = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        for number in self._before:
            signal.signal(number, self)

    def add(self, drain: Drain, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
        """Drain this too, as long as its loop runs; gives what takes it back."""
        token = object()
        # Where there is no lifespan nothing takes back what was of a loop before.
        left = {key: each for key, each in self._drains.items() if not each[0].is_closed()}
        self._is_told = self._is_told and bool(left)
        self._drains = {**left, token: (loop, drain)}

        def take_back() -> None:
            self._drains.pop(token, None)
            for number, handler in self._before.items():
                if not self._drains and signal.getsignal(number) is self:
                    signal.signal(number, handler)

        return take_back

    def __call__(self, number: int, frame: Any) -> None:
        """Handle a signal: it interrupts whatever is at work in the main thread."""
        go_on, now = self._before[number], time.monotonic()
        # A loop that does not run has ended with its pages, unless this is a copy of the process
        # that was made by a fork: there none runs, and all say that they do.
        running = [each for each in self._drains.values() if each[0].is_running()]
        if not running or os.getpid() != self._process:
            go_on(number, frame)
        elif number == signal.SIGINT:
            go_on(number, frame)
            self._same_order_until = 0.0
            if not self._is_told:
                self._is_told = True
                self._begin(running, 0.0)
        elif not self._is_told:
            self._is_told, self._same_order_until = True, now + SAME_ORDER_SECONDS
            self._begin(running, None, lambda: go_on(number, None))
        elif now >= self._same_order_until:
            go_on(number, frame)

    def _begin(
        self,
        drains: list[tuple[asyncio.AbstractEventLoop, Drain]],
        seconds: float | None,
        then: Callable[[], object] = lambda: None,
    ) -> None:
        loop = drains[0][0]  # only one can run in a thread

        async def drain_all() -> None:
            try:
                # What one of them raises asyncio logs, and the others go on.
                await asyncio.wait([loop.create_task(drain(seconds)) for _, drain in drains])
            finally:
                then()

        def begin() -> None:
            task = loop.create_task(drain_all())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        # In a context of its own: what is interrupted may be the handler of any page.
        loop.call_soon_threadsafe(begin, context=Context())


def _is_plain(handler: Any) -> bool:
    """Whether a handler is a function of a server's: not the default, nor the event loop's.

    asyncio and uvloop put one there that does nothing, and wake the loop themselves; that of
    ``asyncio.run`` for SIGINT is a partial.
    """
    module = getattr(getattr(handler, "func", handler), "__module__", None) or ""
    return callable(handler) and module.partition(".")[0] not in ("asyncio", "uvloop", "_signal")


def _nothing() -> None:
    return None
