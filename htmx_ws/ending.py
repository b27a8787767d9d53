"""The end of a page's life: what it waits for, for how long, and how a socket is closed.

Nothing of a page is cut off that may finish, and nothing waits for ever: work has its deadline,
the disconnect hook has its own, and a process that must end leaves each a moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from .connection import Connection
from .endpoint import Handler, RunAround
from .results import stream
from .types import Message as Event
from .types import Send

__all__ = ["COMES_BACK", "HURRY_SECONDS", "RESTART", "Ending", "is_of_a_code", "send_close"]

#: How long each thing that a page's end waits for may take once its process must end, in seconds.
HURRY_SECONDS: Final = 1.0

#: The codes after which htmx comes back.
COMES_BACK: Final = (1012, 1013)

#: What pages are closed with when their process ends.
RESTART: Final = (1012, "restart")


class Ending:
    """How one page ends; ``hurry`` is heard until the last."""

    __slots__ = ("_conn", "_hurries", "_limit")

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._hurries = False
        self._limit: asyncio.Timeout | None = None  # of what is waited for

    def hurry(self) -> None:
        """Let each thing take a moment at the most: the process must end."""
        self._hurries = True
        if self._limit is not None:
            self._limit.reschedule(self._conn.home.loop.time() + HURRY_SECONDS)

    async def wait_for(self, work: Iterable[asyncio.Task[Any]]) -> None:
        """Wait for what still runs for the page, and cancel what takes too long."""
        left, conn = list(work), self._conn
        if not left:
            return
        with suppress(TimeoutError):
            async with self._within(conn.limits.handler_seconds):
                await asyncio.wait(left)
        for task in left:
            if not task.done():
                conn.report("late work", task.get_name())
                task.cancel()

    async def run(self, hook: Handler, around: RunAround) -> None:
        """Run the disconnect hook; whatever becomes of it, the page has ended."""
        conn, seconds = self._conn, self._conn.limits.hook_seconds
        try:
            async with self._within(seconds):
                arguments = hook.bind(conn)

                async def call(more: Mapping[str, Any]) -> None:
                    content = await hook.call(**arguments, **more)
                    async for _ in stream(content, conn.runtime):
                        pass

                await around(hook, None, call)
        except (Exception, asyncio.CancelledError) as error:
            conn.report("disconnect hook failed", hook.name, seconds, error=error)

    @asynccontextmanager
    async def _within(self, seconds: float) -> AsyncGenerator[None, None]:
        """Raise ``TimeoutError`` in what takes longer, or still runs when the process must end."""
        most = min(seconds, HURRY_SECONDS) if self._hurries else seconds
        async with asyncio.timeout(most) as self._limit:
            try:
                yield
            finally:
                self._limit = None


async def send_close(send: Send, code: int, reason: str) -> None:
    """Close a socket by a code that every server can say.

    daphne raises for codes below 3000. One that keeps htmx away is sent again as 3000 more, with
    the same effect; for one that has it come back there is no other, so there daphne's error
    is raised, and whoever serves the page raises it too: then daphne closes with 1011.
    """
    event: Event = {"type": "websocket.close", "code": code, "reason": reason}
    try:
        await send(event)
    except Exception as error:
        if not is_of_a_code(error) or code in COMES_BACK:
            raise
        await send({**event, "code": code + 3000})


def is_of_a_code(error: Exception) -> bool:
    """Whether a server raised this because it cannot say a close code."""
    return not isinstance(error, OSError) and "close code" in str(error)
