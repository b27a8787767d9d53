"""Asks again, while a page is open, whether its login still holds.

A socket is let in once and may then live for days: a logout, a ban or a changed password
reaches it only if somebody asks. The pages stand in a line by when they were last asked, so
one task serves all of them, and asks a few at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from inspect import isawaitable, iscoroutinefunction
from itertools import islice
from typing import Any, Final

from .connection import Connection
from .dual import is_cancelled
from .errors import Refused
from .incidents import refuse

__all__ = ["Reauth", "ask_again"]

#: Says whether a page's login still holds, by anything that is true; may be async.
Reauth = Callable[[Connection], object]

#: How many are asked at once, and how long to wait where there is nobody to ask, in seconds.
_AT_ONCE: Final = 16
_NOBODY: Final = 1.0


async def ask_again(
    pages: dict[Connection, float],
    ask: Reauth,
    seconds: float,
    refusal: Callable[[Exception], Refused | None],
) -> None:
    """Ask of every page in ``pages``, once in ``seconds``, for ever, and close those that fail.

    ``pages`` says when each was last known to be logged in, the longest ago first. An error
    that is no refusal, or no answer, leaves the page where it is: it is asked again next time.
    """
    loop = asyncio.get_running_loop()
    while True:
        now = loop.time()
        due = [conn for conn in islice(pages, _AT_ONCE) if pages[conn] + seconds <= now]
        for conn in due:
            del pages[conn]  # to the end of the line
            pages[conn] = now
        # What one page's answer does must not end the asking of all.
        asking = [_ask_one(conn, ask, refusal) for conn in due]
        answers = await asyncio.gather(*asking, return_exceptions=True)
        for conn, error in zip(due, answers, strict=True):
            if isinstance(error, Exception):
                conn.report("login unknown", conn.limits.hook_seconds, error=error)
        if not due:
            first = next(iter(pages.values()), None)
            wait = min(_NOBODY, seconds) if first is None else first + seconds - loop.time()
            await asyncio.sleep(max(0.0, wait))


async def _ask_one(
    conn: Connection, ask: Reauth, refusal: Callable[[Exception], Refused | None]
) -> None:
    if conn.gone or conn.closing is not None:
        return
    seconds = conn.limits.hook_seconds
    refused: Refused | None = None
    try:
        async with asyncio.timeout(seconds):
            if not await _call(ask, conn):
                refused = Refused("login over", code=refuse("login over"))
    except (Exception, asyncio.CancelledError) as error:
        if isinstance(error, asyncio.CancelledError) and is_cancelled():
            raise  # nobody is asked any more: the process ends
        if isinstance(error, Exception):
            refused = error if isinstance(error, Refused) else refusal(error)
        if refused is None:
            conn.report("login unknown", seconds, error=error)
    if refused is not None and not conn.gone and conn.closing is None:
        conn.report("login over")
        await conn.turn_away(refused)


async def _call(ask: Reauth, conn: Connection) -> Any:
    if iscoroutinefunction(ask):
        return await ask(conn)
    result: object = await conn.runtime.run_sync(ask, conn)
    return await result if isawaitable(result) else result
