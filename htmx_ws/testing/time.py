"""Time that passes when a test says so.

The event loop's clock is put forward from one timer to the next, so that what was to happen
in between happens in its order, and a test of a minute takes no time. It goes on by itself,
too: a test that waits for what never comes still ends. Work in threads takes the time that it
takes, and no more timers run meanwhile: else it would be late for every one of them.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable
from typing import Any, Final
from weakref import WeakKeyDictionary

__all__ = ["advance", "settle"]

_ROUNDS: Final = 20
_LONGEST: Final = 1.0  # second that work in a thread is waited for: it may wait for the test


class _Watch:
    """How far an event loop's clock was put forward, and what it has under way in threads."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.ahead: float = 0.0
        self.in_threads: set[asyncio.Future[Any]] = set()
        clock, run = loop.time, loop.run_in_executor

        def watch(executor: Any, work: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
            future = run(executor, work, *args)
            self.in_threads.add(future)
            future.add_done_callback(self.in_threads.discard)
            return future

        loop.time = lambda: clock() + self.ahead  # type: ignore[method-assign]  # as of a test's loop
        loop.run_in_executor = watch  # type: ignore[method-assign, assignment]  # as above

    async def settle(self) -> None:
        """Let the tasks run that are ready, those that wait for a thread too."""
        await settle()
        while self.in_threads:
            _, late = await asyncio.wait(self.in_threads, timeout=_LONGEST)
            self.in_threads -= late
            await settle()


_watches: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, _Watch]] = WeakKeyDictionary()


async def settle() -> None:
    """Let the tasks run that are ready, and those that these make ready."""
    for _ in range(_ROUNDS):
        await asyncio.sleep(0)


async def advance(seconds: float) -> None:
    """Let time pass for all that waits on this event loop, without waiting.

    ``time.time()`` and ``datetime.now()`` do not change. Raises ``RuntimeError`` on an event
    loop that keeps its timers where they cannot be seen, as uvloop does.
    """
    loop = asyncio.get_running_loop()
    timers: Iterable[Any] | None = getattr(loop, "_scheduled", None)
    if timers is None:
        raise RuntimeError(f"time cannot be put forward on {loop!r}: use asyncio's own loop")
    if loop not in _watches:
        _watches[loop] = _Watch(loop)
    watch = _watches[loop]
    await watch.settle()
    end = loop.time() + seconds
    while True:
        due = min((t.when() for t in timers if not t.cancelled()), default=math.inf)
        if due > end:
            break
        watch.ahead += max(0.0, due - loop.time())
        await watch.settle()
    watch.ahead += max(0.0, end - loop.time())
    await watch.settle()
