"""How Django runs what is not the event loop's: threads, database connections, languages.

Django keeps a database connection for each thread, and asgiref's ThreadSensitiveContext keeps
all that belongs to one piece of work in one thread. Channels has one such thread for all
consumers, so that they wait for each other; a view has one of its own, and so has each message
here. When it ends, its connections are closed with it. Where a context is there already, or a
thread that waits for the event loop, as in tests, that one is kept: it sees the test's data.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Self

from asgiref.sync import SyncToAsync, ThreadSensitiveContext, sync_to_async
from django.db import connections
from django.utils import translation

from htmx_ws import Connection, Fragment, Frame
from htmx_ws.host import Around, Call
from htmx_ws.results import Runtime

from . import sessions

__all__ = ["RUNTIME", "around", "own_thread", "run_sync"]


class _Own(ThreadSensitiveContext):
    """A context that is ours, and so is nobody's once its piece of work has ended."""

    async def __aenter__(self) -> Self:
        # Also within one that is there: work that is begun by a message inherits the message's.
        self.token = SyncToAsync.thread_sensitive_context.set(self)
        return self

    async def __aexit__(self, *error: Any) -> None:
        executor = SyncToAsync.context_to_thread_executor.get(self)
        try:
            if executor is not None:  # else it had no thread
                # Whoever is cancelled meanwhile, as work is whose page goes: this is done.
                closing = executor.submit(connections.close_all)
                await asyncio.shield(asyncio.wrap_future(closing))
        finally:
            await super().__aexit__(*error)  # type: ignore[no-untyped-call]  # asgiref's


@asynccontextmanager
async def own_thread() -> AsyncGenerator[None, None]:
    """Have what is done within in one thread, and its database connections closed at the end."""
    outer = SyncToAsync.thread_sensitive_context.get(None)
    if outer is not None and not isinstance(outer, _Own):
        yield
    else:
        async with _Own():
            yield


async def run_sync(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call a function in the thread at hand.

    Old connections are closed before and after each call, as Channels does, but not those of a
    TestCase, with its transaction; nor in a thread of ours, where a generator may read from one
    between its pieces: that has no old ones, and closes all at its end.
    """
    if isinstance(SyncToAsync.thread_sensitive_context.get(None), _Own):
        return await sync_to_async(function)(*args, **kwargs)
    return await sync_to_async(_between_closings)(function, *args, **kwargs)


def _between_closings(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    _close_old_connections()
    try:
        return function(*args, **kwargs)
    finally:
        _close_old_connections()


def _close_old_connections() -> None:
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()


async def _background(work: Coroutine[Any, Any, Any]) -> Any:
    async with own_thread():
        return await work


def _needs_thread(content: object) -> bool:
    """Whether rendering content may ask the database: templates and forms, but no text."""
    if isinstance(content, Fragment):
        return _needs_thread(content.content)
    if isinstance(content, (list, tuple)):
        return any(map(_needs_thread, content))
    if isinstance(content, str):
        return False
    return hasattr(type(content), "__html__") or hasattr(type(content), "rendered_content")


RUNTIME = Runtime(run_sync=run_sync, needs_thread=_needs_thread, background=_background)


def around(function: Callable[..., Any], path: str) -> Around:
    """Give what Django does around each call: a thread, the page's language, its session."""
    return Around(frozenset(), _run)


async def _run(conn: Connection, frame: Frame | None, call: Call) -> None:
    language = conn.scope.get("htmx_ws.language")
    async with own_thread():
        if language is None:
            await call({})
        else:
            with translation.override(language):
                await call({})
        if sessions.is_changed(conn):
            await run_sync(sessions.save, conn)
