"""Time that passes when a test says so.

The event loop's clock is put forward from one timer to the next, so that what was to happen
in between happens in its order, and a test of a minute takes no time. It goes on by itself,
too: a test that waits for what never comes still ends.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from typing import Any, Final
from weakref import WeakKeyDictionary

__all__ = ["advance", "settle"]

_ahead: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, list[float]]] = WeakKeyDictionary()
_ROUNDS: Final = 20


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
    if loop not in _ahead:
        ahead, clock = _ahead.setdefault(loop, [0.0]), loop.time
        loop.time = lambda: clock() + ahead[0]  # type: ignore[method-assign]
    await settle()
    end = loop.time() + seconds
    while True:
        due = min((t.when() for t in timers if not t.cancelled()), default=math.inf)
        if due > end:
            break
        _ahead[loop][0] += max(0.0, due - loop.time())
        await settle()
    _ahead[loop][0] += max(0.0, end - loop.time())
    await settle()
