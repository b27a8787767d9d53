"""The event loop of a test that has none: it runs only while the test waits for a page.

So nothing happens to a page between two lines of the test. The loop has a thread of its own,
and the test's thread, while it waits, does what is asked of it: there Django's tests have
their database connection with the transaction of the test case. What the test itself does to
pages, as by publishing, has the loop run until that is done.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from queue import SimpleQueue
from threading import get_ident
from typing import Any, ClassVar, TypeVar

from ..dual import Home
from . import django

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
    if not future.set_running_or_notify_cancel():  # whoever asked for it has given up
        return
    try:
        result = fn(*args, **kwargs)
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)


class Portal:
    """Runs coroutines for a thread without an event loop, all on the same loop.

    Another thread that asks meanwhile is served by the same run; when none is under way, it has
    one of its own.
    """

    _of_threads: ClassVar[dict[int, Portal]] = {}

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="htmx-ws-pages")
        self._runner = asyncio.Runner()
        self._loop = self._pool.submit(self._runner.get_loop).result()
        self._here = _Here()
        self._turn = threading.Condition()
        self._is_run = False
        self._runs_in: int | None = None  # the thread that has it run
        self._stop: Callable[[], None] | None = None
        self._pages = 0
        self._thread = get_ident()
        Home.on_demand[self._loop] = self.begin

    @classmethod
    def enter(cls) -> Portal:
        """Give the one for all pages of this thread."""
        portal = cls._of_threads.get(get_ident())
        if portal is None:
            portal = cls._of_threads[get_ident()] = cls()
        portal._pages += 1
        return portal

    def leave(self) -> None:
        """Take a page's leave: with the last of its thread it ends."""
        self._pages -= 1
        if not self._pages:
            del self._of_threads[self._thread]
            self.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end, and give what it gives."""

        async def with_this_thread() -> T:
            django.lend(self._loop, self._here)
            return await work

        working = with_this_thread()
        try:
            future = asyncio.run_coroutine_threadsafe(working, self._loop)
        except RuntimeError:  # it is over
            working.close()
            work.close()
            raise
        if self._runs_in == get_ident():
            self._wait_within(future)
            return future.result()
        future.add_done_callback(self._tell)
        while self._is_my_turn(future):
            self._runs_in = get_ident()
            try:
                self._run_until(future)
            finally:
                self._runs_in = None
                self._is_run = False
                self._tell()
        return future.result()

    def _wait_within(self, future: Future[T]) -> None:
        """Wait amid what this thread was asked for, and do what else it is: that may need it."""
        done, later = threading.Event(), []
        future.add_done_callback(lambda _: self._here.work.put(done.set))
        while not done.is_set():
            work = self._here.work.get()
            if work is self._stop:  # the loop is needed here, though not any more by the test
                later.append(work)
            else:
                work()
        for work in later:
            self._here.work.put(work)

    def _is_my_turn(self, future: Future[T]) -> bool:
        """Wait until a future is done, which is no turn, or the loop stands still."""
        with self._turn:
            self._turn.wait_for(lambda: future.done() or not self._is_run)
            if future.done():
                return False
            self._is_run = True
            return True

    def _tell(self, *_: object) -> None:
        with self._turn:
            self._turn.notify_all()

    def _run_until(self, future: Future[T]) -> None:
        """Run the loop until a future is done, and do meanwhile what this thread is asked for."""
        loop, idle = self._loop, threading.Event()

        async def until() -> None:
            done = loop.create_future()
            future.add_done_callback(lambda _: loop.call_soon_threadsafe(done.set_result, None))
            await done
            # What the waiting thread has begun may need the loop to finish; what is asked of it
            # later waits for the next call.
            stopped = loop.create_future()

            def stop() -> None:
                idle.set()
                loop.call_soon_threadsafe(stopped.set_result, None)

            self._stop = stop
            self._here.work.put(stop)
            await stopped

        running = self._pool.submit(self._runner.run, until())
        running.add_done_callback(lambda _: self._here.work.put(idle.set))
        while not idle.is_set():
            self._here.work.get()()
        django.let_go(loop)
        running.result()

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
        Home.on_demand.pop(self._loop, None)
        django.take_back(self._loop)
        self._pool.submit(self._runner.close).result()
        self._pool.shutdown()
