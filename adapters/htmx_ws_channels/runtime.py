"""How Django runs what is not the event loop's: threads, database connections, languages.

Django keeps a database connection for each thread, and asgiref's ThreadSensitiveContext keeps
all that belongs to one piece of work in one thread. Channels has one such thread for all
consumers, so that they wait for each other; a view has one of its own, and so has each message
here. When it ends, its connections are closed with it. Where a context is there already, or a
thread that waits for the event loop, as in tests, that one is kept: it sees the test's data.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from asgiref.sync import SyncToAsync, ThreadSensitiveContext, sync_to_async
from channels.db import database_sync_to_async
from django.contrib.sessions.backends.base import UpdateError
from django.db import connections
from django.utils import translation

from htmx_ws import Connection, Fragment, Frame
from htmx_ws.host import Around, Call
from htmx_ws.results import Runtime

__all__ = ["RUNTIME", "around"]

_log = logging.getLogger("htmx_ws")


class _Own(ThreadSensitiveContext):
    """A context that is ours, and so is nobody's once its piece of work has ended."""


@asynccontextmanager
async def _own_thread() -> AsyncGenerator[None, None]:
    outer = SyncToAsync.thread_sensitive_context.get(None)
    if outer is not None and not isinstance(outer, _Own):
        yield
        return
    async with _Own() as context:
        try:
            yield
        finally:
            if context in SyncToAsync.context_to_thread_executor:  # else it had no thread
                await sync_to_async(connections.close_all)()


async def _run_sync(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    return await database_sync_to_async(function)(*args, **kwargs)


async def _background(work: Coroutine[Any, Any, Any]) -> Any:
    async with _own_thread():
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


RUNTIME = Runtime(run_sync=_run_sync, needs_thread=_needs_thread, background=_background)


def around(function: Callable[..., Any], path: str) -> Around:
    """Give what Django does around each call: a thread, the page's language, its session."""
    return Around(frozenset(), _run)


async def _run(conn: Connection, frame: Frame | None, call: Call) -> None:
    language = conn.scope.get("htmx_ws.language")
    async with _own_thread():
        if language is None:
            await call({})
        else:
            with translation.override(language):
                await call({})
        await _save_session(conn)


async def _save_session(conn: Connection) -> None:
    """Save what a handler wrote into the session, as Django's middleware does after a view."""
    session = conn.scope.get("session")
    if session is None or not session.modified:
        return
    if session.session_key is None:
        _log.warning(
            "%r: a handler wrote into the session of a visitor who has none, and a websocket "
            "cannot set the cookie of a new one: save the session in a view first",
            conn,
        )
    else:
        try:
            await database_sync_to_async(session.save)()
        except UpdateError:
            _log.warning("%r: its session was deleted meanwhile, so it was not saved", conn)
    session.modified = False
