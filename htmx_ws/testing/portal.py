"""The event loop of a test that has none: it runs only while the test waits for a page.

So nothing happens to a page between two lines of the test. The loop has a thread of its own,
and the test's thread, while it waits, does what is asked of it: there Django's tests have
their database connection with the transaction of the test case. What the test itself does to
pages, as by publishing, has the loop run until that is done.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, TypeVar

from ..dual import Home

__all__ = ["Portal"]

T = TypeVar("T")


class _Here(Executor):
    """Runs work in the thread that waits."""

    def __init__(self) -> None:
        self.work: SimpleQueue[Callable[[], object]] = SimpleQueue()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        self.work.put(lambda: _fulfil(future, fn, *args, **kwargs))
        return future


def _fulfil(future: Future[T], fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> None:
    try:
        future.set_result(fn(*args, **kwargs))
    except BaseException as error:
        future.set_exception(error)


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
            Home.on_demand[loop] = self.begin
            asgiref = sys.modules.get("asgiref.sync")
            if asgiref is not None:
                # Where sync_to_async looks for the thread that database work belongs to: first,
                # and for tasks that are in no page's context.
                asgiref.AsyncToSync.executors.current = self._here
                asgiref.AsyncToSync.loop_thread_executors[loop] = self._here
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
        try:
            future = self._pool.submit(self._runner.run, running)
            future.add_done_callback(ended)
            runs.wait()
            while not idle.is_set():
                self._here.work.get()()
            return future.result()
        finally:
            running.close()  # neither began when the loop is over
            work.close()

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine from any thread: to its end, unless an event loop runs there."""
        future: Future[T] = Future()
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            _fulfil(future, self.run, work)
        else:
            threading.Thread(target=_fulfil, args=(future, self.run, work)).start()
        return future

    def close(self) -> None:
        """End the loop, and what still runs on it."""
        self._pool.submit(self._end).result()
        self._pool.shutdown()

    def _end(self) -> None:
        loop = self._runner.get_loop()
        Home.on_demand.pop(loop, None)
        asgiref = sys.modules.get("asgiref.sync")
        if asgiref is not None:
            asgiref.AsyncToSync.loop_thread_executors.pop(loop, None)
        self._runner.close()
