"""What a handler may send or return that is not there yet: awaitables and generators.

Whatever their depth, they are flattened to one stream of pieces that can be sent as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterator
from contextlib import aclosing
from inspect import isawaitable, iscoroutine
from typing import Any, cast

from .wire.content import is_trusted
from .wire.fragment import Fragment

__all__ = ["RunSync", "close_unbegun", "is_deferred", "refuse_bare_str", "stream"]

#: Runs a plain function in a thread, with its arguments.
RunSync = Callable[..., Awaitable[Any]]


def is_deferred(content: object) -> bool:
    """Whether content must be awaited or iterated: its HTML is not there yet."""
    kind = type(content)
    if kind is Fragment or kind is str or hasattr(kind, "__html__"):
        return False
    if isinstance(content, (list, tuple)):
        return any(map(is_deferred, content))
    return isinstance(content, (AsyncIterable, Iterator)) or isawaitable(content)


async def stream(
    content: object, run_sync: RunSync = asyncio.to_thread
) -> AsyncGenerator[object, None]:
    """Give the pieces of content as they come, from awaitables and generators of any depth.

    The steps of sync generators are run by ``run_sync``.
    """
    if not is_deferred(content):
        yield content
        return
    # Closed here and now, in the task that is cancelled, and not when memory is tidied up.
    async with aclosing(_pieces(content, run_sync)) as pieces:
        async for piece in pieces:
            async with aclosing(stream(piece, run_sync)) as parts:
                async for part in parts:
                    yield part


async def _pieces(content: object, run_sync: RunSync) -> AsyncGenerator[object, None]:
    if isinstance(content, (list, tuple)):
        for piece in content:
            yield piece
    elif isinstance(content, AsyncIterable):
        try:
            async for piece in content:
                yield piece
        finally:
            close = getattr(content, "aclose", None)  # as async generators have
            if close is not None:
                await close()
    elif isinstance(content, Iterator):
        # A sync generator may block between its pieces, so it runs where that is allowed.
        end = object()
        while (piece := await run_sync(next, content, end)) is not end:
            yield piece
    else:
        yield await cast("Awaitable[object]", content)


def close_unbegun(content: object) -> None:
    """Close coroutines that were never begun, of which Python would warn."""
    if iscoroutine(content):
        content.close()
    elif isinstance(content, (list, tuple)):
        for item in content:
            close_unbegun(item)


def refuse_bare_str(content: object) -> None:
    """Raise ``TypeError`` for a bare ``str``, which may be unescaped input (``strict_html``)."""
    if isinstance(content, (list, tuple)) and not hasattr(type(content), "__html__"):
        for item in content:
            refuse_bare_str(item)
    elif not is_trusted(content.content if isinstance(content, Fragment) else content):
        raise TypeError(
            "A bare str was sent, and strict_html is on: format it with html('<p>{}</p>', value), "
            "or wrap a template's output in htmx_ws.HTML to say that it is safe."
        )
