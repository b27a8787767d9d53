"""The event loop of a test that has none: it runs only while the test waits for a page.

So nothing happens to a page between two lines of the test. The loop has a thread of its own,
and the test's thread, while it waits, does what is asked of it: there Django's tests have
their database connection with the transaction of the test case.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, TypeVar

__all__ = ["Portal"]

T = TypeVar("T")


class _Here(Executor):
    """Runs work in the thread that waits."""

    def __init__(self) -> None:
        self.work: SimpleQueue[Callable[[], object]] = SimpleQueue()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()

        def work() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:
                future.set_exception(error)

        self.work.put(work)
        return future


class Portal:
    """Runs coroutines for a thread without an event loop, all on the same loop."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="htmx-ws-pages")
        self._runner = asyncio.Runner()
        self._here = _Here()
        self.pages: int = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end, and give what it gives."""
        runs = threading.Event()
        idle = threading.Event()

        async def with_this_thread() -> T:
            loop = asyncio.get_running_loop()
            asgiref = sys.modules.get("asgiref.sync")
            if asgiref is not None:
                # Where sync_to_async looks first for the thread that database work belongs to.
                asgiref.AsyncToSync.executors.current = self._here
            runs.set()
            try:
                return await work
            finally:
                # What the waiting thread has begun may need the loop to finish; what is asked of
                # it later waits for the next call.
                stopped = loop.create_future()

                def stop() -> None:
                    idle.set()
                    loop.call_soon_threadsafe(stopped.set_result, None)

                self._here.work.put(stop)
                await stopped

        def ended(_: object) -> None:
            runs.set()
            self._here.work.put(idle.set)

        running = with_this_thread()
        future = self._pool.submit(self._runner.run, running)
        future.add_done_callback(ended)
        runs.wait()
        while not idle.is_set():
            self._here.work.get()()
        try:
            return future.result()
        finally:
            running.close()  # it never began when the loop is over

    def close(self) -> None:
        """End the loop, and what still runs on it."""
        self._pool.submit(self._runner.close).result()
        self._pool.shutdown()
