"""What users do around their handlers: a transaction, a tenant, a right to write, a clock.

It is one async generator function, and not a hook before and one after, so that both ends share
what they know, and ``try``, ``finally`` and ``async with`` mean what they always do.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, Final

from .connection import Connection
from .endpoint import Wrapper, name_of
from .host import Call
from .wire.frame import Frame

__all__ = ["within"]

_OVER: Final = object()


def within(wrapper: Wrapper, conn: Connection, frame: Frame, call: Call) -> Call:
    """Give a call that runs another where a wrapper yields; not at all where it does not."""
    function, bind = wrapper

    async def run(more: Mapping[str, Any]) -> None:
        async with aclosing(function(**bind(conn, frame))) as steps:
            if await anext(steps, _OVER) is _OVER:
                return
            try:
                await call(more)
            except BaseException as error:
                try:
                    await steps.athrow(error)
                except StopAsyncIteration:  # it has dealt with the error
                    return
            else:
                if await anext(steps, _OVER) is _OVER:
                    return
        raise RuntimeError(
            f"{name_of(function)} runs around handlers, and yields more than once: the handler is "
            "called at its first yield, and nowhere else."
        )

    return run
