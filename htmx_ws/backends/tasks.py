"""How the tasks of a backend end: clients of brokers lose a cancellation now and then.

redis-py waits by ``asyncio.wait_for``, which before Python 3.12 forgets that it is cancelled when
what it waits for is done in the same moment; nats-py and channels_redis have ways of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

__all__ = ["end"]


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks until they have ended; what they raise is nobody's concern any more."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        done, left = await asyncio.wait(left, timeout=0.1)
        for task in done:
            if not task.cancelled():
                task.exception()  # else asyncio says that nobody has asked for it
