"""Appends without an event loop of one's own, through any backend: by a thread that has one.

For backends whose client is asynchronous alone. The thread and its backend are made at the first
append, and again in a process that was forked since: neither a thread nor a connection is left
to use there.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock, Thread
from typing import Any, TypeVar

from ..errors import BackendError
from .contract import Backend, Keep, Position

__all__ = ["LoopAppender"]

T = TypeVar("T")


class LoopAppender:
    """A ``SyncAppender`` for what ``make`` gives: a backend of its own, which nobody started."""

    def __init__(self, make: Callable[[], Backend], seconds: float = 30.0) -> None:
        self._make = make
        self._seconds = seconds
        # By process: one that was held at a fork is held in the child for ever.
        self._locks: dict[int, Lock] = {}
        self._running: tuple[int, _Running] | None = None

    def append(self, room: str, payload: Any, keep: Keep | None = None) -> int:
        """Append, wait for its place, and give it; raises ``BackendError``.

        That it took too long is one too: the payload may have a place or not.
        """
        future = self._run().append(room, payload, keep)
        return self._wait(future, f"gave what was published to {room!r} no place yet")

    def position(self, room: str) -> Position:
        """Ask where a room is now, and wait for the answer; raises ``BackendError``."""
        return self._wait(self._run().position(room), f"did not say where {room!r} is")

    def close(self) -> None:
        """Stop the backend and end the thread; the next append makes others."""
        pid = os.getpid()
        with self._lock(pid):
            running, self._running = self._running, None
        if running is not None and running[0] == pid:
            running[1].end()

    def _run(self) -> _Running:
        pid = os.getpid()
        with self._lock(pid):
            if self._running is None or self._running[0] != pid:
                self._running = pid, _Running(self._make())
            return self._running[1]

    def _wait(self, future: Future[T], otherwise: str) -> T:
        try:
            return future.result(self._seconds)
        except TimeoutError:
            if not future.cancel():  # it ended just now, whatever with
                return future.result()
            raise BackendError(f"The broker {otherwise}, in {self._seconds} s.") from None

    def _lock(self, pid: int) -> Lock:
        return self._locks.setdefault(pid, Lock())


class _Running:
    """A backend that runs in a thread of its own."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._serve, name="htmx-ws-publisher", daemon=True)
        self._thread.start()
        try:
            self._call(backend.start(_Nobody())).result()
        except BaseException:
            self._end_loop()
            raise

    def append(self, room: str, payload: Any, keep: Keep | None) -> Future[int]:
        async def append() -> int:
            return await self._backend.append(room, payload, keep)

        return self._call(append())

    def position(self, room: str) -> Future[Position]:
        async def ask() -> Position:
            return (await self._backend.history(room, None)).last

        return self._call(ask())

    def end(self) -> None:
        try:
            self._call(self._backend.stop()).result()
        finally:
            self._end_loop()

    def _call(self, work: Any) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _serve(self) -> None:
        self._loop.run_forever()
        self._loop.close()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


class _Nobody:
    """Receives nothing, as there are no pages and no subscriptions."""

    def deliver(self, room: str, epoch: str, offset: int, payload: Any) -> None:
        return None

    def report_gap(self, room: str | None, why: str) -> None:
        return None
