"""What Django does with threads and requests, and must do otherwise in a test.

Database work belongs to the thread of the test, which holds the transaction of a TestCase. After
a request Django closes connections that look as if nobody had tidied up, and that one does: its
own test client keeps it from that, and so do pages here. And what a view raised it tells only
those who listen. All this is looked up where it is loaded, and never imported.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Generator
from concurrent.futures import Executor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

__all__ = ["asking", "lend", "let_go", "take_back"]


def lend(loop: asyncio.AbstractEventLoop, thread: Executor) -> None:
    """Have the database work of a loop done in a thread; to be called on the loop."""
    asgiref: Any = sys.modules.get("asgiref.sync")
    if asgiref is not None:
        # Where sync_to_async looks first, and for tasks that are in no page's context.
        asgiref.AsyncToSync.executors.current = thread
        asgiref.AsyncToSync.loop_thread_executors[loop] = thread


def let_go(loop: asyncio.AbstractEventLoop | None) -> None:
    """Let the thread that calls forget a loop that it did work of: it stands still.

    ``async_to_sync`` would wait for it, where an async view or middleware is asked there.
    """
    asgiref: Any = sys.modules.get("asgiref.sync")
    if asgiref is not None:
        known = asgiref.SyncToAsync.threadlocal
        if getattr(known, "main_event_loop", None) is loop:
            known.main_event_loop = None


def take_back(loop: asyncio.AbstractEventLoop) -> None:
    """Forget a loop that ends."""
    asgiref: Any = sys.modules.get("asgiref.sync")
    if asgiref is not None:
        asgiref.AsyncToSync.loop_thread_executors.pop(loop, None)


_raised: Final[ContextVar[list[BaseException]]] = ContextVar("htmx_ws.testing.raised")
_under_way: Final[list[object]] = []


@contextmanager
def asking() -> Generator[list[BaseException]]:
    """Ask an application something, and gather what its view raises."""
    raised: list[BaseException] = []
    signals: Any = sys.modules.get("django.core.signals")
    db: Any = sys.modules.get("django.db")
    if signals is None or db is None:
        yield raised
        return
    ends = (signals.request_started, signals.request_finished)
    token = _raised.set(raised)
    _under_way.append(raised)
    signals.got_request_exception.connect(_take_note)
    for end in ends:
        end.disconnect(db.close_old_connections)
        end.connect(_close_old_connections)
    try:
        yield raised
    finally:
        _raised.reset(token)
        _under_way.pop()
        if not _under_way:
            signals.got_request_exception.disconnect(_take_note)
            for end in ends:
                end.disconnect(_close_old_connections)
                end.connect(db.close_old_connections)


def _take_note(**about: Any) -> None:
    error = sys.exc_info()[1]
    if error is not None:
        _raised.get([]).append(error)


def _close_old_connections(**about: Any) -> None:
    for connection in sys.modules["django.db"].connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
