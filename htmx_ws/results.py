"""What a handler may send or return that is not there yet: awaitables and generators.

Whatever their depth, they are flattened to one stream of pieces that can be sent as they are.
What is plain, functions and generators, runs in threads, and what it gives is rendered there
too: a template may ask a database, for which the event loop must not wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Awaitable,
    Callable,
    Coroutine,
    Iterator,
)
from contextlib import aclosing, suppress
from dataclasses import dataclass
from inspect import isawaitable, iscoroutine
from typing import Any, Final, cast

from .wire.content import HTML, is_trusted, render
from .wire.fragment import Fragment

__all__ = ["Runtime", "close_unbegun", "is_deferred", "refuse_bare_str", "render_now", "stream"]


def _never(content: object) -> bool:
    return False


def _as_it_is(work: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, Any]:
    return work


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """How a framework runs what is not the event loop's alone.

    ``run_sync`` runs a plain function in a thread, with its arguments. ``needs_thread`` says
    whether content must be rendered in one. ``background`` is given each coroutine that runs
    beside the frames, and gives what to run.
    """

    run_sync: Callable[..., Awaitable[Any]] = asyncio.to_thread
    needs_thread: Callable[[object], bool] = _never
    background: Callable[[Coroutine[Any, Any, Any]], Coroutine[Any, Any, Any]] = _as_it_is

    async def rendered(self, content: object) -> object:
        """Give content, rendered in a thread where it needs one."""
        return await self.run_sync(render_now, content) if self.needs_thread(content) else content


DEFAULT: Final = Runtime()


def is_deferred(content: object) -> bool:
    """Whether content must be awaited or iterated: its HTML is not there yet."""
    kind = type(content)
    if kind is Fragment or kind is str or hasattr(kind, "__html__"):
        return False
    if isinstance(content, (list, tuple)):
        return any(map(is_deferred, content))
    return isinstance(content, (AsyncIterable, Iterator)) or isawaitable(content)


async def stream(content: object, runtime: Runtime = DEFAULT) -> AsyncGenerator[object, None]:
    """Give the pieces of content as they come, from awaitables and generators of any depth.

    The steps of sync generators run in threads.
    """
    if not is_deferred(content):
        yield content
        return
    # Closed here and now, in the task that is cancelled, and not when memory is tidied up.
    async with aclosing(_pieces(content, runtime)) as pieces:
        async for piece in pieces:
            async with aclosing(stream(piece, runtime)) as parts:
                async for part in parts:
                    yield part


async def _pieces(content: object, runtime: Runtime) -> AsyncGenerator[object, None]:
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
        end, is_over = object(), False
        try:
            while True:
                piece = await runtime.run_sync(_next, content, end)
                is_over = piece is end
                if is_over:
                    break
                yield piece
        finally:
            close = getattr(content, "close", None)  # as generators have
            if not is_over and close is not None:
                closing = asyncio.ensure_future(runtime.run_sync(close))
                with suppress(ValueError):  # it is at work, in a thread that nothing stops
                    try:
                        await asyncio.shield(closing)
                    except asyncio.CancelledError:  # once more: it is closed all the same
                        await closing
                        raise
    else:
        yield await cast("Awaitable[object]", content)


def _next(content: Iterator[object], end: object) -> object:
    return render_now(next(content, end))


def render_now(content: object) -> object:
    """Give content with its templates, forms and components rendered; all else as it is."""
    kind = type(content)
    if kind is Fragment:
        inside = render_now(content.content)  # type: ignore[attr-defined]  # mypy and type(...)
        return Fragment(content.style, content.target, inside)  # type: ignore[attr-defined]
    if kind is HTML or is_deferred(content):
        return content
    if hasattr(kind, "__html__") or hasattr(kind, "__ft__") or hasattr(kind, "rendered_content"):
        return HTML(render(content))
    if isinstance(content, (list, tuple)):
        return [render_now(item) for item in content]
    return content


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
